"""README.md of an export: what it is, how it is used, how each setting was translated, and what nobody has tried."""

from collections.abc import Iterable, Iterator, Sequence

from harness.export.mapping import Place, Translation
from harness.export.pins import PINS, VERIFIER, Pins
from harness.export.scripts import SETTINGS, python_range
from harness.training import TrainRun

TITLES = {"verl": "verl", "openrlhf": "OpenRLHF"}
FILES = ("files", "every file is the one that was exported (`manifest.json`)")
MACHINE = ("machine", "to train (`run.sh` asks so), the GPUs and the model are here; Ray counts those of a cluster")
PROVEN = {
    "verl": [
        FILES,
        ("versions", "verl is the pinned one; to train, so is what its metadata demands beside it"),
        MACHINE,
        ("config", "verl's schema knows every override, and its `validate_config` passes"),
        ("objective", "verl has this estimator and loss, and the loss has a gradient in the right direction"),
        ("data", "verl's dataset class reads both files, row for row"),
        ("prompts", "the token ids that verl's agent loop builds, of every prompt, are those of `harness train`"),
        (
            "reward",
            "verl's loader takes `reward.py`, and its reward manager scores the completions of `expected.jsonl`, as a "
            "DataProto, to the registry's numbers",
        ),
    ],
    "openrlhf": [
        FILES,
        ("versions", "OpenRLHF is the pinned one; to train, so is what its metadata demands beside it"),
        MACHINE,
        (
            "flags",
            "OpenRLHF's own parser and assertions take every flag, and it would make the run's number of updates",
        ),
        ("data", "OpenRLHF's dataset class reads every prompt and label"),
        ("prompts", "the token ids that its rollout gives the engine, of every prompt, are those of `harness train`"),
        (
            "reward",
            "its single-turn executor loads `reward.py` and scores the completions of `expected.jsonl` to the "
            "registry's numbers; vLLM, DeepSpeed and flash-attn are played where they are not installed: none of the "
            "code that is proven calls them",
        ),
    ],
}
UNTRIED = {
    "verl": "`run.sh` from `main_ppo` on, the memory it takes, resuming, Ray over several machines, and the command "
    "that merges a checkpoint",
    "openrlhf": "`run.sh` from `train_ppo_ray` on, the memory it takes, resuming, and Ray over several machines",
}
WEIGHTS = {
    "verl": """verl writes checkpoints only. The weights as a model folder, and its accuracy:

```sh
.venv/bin/python -m verl.model_merger merge --backend fsdp \\
    --local_dir checkpoints/global_step_{steps}/actor --target_dir model
harness eval model --data ... --style {style}
```""",
    "openrlhf": "`model/` holds the weights after the last step. Its accuracy: "
    "`harness eval model --data ... --style {style}`.",
}
OFFLOADED = {
    "verl": "actor_rollout_ref.model.path=/models/mine actor_rollout_ref.actor.fsdp_config.param_offload=True",
    "openrlhf": "--actor.model_name_or_path /models/mine --ds.adam_offload",
}
USE = """```sh
bash setup.sh    # the environment, in .venv; once
bash run.sh      # checks, then trains; the same command goes on from the last checkpoint
bash run.sh {offloaded}
```"""
CHECKED = """```sh
bash setup.sh --check-only    # on any machine: no GPU, no vLLM
.venv/bin/python check.py     # --json for machines; exit code 1 where a check fails
```"""


def text(engine: str, run: TrainRun, place: Place, translation: Translation) -> str:
    title, file = TITLES[engine], SETTINGS[engine]
    assert run.grpo is not None
    parts = [
        f"# {place.name}: {run.model.name} on {title}",
        f"One `harness train grpo` run, written for {title}: reward `{run.grpo.reward}`, objective "
        f"`{run.grpo.objective}`, {run.optimizer.steps} updates of {run.optimizer.batch_size} completions on "
        f"{place.machines} x {place.gpus} GPUs. `manifest.json` holds the whole run. The folder needs nothing beside "
        "it but the model.",
        USE.format(offloaded=OFFLOADED[engine]),
        f"Arguments of `run.sh` go to {title}, over those of `{file}`, and are checked with them. The model is "
        f"`{place.model}`: a hub id is downloaded by {title}, a folder has to lie there on every machine.",
        _machines(place),
        WEIGHTS[engine].format(steps=run.optimizer.steps // run.grpo.updates, style=run.prompt),
        "## Versions",
        _versions(PINS[engine]),
        "## What `check.py` proves",
        CHECKED,
        _table(("line", "proves"), PROVEN[engine]),
        "## Every setting",
        _settings(file, translation),
        *_listed("Left out", [f"`{name}`: {why}." for name, why in translation.left_out.items()]),
        *_listed(f"What {title} does otherwise", list(translation.differs)),
        "## Untested without GPUs",
        "The exporter was written and tested on machines without a GPU. What was never run there: `setup.sh` without "
        f"`--check-only`, {UNTRIED[engine]}.",
    ]
    return "\n\n".join(parts) + "\n"


def _machines(place: Place) -> str:
    alone = "" if place.machines > 1 else "For more machines export again with `--machines`. "
    return (
        f"{alone}Several machines: the folder lies at one path on all of them, on a shared disk or copied. "
        "`.venv/bin/ray start --head --port 6379` on the first, `.venv/bin/ray start --address FIRST:6379` on the "
        "others, then on the first `RAY_ADDRESS=auto bash run.sh`."
    )


def _versions(pins: Pins) -> str:
    exact = [(f"`{name}=={version}`", source) for name, (version, source) in pins.exact.items()]
    rows = [(f"`{pins.requirement}`", "the engine"), (python_range(pins), "the rewards, and the engine's metadata")]
    return _table(("needs", "says"), [*rows, *exact, (f"`{VERIFIER}`", "the verifier of the rewards")])


def _settings(file: str, translation: Translation) -> str:
    rows = [(f"`{one.ours}`" if one.ours else "", f"`{one.theirs}`", f"`{one.value}`") for one in translation.settings]
    head = f"As in `{file}`. Without a setting on the left, it is the engine's own business."
    return "\n\n".join([head, _table(("setting", "theirs", "value"), rows)])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _listed(title: str, points: list[str]) -> Iterator[str]:
    if points:
        yield f"## {title}"
        yield "\n".join(f"- {point}" for point in points)
