"""GRPO for real: two TRL steps on a random model, with components logged and bad rewards refused."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed

import rewards
from evals.data import load
from harness import chat
from harness.trainers import grpo
from harness.trainers.objectives import UnknownObjective, names, objective
from harness.trainers.records import Records
from harness.training import AdapterConfig, TrainRun
from rewards.batch import Batch


def train(run: TrainRun, folder: Path) -> tuple[Any, list[dict[str, Any]]]:
    assert run.data is not None
    set_seed(run.seed)
    model = AutoModelForCausalLM.from_pretrained(run.model.path)
    tokenizer = AutoTokenizer.from_pretrained(run.model.path)
    callbacks = [Records(folder, grpo.metrics_row)]
    trained = grpo.train(run, model, tokenizer, load(Path(run.data.train)), folder, callbacks)
    return trained, [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def with_grpo(run: TrainRun, **changes: Any) -> TrainRun:
    assert run.grpo is not None
    return run.model_copy(update={"grpo": run.grpo.model_copy(update=changes)})


@pytest.mark.parametrize("name", names())
def test_every_objective_trains_and_logs_every_component(run: TrainRun, tmp_path: Path, name: str) -> None:
    _, rows = train(with_grpo(run, objective=name, reward="format_answer+0.0*random"), tmp_path)
    assert [row["step"] for row in rows] == [1, 2]
    for row in rows:
        assert {"reward", "rewards/format", "rewards/answer", "rewards/random", "accuracy", "entropy"} <= set(row)
        assert {"kl", "length", "dead_groups", "seconds"} <= set(row)
        assert math.isfinite(row["reward"])
        assert 0 < row["length"] <= run.grpo.max_new_tokens
    assert any(row["rewards/random"] for row in rows)


def test_training_moves_the_weights_where_the_reward_varies(run: TrainRun, tmp_path: Path) -> None:
    before = AutoModelForCausalLM.from_pretrained(run.model.path).state_dict()
    trained, _ = train(with_grpo(run, reward="random"), tmp_path)
    after = trained.state_dict()
    assert any(not before[name].equal(after[name]) for name in before)


def test_equal_seeds_give_equal_metrics_to_the_byte(run: TrainRun, tmp_path: Path) -> None:
    texts = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        train(with_grpo(run, reward="random"), tmp_path / name)
        texts.append((tmp_path / name / "metrics.jsonl").read_bytes())
    assert texts[0] == texts[1]


def test_lora_trains_an_adapter_and_leaves_the_base_alone(run: TrainRun, tmp_path: Path) -> None:
    low_rank = with_grpo(run, reward="random").model_copy(update={"adapter": AdapterConfig(rank=4)})
    trained, _ = train(low_rank, tmp_path)
    trainable = [name for name, weight in trained.named_parameters() if weight.requires_grad]
    assert trainable
    assert all("lora_" in name for name in trainable)


def test_micro_batches_are_the_same_step(run: TrainRun, tmp_path: Path) -> None:
    halves = run.optimizer.model_copy(update={"micro_batch": 4})
    _, rows = train(with_grpo(run, reward="random").model_copy(update={"optimizer": halves}), tmp_path)
    assert [row["step"] for row in rows] == [1, 2]


def test_training_prompts_are_the_inference_prompts(run: TrainRun) -> None:
    tokenizer = AutoTokenizer.from_pretrained(run.model.path)
    seen = grpo.Trainer._tokenize_prompts(
        type("Fake", (), {"processing_class": tokenizer})(), [chat.messages("How many eggs?", "bare")]
    )
    assert seen[0] == [chat.encode(tokenizer, chat.messages("How many eggs?", "bare"))]


@dataclass(frozen=True)
class Bad(rewards.Reward):
    """Returns what must never become a gradient."""

    value: float = math.nan
    extra: int = 0

    def score(self, batch: Batch) -> dict[str, list[float | None]]:
        return {"": [self.value] * (len(batch.texts) + self.extra)}


@pytest.mark.parametrize(
    ("bad", "says"),
    [(Bad(), "returned nan"), (Bad(math.inf), "returned inf"), (Bad(1.0, extra=1), "3 scores for 2 completions")],
    ids=["nan", "infinity", "one score too many"],
)
def test_a_bad_reward_stops_with_a_clear_error(bad: Bad, says: str) -> None:
    with pytest.raises(grpo.RewardFailure, match=says):
        grpo.LoggedReward(bad)(
            prompts=["q", "q"], completions=["a", "b"], answer=["1", "1"], log_metric=lambda name, value: None
        )


def test_unscorable_completions_are_none_to_the_trainer_and_left_out_of_the_means() -> None:
    logged: dict[str, float] = {}
    scores = grpo.LoggedReward(rewards.parse("sparse"))(
        prompts=["q", "r"], completions=["#### 1", "#### 1"], answer=["no number", "1"], log_metric=logged.__setitem__
    )
    assert scores == [None, 1.0]
    assert logged == {"component/sparse": 1.0, "accuracy": 1.0}


def test_unknown_objective_names_the_nearest() -> None:
    with pytest.raises(UnknownObjective, match="did you mean grpo"):
        objective("grpoo")
