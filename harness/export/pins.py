"""The versions of the engines, from their own metadata, in one place."""

from collections.abc import Mapping
from dataclasses import dataclass

VERL = "verl[vllm]==0.9.1"
OPENRLHF = "openrlhf[vllm]==0.11.2"
VERIFIER = "math-verify>=0.9,<0.10"


@dataclass(frozen=True)
class Pins:
    """What an engine's environment holds.

    Attributes:
        requirement: the engine itself.
        python: the lowest version, and the first that is too new (`None`: none is known to be).
        exact: what its metadata demands, by distribution, and where it says so.
        first: requirements that are installed before the engine, because others are built against them.
        last: requirements that are built against what is there by then.
    """

    requirement: str
    python: tuple[tuple[int, int], tuple[int, int] | None]
    exact: Mapping[str, tuple[str, str]]
    first: tuple[str, ...] = ()
    last: tuple[str, ...] = ()

    @property
    def distribution(self) -> tuple[str, str]:
        """The engine's name and version."""
        name, version = self.requirement.split("==")
        return name.partition("[")[0], version


PINS: dict[str, Pins] = {
    "verl": Pins(
        VERL,
        # 3.11 is what the rewards need; the end is verl's Requires-Python.
        ((3, 11), (3, 13)),
        {
            "vllm": ("0.24.0", "verl 0.9.1, extra vllm"),
            "torch": ("2.11.0", "verl 0.9.1, extra vllm; vLLM 0.24.0"),
            "transformers": ("5.9.0", "verl 0.9.1, extra vllm; without it !=5.6.0,<5.11,>=5.5.3"),
            "flash-attn": ("2.8.3", "verl 0.9.1, extra flash-attn-cu130torch211, for its FSDP engine; nvcc builds it"),
        },
        last=("flash-attn==2.8.3",),
    ),
    "openrlhf": Pins(
        OPENRLHF,
        ((3, 11), None),
        {
            "vllm": ("0.29.0", "OpenRLHF 0.11.2, extra vllm"),
            "torch": ("2.13.0", "vLLM 0.29.0"),
            "deepspeed": ("0.19.6", "OpenRLHF 0.11.2"),
            "transformers": ("5.15.0", "OpenRLHF 0.11.2"),
            "flash-attn": ("2.8.3", "OpenRLHF 0.11.2; nvcc builds it"),
            "ray": ("2.55.0", "OpenRLHF 0.11.2"),
        },
        first=("vllm==0.29.0",),
    ),
}
