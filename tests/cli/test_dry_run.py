"""`--dry-run`: what would run, how long, how much memory, what could be found; nothing is started or written."""

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ablations.plan import Plan, PlanConflict, lay
from evals.statistics import planning
from harness.cli import dry, dry_view
from harness.cli.asked import asked
from harness.cli.request import planned

FLAGS = {"rewards": "sparse,format_answer", "preset": "smoke", "seeds": "3", "name": "study"}


def plan(results: Path, **flags: str) -> Plan:
    return planned(asked(None, {**FLAGS, **flags}, []), results, Console(), make=False)


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def finished(cell: Path, seconds: float, right: int, **status: Any) -> None:
    """Four of its questions, `right` of them answered."""
    (cell / "status.json").write_text(json.dumps({"state": "done", "seconds": seconds, **status}))
    rows = [{"id": f"q{n}", "correct": n < right, "status": "x", "tokens": 3} for n in range(4)]
    (cell / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_new_study_is_all_new_and_leaves_no_trace(tmp_path: Path) -> None:
    found = dry.forecast(plan(tmp_path), tmp_path, slots=2)
    assert found["cells"] == {"new": 6, "planned": 6}
    assert found["rows"] == [{"row": "sparse / grpo", "new": 3}, {"row": "format_answer / grpo", "new": 3}]
    assert found["minutes"]["cells"] > 0
    assert found["minutes"]["measured_cells"] == 0
    assert found["memory"]["from"] == "harness estimate, its tensors alone"
    assert found["detectable"]["rows"] is None
    assert not list(tmp_path.iterdir())


def test_time_memory_and_what_can_be_found_come_from_finished_cells(tmp_path: Path) -> None:
    asked_for = plan(tmp_path)
    # Seed by seed: sparse, format_answer, sparse, format_answer, sparse, format_answer.
    cells = lay(tmp_path / "study", asked_for)
    for cell, right in zip(cells[:4], (1, 2, 1, 4), strict=True):
        finished(cell, 120, right, peak_bytes=500_000_000)
    (cells[4] / "status.json").write_text('{"state": "failed"}')
    (cells[5] / "status.json").write_text('{"state": "running", "step": 3}')
    (cells[5] / "checkpoints" / "checkpoint-2").mkdir(parents=True)
    before = files(tmp_path)
    found = dry.forecast(asked_for, tmp_path, slots=2)
    assert files(tmp_path) == before
    assert found["cells"] == {"done": 4, "failed": 1, "interrupted": 1, "planned": 6}
    # Of the begun cell, its checkpoint leaves two of four steps; a failed one runs again only where asked for.
    assert found["minutes"]["cells"] == 1.0
    assert found["minutes"]["from"] == "finished cells of these sizes"
    assert found["memory"] == {"cell_gb": 0.5, "total_gb": 1.0, "from": "finished cells of these sizes"}
    # Differences of 1/4 and 3/4.
    spread = ((0.25**2 + 0.25**2) / 1) ** 0.5
    assert found["detectable"]["seed_sd"] == pytest.approx(spread)
    assert found["detectable"]["rows"] == pytest.approx(planning.detectable(spread, 3))


def test_cells_of_another_study_of_these_sizes_tell_the_time_as_well(tmp_path: Path) -> None:
    (cell, *_) = lay(tmp_path / "earlier", plan(tmp_path, name="earlier", rewards="random", seeds="1"))
    finished(cell, 60, 1)
    found = dry.forecast(plan(tmp_path), tmp_path, slots=1)
    assert (found["minutes"]["cells"], found["minutes"]["measured_cells"]) == (6.0, 6)
    other = dry.forecast(plan(tmp_path, objectives="dr_grpo"), tmp_path, slots=1)
    assert other["minutes"]["measured_cells"] == 0


def test_a_study_of_that_name_with_another_plan_is_refused_as_it_would_be(tmp_path: Path) -> None:
    lay(tmp_path / "study", plan(tmp_path))
    with pytest.raises(PlanConflict, match="format_answer"):
        dry.forecast(plan(tmp_path, rewards="sparse"), tmp_path, slots=1)


def test_it_is_said_in_lines_and_for_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = dry.forecast(plan(tmp_path, objectives="grpo,dpo"), tmp_path, slots=2)
    dry_view.show(found, as_json=False)
    said = capsys.readouterr().out
    for part in ("12 cells: 12 new", "first: rollouts", "time:", "memory:", "points", "nothing was started"):
        assert part in said
    dry_view.show(found, as_json=True)
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(found))


def test_the_example_of_a_study_is_a_plan(tmp_path: Path) -> None:
    file = Path(__file__).parents[2] / "examples" / "studies" / "rewards-objectives.toml"
    found = planned(asked(file, {}, []), tmp_path, Console(), make=False)
    assert len(list(found.runs())) == (3 + 2) * 2 * 5
