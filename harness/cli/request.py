"""What a study is asked to be, checked all at once and resolved into a plan. The embedded base is made last."""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.asked import Asked
from harness.cli.errors import BadRequest, noted
from harness.presets import LORA_RANK, PRESETS, SEEDS, Preset, preset_sizes, small

if TYPE_CHECKING:
    from rich.console import Console

    from ablations.plan import Plan, Start
    from ablations.stages import First
    from ablations.variants import Variant
    from harness.config import DataConfig, ModelConfig, PluginConfig

# What a cell writes besides the trained weights: records, its log, a share of the figures.
RECORDS_BYTES = 20_000_000
CONTROLS = ("random", "format_only")
# Of a model that has yet to be made.
UNMADE = "unmade"

Problems = list[str]
Progress = Callable[[int, int], None]


class Request:
    """A study as asked for; what is wrong with it collects in `problems`, a line each with its fix."""

    def __init__(self, asked: Asked) -> None:
        from harness.trackers import problems as untold

        self.asked = asked
        self.problems: Problems = []
        self.rewards = self._rewards()
        self.baseline = self._baseline()
        self.objectives = self._objectives()
        self.preset = next((known for known in PRESETS if known == asked.preset), None)
        self.untold = untold(asked.report_to)
        self.problems += [*self._flags(), *self.untold]
        self.variants = self._variants()
        self.data = self._data()
        self.first = self._first()
        self.plugins = {spec: _plugins(spec) for spec in self.rewards}

    def _rewards(self) -> tuple[str, ...]:
        """The specs in canonical form, so that two spellings of one reward are one cell; then the controls."""
        import rewards as registry

        specs = []
        for part in (*self.asked.rewards, *(CONTROLS if self.asked.controls else ())):
            with noted(self.problems, registry.RewardError):
                specs.append(registry.parse(part).spec)
        if not self.asked.rewards:
            self.problems.append("--rewards: name at least one, as sparse,format_answer (harness rewards lists them)")
        own = len(specs) - (len(CONTROLS) if self.asked.controls else 0)
        return (*specs[:own], *(spec for spec in specs[own:] if spec not in specs[:own]))

    def _baseline(self) -> str:
        import rewards as registry

        if not self.asked.baseline:
            return next(iter(self.rewards), "")
        with noted(self.problems, registry.RewardError):
            spec = registry.parse(self.asked.baseline).spec
            if spec in self.rewards:
                return spec
            self.problems.append(f"--baseline {spec}: give one of {', '.join(self.rewards)}")
        return ""

    def _objectives(self) -> tuple[str, ...]:
        """The objectives that can be read, each perhaps with its credit assignment, and preference losses."""
        from harness.trainers import losses

        known = losses.names()
        return tuple(name for name in self.asked.objectives if name in known or self._readable(name))

    def _readable(self, name: str) -> bool:
        import rewards as registry
        from harness.trainers import objectives
        from harness.trainers.process.checks import BadCredit, check, with_model

        with noted(self.problems, objectives.UnknownObjective, BadCredit, registry.RewardError):
            _, credit = objectives.split(name)
            if credit is not None:
                if credit.scorer == "prm" and not self.asked.prm:
                    raise BadCredit(f"{name}: give the learned model by --prm FOLDER")
                check(with_model(credit, self.asked.prm))
            return True
        return False

    def _flags(self) -> Iterator[str]:
        """What is wrong with single flags, and with those that do not go together."""
        asked = self.asked
        axes = {"rewards": self.rewards, "objectives": self.objectives, "model": asked.model, "data": asked.data}
        for flag, values in axes.items():
            yield from (f"--{flag} names {value} twice" for value in dict.fromkeys(values) if values.count(value) > 1)
        if asked.data_path and len(asked.data) > 1:
            yield "--data-path goes with one --data; give folders as --data instead"
        if self.preset is None:
            yield f"--preset {asked.preset}: give {', '.join(PRESETS)}"
        if not _counts(asked.seeds):
            yield f"--seeds {asked.seeds}: give how many seeds, a number from 1 to 999"
        if not _names(asked.name):
            yield f"--name {asked.name}: give letters, digits, _, - and dots; no dot first"

    def _variants(self) -> "tuple[Variant, ...]":
        from ablations.variants import BadVariants, variants

        with noted(self.problems, BadVariants):
            return variants(self.asked.settings, self.asked.paired)
        return ()

    def _data(self) -> "tuple[DataConfig, ...]":
        from evals.data import DataError
        from harness import sources

        found = []
        paths = [Path(part).expanduser() for part in self.asked.data_path.split(",") if part]
        for name in self.asked.data or ("tiny" if small(self.asked.model[0]) else "gsm8k",):
            with noted(self.problems, sources.SourceError, DataError):
                found.append(sources.data(name, paths))
        return tuple(found)

    def _first(self) -> "First | None":
        from ablations.stages import First
        from harness.cli import recipe
        from harness.doctor import preflight
        from harness.training import METHODS, Settings

        if not self.asked.start:
            return None
        with noted(self.problems, recipe.BadRecipe):
            read = recipe.read(Path(self.asked.start), [])
            self.problems += preflight.refused(need for need in preflight.of_training(read) if need != "cpu")
            settings = {name: getattr(read, name) for name in Settings.model_fields}
            methods = [name for name in METHODS if name != "prm" and settings[name] is not None]
            if len(methods) != 1:
                raise recipe.BadRecipe(f"{self.asked.start}: needs one of the tables [sft], [dpo] and [grpo]")
            return First.model_validate({**settings, "method": methods[0], "evaluation": None})
        return None

    def starts(self, progress: Progress | None) -> "tuple[Start, ...]":
        """The models with their sizes; the embedded one is not made without `progress`."""
        from ablations.plan import Start
        from harness import chat, sources
        from harness.config import ModelConfig

        found = []
        for name in self.asked.model:
            # A model that is a problem stands for itself in what is checked besides.
            model = ModelConfig(name=name, path=UNMADE, fingerprint=UNMADE)
            with noted(self.problems, sources.SourceError):
                model = self._model(name, progress)
            style = chat.style_of(Path(model.path), name == "tiny")
            model = model.model_copy(update={"lora_rank": 0 if small(name) else LORA_RANK})
            found.append(Start.model_validate({"model": model, "prompt": style, **preset_sizes(self.sized, name)}))
        return tuple(found)

    @property
    def sized(self) -> Preset:
        return self.preset or "quick"

    def _model(self, name: str, progress: Progress | None) -> "ModelConfig":
        from harness import sources
        from harness.config import ModelConfig

        if name == "tiny" and progress is None:
            return ModelConfig(name=name, path=UNMADE, fingerprint=UNMADE)
        return sources.model(name, "smoke" if self.preset == "smoke" else "default", progress or (lambda *_: None))

    def plan(self, progress: Progress | None) -> "Plan":
        """What runs; without `progress` the embedded model stands in it as `UNMADE`, as does whatever is a problem."""
        from ablations.plan import Plan
        from ablations.variants import Variant
        from harness import code, sources
        from harness.config import DataConfig

        asked, prm = self.asked, None
        with noted(self.problems, sources.SourceError):
            prm = sources.model(asked.prm, "default", progress or (lambda *_: None)) if asked.prm else None
        rewards = self.rewards or ("sparse",)
        return Plan(
            name=asked.name or slug([*asked.model, *asked.data, *rewards, *asked.objectives, self.sized]),
            preset=self.sized,
            baseline=self.baseline,
            rewards=rewards,
            objectives=self.objectives or ("grpo",),
            seeds=tuple(range(int(asked.seeds or SEEDS[self.sized]) if _counts(asked.seeds) else 1)),
            starts=self.starts(progress),
            datasets=self.data or (DataConfig(name=UNMADE, train=UNMADE, test=UNMADE, fingerprint=UNMADE),),
            variants=self.variants or (Variant(),),
            code=code.fingerprint(),
            first=self.first,
            plugins=self.plugins,
            prm=prm,
            report_to=() if self.untold else asked.report_to,  # type: ignore[arg-type]  # pydantic validates the names
        )


def planned(asked: Asked, results: Path, console: "Console", make: bool = True) -> "Plan":
    """Checks everything, all problems at once, before anything is made; then resolves it into a plan.

    Without `make` the embedded model is not made either: where it is missing it stands in the plan as `UNMADE`.

    Raises:
        BadRequest: with a line for every problem.
    """
    from harness import cache

    request = Request(asked)
    draft = request.plan(None)
    check(draft, results / draft.name, request.problems)
    if request.problems:
        raise BadRequest("\n".join(request.problems))
    if "tiny" not in asked.model:
        return draft
    with base_progress(console) as progress, contextlib.nullcontext() if make else cache.only_made():
        try:
            return request.plan(progress)
        except cache.NotMade:
            return draft


def check(plan: "Plan", folder: Path, problems: Problems) -> None:
    """Adds what keeps the plan from running to `problems`: settings, data, templates, packages, disk."""
    from evals.data import DataError
    from harness.doctor import preflight
    from harness.estimate import machine
    from harness.trainers.cells import training

    # Asked once: with GPUs every answer starts a process.
    needs, device = {"cpu"}, machine.here(1)
    # By data set and sizes; those of the preset where the settings leave no run.
    sizes: dict[tuple[str, int, int], DataConfig] = {}
    for place in plan.rows(plan.seeds[0]):
        # Whatever a run cannot be is a `ValueError`: a setting, an objective, a size.
        with noted(problems, ValueError):
            run = plan.cell(*place).run
            trained = training(run)
            needs.update(preflight.of_training(trained))
            outlook = preflight.memory(trained, device, study=True)
            problems += [line for line in outlook.refused if line not in problems]
            sizes[run.data.fingerprint, run.evaluation.dev_items, run.train.prompts_per_step] = run.data
    sizes = sizes or {
        (data.fingerprint, start.evaluation.dev_items, start.train.prompts_per_step): data
        for start in plan.starts
        for data in plan.datasets
    }
    for (fingerprint, dev_items, prompts), data in sizes.items():
        with noted(problems, DataError):
            if fingerprint != UNMADE:
                check_data(data, dev_items, prompts)
    problems[:0] = preflight.refused(sorted(needs))
    check_templates(plan, problems)
    with noted(problems, BadRequest):
        check_space(folder, plan)


def _counts(seeds: int | str | None) -> bool:
    return seeds is None or bool(re.fullmatch(r"[1-9][0-9]{0,2}", str(seeds)))


def _names(name: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z0-9_.-]*", name)) and not name.startswith(".")


def _plugins(spec: str) -> "tuple[PluginConfig, ...]":
    import rewards as registry
    from harness.config import PluginConfig

    used = registry.plugins.used(registry.parse(spec))
    return tuple(PluginConfig(path=str(plugin.path), sha256=plugin.sha256) for plugin in used)


def check_templates(plan: "Plan", problems: Problems) -> None:
    """Every model that is there must see at inference the tokens it is trained on."""
    from harness import alignment, weights

    for start in plan.starts:
        if start.model.path == UNMADE:
            continue
        with noted(problems, alignment.Misaligned):
            tokenizer = weights.tokenizer(start.model.path)
            alignment.require(tokenizer, start.prompt, alignment.stop_tokens(Path(start.model.path)))


def check_data(data: "DataConfig", dev_items: int, prompts_per_step: int) -> None:
    """Reads every line now: a malformed one, unreadable golds or too few problems are told before anything runs.

    Raises `DataError`.
    """
    import rewards as registry
    from evals.data import DataError, load

    held_out = 0 if data.dev else dev_items
    for file, least in ((data.train, held_out + prompts_per_step), (data.test, 1)):
        items = load(Path(file))
        if all(registry.verify("", item.gold).status == "unparseable_gold" for item in items):
            raise DataError(f"{file}: no gold answer can be read as a number; the field `answer` must end in `#### 18`")
        if len(items) < least:
            raise DataError(
                f"{file}: holds {len(items)} problems and this run needs {least} "
                f"({held_out} of them as the dev split); give more, or a smaller evaluation.dev_items by --set"
            )


def slug(parts: Sequence[str]) -> str:
    """A folder name from the flags: letters, digits, `_`, `.`; the rest becomes `-`."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", "-".join(dict.fromkeys(parts))).strip("-")[:120]


@contextlib.contextmanager
def base_progress(console: "Console") -> Iterator[Progress]:
    """A progress bar that appears only if the embedded base has to be trained."""
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:
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
    from harness.doctor import preflight

    each = len(plan.rewards) * len(plan.objectives) * len(plan.variants) * len(plan.datasets) * len(plan.seeds)
    needed = sum(
        each * (RECORDS_BYTES + (0 if start.model.lora_rank else _bytes(start.model))) for start in plan.starts
    )
    problems = preflight.space(folder, needed, "give another --results")
    if problems:
        raise BadRequest(problems[0])


def _bytes(model: "ModelConfig") -> int:
    return sum(path.stat().st_size for path in Path(model.path).glob("*.safetensors"))
