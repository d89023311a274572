"""The studies on disk: their plan, how far they are, their best row; and folders that cannot be read."""

import json
import os
from pathlib import Path

import pytest

from ablations.listing import Best, show, studies
from ablations.lock import held

PLAN = """
rewards = ["sparse", "format_answer", "random"]
objectives = ["grpo"]
seeds = [0, 1]
code = "abc"
"""
ALONE = 'model = "tiny"\ndata = "sums"\n'
SEVERAL = 'models = ["tiny", "small"]\ndatasets = ["sums"]\nvariants = ["", "train.steps=9"]\n'
TABLE = """reward,objective,accuracy,accuracy_low,accuracy_high,seeds
base,,0.9,0.8,1,0
sparse,grpo,0.25,0.2,0.3,2
format_answer,grpo,0.5,,,1
random,grpo,,,,0
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Six cells, of which one is done, one has failed, one says that it runs, and three have no word."""
    folder = tmp_path / "results" / "mine"
    (folder / "cells").mkdir(parents=True)
    (folder / "plan.toml").write_text(PLAN + ALONE)
    cells = [{"id": str(number), "reward": "sparse", "objective": "grpo", "seed": 0} for number in range(6)]
    (folder / "manifest.json").write_text(json.dumps({"cells": cells}))
    for number, state in enumerate(("done", "failed", "running")):
        (folder / "cells" / str(number)).mkdir()
        path = folder / "cells" / str(number) / "status.json"
        path.write_text(json.dumps({"state": state}))
        os.utime(path, (0, 60 * number))
    return folder


def test_a_study_that_nobody_runs(study: Path) -> None:
    (found,) = studies(study.parent)
    assert (found.name, found.rewards, found.seeds) == ("mine", ("sparse", "format_answer", "random"), (0, 1))
    assert (found.models, found.datasets, found.code) == (("tiny",), ("sums",), "abc")
    assert found.cells == 6
    # What says that it runs, in a study whose lock nobody holds, was killed.
    assert found.states == {"done": 1, "failed": 1, "interrupted": 1, "pending": 3}
    assert found.running is False and found.best is None and found.problem is None
    assert found.active == "1970-01-01T00:02:00+00:00"


def test_a_study_that_is_being_run(study: Path) -> None:
    with held(study):
        (found,) = studies(study.parent)
        assert found.running is True
        assert found.states == {"done": 1, "running": 1, "failed": 1, "pending": 3}
    assert studies(study.parent)[0].running is False


def test_a_note_that_a_crash_left_does_not_mean_that_it_runs(study: Path) -> None:
    (study / ".lock-owner").write_text("process 1")
    assert studies(study.parent)[0].running is False


def test_several_models_and_settings(study: Path) -> None:
    (study / "plan.toml").write_text(PLAN + SEVERAL)
    (found,) = studies(study.parent)
    assert (found.models, found.variants) == (("tiny", "small"), ("", "train.steps=9"))


def test_the_best_row_is_a_reward_with_an_accuracy(study: Path) -> None:
    (study / "table.csv").write_text(TABLE)
    assert studies(study.parent)[0].best == Best("format_answer / grpo", 0.5, None, None)
    (study / "table.csv").write_text(TABLE.replace("0.25,0.2,0.3", "0.75,0.7,0.8"))
    assert studies(study.parent)[0].best == Best("sparse / grpo", 0.75, 0.7, 0.8)


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        pytest.param("plan.toml", None, "no plan.toml", id="no-plan"),
        pytest.param("plan.toml", "rewards = ", "plan.toml: not TOML", id="plan-no-toml"),
        pytest.param("plan.toml", ALONE, "plan.toml: rewards is no list", id="plan-without-rewards"),
        pytest.param("manifest.json", "{", "manifest.json: not JSON", id="manifest-no-json"),
        pytest.param("manifest.json", '{"cells": [{}]}', "manifest.json: cell 0 lacks id", id="cell-without-id"),
        pytest.param("manifest.json", '{"cells": 1}', "manifest.json: cells is no list", id="cells-no-list"),
        pytest.param("table.csv", "reward,\udcff\n", "can't decode byte", id="table-no-text"),
        pytest.param("cells/0/status.json", "[]", "status.json: expected an object", id="status-no-object"),
        pytest.param("table.csv", "reward\nsparse\n", "table.csv:2: not a row", id="table-without-accuracy"),
        pytest.param("table.csv", TABLE.replace("0.25", "much"), "table.csv:3: not a row", id="accuracy-no-number"),
    ],
)
def test_a_folder_that_cannot_be_read_is_listed_with_the_reason(
    study: Path, file: str, text: str | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = study.parent / "other"
    other.mkdir()
    (other / "plan.toml").write_text(PLAN + ALONE)
    if text is None:
        (study / file).unlink()
    else:
        (study / file).write_text(text, errors="surrogateescape")
    broken, whole = studies(study.parent)
    assert broken.problem is not None and said in broken.problem and whole.problem is None
    show(study.parent, as_json=False)
    assert said in capsys.readouterr().out


def test_other_results_are_no_studies(study: Path) -> None:
    (study.parent / "train" / "run").mkdir(parents=True)
    (study.parent / "README.md").write_text("# Results")
    assert [found.name for found in studies(study.parent)] == ["mine"]


def test_table(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (study / "table.csv").write_text(TABLE.replace("0.25,0.2,0.3", "0.75,0.7,0.8"))
    show(study.parent, as_json=False)
    row = capsys.readouterr().out.splitlines()[1]
    assert row.split()[:7] == "mine sparse and 2 more grpo 2".split()
    assert "1 done, 1 failed, 1 interrupted, 3 waiting" in row
    assert "75.0% (70.0 to 80.0) sparse / grpo" in row
    assert row.rstrip().endswith("1970-01-01 00:02")


def test_json(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show(study.parent, as_json=True)
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["name"], found["states"]["done"], found["best"], found["running"]) == ("mine", 1, None, False)


def test_without_studies_the_way_to_one_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show(tmp_path / "nothing", as_json=False)
    assert "harness ablate --rewards" in capsys.readouterr().out
    show(tmp_path / "nothing", as_json=True)
    assert json.loads(capsys.readouterr().out) == []
