"""What a run needs of the device that it is for, and which of its settings would make it fit where it does not.

Every remedy is estimated anew with its change before it is named. They come in the order of the harm that they do:
first what changes no result, then what is trained, then what it is trained on, last what needs other hardware.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from pydantic import ValidationError

from harness.estimate import largest, memory, runs, steps
from harness.estimate.architecture import Architecture
from harness.estimate.hardware import Accelerator
from harness.estimate.memory import GB, Memory, Setup
from harness.estimate.setups import BadSetup
from harness.training import Settings

# Values by dotted key, as a file of `harness train` or `--set` has them.
Change = dict[str, Any]
# The least share of its rows' length that a run is told to keep, and what lengths are rounded down to.
LEAST, ROUND = 0.25, 16
# Of its peak, or of the memory where that is less, what a run is brought down to that ran out of memory.
RELIEF = 0.75
SERVER = "http://127.0.0.1:8000/v1"
# What a change costs besides, by its key, and by its value where that matters.
COSTS = {
    "optimizer.micro_batch": "the same updates, in more passes",
    "shard.strategy": "the processes divide more among them, and talk more",
    "decoder": "no engine beside the training, slower sampling",
    "server": "the engine on GPUs of its own",
    SERVER: "where it answers",
    "lora": "an adapter is trained instead of every weight, usually at ten times the learning rate",
    "qlora": "an adapter on a base in 4 bits",
    "grpo.kl": "no reference model, and nothing that holds the policy near its start",
    "sft.max_length": "longer examples are dropped",
    "dpo.max_length": "longer pairs are left out",
    "grpo.max_new_tokens": "longer completions are cut",
    "shard.processes": "the same updates, on more GPUs",
}


@dataclass(frozen=True)
class Remedy:
    """A change of settings that makes a run fit, `says` in a sentence without its full stop."""

    says: str
    change: Change


@dataclass(frozen=True)
class Need:
    """What a run takes of one device at its peak.

    Attributes:
        memory: bytes by part.
        available: bytes of the device, or the process's share of the machine.
        usable: bytes of them that the run may fill: 90 %, less what the process holds before it loads a model.
        engine_fits: a vLLM engine beside the training has room for the weights and one row.
        remedies: what would make it fit, each alone; empty where it fits, or where no settings are enough.
    """

    memory: Memory
    available: float
    usable: float
    engine_fits: bool
    remedies: tuple[Remedy, ...] = ()

    @property
    def fits(self) -> bool:
        return self.memory.total <= self.usable and self.engine_fits

    def __str__(self) -> str:
        parts = sorted(asdict(self.memory).items(), key=lambda part: -part[1])
        named = ", ".join(f"{name.replace('_', ' ')} {value / GB:.3g}" for name, value in parts if value > 0.01 * GB)
        engine = "" if self.engine_fits else "; the vLLM engine has no room in its share for the weights and one row"
        return (
            f"{self.memory.total / GB:.3g} GB at the peak ({named}), "
            f"{self.usable / GB:.3g} of {self.available / GB:.3g} GB usable{engine}"
        )


def need(run: Settings, model: Architecture, gpu: Accelerator) -> Need:
    """What `run` takes of `gpu`, and what to change where that is too much.

    Every row is taken to have its full length, so rows that are shorter need less.

    Raises:
        BadSetup: the run is of a method that is not estimated (`prm`).
    """
    setup = runs.setup_of(run, gpu)
    peak, engine = memory.per_gpu(model, setup), largest.engine_fits(model, setup)
    found = Need(peak, gpu.memory_gb * GB, gpu.usable_gb * GB, engine)
    return found if found.fits else replace(found, remedies=tuple(_remedies(run, model, gpu)))


def relief(run: Settings, model: Architecture, gpu: Accelerator) -> tuple[Remedy, ...]:
    """What brings the peak of a run below three quarters of what it has, where memory ran out whatever `need` says.

    Others may have taken a part of the device, or the run needs what is not counted. Raises as `need` does.
    """
    peak = memory.per_gpu(model, runs.setup_of(run, gpu)).total
    room = RELIEF * min(peak, gpu.usable_gb * GB) / GB
    return need(run, model, replace(gpu, own_gb=gpu.usable_gb + gpu.own_gb - room)).remedies


def _remedies(run: Settings, model: Architecture, gpu: Accelerator) -> Iterator[Remedy]:
    """The mildest change of every kind that is enough; where none is, kinds together; a smaller model."""
    found = [_mildest(run, changes, model, gpu) for changes in _kinds(run, gpu)]
    alone = [Remedy(_says(run, change), change) for change in found if change]
    yield from alone or _together(run, model, gpu)
    smaller = largest.known_model(runs.setup_of(run, gpu))
    if smaller:
        yield Remedy(f"model: {smaller} is the largest known here that fits", {"model": smaller})


def _mildest(run: Settings, changes: list[Change], model: Architecture, gpu: Accelerator) -> Change | None:
    setups = ((change, _setup(run, change, gpu)) for change in changes)
    return next((change for change, setup in setups if setup and largest.fits(model, setup)), None)


def _together(run: Settings, model: Architecture, gpu: Accelerator) -> Iterator[Remedy]:
    """Kind after kind at its strongest, where it helps, until it fits."""
    taken: dict[str, Any] = {}
    least = memory.per_gpu(model, runs.setup_of(run, gpu)).total
    for changes in _kinds(run, gpu):
        more = [{**taken, **change} for change in changes]
        if mild := _mildest(run, more, model, gpu):
            needed = _needed(run, mild, model, gpu)
            yield Remedy(f"together: {_says(run, needed)}", needed)
            return
        setup = _setup(run, more[-1], gpu) if more else None
        if setup and memory.per_gpu(model, setup).total < least:
            taken, least = more[-1], memory.per_gpu(model, setup).total


def _needed(run: Settings, change: Change, model: Architecture, gpu: Accelerator) -> Change:
    """The change without what it fits without, the most harmful first, and the rest as mild as it may be."""
    for key in reversed(change):
        less = {other: value for other, value in change.items() if other != key}
        change = less if _mildest(run, [less], model, gpu) else change
    for changes in _kinds(run, gpu):
        if len(changes) > 1 and changes[0].keys() <= change.keys():
            change = _mildest(run, [{**change, **each} for each in changes], model, gpu) or change
    return change


def _setup(run: Settings, change: Change, gpu: Accelerator) -> Setup | None:
    """The setup of the run with a change; None where it would then be no run."""
    after = changed(run, change)
    try:
        return None if after is None else runs.setup_of(after, gpu)
    except BadSetup:
        return None


def changed(run: Settings, change: Change) -> Settings | None:
    """The run with a change; None where it would then be no run."""
    table = run.model_dump()
    for key, value in change.items():
        *path, last = key.split(".")
        inner = table
        for part in path:
            inner[part] = inner[part] or {}
            inner = inner[part]
        inner[last] = value
    try:
        after = type(run).model_validate(table)
    except ValidationError:
        return None
    quantised = after.adapter is not None and after.adapter.kind == "qlora"
    # A base in 4 bits is not divided.
    return None if quantised and runs.STAGES[after.shard.strategy] == 3 else after


def _kinds(run: Settings, gpu: Accelerator) -> Iterator[list[Change]]:
    """The changes of every kind, the mildest first."""
    own = run.optimizer.batch_size // run.shard.processes
    smaller = [rows for rows in range(run.micro_batch - 1, 0, -1) if own % rows == 0]
    yield [{"optimizer.micro_batch": rows} for rows in smaller]
    yield [{"shard.strategy": stage} for stage in _stages(run)]
    if run.grpo and run.grpo.rollout == "vllm":
        yield [{"grpo.rollout": "decoder"}]
        yield [{"grpo.rollout": "server", "grpo.server": SERVER}] if not gpu.is_cpu else []
    if run.adapter is None:
        yield [{"adapter.kind": "lora"}]
    if run.grpo and run.adapter is None and memory.needs_reference(runs.setup_of(run, gpu)):
        yield [{"grpo.kl": 0}]
    yield [{_length_key(run): tokens} for tokens in _lengths(run)]
    if not gpu.is_cpu and runs.STAGES[run.shard.strategy] < 3:
        yield [{"adapter.kind": "qlora"}]
    if not gpu.is_cpu:
        more = (processes for processes in (2, 4, steps.MACHINE) if processes > run.shard.processes)
        yield [{"shard.processes": each, "shard.strategy": "zero3"} for each in more]


def _stages(run: Settings) -> list[str]:
    """ZeRO stages that divide more than the run's own; one process has nobody to divide with."""
    own = runs.STAGES[run.shard.strategy]
    return [f"zero{stage}" for stage in range(own + 1, 4)] if run.shard.processes > 1 else []


def _length_key(run: Settings) -> str:
    return "sft.max_length" if run.sft else "dpo.max_length" if run.dpo else "grpo.max_new_tokens"


def _lengths(run: Settings) -> list[int]:
    """Shorter rows, the longest first."""
    long = _value(run, _length_key(run))
    return [tokens for tokens in range((long - 1) // ROUND * ROUND, 0, -ROUND) if tokens >= LEAST * long]


def _says(run: Settings, change: Change) -> str:
    said = (f"{key} {_from_to(run, key, value)} ({COSTS.get(value) or COSTS[key]})" for key, value in change.items())
    return ", ".join(said)


def _from_to(run: Settings, key: str, value: Any) -> str:
    before = run.micro_batch if key == "optimizer.micro_batch" else _value(run, key)
    return f"from {before} to {value}" if before else f"to {value}"


def _value(run: Settings, key: str) -> Any:
    """What a dotted key says; None where its table is not there."""
    found: Any = run
    for part in key.split("."):
        found = None if found is None else getattr(found, part)
    return found
