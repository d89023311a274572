"""Combinations that break although their metadata lets pip install them together: a table, each row with its source.

A row leaves when its source says that it no longer holds. `known` says how sure it is:

| | |
|---|---|
| `reproduced` | seen here, with the versions that the row names |
| `reported` | by the source alone |
| `reported, metadata allows it` | by users only; the packages' own constraints have both versions in range |
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from harness.doctor.installed import version

Known = Literal["reproduced", "reported", "reported, metadata allows it"]
ANY = "*"


@dataclass(frozen=True)
class Side:
    """A package and its versions; `label` is the local one, as `cpu` of 2.13.0+cpu, and "" none at all."""

    name: str
    versions: str = ""
    label: str = ANY

    def matches(self) -> str | None:
        """The installed version, where it is one of these."""
        from packaging.specifiers import SpecifierSet
        from packaging.version import InvalidVersion, Version

        found = version(self.name)
        try:
            parsed = Version(found or "")
        except InvalidVersion:
            return None
        fits = SpecifierSet(self.versions).contains(parsed, prereleases=True)
        return found if fits and self.label in (ANY, parsed.local or "") else None


@dataclass(frozen=True)
class Pair:
    """Two packages that do not work together, the capabilities that this takes away, and what helps."""

    one: Side
    other: Side
    breaks: tuple[str, ...]
    happens: str
    source: str
    known: Known
    fix: str

    def found(self) -> str | None:
        """What is wrong in one sentence, where both are installed; else None."""
        one, other = self.one.matches(), self.other.matches()
        if one is None or other is None:
            return None
        return f"{self.one.name} {one} beside {self.other.name} {other}: {self.happens} ({self.known}: {self.source})"


VISION = "pip uninstall torchvision torchaudio torchcodec (nothing here uses them)"
OWN = "harness export verl writes setup.sh with the versions that fit"
PAIRS = (
    Pair(
        Side("torchvision", label=""),
        Side("torch", label="cpu"),
        ("cpu", "vllm", "deepspeed", "qlora", "lm-eval"),
        "transformers, TRL and vLLM fail to import with `operator torchvision::nms does not exist`",
        "torch 2.13.0+cpu with torchvision 0.28.0; pytorch/pytorch#122494",
        "reproduced",
        VISION,
    ),
    Pair(
        Side("verl", "<=0.6.1"),
        Side("vllm", ">=0.11,<0.12"),
        ("verl",),
        "the rollout worker of released versions up to 0.6 does not start with vLLM 0.11",
        "verl-project/verl#3687, #3842; microsoft/agent-lightning#144, #208",
        "reported",
        OWN,
    ),
    Pair(
        Side("verl", "==0.7.0"),
        Side("vllm", "==0.11.0"),
        ("verl",),
        "weight sync between trainer and rollout fails",
        "users' reports; verl 0.7.0 declares vllm>=0.8.5,<=0.12.0",
        "reported, metadata allows it",
        OWN,
    ),
    Pair(
        Side("verl", ">=0.7,<0.9"),
        Side("vllm", "<0.9"),
        ("verl",),
        "aborted rollouts go on in vLLM while the weights change, until CUDA reports an illegal access",
        "microsoft/agent-lightning#589",
        "reported, metadata allows it",
        OWN,
    ),
    Pair(
        Side("verl", "==0.7.0"),
        Side("vllm", ">=0.16"),
        ("verl",),
        "verl fails on imports from vllm.config",
        "verl-project/verl#5586",
        "reported",
        OWN,
    ),
    Pair(
        Side("verl", ">=0.9.0.dev0"),
        Side("vllm", "<0.16"),
        ("verl",),
        "the first weight sync dies: Worker.reload_weights() got an unexpected keyword argument 'weights_iterator'",
        "verl-project/verl#7130",
        "reported",
        OWN,
    ),
)  # fmt: skip


def broken(capability: str) -> Iterator[tuple[str, str]]:
    """(what is wrong, the fix) for every known-bad pair that is installed and takes this capability away."""
    for pair in PAIRS:
        if capability in pair.breaks and (wrong := pair.found()):
            yield wrong, pair.fix
