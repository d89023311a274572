"""From names to files: what can be used, and one clear line for each thing that cannot."""

import json
import shutil
from pathlib import Path

import pytest

from harness import sources

NO_PROGRESS = lambda step, steps: None  # noqa: E731


def test_a_model_folder_is_taken_with_its_fingerprint(model_folder: Path) -> None:
    found = sources.model(str(model_folder), "default", NO_PROGRESS)
    assert (found.name, found.path) == (model_folder.name, str(model_folder))
    assert len(found.fingerprint) == 12


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("config.json", "no config.json"),
        ("*.safetensors", "no weights"),
        ("tokenizer.json", "no tokenizer"),
        ("chat_template.jinja", "no chat template"),
    ],
)
def test_an_incomplete_model_folder_is_refused(model_folder: Path, tmp_path: Path, pattern: str, says: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    removed = list(folder.glob(pattern))
    assert removed
    for path in removed:
        path.unlink()
    with pytest.raises(sources.SourceError, match=says):
        sources.model(str(folder), "default", NO_PROGRESS)


def test_a_name_that_is_no_folder_and_no_hub_id_is_refused() -> None:
    with pytest.raises(sources.SourceError, match="neither a folder nor a hub id"):
        sources.model("no such model!", "default", NO_PROGRESS)


def test_a_hub_that_cannot_be_reached_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(sources.SourceError, match="not to be had from the hub") as caught:
        sources.model("nobody/nothing", "default", NO_PROGRESS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", ["folder by --data-path", "two files", "folder by --data"])
def test_original_files_are_taken_in_every_form(data_folder: Path, form: str) -> None:
    files = [data_folder / "train.jsonl", data_folder / "test.jsonl"]
    found = {
        "folder by --data-path": lambda: sources.data("gsm8k", [data_folder]),
        "two files": lambda: sources.data("gsm8k", files),
        "folder by --data": lambda: sources.data(str(data_folder), []),
    }[form]()
    assert [found.train, found.test] == [str(path) for path in files]
    assert found.dev is None


def test_fingerprint_follows_the_bytes_not_the_place(data_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(data_folder, copy)
    before = sources.data("d", [data_folder]).fingerprint
    assert sources.data("d", [copy]).fingerprint == before
    with (copy / "test.jsonl").open("a") as file:
        file.write(json.dumps({"question": "?", "answer": "1"}) + "\n")
    assert sources.data("d", [copy]).fingerprint != before


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(sources.SourceError, match=r"train\.jsonl: no such file"):
        sources.data("gsm8k", [tmp_path])


def test_embedded_data_measures_on_seen_or_on_unseen_templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    seen, unseen = sources.data("tiny", []), sources.data("tiny-unseen", [])
    assert seen.train == unseen.train
    assert (Path(seen.test).name, Path(unseen.test).name) == ("test.jsonl", "unseen.jsonl")
    assert seen.fingerprint != unseen.fingerprint
