"""What the flags of `harness ablate` ask for: checked all at once, then resolved into a plan."""

import contextlib
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.presets import LORA_RANK, PRESETS, SEEDS, Preset, sizes

if TYPE_CHECKING:
    from rich.console import Console

    from ablations.plan import Plan

# What a cell writes besides the trained weights: records, its log, a share of the figures.
RECORDS_BYTES = 20_000_000


class BadRequest(ValueError):
    """One or more flags cannot be used; each line of the message is one problem and its fix."""


def checked(
    rewards: str, objectives: str, seeds: str | None, preset: str, overrides: list[str], jobs: int
) -> dict[str, Any]:
    """Parses the flags; raises `BadRequest` with all problems at once."""
    import rewards as registry
    from harness.trainers.objectives import UnknownObjective, objective

    problems: list[str] = []
    specs: list[str] = []
    try:
        for part in registry.split(rewards):
            try:
                specs.append(registry.parse(part).spec)
            except registry.RewardError as error:
                problems.append(str(error))
    except registry.RewardError as error:
        problems.append(str(error))
    names = [part.strip() for part in objectives.split(",")]
    for part in names:
        try:
            objective(part)
        except UnknownObjective as error:
            problems.append(str(error))
    for kind, values in (("--rewards", specs), ("--objectives", names)):
        problems += [f"{kind} names {value} twice" for value in dict.fromkeys(values) if values.count(value) > 1]
    if preset not in PRESETS:
        problems.append(f"--preset {preset}: give {', '.join(PRESETS)}")
    count = SEEDS.get(preset, 1) if seeds is None else _count(seeds, problems)  # type: ignore[call-overload]
    if jobs < 0:
        problems.append(f"--jobs {jobs}: give 0 or more")
    changes = [_override(text, problems) for text in overrides]
    if problems:
        raise BadRequest("\n".join(problems))
    return {"rewards": specs, "objectives": names, "seeds": range(count), "preset": preset, "changes": changes}


def _count(text: str, problems: list[str]) -> int:
    if not text.isdecimal() or not 1 <= int(text[:6]) <= 1000:
        problems.append(f"--seeds {text}: give how many seeds, a whole number from 1 to 1000")
        return 1
    return int(text)


def _override(text: str, problems: list[str]) -> tuple[str, str, str]:
    match = re.fullmatch(r"(train|evaluation|model)\.(\w+)=(\S+)", text)
    if match is None:
        problems.append(f"--set {text}: give train.KEY=VALUE, evaluation.KEY=VALUE or model.lora_rank=VALUE")
        return "", "", ""
    return match[1], match[2], match[3]


def planned(request: dict[str, Any], model: str, data: str, data_path: str, name: str, console: "Console") -> "Plan":
    """Resolves model and data (making the embedded base where the cache lacks it) and joins everything in a plan."""
    from ablations.plan import Plan
    from evals.data import load
    from harness import code, sources

    preset: Preset = request["preset"]
    tables: dict[str, dict[str, Any]] = {**sizes(preset, model), "model": {}}
    for table, key, value in request["changes"]:
        tables[table][key] = value
    paths = [Path(part).expanduser() for part in data_path.split(",") if part]
    found = sources.data(data, paths)
    for file in (found.train, found.test):
        load(Path(file))
    rank = int(tables["model"].get("lora_rank", 0 if model == "tiny" else LORA_RANK))
    with base_progress(console) as progress:
        weights = sources.model(model, "smoke" if preset == "smoke" else "default", rank, progress)
    return Plan(
        name=name or slug([model, data, *request["rewards"], *request["objectives"], preset]),
        preset=preset,
        baseline=request["rewards"][0],
        rewards=tuple(request["rewards"]),
        objectives=tuple(request["objectives"]),
        seeds=tuple(request["seeds"]),
        prompt="bare" if model == "tiny" else "think",
        model=weights,
        data=found,
        train=tables["train"],  # type: ignore[arg-type]  # pydantic validates the table
        evaluation=tables["evaluation"],  # type: ignore[arg-type]
        code=code.fingerprint(),
    )


def slug(parts: list[str]) -> str:
    """A folder name from the flags: letters, digits, `_`, `.`; the rest becomes `-`."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", "-".join(dict.fromkeys(parts))).strip("-")[:120]


@contextlib.contextmanager
def base_progress(console: "Console") -> Iterator[Callable[[int, int], None]]:
    """A progress bar that appears only if the embedded base has to be trained."""
    from rich.progress import Progress, TaskID

    with Progress(console=console, transient=True) as bar:
        tasks: list[TaskID] = []

        def advance(step: int, steps: int) -> None:
            if not tasks:
                tasks.append(bar.add_task("training the embedded base (once)", total=steps))
            bar.update(tasks[0], completed=step)

        yield advance


def check_space(folder: Path, plan: "Plan") -> None:
    """Raises `BadRequest` where the disk cannot hold the study's records and weights."""
    weights = sum(path.stat().st_size for path in Path(plan.model.path).glob("*.safetensors"))
    cells = len(plan.rewards) * len(plan.objectives) * len(plan.seeds)
    needed = cells * (RECORDS_BYTES + (0 if plan.model.lora_rank else weights))
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise BadRequest(
            f"{folder} needs about {needed / 1e9:.1f} GB and {existing} has {free / 1e9:.1f} GB free; "
            "make room or give another --results"
        )
