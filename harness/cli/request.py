"""What the flags of `harness ablate` ask for: checked all at once, then resolved into a plan."""

import contextlib
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.presets import LORA_RANK, PRESETS, SEEDS, Preset, preset_sizes, small

if TYPE_CHECKING:
    from rich.console import Console

    from ablations.plan import Plan
    from harness.config import DataConfig, PluginConfig, Sizes

# What a cell writes besides the trained weights: records, its log, a share of the figures.
RECORDS_BYTES = 20_000_000


class BadRequest(ValueError):
    """One or more flags cannot be used; each line of the message is one problem and its fix."""


@dataclass(frozen=True)
class Request:
    """The flags, parsed. `changes` are the `(table, key, value)` of `--set`, applied over the preset's sizes."""

    rewards: tuple[str, ...]
    objectives: tuple[str, ...]
    seeds: int
    preset: Preset
    changes: tuple[tuple[str, str, str], ...]


def checked(
    rewards: str,
    objectives: str,
    seeds: str | None,
    preset: str,
    prm: str,
    name: str,
    overrides: Sequence[str],
    jobs: int,
) -> Request:
    """Parses the flags; raises `BadRequest` with all problems at once."""
    problems: list[str] = []
    specs = _rewards(rewards, problems)
    names = _objectives(objectives, prm, problems)
    for flag, values in (("--rewards", specs), ("--objectives", names)):
        problems += [f"{flag} names {value} twice" for value in dict.fromkeys(values) if values.count(value) > 1]
    sized = next((known for known in PRESETS if known == preset), None)
    if sized is None:
        problems.append(f"--preset {preset}: give {', '.join(PRESETS)}")
    if seeds is not None and not re.fullmatch(r"[1-9][0-9]{0,2}", seeds):
        problems.append(f"--seeds {seeds}: give how many seeds, a whole number from 1 to 999")
    if not re.fullmatch(r"[A-Za-z0-9_.-]*", name) or name.startswith("."):
        problems.append(f"--name {name}: give letters, digits, _, - and dots; it becomes a folder of --results")
    if jobs < 0:
        problems.append(f"--jobs {jobs}: give 0 or more")
    changes = [_override(text, problems) for text in overrides]
    if problems or sized is None:
        raise BadRequest("\n".join(problems))
    count = SEEDS[sized] if seeds is None else int(seeds)
    return Request(tuple(specs), tuple(names), count, sized, tuple(changes))


def _rewards(text: str, problems: list[str]) -> list[str]:
    """The specs in canonical form, so that two spellings of one reward are one cell."""
    import rewards as registry

    specs = []
    try:
        parts = registry.split(text)
    except registry.RewardError as error:
        problems.append(str(error))
        return []
    for part in parts:
        try:
            specs.append(registry.parse(part).spec)
        except registry.RewardError as error:
            problems.append(str(error))
    return specs


def _objectives(text: str, prm: str, problems: list[str]) -> list[str]:
    """The objectives, each perhaps with its credit assignment; `prm` is what the scorer of that name stands for."""
    import rewards as registry
    from harness.trainers import objectives
    from harness.trainers.process.checks import BadCredit, check, with_model

    names = []
    try:
        names = registry.split(text)
    except registry.RewardError as error:
        problems.append(f"--objectives: {error}")
    for name in names:
        try:
            _, credit = objectives.split(name)
            if credit is not None:
                if credit.scorer == "prm" and not prm:
                    raise BadCredit(f"{name}: give the learned model by --prm FOLDER")
                check(with_model(credit, prm))
        except (objectives.UnknownObjective, BadCredit, registry.RewardError) as error:
            problems.append(str(error))
    return names


def _override(text: str, problems: list[str]) -> tuple[str, str, str]:
    match = re.fullmatch(r"(train|evaluation|model)\.(\w+)=(\S+)", text)
    if match is None or (match[1] == "model" and match[2] != "lora_rank"):
        problems.append(f"--set {text}: give train.KEY=VALUE, evaluation.KEY=VALUE or model.lora_rank=VALUE")
        return "", "", ""
    return match[1], match[2], match[3]


def planned(request: Request, model: str, data: str, data_path: str, prm: str, name: str, console: "Console") -> "Plan":
    """Resolves data and models and joins everything in a plan; the embedded base, if it has to be made, comes last.

    `prm` is the folder of the learned process reward model that objectives call `prm`, or empty.
    """
    from ablations.plan import Plan
    from harness import chat, code, sources
    from harness.config import Sizes

    tables: dict[str, dict[str, Any]] = {**preset_sizes(request.preset, model), "model": {}}
    for table, key, value in request.changes:
        tables[table][key] = value
    rank = tables.pop("model").get("lora_rank", 0 if small(model) else LORA_RANK)
    sizes = Sizes.model_validate(tables)
    found = sources.data(data, [Path(part).expanduser() for part in data_path.split(",") if part])
    check_data(found, sizes)
    with base_progress(console) as progress:
        weights = sources.model(model, "smoke" if request.preset == "smoke" else "default", progress)
    return Plan(
        name=name or slug([model, data, *request.rewards, *request.objectives, request.preset]),
        preset=request.preset,
        baseline=request.rewards[0],
        rewards=request.rewards,
        objectives=request.objectives,
        seeds=tuple(range(request.seeds)),
        prompt=chat.style_of(Path(weights.path), model == "tiny"),
        model=weights.model_dump() | {"lora_rank": rank},  # type: ignore[arg-type]  # pydantic validates the table
        data=found,
        train=sizes.train,
        evaluation=sizes.evaluation,
        code=code.fingerprint(),
        plugins={spec: _plugins(spec) for spec in request.rewards},
        prm=sources.model(prm, "default", progress) if prm else None,
    )


def _plugins(spec: str) -> "tuple[PluginConfig, ...]":
    import rewards as registry
    from harness.config import PluginConfig

    used = registry.plugins.used(registry.parse(spec))
    return tuple(PluginConfig(path=str(plugin.path), sha256=plugin.sha256) for plugin in used)


def check_data(data: "DataConfig", sizes: "Sizes") -> None:
    """Reads every line now: a malformed one, unreadable golds or too few problems are told before anything runs.

    Raises `DataError`.
    """
    import rewards as registry
    from evals.data import DataError, load

    held_out = 0 if data.dev else sizes.evaluation.dev_items
    for file, least in ((data.train, held_out + sizes.train.prompts_per_step), (data.test, 1)):
        items = load(Path(file))
        if all(registry.verify("", item.gold).status == "unparseable_gold" for item in items):
            raise DataError(f"{file}: no gold answer can be read as a number; the field `answer` must end in `#### 18`")
        if len(items) < least:
            raise DataError(
                f"{file}: holds {len(items)} problems and this run needs {least} "
                f"({held_out} of them as the dev split); give more, or a smaller evaluation.dev_items by --set"
            )


def slug(parts: list[str]) -> str:
    """A folder name from the flags: letters, digits, `_`, `.`; the rest becomes `-`."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", "-".join(dict.fromkeys(parts))).strip("-")[:120]


@contextlib.contextmanager
def base_progress(console: "Console") -> Iterator[Callable[[int, int], None]]:
    """A progress bar that appears only if the embedded base has to be trained."""
    from rich.progress import Progress, TaskID

    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks: list[TaskID] = []

        def advance(step: int, steps: int) -> None:
            if not tasks:
                tasks.append(bar.add_task("training the embedded base, once", total=steps))
                if not console.is_terminal:
                    console.print("training the embedded base, once")
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
