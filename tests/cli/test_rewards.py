"""`harness rewards`: the list, a page with real scores, plugins, and how mistakes are told."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import rewards as registry
from harness.cli.rewards import rewards

MINE = """
from dataclasses import dataclass
import rewards
from rewards.reward import Reward

@rewards.register("mine")
@dataclass(frozen=True)
class Mine(Reward):
    '''Pays `value` for a gold with `{digit}` in it.'''
    value: float
    digit: str = "8"

    def score(self, batch):
        return {self.name: [self.value * (self.digit in gold) for gold in batch.columns["answer"]]}
"""

app = typer.Typer()
app.command()(rewards)


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = registry.registry.snapshot()
    monkeypatch.setattr(registry.plugins, "_loaded", {})
    yield
    registry.registry.restore(before)


def shown(*flags: str) -> str:
    done = CliRunner().invoke(app, flags)
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(*flags: str) -> str:
    done = CliRunner().invoke(app, flags)
    assert done.exit_code == 2 and done.stdout == "" and "Traceback" not in done.stderr
    return done.stderr


def described(*flags: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(shown(*flags, "--json"))
    return answer


def test_the_list_has_every_reward_once_under_its_kind() -> None:
    lines = shown().splitlines()
    for name in registry.names():
        (at,) = [number for number, line in enumerate(lines) if line.startswith(f"  {name} ")]
        titles = [line for line in lines[:at] if line and not line.startswith(" ")]
        assert titles[-1].startswith(f"{registry.family(name).kind}: ")


def test_shaping_terms_are_plain_in_list_page_and_json() -> None:
    terms = {name for name, about in described().items() if about["recommended"]}
    assert terms == {"format", "length_soft", "length_group", "repetition"}
    assert shown().count("+ train with") == len(terms)
    assert "a shaping term without the answer, train with sparse+0.25*length_soft" in shown("length_soft")
    assert "complete in itself" in shown("length_lcpo")


# `prm` has no page without a model.
@pytest.mark.parametrize("name", sorted({*registry.names()} - {"prm"}))
def test_a_page_says_all_and_its_scores_are_the_rewards_own(name: str) -> None:
    about = described(name)
    reward = registry.get(name)
    assert about["formula"] and about["documentation"].startswith(about["formula"])
    assert {one["name"] for one in about["parameters"]} == set(reward.__dataclass_fields__)  # type: ignore[attr-defined]
    assert about["sources"] or reward.kind == "control" or name == "format_only"
    for example in about["examples"]:
        rows = example["rows"]
        again = registry.parse(example["reward"])(
            prompts=[example["question"]] * len(rows),
            completions=[row["text"] for row in rows],
            completion_ids=[range(row["tokens"]) for row in rows],
            answer=[example["gold"]] * len(rows),
        )
        assert [row["score"] for row in rows] == again or "repetition" in example["reward"]
    page = shown(name)
    assert all(f"  {one['name']}: {one['type']} = " in page for one in about["parameters"])
    assert all(case in page for case in ("right", "wrong", "right, badly formatted", "right, too long"))


def test_the_worked_example_tells_rewards_apart() -> None:
    def scores(spec: str) -> dict[str, float]:
        return {row["case"]: row["score"] for row in described(spec)["examples"][-1]["rows"]}

    plain = scores("format_answer")
    assert plain["right"] == 1 > plain["right, badly formatted"] > plain["wrong"] > plain["nothing"] == 0
    for name in ("length_linear", "length_soft", "length_cosine", "length_lcpo", "length_group", "length_lead"):
        paid = scores(name)
        assert paid["right"] > paid["right, too long"] > paid["wrong"], name
    assert scores("repetition")["right"] > scores("repetition")["right, too long"]
    uncapped = scores("length_uncapped")
    assert uncapped["right, too long"] < uncapped["wrong"]
    assert scores("contains")["right, badly formatted"] == 1


def test_a_spec_is_shown_with_its_values() -> None:
    about = described("format_answer(gated=true)+0.1*length_soft(max_tokens=100)")
    assert about["range"] == [-0.1, 1.0] and about["components"] == {"format": 0.2, "answer": 0.8, "length_soft": 0.1}
    assert "cache: float = 0.5" in shown("length_soft(cache=0.5)")


def test_a_plugin_is_listed_and_shown(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    assert described("--plugin", str(path))["mine"]["kind"] == "own"
    about = described("--plugin", str(path), "mine(value=2)")
    assert {row["score"] for row in about["examples"][0]["rows"]} == {2.0}
    assert "mine needs value: write mine(value=...)" in refused("--plugin", str(path), "mine")


def test_a_plain_function_is_shown_and_its_failure_is_part_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text("def f(completions, **columns):\n    return [columns['nothing']]\n")
    assert "no scores: own.py:f failed at own.py:2: KeyError: 'nothing'" in shown("own.py:f")


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["spars"], "error: no reward is named 'spars': did you mean sparse"),
        (["sparse(strict=1)"], "error: sparse(strict=1): strict is bool, not int"),
        (["sparse("], "error: cannot read reward 'sparse('"),
        (["--plugin", "nowhere.py"], "nowhere.py: cannot read it: No such file or directory"),
        (["nowhere_at_all:f"], "error: cannot import nowhere_at_all"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_mistakes(flags: list[str], says: str) -> None:
    assert says in refused(*flags)


def test_a_broken_plugin_stops_ablate_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import rewards\n\nraise ValueError('not today')\n")
    flags = ["ablate", "--rewards", "mine", "--plugin", "mine.py", "--results", "results"]
    done = subprocess.run([sys.executable, "-m", "harness", *flags], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and not (tmp_path / "results").exists()
    assert done.stderr == f"error: {tmp_path / 'mine.py'}:3: ValueError: not today\n"
