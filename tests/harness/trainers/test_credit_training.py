"""Credit within completions, trained for real: step scores reach the loss as (B, T) advantages, and the records."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed

import rewards
from evals.data import load
from harness.config import PluginConfig
from harness.trainers import completions, grpo
from harness.trainers.objectives import UnknownObjective, names, split
from harness.trainers.process.checks import BadCredit, check, with_model
from harness.trainers.records import Records
from harness.trainers.scoring import RewardFailure
from harness.training import CreditConfig, TrainRun
from rewards import registry
from rewards.batch import Batch
from rewards.credit import RULES
from rewards.reward import Components
from rewards.spans import Span, StepScorer

SPAN_RULES = sorted(set(RULES) - {"prime"})
PLUGIN = """
import time
from dataclasses import dataclass
import rewards
from rewards.spans import Span, StepScorer

@rewards.register("sleepy")
@dataclass(frozen=True)
class Sleepy(rewards.Reward, StepScorer):
    seconds: float = 0.0

    def score(self, batch):
        return {"sleepy": [float(len(text) % 3) for text in batch.texts]}

    def spans(self, batch):
        time.sleep(self.seconds)
        return [[Span(0, len(text), 1.0)] if text else [] for text in batch.texts]
"""


@dataclass(frozen=True)
class Halves(rewards.Reward, StepScorer):
    """Two steps: the first half of the text is right, the second wrong; `known` false says nothing of either."""

    known: bool = True

    def score(self, batch: Batch) -> Components:
        return {"halves": [float(len(text) % 3) for text in batch.texts]}

    def spans(self, batch: Batch) -> list[list[Span]]:
        return [self._of(len(text)) for text in batch.texts]

    def _of(self, size: int) -> list[Span]:
        cuts = [(0, size // 2, 1.0), (size // 2, size, -0.5)]
        return [Span(start, end, score if self.known else None) for start, end, score in cuts if end > start]


@pytest.fixture(autouse=True)
def families() -> Iterator[None]:
    before = registry.snapshot()
    rewards.register("halves")(Halves)
    yield
    registry.restore(before)


def train(run: TrainRun, folder: Path, **changes: Any) -> list[dict[str, Any]]:
    assert run.data is not None
    assert run.grpo is not None
    run = run.model_copy(update={"grpo": run.grpo.model_copy(update={"reward": "halves", **changes})})
    set_seed(run.seed)
    model, tokenizer = (kind.from_pretrained(run.model.path) for kind in (AutoModelForCausalLM, AutoTokenizer))
    folder.mkdir(exist_ok=True)
    grpo.train(run, model, tokenizer, load(Path(run.data.train)), folder, [Records(folder, grpo.metrics_row)])
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("rule", SPAN_RULES)
def test_every_rule_of_steps_trains_and_is_recorded(run: TrainRun, tmp_path: Path, rule: str) -> None:
    rows = train(run, tmp_path, credit=CreditConfig(rule=rule, scorer="halves"))
    for row in rows:
        # A text of one character is one half, an empty one none.
        assert -0.5 < row["process/score"] <= 0.25
        assert 1 < row["process/steps"] <= 2
        assert row["process/unknown"] == 0
        assert row["grad_norm"] > 0


@pytest.mark.parametrize("objective", names())
def test_every_objective_takes_advantages_of_tokens(run: TrainRun, tmp_path: Path, objective: str) -> None:
    rows = train(run, tmp_path, objective=objective, credit=CreditConfig(rule="delta", scorer="halves"))
    assert [row["step"] for row in rows] == [1, 2]
    assert all(row["loss"] is not None for row in rows)


def test_steps_that_are_not_known_change_nothing(run: TrainRun, tmp_path: Path) -> None:
    """The same run to the byte, but for what it says of its steps."""
    plain = train(run, tmp_path / "plain")
    silent = train(run, tmp_path / "silent", credit=CreditConfig(rule="min", scorer="halves(known=false)"))
    told = train(run, tmp_path / "told", credit=CreditConfig(rule="min", scorer="halves"))
    own = [{key: value for key, value in row.items() if not key.startswith("process/")} for row in silent]
    assert own == plain
    assert [row["process/unknown"] for row in silent] == [1.0, 1.0]
    assert told[0]["length"] == plain[0]["length"]
    assert told[0]["grad_norm"] != plain[0]["grad_norm"]


def test_completions_are_kept_with_the_tokens_of_their_steps(run: TrainRun, tmp_path: Path) -> None:
    train(run, tmp_path, credit=CreditConfig(rule="min", scorer="halves"))
    kept = [one for one in completions.read(tmp_path, 1) if one["completion"]]
    assert kept
    for one in kept:
        spans = [step["span"] for step in one["steps"]]
        assert [span["score"] for span in spans][-1] == -0.5
        assert spans[-1]["end"] == len(one["completion"])
        assert 0 < one["steps"][-1]["last"] <= one["tokens"]
        assert len(one["advantage"]) == one["tokens"]
    assert any(len(set(one["advantage"])) > 1 for one in kept)


@pytest.mark.parametrize("worst", [pytest.param(-1.5, id="out of range"), pytest.param(float("nan"), id="no number")])
def test_a_score_that_would_spoil_the_gradient_stops_the_run(
    run: TrainRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worst: float
) -> None:
    monkeypatch.setattr(Halves, "_of", lambda self, size: [Span(0, size, worst)] if size else [])
    with pytest.raises(RewardFailure, match=r"scorer halves scored a step .*; scores must be in \[-1, 1\]"):
        train(run, tmp_path, credit=CreditConfig(rule="min", scorer="halves"))


def test_the_scorer_of_a_plugin_is_stopped_at_its_deadline(run: TrainRun, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    own = run.model_copy(
        update={"plugins": (PluginConfig(path=str(path), sha256=sha256(PLUGIN.encode()).hexdigest()),)}
    )
    rewards.plugins.load(path)
    credit = CreditConfig(rule="min", scorer="sleepy")
    rows = train(own, tmp_path / "quick", reward="sleepy", credit=credit)
    assert rows[0]["process/score"] == 1
    with pytest.raises(RewardFailure, match=r"scorer sleepy\(seconds=30.0\) failed"):
        train(
            own,
            tmp_path / "slow",
            reward="sleepy",
            reward_seconds=1.0,
            credit=CreditConfig(rule="min", scorer="sleepy(seconds=30.0)"),
        )


def test_an_objective_names_its_credit() -> None:
    objective, credit = split("dr_grpo+min(process,weight=2,temperature=0.5)")
    assert objective.name == "dr_grpo"
    assert credit == CreditConfig(rule="min", scorer="process", weight=2, temperature=0.5)
    assert split("grpo")[1] is None


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        pytest.param("grpo+min", r"write RULE\(SCORER\)", id="no scorer"),
        pytest.param("grpo+min(process,wieght=2)", "wieght", id="misspelt setting"),
        pytest.param("grpo+min(process,weight=-1)", "weight", id="negative weight"),
        pytest.param("grpo+mim(process)", "did you mean min", id="unknown rule"),
        pytest.param("grpo+min(sparse)", "scores completions, not steps", id="a reward without steps"),
        pytest.param("grpo+min(proces)", "proces", id="unknown scorer"),
        pytest.param("grpo+prime(process)", "which only implicit has", id="token rule on steps"),
        pytest.param("grpo+min(implicit)", "which only implicit has", id="step rule on tokens"),
        pytest.param('grpo+min(prm(model="/nowhere"))', "no process reward model there", id="no folder"),
        pytest.param("gropo+min(process)", "did you mean grpo", id="unknown objective"),
    ],
)
def test_what_cannot_be_trained_with_is_told_with_the_fix(spec: str, why: str) -> None:
    with pytest.raises((BadCredit, UnknownObjective, rewards.RewardError), match=why):
        check(split(spec)[1] or CreditConfig(rule="min"))


def test_the_learned_model_of_a_study_takes_the_place_of_its_name() -> None:
    named = with_model(CreditConfig(rule="min", scorer="prm"), "some/folder")
    assert named.scorer == 'prm(model="some/folder")'
    assert with_model(CreditConfig(rule="min"), "some/folder").scorer == "process"
