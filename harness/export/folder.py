"""The folder of an export, whole or not there, and its manifest."""

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import rewards
from evals.data import Item
from harness import chat, whole
from harness.export import data, environments, expected, mapping, openrlhf, readme, scripts, source, verl
from harness.export.data import Prompt
from harness.export.kit import proof
from harness.export.mapping import BadExport, Place, Translation
from harness.export.pins import PINS, VERIFIER
from harness.training import TrainRun

ENGINES = {"verl": verl, "openrlhf": openrlhf}
MANIFEST = "manifest.json"
# What running it leaves: kept when the same run is exported again.
LEFT = (".venv", "checkpoints", "completions", "model", "outputs", "tensorboard", "tensorboard_log")


@dataclass(frozen=True)
class Material:
    """A run with what it trains and measures on, rendered."""

    run: TrainRun
    tokenizer: Any
    train: list[Prompt]
    test: list[Prompt]


def material(run: TrainRun, tokenizer: Any, train: list[Item], test: list[Item]) -> Material:
    return Material(
        run, tokenizer, data.prompts(tokenizer, train, run.prompt), data.prompts(tokenizer, test, run.prompt)
    )


def write(engine: str, made: Material, folder: Path, model: str, gpus: int, machines: int) -> dict[str, Any]:
    """Writes the export to `folder` and returns its manifest.

    Args:
        model: where the engine finds the model: a folder or a hub id.

    Raises:
        BadExport: the run cannot be had on this engine, or the folder holds something else.
    """
    problems = list(ENGINES[engine].problems(made.run, gpus, machines))
    if problems:
        raise BadExport("\n".join(problems))
    longest = max(len(prompt.ids) for prompt in [*made.train, *made.test])
    template = data.template(made.tokenizer, made.train[0]) if engine == "verl" else {}
    place = Place(folder.name, model, len(made.train), longest, gpus, machines, template)
    translation = ENGINES[engine].translation(made.run, place)
    _check_free(folder, made.run, engine)
    scratch = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        manifest = _fill(engine, made, scratch, place, translation)
        _replace(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return manifest


def _fill(engine: str, made: Material, folder: Path, place: Place, translation: Translation) -> dict[str, Any]:
    grpo, chosen = mapping.table(made.run), mapping.chosen(made.run)
    reward = rewards.parse(grpo.reward)
    source.check_carried(reward)
    source.copy_rewards(folder)
    plugins = source.copy_plugins(made.run.plugins, folder)
    data.copy_tokenizer(Path(made.run.model.path), folder / "tokenizer")
    rows = _write_data(engine, made, folder)
    _write_lines(folder / "expected.jsonl", expected.rows(reward, rows["train"], made.tokenizer, engine))
    _write_scripts(engine, grpo.reward, plugins, folder)
    settings = ENGINES[engine].lines(translation.settings)
    head = f"# {place.name}; {mapping.FOLDER} stands for this folder. README.md says what each is for."
    whole.write(folder / scripts.SETTINGS[engine], "\n".join([head, *settings]) + "\n")
    whole.write(folder / "README.md", readme.text(engine, made.run, place, translation))
    manifest = {
        "engine": engine,
        "name": place.name,
        "pins": {"engine": PINS[engine].distribution, "exact": dict(PINS[engine].exact), "verifier": VERIFIER},
        "run": made.run.model_dump(mode="json"),
        "place": asdict(place),
        "settings": [asdict(setting) for setting in translation.settings],
        "left_out": translation.left_out,
        "differs": translation.differs,
        "template": chat.template_hash(made.tokenizer),
        "data": {
            split: {
                "rows": len(prompts),
                "prompt_ids": proof.digest(prompt.ids for prompt in prompts),
                "golds": proof.digest(prompt.item.gold for prompt in prompts),
            }
            for split, prompts in rows.items()
        },
        "overlong": expected.overlong(chosen.overlong, grpo.max_new_tokens) if chosen.overlong else [],
        "files": _digests(folder),
    }
    whole.write(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    return manifest


def _write_data(engine: str, made: Material, folder: Path) -> dict[str, list[Prompt]]:
    """The data in the engine's format; returns the prompts of each split as they stand there."""
    (folder / "data").mkdir()
    name = made.run.data.name if made.run.data else ""
    if engine == "openrlhf":
        count = made.run.optimizer.steps * mapping.prompts(made.run)
        train = list(data.drawn(made.train, count, made.run.seed))
        data.to_json_lines(train, folder / "data" / "train.jsonl", name)
        return {"train": train}
    measured = made.run.evaluation
    test = made.test[: measured.test_items] if measured else made.test
    for split, prompts in (("train", made.train), ("test", test)):
        data.to_parquet(prompts, folder / "data" / f"{split}.parquet", name, split)
    return {"train": made.train, "test": test}


def _write_scripts(engine: str, spec: str, plugins: dict[str, str], folder: Path) -> None:
    kit = files("harness.export.kit")
    whole.write(folder / "run.sh", scripts.run(engine))
    whole.write(folder / "setup.sh", scripts.setup(engine))
    whole.write(folder / "reward.py", scripts.reward(engine, spec, plugins))
    whole.write(folder / "requirements-check.txt", "\n".join(environments.packages(engine)) + "\n")
    whole.write(folder / "proof.py", (kit / "proof.py").read_text(encoding="utf-8"))
    whole.write(folder / "check.py", (kit / f"{engine}_check.py").read_text(encoding="utf-8"))


def _write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    whole.write(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _digests(folder: Path) -> dict[str, str]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def _check_free(folder: Path, run: TrainRun, engine: str) -> None:
    """Raises `BadExport` where the folder holds something else than this run's export."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        there = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadExport(f"{folder} is not an export; give --out, or remove it") from error
    if (there.get("engine"), there.get("run")) != (engine, run.model_dump(mode="json")):
        raise BadExport(f"{folder} holds the export of another run; give --out, or remove the folder")


def _replace(scratch: Path, folder: Path) -> None:
    """Puts `scratch` in the place of `folder`, with what runs have left there."""
    for name in LEFT if folder.exists() else ():
        if (folder / name).exists():
            (folder / name).rename(scratch / name)
    if folder.exists():
        shutil.rmtree(folder)
    scratch.rename(folder)
