"""Preference optimisation for real: every loss trains a small random model on pairs from graded rollouts."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback, TrainerState, set_seed

from evals.data import Item, load
from harness import chat
from harness.trainers import length_bias, losses, preference, preference_data, records
from harness.trainers.demonstrations import think_steps
from harness.trainers.pairs import NoPairs, Pair, Side, read_pairs
from harness.trainers.pairwise import PairTrainer
from harness.trainers.records import Records
from harness.trainers.rejection import TestQuestions
from harness.training import AdapterConfig, CheckpointConfig, DpoConfig, OptimizerConfig, PairsConfig, TrainRun

ALL = losses.names()


def graded(item: Item, sample: int, answer: str, extra: str = "", reason: str = "stop") -> dict[str, Any]:
    steps = think_steps(item.gold, annotations=False)
    assert steps is not None
    body, _, gold = steps.rpartition(" ")
    correct = answer == "right"
    text = f"{extra}{body} {gold}" if correct else f"{extra}{body} {answer}"
    return {
        "id": item.id,
        "question": item.question,
        "gold": item.gold,
        "completion": text,
        "correct": correct,
        "status": "correct" if correct else "wrong",
        "answer": gold if correct else answer,
        "tokens": len(text.split()),
        "finish_reason": reason,
        "sample": sample,
        "seed": 7 * sample,
    }


@pytest.fixture(scope="session")
def rollouts(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation that has one right and two longer, wrong answers of every question."""
    folder = tmp_path_factory.mktemp("rollouts")
    rows = [
        row
        for item in load(data_folder / "train.jsonl", 12)
        for row in (
            graded(item, 0, "right"),
            graded(item, 1, "98", "<think> 1 + 1 = 2</think>\n"),
            graded(item, 2, "99", "<think> 1 + 1 = 2</think>\n" * 2, "length"),
        )
    ]
    (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    request = {"model": {"name": "random", "fingerprint": "abc123"}, "prompt": {"style": "bare"}}
    (folder / "eval.json").write_text(json.dumps(request), encoding="utf-8")
    return folder


@pytest.fixture
def dpo(run: TrainRun, rollouts: Path) -> TrainRun:
    """Five steps of eight pairs, of 24."""
    return run.model_copy(
        update={
            "method": "dpo",
            "grpo": None,
            "optimizer": OptimizerConfig(steps=5, batch_size=8, learning_rate=2e-3),
            "dpo": DpoConfig(pairs=PairsConfig(rollouts=(str(rollouts),))),
        }
    )


def with_dpo(run: TrainRun, **changes: Any) -> TrainRun:
    assert run.dpo is not None
    return run.model_copy(update={"dpo": run.dpo.model_copy(update=changes)})


def train(run: TrainRun, folder: Path, *callbacks: TrainerCallback) -> tuple[Any, list[dict[str, Any]]]:
    assert run.data is not None
    folder.mkdir(exist_ok=True)
    set_seed(run.seed)
    model = AutoModelForCausalLM.from_pretrained(run.model.path)
    tokenizer = AutoTokenizer.from_pretrained(run.model.path)
    items = load(Path(run.data.train))
    watching = [Records(folder, preference.metrics_row), *callbacks]
    trained = preference.train(run, model, tokenizer, items, folder, watching)
    return trained, [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The trainers that run, as they are at the end of training."""
    seen: list[Any] = []
    fit: Callable[[Any], Any] = preference.loop.fit

    def keep(trainer: Any) -> Any:
        seen.append(trainer)
        return fit(trainer)

    monkeypatch.setattr(preference.loop, "fit", keep)
    return seen


@pytest.mark.parametrize("name", ALL)
def test_every_loss_widens_the_margin_with_one_model_in_memory(
    dpo: TrainRun, tmp_path: Path, kept: list[Any], name: str
) -> None:
    trained, rows = train(with_dpo(dpo, loss=name), tmp_path)
    reference_free = losses.loss(name).reference_free
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[-1]["margin"] > rows[0]["margin"]
    for row in rows:
        assert all(math.isfinite(row[key]) for key in ("loss", "rewards/chosen", "rewards/rejected", "grad_norm"))
        assert row["logps/chosen"] < 0
        assert (row["accuracy"] is None) == (name == "kto")
    bias = json.loads((tmp_path / "length_bias.json").read_text())
    # The wrong answers are the longer ones, so that whoever learns the pairs learns brevity too.
    assert bias["data"]["pearson"] < 0
    assert (bias["before"]["pearson"] is None) == (not reference_free)
    assert -1 <= bias["after"]["pearson"] <= 1
    (trainer,) = kept
    assert trainer.ref_model is None
    models = {
        id(module)
        for module in (value for value in vars(trainer).values() if isinstance(value, torch.nn.Module))
        if sum(weight.numel() for weight in module.parameters())
    }
    assert models == {id(trained)}
    # Of the reference, its log-probabilities are there, or nothing.
    columns = [column for column in trainer.train_dataset.column_names if column.startswith("ref_")]
    assert bool(columns) == (not reference_free)


@pytest.mark.parametrize("name", ["dpo", "simpo", "kto"])
def test_equal_seeds_give_equal_records_to_the_byte(dpo: TrainRun, tmp_path: Path, name: str) -> None:
    for folder in ("a", "b"):
        train(with_dpo(dpo, loss=name), tmp_path / folder)
    for record in ("metrics.jsonl", "pairs.jsonl", "pairs.json", "length_bias.json", "logps.jsonl"):
        assert (tmp_path / "a" / record).read_bytes() == (tmp_path / "b" / record).read_bytes()


@pytest.mark.parametrize("name", ["dpo", "orpo"])
def test_lora_trains_an_adapter_only(dpo: TrainRun, tmp_path: Path, name: str) -> None:
    low_rank = with_dpo(dpo, loss=name).model_copy(update={"adapter": AdapterConfig(rank=4)})
    trained, rows = train(low_rank, tmp_path)
    assert all("lora_" in name for name, weight in trained.named_parameters() if weight.requires_grad)
    assert rows[-1]["margin"] > rows[0]["margin"]


def test_micro_batches_are_the_same_step(dpo: TrainRun, tmp_path: Path) -> None:
    _, whole = train(dpo, tmp_path / "whole")
    _, split = train(
        dpo.model_copy(update={"optimizer": dpo.optimizer.model_copy(update={"micro_batch": 2})}), tmp_path / "split"
    )
    for one, other in zip(whole, split, strict=True):
        for name in ("loss", "margin", "length_bias"):
            assert one[name] == pytest.approx(other[name], abs=2e-4)


def test_pairs_say_where_they_come_from(dpo: TrainRun, tmp_path: Path) -> None:
    train(dpo, tmp_path)
    pairs, report = read_pairs(tmp_path / "pairs.jsonl"), json.loads((tmp_path / "pairs.json").read_text())
    assert len(pairs) == report["pairs"] == 24
    assert {pair.chosen.generator for pair in pairs} == {"abc123"}
    assert pairs[0].chosen.components == {"sparse": 1.0}
    assert pairs[0].prompt == chat.messages(pairs[0].question, "bare")
    assert report["generators"] == ["abc123"]
    assert report["epochs"] == pytest.approx(5 * 8 / 24, abs=1e-3)


def test_a_resumed_run_takes_the_pairs_that_are_there(dpo: TrainRun, tmp_path: Path) -> None:
    train(dpo, tmp_path)
    lines = (tmp_path / "pairs.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "pairs.jsonl").write_text("".join(lines[:10]))
    (tmp_path / "metrics.jsonl").unlink()
    train(with_dpo(dpo, pairs=PairsConfig(rollouts=("nowhere",))), tmp_path)
    assert len(read_pairs(tmp_path / "pairs.jsonl")) == 10


def test_more_than_two_epochs_are_warned_of(dpo: TrainRun, tmp_path: Path) -> None:
    many = dpo.model_copy(update={"optimizer": dpo.optimizer.model_copy(update={"steps": 7})})
    with pytest.warns(preference_data.ManyEpochs, match=r"7 steps of 8 go 2\.3 times over 24 pairs"):
        train(many, tmp_path)


def test_sampling_on_policy_is_an_evaluation_that_goes_on(run: TrainRun, tmp_path: Path) -> None:
    pairs = PairsConfig(questions=3, samples=2, max_new_tokens=4)
    asked = run.model_copy(update={"method": "dpo", "grpo": None, "dpo": DpoConfig(pairs=pairs)})
    # A random model answers nothing right: its samples are kept, and the refusal counts them.
    with pytest.raises(NoPairs, match=r"no pairs from 6 rollouts of 3 questions: .*no right answer"):
        train(asked, tmp_path)
    items = (tmp_path / "rollouts" / "items.jsonl").read_text()
    rows = [json.loads(line) for line in items.splitlines()]
    assert len(rows) == 6
    request = json.loads((tmp_path / "rollouts" / "eval.json").read_text())
    assert request["model"]["fingerprint"] == run.model.fingerprint
    (tmp_path / "rollouts" / "items.jsonl").write_text(items.splitlines(keepends=True)[0])
    with pytest.raises(NoPairs):
        train(asked, tmp_path)
    assert (tmp_path / "rollouts" / "items.jsonl").read_text() == items


def test_test_questions_are_refused(dpo: TrainRun, data_folder: Path, tmp_path: Path) -> None:
    assert dpo.data is not None
    same = dpo.model_copy(update={"data": dpo.data.model_copy(update={"test": str(data_folder / "train.jsonl")})})
    with pytest.raises(TestQuestions, match="12 questions of the rollouts are test questions"):
        train(same, tmp_path)


def test_pairs_that_do_not_fit_are_left_out(dpo: TrainRun, tmp_path: Path) -> None:
    with pytest.raises(NoPairs, match="none of 24 pairs can be trained on: 24 too long; raise"):
        train(with_dpo(dpo, max_length=4), tmp_path)


def test_pairs_with_unknown_tokens_are_left_out_and_counted(dpo: TrainRun, rollouts: Path, tmp_path: Path) -> None:
    lines = (rollouts / "items.jsonl").read_text().splitlines()
    first = json.loads(lines[1])
    strange = json.dumps(first | {"completion": "\u2603 #### 97", "answer": "97"})
    (tmp_path / "items.jsonl").write_text("\n".join([lines[0], strange, *lines[2:]]))
    train(with_dpo(dpo, pairs=PairsConfig(rollouts=(str(tmp_path / "items.jsonl"),))), tmp_path / "run")
    assert json.loads((tmp_path / "run" / "pairs.json").read_text())["not_trained"] == {"unwritable": 1}
    assert len(read_pairs(tmp_path / "run" / "pairs.jsonl")) == 23


def test_training_tokens_are_the_inference_prompt_and_the_completion_to_its_end(model_folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    prompt = chat.messages("How many eggs?", "bare")
    whole = Side("<think> 1 + 1 = 2</think>\n#### 2", "2", 9, False, 1.0, {}, 0, None, None)
    cut = Side("<think> 1 + 1", None, 4, True, 0.0, {}, 1, None, None)
    row = preference_data.tokenised(tokenizer, Pair("1", "How many eggs?", prompt, whole, cut, False))
    assert row["prompt_ids"] == chat.encode(tokenizer, prompt)
    assert row["chosen_ids"] == chat.example(tokenizer, prompt, whole.completion).completion_ids
    assert row["chosen_ids"][-1] == tokenizer.eos_token_id
    assert row["rejected_ids"][-1] != tokenizer.eos_token_id


@pytest.mark.parametrize("pairs", [1, 2, 3])
def test_kto_meets_prompts_with_completions_of_others(pairs: int) -> None:
    rows = [{"prompt_ids": [n], "chosen_ids": [n, 1], "rejected_ids": [n, 0]} for n in range(6)]
    single = preference_data.unpaired(rows, pairs, seed=0)
    assert len(single) == 12
    assert sum(row["label"] for row in single) == 6
    for row in single:
        assert row["completion_ids"] == [*row["prompt_ids"], int(row["label"])]
        assert row["KL_completion_ids"][0] != row["prompt_ids"][0]
    for first in range(0, 12, 2 * pairs):
        batch = single[first : first + 2 * pairs]
        assert sorted(row["KL_completion_ids"] for row in batch) == sorted(row["completion_ids"] for row in batch)


class Power(TrainerCallback):  # type: ignore[misc]
    """Fails at the end of a step, before its checkpoint."""

    def on_step_end(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        if state.global_step == 4:
            raise ConnectionError("power")


@pytest.mark.parametrize("name", ["dpo", "simpo", "kto"])
def test_a_resumed_run_is_the_uninterrupted_one(dpo: TrainRun, tmp_path: Path, name: str) -> None:
    """The reference stays the model before training, not that of the checkpoint."""
    saved = with_dpo(dpo, loss=name).model_copy(update={"checkpoint": CheckpointConfig(every=3)})
    train(saved, tmp_path / "whole")
    with pytest.raises(ConnectionError):
        train(saved, tmp_path / "cut", Power())
    records.rewind(tmp_path / "cut", 3)
    train(saved, tmp_path / "cut")
    for record in ("metrics.jsonl", "length_bias.json", "logps.jsonl"):
        assert (tmp_path / "cut" / record).read_bytes() == (tmp_path / "whole" / record).read_bytes()


@pytest.mark.parametrize(
    ("rewards", "lengths", "expected"),
    [
        ([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], 1.0),
        ([3.0, 2.0, 1.0], [2.0, 4.0, 6.0], -1.0),
        ([0.0, 1.0, 0.0], [1.0, 2.0, 3.0], 0.0),
        ([1.0, 1.0, 1.0 + 1e-7], [1.0, 2.0, 3.0], None),
        ([1.0, 2.0, 3.0], [5.0, 5.0, 5.0], None),
        ([1.0, 2.0], [1.0, 2.0], None),
    ],
    ids=["with length", "against length", "neither", "rounding only", "one length", "too few"],
)
def test_pearson(rewards: list[float], lengths: list[float], expected: float | None) -> None:
    assert length_bias.pearson(rewards, lengths) == (None if expected is None else pytest.approx(expected))


def test_the_rows_are_not_tokenised_a_second_time() -> None:
    rows = object()
    assert PairTrainer._prepare_dataset(object.__new__(PairTrainer), rows, None, None, "train") is rows
