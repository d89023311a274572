"""What the rows of the view are called: what differs between the cells, and no more than that."""

from collections.abc import Sequence
from pathlib import Path

from ablations.cells import CellRun
from harness.config import RunConfig


def stages(cells: Sequence[CellRun]) -> list[CellRun]:
    """The stages that cells start from and that run or have failed, each once, after those it needs itself.

    Of several objects for one stage the scheduler keeps one up to date: any that says more than `pending`.
    """
    found: dict[Path, CellRun] = {}
    for cell in cells:
        for stage in [*stages(cell.needs), *cell.needs]:
            if found.setdefault(stage.folder, stage).state == "pending":
                found[stage.folder] = stage
    return [stage for stage in found.values() if stage.state not in ("done", "pending")]


def names(cells: Sequence[CellRun]) -> list[str]:
    """Of every cell what it has of its own, without its seed: reward, objective, variant, model or data that vary.

    The first part (the reward, or the method) stands where nothing varies.
    """
    columns = list(zip(*map(_parts, cells), strict=True))
    kept = [column for column in columns if len(set(column)) > 1] or columns[:1]
    return [" / ".join(filter(None, row)) for row in zip(*kept, strict=True)]


def _parts(cell: CellRun) -> tuple[str, ...]:
    config = cell.config
    data = config.data.name if config.data else ""
    if isinstance(config, RunConfig):
        return config.reward, config.objective, config.variant, config.model.name, data
    # Of other runs the label says the method first.
    method, *named = config.label.removesuffix(f" / seed {config.seed}").split(" / ")
    return method, " / ".join(named), "", config.model.name, data
