"""Bad input: one clear line with the fix, exit code 2, no traceback, nothing half written."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.tiny import base, tokenizer
from harness.tiny.recipe import Recipe

GOOD = {"question": "Tom has 2 eggs. How many?", "answer": "#### 2"}


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tokens = tokenizer.build()
    base.model(Recipe(hidden=32, mlp=64, layers=1, heads=2), tokens).save_pretrained(folder)
    tokens.save_pretrained(folder)
    return folder


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("train", "test"):
        (folder / f"{name}.jsonl").write_text((json.dumps(GOOD) + "\n") * 120)
    return folder


def ablate(tmp_path: Path, *flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", "ablate", "--results", str(tmp_path / "results"), *flags],
        capture_output=True,
        text=True,
        env={**os.environ, "HARNESS_CACHE": str(tmp_path / "cache"), **environment},
        timeout=120,
    )


def refused(done: subprocess.CompletedProcess[str], tmp_path: Path, *says: str) -> None:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    for text in says:
        assert text in done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--rewards", "spars"], ["no reward is named 'spars'", "did you mean sparse"]),
        (["--rewards", "format_answer(format=)"], ["format_answer(format=)"]),
        (["--rewards", "format_answer(fromat=0.2)"], ["no parameter fromat"]),
        (["--rewards", "sparse,sparse"], ["--rewards names sparse twice"]),
        (["--rewards", "sparse", "--objectives", "grp"], ["unknown objective", "did you mean grpo"]),
        (["--rewards", "sparse", "--seeds", "0"], ["--seeds 0: give how many seeds"]),
        (["--rewards", "sparse", "--seeds", "two"], ["--seeds two: give how many seeds"]),
        (["--rewards", "sparse", "--preset", "huge"], ["--preset huge: give smoke, quick, full"]),
        (["--rewards", "sparse", "--set", "steps=3"], ["--set steps=3: give train.KEY=VALUE"]),
        (["--rewards", "sparse", "--jobs", "-1"], ["--jobs -1"]),
        (["--rewards", "sparse", "--name", "../up"], ["--name ../up: give letters"]),
    ],
    ids=lambda value: " ".join(value[1:]) if value[0] == "--rewards" else None,
)
def test_bad_flags(tmp_path: Path, flags: list[str], says: list[str]) -> None:
    refused(ablate(tmp_path, *flags), tmp_path, *says)


def test_all_problems_are_said_at_once(tmp_path: Path) -> None:
    done = ablate(tmp_path, "--rewards", "spars,random,nope", "--objectives", "x", "--seeds", "0")
    refused(done, tmp_path, "spars", "nope", "objective", "--seeds 0")
    assert len(done.stderr.strip().splitlines()) == 4


def test_unknown_key_of_set_is_named(tmp_path: Path, model_folder: Path, data_folder: Path) -> None:
    flags = ("--rewards", "sparse", "--model", str(model_folder), "--data-path", str(data_folder))
    refused(
        ablate(tmp_path, *flags, "--set", "train.stpes=3"), tmp_path, "error: train.stpes: there is no such setting"
    )


@pytest.mark.parametrize("line", ["{broken", '{"question": "x"}'], ids=["not json", "no answer"])
def test_malformed_data_line_is_numbered(tmp_path: Path, data_folder: Path, line: str) -> None:
    with (data_folder / "train.jsonl").open("a") as file:
        file.write(line + "\n")
    refused(ablate(tmp_path, "--rewards", "sparse", "--data-path", str(data_folder)), tmp_path, "train.jsonl:121:")


@pytest.mark.parametrize(
    ("row", "count", "says"),
    [
        ({"question": "How many?", "answer": "many"}, 120, "no gold answer can be read"),
        (GOOD, 9, "holds 9 problems and this run needs 108 (100 of them as the dev split)"),
    ],
    ids=["unreadable golds", "too few"],
)
def test_data_that_cannot_teach_or_measure(
    tmp_path: Path, model_folder: Path, data_folder: Path, row: dict[str, str], count: int, says: str
) -> None:
    (data_folder / "train.jsonl").write_text((json.dumps(row) + "\n") * count)
    flags = ("--rewards", "sparse", "--model", str(model_folder), "--data-path", str(data_folder))
    refused(ablate(tmp_path, *flags), tmp_path, says)


def test_missing_data_folder(tmp_path: Path) -> None:
    done = ablate(tmp_path, "--rewards", "sparse", "--data-path", str(tmp_path / "nowhere"))
    refused(done, tmp_path, "nowhere", "--data-path")


@pytest.mark.parametrize(
    ("pattern", "says"), [("*.safetensors", "no weights"), ("chat_template.jinja", "no chat template")]
)
def test_incomplete_model_folder(
    tmp_path: Path, model_folder: Path, data_folder: Path, pattern: str, says: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    for path in folder.glob(pattern):
        path.unlink()
    flags = ("--rewards", "sparse", "--data-path", str(data_folder), "--model", str(folder))
    refused(ablate(tmp_path, *flags), tmp_path, says)


def test_unknown_study_lists_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "known").mkdir()
    (tmp_path / "known" / "plan.toml").write_text('name = "known"\n')
    done = subprocess.run(
        [sys.executable, "-m", "harness", "report", "unknown", "--results", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "known" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_has_an_example(tmp_path: Path) -> None:
    for command in ("ablate", "audit", "compare", "eval", "report", "rewards", "verify"):
        done = subprocess.run([sys.executable, "-m", "harness", command, "--help"], capture_output=True, text=True)
        assert done.returncode == 0
        assert f"Example: harness {command}" in done.stdout
