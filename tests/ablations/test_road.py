"""A road: which runs it is made of, what each starts from, and the table rebuilt from their records."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from studies import items, rows

from ablations import road_report
from ablations.plan import PlanConflict
from ablations.road import Road, Stop, before, lay, leg, stops
from harness.cache import folder_digest
from harness.presets import road_sizes
from harness.training import TrainRun


def road(tmp_path: Path, **changes: Any) -> Road:
    model = tmp_path / "base"
    model.mkdir(exist_ok=True)
    return Road.model_validate(
        {
            "name": "road",
            "preset": "smoke",
            "seeds": (0, 1),
            "losses": ("dpo", "simpo"),
            "objectives": ("grpo",),
            "reward": "format_answer",
            "prompt": "bare",
            "model": {"name": "tiny", "path": str(model), "fingerprint": "m"},
            "data": {"name": "words", "train": "train.jsonl", "test": "test.jsonl", "fingerprint": "d"},
            "sizes": road_sizes("smoke", "tiny"),
            "code": "abc",
            **changes,
        }
    )


def finish(root: Path, stop: Stop, seed: int, pattern: str, base: str = "", state: str = "done") -> None:
    """Leaves the records and the weights of a run."""
    folder = stop.folder(root, seed)
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "model.safetensors").write_text(f"{stop} {seed}")
    status = {"state": state, "seconds": 120.0, "generated_tokens": 500}
    (folder / "timing.jsonl").write_text(rows({"step": 1, "seconds": 60.0}, {"step": 2, "seconds": 30.0}))
    (folder / "status.json").write_text(json.dumps(status))
    (folder / "items.jsonl").write_text(rows(*items(pattern)))
    if base:
        (folder / "items_base.jsonl").write_text(rows(*items(base)))


def test_the_legs_follow_each_other(tmp_path: Path) -> None:
    asked = road(tmp_path)
    assert [(stop.method, stop.variant) for stop in stops(asked)] == [
        ("sft", ""),
        ("dpo", "dpo"),
        ("dpo", "simpo"),
        ("grpo", "grpo"),
    ]
    assert before(Stop("sft"), asked) is None
    assert before(Stop("dpo", "simpo"), asked) == Stop("sft")
    assert before(Stop("grpo", "grpo"), asked) == Stop("dpo", "dpo")
    assert before(Stop("grpo", "grpo"), road(tmp_path, losses=())) == Stop("sft")


def test_a_run_starts_from_the_weights_of_its_own_seed(tmp_path: Path) -> None:
    root, asked = tmp_path / "road", road(tmp_path)
    assert [folder.name for folder in leg(root, asked, "sft")] == ["seed-0", "seed-1"]
    for seed in asked.seeds:
        finish(root, Stop("sft"), seed, "1000")
    folders = leg(root, asked, "dpo")
    assert len(folders) == 4
    for folder in folders:
        run = TrainRun.read(folder / "config.toml")
        assert folder.name == f"seed-{run.seed}"
        start = Stop("sft").folder(root, run.seed) / "model"
        assert run.model.path == str(start.resolve())
        assert run.model.fingerprint == folder_digest(start)
        assert run.dpo is not None
        assert run.dpo.loss == folder.parent.name


def test_a_run_whose_start_failed_is_left_out(tmp_path: Path) -> None:
    root, asked = tmp_path / "road", road(tmp_path)
    finish(root, Stop("sft"), 1, "1000")
    assert {folder.name for folder in leg(root, asked, "dpo")} == {"seed-1"}


def test_a_road_may_grow_and_nothing_else(tmp_path: Path) -> None:
    root = tmp_path / "road"
    root.mkdir()
    lay(root, road(tmp_path))
    lay(root, road(tmp_path, losses=("dpo", "simpo", "ipo"), seeds=(0, 1, 2)))
    with pytest.raises(PlanConflict, match="reward: format_answer there, sparse here"):
        lay(root, road(tmp_path, losses=("dpo", "simpo", "ipo"), seeds=(0, 1, 2), reward="sparse"))
    with pytest.raises(PlanConflict, match="losses: it has ipo"):
        lay(root, road(tmp_path, seeds=(0, 1, 2)))


@pytest.fixture
def walked(tmp_path: Path) -> Path:
    """Two seeds: SFT 25 and 50 %, DPO 50 and 75 %, SimPO failed on its second seed, GRPO 75 and 100 %."""
    root, asked = tmp_path / "road", road(tmp_path)
    root.mkdir()
    lay(root, asked)
    for seed, (sft, dpo, grpo) in enumerate((("1000", "1100", "1110"), ("1100", "1110", "1111"))):
        finish(root, Stop("sft"), seed, sft, base="0000")
        finish(root, Stop("dpo", "dpo"), seed, dpo)
        finish(root, Stop("dpo", "simpo"), seed, "1000", state="done" if seed == 0 else "failed")
        finish(root, Stop("grpo", "grpo"), seed, grpo)
    return root


def test_the_table_holds_means_differences_and_what_is_missing(walked: Path) -> None:
    built = road_report.build(walked)
    table = {row["variant"] or row["method"]: row for row in csv.DictReader((walked / "table.csv").open())}
    assert {name: row["accuracy"] for name, row in table.items()} == {
        "base": "0",
        "sft": "0.375",
        "dpo": "0.625",
        "simpo": "0.25",
        "grpo": "0.875",
    }
    # 25 points more than its start with either seed: no spread, so no interval and no test.
    assert table["dpo"]["delta"] == "0.25"
    assert table["simpo"]["seeds"] == "1"
    assert table["simpo"]["failed"] == "1"
    assert table["sft"]["minutes"] == "1.5"
    assert "1†" in built.markdown
    assert "† 1 runs are missing." in built.markdown
    assert "| grpo grpo | dpo dpo | 2 |" in built.markdown


def test_the_table_is_a_function_of_the_records(walked: Path) -> None:
    road_report.build(walked)
    first = (walked / "table.md").read_bytes(), (walked / "table.csv").read_bytes()
    road_report.build(walked)
    assert first == ((walked / "table.md").read_bytes(), (walked / "table.csv").read_bytes())


@pytest.mark.parametrize("preset", ["smoke", "quick", "full"])
@pytest.mark.parametrize("model", ["tiny", "other"])
def test_every_preset_makes_runs_that_validate(tmp_path: Path, preset: Any, model: str) -> None:
    asked = road(tmp_path, sizes=road_sizes(preset, model))
    root = tmp_path / "road"
    leg(root, asked, "sft")
    for seed in asked.seeds:
        finish(root, Stop("sft"), seed, "1")
        finish(root, Stop("dpo", "dpo"), seed, "1")
    assert len(leg(root, asked, "dpo")) == 4
    assert len(leg(root, asked, "grpo")) == 2
