"""The TOML file of `harness train`: read, checked all at once, then resolved into the run that it asks for."""

import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.config import DataConfig, ModelConfig, PluginConfig
from harness.training import METHODS, Method, Prompt, Settings, TrainRun


class BadRecipe(ValueError):
    """The file or a `--set` cannot be used; each line of the message is one problem and its fix."""


class Recipe(Settings):
    """What the file may say. Names are resolved as on the command line; paths are those of the working directory.

    Attributes:
        model: tiny, a model folder or a hub id.
        data: tiny, gsm8k, a hub id or a folder; by default what goes with the model.
        data_path: original files, a folder or TRAIN.jsonl,TEST.jsonl.
        prompt: bare or think; by default what the model was trained with, else think.
        plugins: Python files that register rewards.
    """

    model: str = "tiny"
    data: str = ""
    data_path: str = ""
    prompt: Prompt | None = None
    plugins: tuple[str, ...] = ()


def read(file: Path, changes: Sequence[str]) -> Recipe:
    """The file with `KEY=VALUE` changes over it. Raises `BadRecipe`, or pydantic's `ValidationError`."""
    return Recipe.model_validate(unchecked(file, changes))


def unchecked(file: Path, changes: Sequence[str]) -> dict[str, Any]:
    """The same before it is checked. Raises `BadRecipe`."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadRecipe(f"{file}: {error.strerror}; give a TOML file, as examples/grpo-tiny.toml") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRecipe(f"{file}: not TOML: {error}") from error
    for change in changes:
        _apply(table, change)
    return table


def _apply(table: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    *path, last = key.split(".")
    if not (equals and last and all(path)):
        raise BadRecipe(f"--set {change}: give KEY=VALUE, as optimizer.steps=20")
    for part in path:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise BadRecipe(f"--set {change}: {part} is a value, not a table")
    table[last] = toml_value(text)


def toml_value(text: str) -> Any:
    """A TOML value where the text is one, else the text: `20`, `true` and `[1, 2]`, but also `grpo` without quotes."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def resolved(
    method: Method,
    recipe: Recipe,
    progress: Callable[[int, int], None],
    find: Callable[[str, Callable[[int, int], None]], ModelConfig] | None = None,
    here: bool = True,
) -> TrainRun:
    """The run: names checked first, then data and model found; the embedded base, if it has to be made, comes last.

    Args:
        find: how a model is found by its name; by default with its weights, as training needs it.
        here: it runs on this machine, so that packages and devices have to be there.

    Raises `BadRecipe`, `DataError`, `OtherTemplate`, `SourceError` or pydantic's `ValidationError`.
    """
    from harness import chat, sources
    from harness.doctor import preflight

    plugins = _plugins(recipe)
    problems = list(_problems(method, recipe))
    problems[:0] = preflight.refused(preflight.of_training(recipe)) if here else []
    if problems:
        raise BadRecipe("\n".join(problems))
    data = _data(recipe)
    model = find(recipe.model, progress) if find else sources.model(recipe.model, "default", progress)
    return TrainRun(
        method=method,
        prompt=recipe.prompt or chat.style_of(Path(model.path), model.name == "tiny"),
        model=model,
        data=data,
        plugins=plugins,
        **{name: getattr(recipe, name) for name in Settings.model_fields},
    )


def _plugins(recipe: Recipe) -> tuple[PluginConfig, ...]:
    from rewards import plugins

    loaded = [plugins.load(Path(path)) for path in recipe.plugins]
    return tuple(PluginConfig(path=str(plugin.path), sha256=plugin.sha256) for plugin in loaded)


def _problems(method: Method, recipe: Recipe) -> Iterator[str]:
    import rewards
    from harness import trackers
    from harness.trainers import losses, objectives
    from harness.trainers.process import checks

    yield from trackers.problems(recipe.report_to)
    if getattr(recipe, method) is None:
        yield f"harness train {method} needs a table [{method}]"
    for other in METHODS:
        if other != method and getattr(recipe, other) is not None:
            yield f"harness train {method} has no use for the table [{other}]"
    try:
        if recipe.grpo:
            objectives.objective(recipe.grpo.objective)
            rewards.parse(recipe.grpo.reward)
            if recipe.grpo.credit:
                checks.check(recipe.grpo.credit)
        if recipe.dpo:
            losses.loss(recipe.dpo.loss).values(recipe.dpo.settings)
            rewards.parse(recipe.dpo.pairs.reward)
    except (
        rewards.RewardError,
        objectives.UnknownObjective,
        checks.BadCredit,
        losses.UnknownLoss,
        losses.BadSetting,
    ) as error:
        yield str(error)
    yield from _adapter_problems(recipe)
    yield from _prm_problems(recipe) if recipe.prm else ()
    if recipe.dpo and recipe.shard.processes > 1 and not recipe.dpo.pairs.rollouts:
        yield "dpo.pairs.rollouts is empty: with several processes, sample first (harness eval MODEL --split train)"
    for file in (*(recipe.sft.files if recipe.sft else ()), *(recipe.dpo.pairs.rollouts if recipe.dpo else ())):
        if not Path(file).exists():
            yield f"{file}: no such file or folder"


def _prm_problems(recipe: Recipe) -> Iterator[str]:
    assert recipe.prm is not None
    if recipe.evaluation:
        yield "a process reward model answers nothing: leave the table [evaluation] out; prm.json says how it judges"
    if recipe.shard.processes > 1:
        yield f"shard.processes {recipe.shard.processes}: harness train prm samples and trains in one process"
    if recipe.adapter and recipe.adapter.kind == "qlora":
        yield "adapter.kind qlora: a process reward model takes lora or dora"


def _adapter_problems(recipe: Recipe) -> Iterator[str]:
    from harness import weights

    if weights.is_adapter(Path(recipe.model)):
        yield f"{recipe.model}: an adapter alone is not trained on; give the merged weights, model/ beside it"
    if recipe.adapter is None or recipe.adapter.kind != "qlora":
        return
    if recipe.shard.strategy in ("zero3", "fsdp"):
        yield f"adapter.kind qlora: not with shard.strategy {recipe.shard.strategy}; give ddp, zero1 or zero2"


def _data(recipe: Recipe) -> DataConfig | None:
    """None where nothing asks for questions: SFT on files of its own, and no evaluation."""
    from harness import sources

    if recipe.sft and recipe.sft.source != "solutions" and not (recipe.data or recipe.data_path or recipe.evaluation):
        return None
    name = recipe.data or ("tiny" if recipe.model == "tiny" else "gsm8k")
    return sources.data(name, [Path(part).expanduser() for part in recipe.data_path.split(",") if part])
