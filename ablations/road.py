"""The road SFT -> DPO -> GRPO: which runs it is made of, each starting from what an earlier one left.

    road.toml                                  what was asked
    runs/sft/seed-0/                           from the starting model
    runs/dpo/<loss>/seed-0/                    from the SFT model of its seed
    runs/grpo/<objective>/seed-0/              from the DPO model of its seed, by the first loss

A run's folder is that of `harness train`. The legs are run one after the other, the runs of a leg side by side.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tomli_w
from pydantic import Field

from ablations.files import write
from ablations.plan import PlanConflict, conflicts
from harness import cache
from harness.config import DataConfig, ModelConfig, Table, without_none
from harness.training import (
    AdapterConfig,
    DpoConfig,
    GrpoConfig,
    MeasureConfig,
    Method,
    OptimizerConfig,
    PairsConfig,
    Prompt,
    SftConfig,
    TrainRun,
)


class Sizes(Table):
    """What a preset decides: how long each leg trains and how its result is measured."""

    sft: OptimizerConfig
    dpo: OptimizerConfig
    grpo: OptimizerConfig
    pairs: PairsConfig
    group_size: int = Field(ge=2)
    max_new_tokens: int = Field(ge=1)
    max_length: int = Field(ge=2)
    evaluation: MeasureConfig


class Road(Table):
    """Everything a road is made of, as it lies in `road.toml`. The axes may grow under one name, nothing else."""

    name: str
    preset: str
    seeds: tuple[int, ...]
    losses: tuple[str, ...]
    objectives: tuple[str, ...]
    reward: str
    prompt: Prompt
    model: ModelConfig
    data: DataConfig
    sizes: Sizes
    code: str
    adapter: AdapterConfig | None = None

    @classmethod
    def read(cls, path: Path) -> "Road":
        return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Stop:
    """One row of the table: a method and its loss or objective; `variant` is empty for SFT."""

    method: Method
    variant: str = ""

    def folder(self, root: Path, seed: int) -> Path:
        return root / "runs" / self.method / self.variant / f"seed-{seed}"


def stops(road: Road) -> Iterator[Stop]:
    """The rows, in the order of the road."""
    yield Stop("sft")
    yield from (Stop("dpo", loss) for loss in road.losses)
    yield from (Stop("grpo", objective) for objective in road.objectives)


def before(stop: Stop, road: Road) -> Stop | None:
    """Where a stop starts from: the starting model (None), the SFT model, or that of the first loss."""
    if stop.method == "sft":
        return None
    return Stop("sft") if stop.method == "dpo" or not road.losses else Stop("dpo", road.losses[0])


def lay(root: Path, road: Road) -> None:
    """Writes `road.toml`. Raises `PlanConflict` where the folder holds another road than a part of this one."""
    path, record = root / "road.toml", without_none(road.model_dump(mode="json"))
    if path.is_file():
        different = conflicts(tomllib.loads(path.read_text(encoding="utf-8")), record)
        if different:
            raise PlanConflict(f"{root} holds another road ({'; '.join(different)}); give --name, or remove the folder")
    write(path, tomli_w.dumps(record).encode())


def leg(root: Path, road: Road, method: Method) -> list[Path]:
    """The folders of a leg's runs with their configs written; what they start from must be finished.

    A run whose start is not there (its own run failed) is left out, and so is missing from the table.
    """
    folders = []
    for seed in road.seeds:
        for stop in stops(road):
            if stop.method != method or (start := _start(root, road, stop, seed)) is None:
                continue
            folder = stop.folder(root, seed)
            folder.mkdir(parents=True, exist_ok=True)
            _run(road, stop, seed, start).write(folder / "config.toml")
            folders.append(folder)
    return folders


def _start(root: Path, road: Road, stop: Stop, seed: int) -> ModelConfig | None:
    earlier = before(stop, road)
    if earlier is None:
        return road.model
    weights = earlier.folder(root, seed) / "model"
    if not weights.is_dir():
        return None
    name = "-".join([road.model.name, earlier.method, *([earlier.variant] if earlier.variant else [])])
    return ModelConfig(name=name, path=str(weights.resolve()), fingerprint=cache.folder_digest(weights))


def _run(road: Road, stop: Stop, seed: int, start: ModelConfig) -> TrainRun:
    return TrainRun(
        method=stop.method,
        seed=seed,
        prompt=road.prompt,
        model=start,
        data=road.data,
        optimizer=getattr(road.sizes, stop.method),
        adapter=road.adapter,
        evaluation=road.sizes.evaluation.model_copy(update={"before": stop.method == "sft"}),
        **{stop.method: _table(road, stop)},  # type: ignore[arg-type]  # the table of the method
    )


def _table(road: Road, stop: Stop) -> SftConfig | DpoConfig | GrpoConfig:
    sizes = road.sizes
    if stop.method == "sft":
        return SftConfig(max_length=sizes.max_length)
    if stop.method == "dpo":
        return DpoConfig(loss=stop.variant, pairs=sizes.pairs, max_length=sizes.max_length)
    return GrpoConfig(
        reward=road.reward,
        objective=stop.variant,
        group_size=sizes.group_size,
        max_new_tokens=sizes.max_new_tokens,
    )
