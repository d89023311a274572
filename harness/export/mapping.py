"""A run's settings in the words of an engine: each is translated, refused, or said to be left out; none is dropped."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from harness.trainers.objectives import Objective, objective
from harness.training import GrpoConfig, Settings

FOLDER = "{folder}"
"""Stands for the export's folder, wherever it lies; `run.sh` and `check.py` put it in."""

UNSCORABLE = (
    "A completion without a score counts as 0.0, and so does its whole group; the number `unscorable` says how many."
)
ENGINE = (
    "TRL weighs completions by the trainer's and vLLM's probabilities and drops those whose ratio is above 3 "
    "(`vllm_importance_sampling_*`); {name}'s own correction is off: {flag}."
)


class BadExport(ValueError):
    """The run cannot be had on this engine; each line of the message is one problem and its fix."""


@dataclass(frozen=True)
class Place:
    """What the run meets where it goes.

    Attributes:
        name: of the export; trackers call the run so.
        model: a folder or hub id.
        questions: how many there are to train on.
        prompt_tokens: of the longest prompt.
        template: what the engine must tell the chat template so that it renders as `harness.chat` does.
        gpus: of one machine.
    """

    name: str
    model: str
    questions: int
    prompt_tokens: int
    gpus: int
    machines: int
    template: dict[str, str] = field(default_factory=dict)

    @property
    def devices(self) -> int:
        return self.gpus * self.machines


@dataclass(frozen=True)
class Setting:
    """`theirs` is set to `value` because of `ours`, a dotted setting of the run; empty where the engine asks for it."""

    ours: str
    theirs: str
    value: Any


@dataclass(frozen=True)
class Translation:
    """All settings of a run on an engine; `left_out` by setting, `differs` in sentences."""

    settings: tuple[Setting, ...]
    left_out: dict[str, str]
    differs: tuple[str, ...]


def table(run: Settings) -> GrpoConfig:
    assert run.grpo is not None
    return run.grpo


def chosen(run: Settings) -> Objective:
    return objective(table(run).objective)


def micro_batch(run: Settings, devices: int) -> int:
    """Completions in one forward pass of a GPU."""
    return run.optimizer.micro_batch or max(1, run.optimizer.batch_size // devices)


def prompts(run: Settings) -> int:
    """Prompts of one update."""
    return run.optimizer.batch_size // table(run).group_size


def samplings(run: Settings) -> int:
    """What the engines count as steps: every sampling makes `grpo.updates` updates."""
    return run.optimizer.steps // table(run).updates


def problems(run: Settings, engine: str, devices: int) -> Iterator[str]:
    """Why neither engine can train `run` on so many GPUs."""
    if run.grpo is None:
        yield f"harness export {engine} needs a run with a table [grpo]; SFT, DPO and PRM runs train with harness train"
        return
    grpo, batch, micro = run.grpo, run.optimizer.batch_size, micro_batch(run, devices)
    if grpo.credit:
        yield f"grpo.credit: {engine} has one advantage for a whole completion: remove [grpo.credit], or harness train"
    if grpo.environment != "none":
        yield f"grpo.environment {grpo.environment}: {engine} would sample without it: set none, or harness train"
    if batch % grpo.group_size:
        yield f"optimizer.batch_size {batch} must be a multiple of grpo.group_size {grpo.group_size}"
    if batch % (devices * micro):
        yield (
            f"optimizer.batch_size {batch} must be a multiple of {devices} GPUs x {micro} completions a pass: "
            "change --gpus, --machines or optimizer.micro_batch"
        )
    for name, steps in (("optimizer.steps", run.optimizer.steps), ("checkpoint.every", run.checkpoint.every)):
        if steps % grpo.updates:
            yield f"{name} {steps} must be a multiple of grpo.updates {grpo.updates}: {engine} counts samplings"
    yield from _reward_problems(grpo.reward, engine)


def _reward_problems(spec: str, engine: str) -> Iterator[str]:
    import rewards
    from rewards.adapters import single

    try:
        reward = rewards.parse(spec)
        learned = [term for term in getattr(reward, "terms", ()) or [reward] if _is_learned(term)]
        if learned:
            yield f"grpo.reward {reward}: its process reward model is not exported: leave prm out, or harness train"
        else:
            single.load(spec)
    except rewards.RewardError as error:
        yield f"grpo.reward: {error}; {engine} passes neither token ids nor prompt groups"


def _is_learned(term: Any) -> bool:
    import rewards

    return isinstance(getattr(term, "reward", term), rewards.learned.Prm)
