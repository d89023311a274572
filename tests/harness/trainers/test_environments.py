"""What an environment writes into completions: when, as which tokens, and outside of the loss."""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed

from evals.data import load
from evals.engines import Completion, Request, Sampling
from evals.engines.decoding import MOST_RESPONSES, Decoder, Row
from evals.engines.transformers import TransformersEngine
from harness import chat
from harness.tiny.tokenizer import END
from harness.trainers import environments, grpo, measures
from harness.trainers.environments import named, rollouts
from harness.trainers.environments.calculator import Calculator
from harness.trainers.records import Records
from harness.training import CreditConfig, MeasureConfig, TrainRun
from tests.harness import templated
from tests.harness.trainers.scripted import TOKENS, Policy, Script, token, trainer

SAMPLING = Sampling(max_new_tokens=30)


def written(*lines: list[str], environment: Any = None, limit: int = 30) -> list[Row]:
    """The rows of scripted policies, which write their lines whatever stands there."""
    ends = frozenset({TOKENS.eos_token_id})
    decoder = Decoder(Script(*lines), TOKENS, ends, environment or Calculator())
    return decoder.decode([Request([5] * Script.length(n)) for n in range(len(lines))], Sampling(limit))


def own(row: Row) -> str:
    """The tokens of a row, the environment's in brackets."""
    texts = [TOKENS.decode([one]) for one in row.tokens]
    return "".join(text if mine else f"[{text}]" for text, mine in zip(texts, row.own, strict=True))


@pytest.mark.parametrize(
    ("text", "response"),
    [
        pytest.param("<think> 4 * 7 =", " 28", id="a blank as before the sign"),
        pytest.param("4*7=", "28", id="and none where none is"),
        pytest.param("4 * 7 = ", "28", id="the policy has written the blank itself"),
        pytest.param("3*4=<<3*4=", "12>>", id="an annotation is closed"),
        pytest.param("<<3*4=12>>12 + 1 =", " 13", id="behind an annotation"),
        pytest.param("28, 28 + 3 =", " 31", id="the last statement of the line"),
        pytest.param("16 eggs - 3 eggs =", " 13", id="units"),
        pytest.param("2 * (3 + 4) =", " 14", id="brackets"),
        pytest.param("5 eggs (2*3 =", " 6", id="a bracket around the statement"),
        pytest.param("20% of 50 =", " 10", id="a share"),
        pytest.param("5 - 8 =", " -3", id="below zero"),
        pytest.param("1 / 4 =", " 0.25", id="an exact decimal"),
        pytest.param("10 / 3 =", " 10/3", id="no decimal is exact"),
        pytest.param("4 * 7 = 28 + 3 =", " 31", id="a chain goes on with what was written last"),
        pytest.param("4 / 0 =", " error", id="zero divides"),
        pytest.param("<<4/(3-3)=", "error>>", id="zero divides in an annotation"),
        pytest.param("18 =", None, id="nothing to compute"),
        pytest.param("x =", None, id="a name"),
        pytest.param("x + 3 * 2 =", None, id="the left side is not known"),
        pytest.param("3x + 2 =", None, id="a variable"),
        pytest.param("2 * =", None, id="unreadable"),
        pytest.param("=", None, id="a bare sign"),
        pytest.param("4 * 7", None, id="nothing asked"),
        pytest.param("4 * 7 = 28", None, id="answered already"),
        pytest.param("4 * 7\n=", None, id="another line"),
        pytest.param("1+" * 400 + "1=", None, id="longer than any statement"),
    ],
)
def test_the_calculator_answers_what_is_asked_and_nothing_else(text: str, response: str | None) -> None:
    assert Calculator().respond(text) == response


def test_results_stand_in_the_place_of_what_the_policy_would_have_written() -> None:
    line = [" 4", " *", " 7", " =", " 5", ",", " 28", " +", " 3", " =", " 5", "####", " 31", END]
    (row,) = written(line)
    assert own(row) == " 4 * 7 =[ 28], 28 + 3 =[ 31]#### 31<|end|>"
    assert (row.responses, row.failed, row.reason) == (2, 0, "stop")


def test_rows_of_a_batch_do_not_wait_for_each_other() -> None:
    silent = [" 4", " *", " 7", "####", " 9", END]
    late = [" 1", ",", " 2", ",", " 3", " +", " 4", " =", " 5", END]
    assert [own(row) for row in written(silent, late)] == [" 4 * 7#### 9<|end|>", " 1, 2, 3 + 4 =[ 7]<|end|>"]


@pytest.mark.parametrize(
    "asks",
    [
        pytest.param([" 60", " *", " 2", " ="], id="no token for 120"),
        pytest.param([" 1", " /", " 4", " ="], id="no decimals"),
        pytest.param([" 4", " /", " 0", " ="], id="no word for an error"),
    ],
)
def test_what_the_vocabulary_cannot_say_is_counted_and_left_to_the_policy(asks: list[str]) -> None:
    (row,) = written([*asks, " 5", END])
    assert own(row) == "".join(asks) + " 5<|end|>"
    assert (row.responses, row.failed) == (1, 1)


class Echo:
    """Says a text behind whatever the policy writes."""

    def __init__(self, text: str) -> None:
        self.text = text

    def respond(self, text: str) -> str | None:
        return self.text


def test_an_environment_is_not_asked_behind_its_own_words_and_not_without_end() -> None:
    (row,) = written([" 1"] * 50, environment=Echo(" 2 3"), limit=40)
    assert own(row) == " 1[ 2][ 3]" * 13 + " 1"
    (row,) = written([" 1"] * 99, environment=Echo(" 2"), limit=99)
    assert sum(not mine for mine in row.own) == row.responses == MOST_RESPONSES


@pytest.mark.parametrize("limit", [4, 5, 6], ids=["before", "within", "behind"])
def test_observations_count_towards_the_limit(limit: int) -> None:
    (row,) = written([" 1", " +", " 1", " ="], environment=Calculator(), limit=limit)
    assert len(row.tokens) == limit
    assert row.reason == "length" if limit < 6 else "stop"


def test_an_environment_cannot_end_a_completion() -> None:
    (row,) = written([" 1", " 2", END], environment=Echo(END))
    assert own(row) == " 1 2<|end|>"
    assert row.failed == row.responses == 2


class Typed(Policy):
    """Writes a text as a byte-level tokenizer has it, whatever stands there."""

    def __init__(self, tokenizer: Any, text: str) -> None:
        super().__init__()
        self.script = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]
        self.size = len(tokenizer)

    def logits(self, tokens: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        chosen = torch.tensor([self.script[min(int(place), len(self.script) - 1)] for place in positions])
        return torch.nn.functional.one_hot(chosen, self.size).float().log()


def test_a_byte_level_vocabulary_says_everything() -> None:
    tokenizer = templated.build()
    text = "é <<10/4=......so 5 / 0 =......"  # the dots are overwritten
    ends = frozenset({tokenizer.eos_token_id})
    (row,) = Decoder(Typed(tokenizer, text), tokenizer, ends, Calculator()).decode([Request([1])], Sampling(60))
    said = [one for one, mine in zip(row.tokens, row.own, strict=True) if not mine]
    assert row.text == "é <<10/4=2.5>>.so 5 / 0 = error"
    assert tokenizer.decode(said) == "2.5>> error"


def test_equal_seeds_draw_equal_completions_whatever_else_is_in_the_batch(model_folder: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(model_folder)
    requests = [Request(TOKENS.encode(f"How many {n} * 2"), n) for n in range(6)]

    def drawn(asked: Sequence[Request], size: int) -> dict[int, str]:
        engine = TransformersEngine(model, TOKENS, size, Echo(" 7"))
        found: list[Completion] = [one for batch in engine.generate(asked, SAMPLING) for one in batch]
        return {one.seed: one.text for one in found}

    together = drawn(requests, 6)
    assert together == drawn(requests[::-1], 2)
    assert " 7" in together[0]


def test_rollouts_of_a_trainer_and_what_is_logged() -> None:
    line = [" 4", " *", " 7", " =", " 5", " 1", " /", " 4", " =", " 6", END]
    stage = trainer(Script(line), 30)
    stage._metrics = {"train": defaultdict(list)}
    ids, mask = rollouts(stage, [[5], [5]], Calculator())
    assert [TOKENS.decode(one, skip_special_tokens=True) for one in ids] == [" 4 * 7 = 28 1 / 4 = 6"] * 2
    assert mask == [[1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1]] * 2
    assert stage._metrics["train"] == {
        "step_log/environment/calls": [2.0],
        "step_log/environment/unwritable": [0.5],
    }


def sampled(run: TrainRun, folder: Path, objective: str) -> tuple[Any, dict[str, Any]]:
    """A trainer, and a batch of which it sampled in an environment that says 7 behind every token."""
    assert run.grpo is not None
    assert run.data is not None
    changes = {"objective": objective, "rollout": "decoder", "environment": "calculator", "reward": "random"}
    run = run.model_copy(update={"grpo": run.grpo.model_copy(update=changes)})
    set_seed(3)
    model, tokenizer = (kind.from_pretrained(run.model.path) for kind in (AutoModelForCausalLM, AutoTokenizer))
    rows = [
        {"prompt": chat.messages(item.question, "bare"), "answer": item.gold} for item in load(Path(run.data.train))
    ]
    made = grpo.Trainer(run, folder, model, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
    made.current_gradient_accumulation_steps = 1
    made.model.train()
    return made, made._generate_and_score_completions([rows[place // 4] for place in range(8)])


def gradient(made: Any, tensors: dict[str, Any]) -> tuple[float, torch.Tensor]:
    """Loss and its gradient of all weights."""
    made.model.zero_grad()
    loss = made.compute_loss(made.model, tensors)
    loss.backward()
    return float(loss.detach()), torch.cat([one.grad.flatten() for one in made.model.parameters()])


@pytest.mark.parametrize("objective", ["grpo", "dr_grpo", "cispo", "gspo"])
def test_what_the_environment_wrote_has_no_weight_in_the_loss(
    run: TrainRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, objective: str
) -> None:
    monkeypatch.setitem(environments.ENVIRONMENTS, "calculator", Echo(" 7"))
    made, tensors = sampled(run, tmp_path, objective)
    seven, ids, own = token(" 7"), tensors["completion_ids"], tensors["tool_mask"].bool()
    assert (ids[~own] == seven).all()
    assert (~own).sum() > 8
    broad = tensors["advantages"].reshape(8, -1).expand(8, ids.size(1)).clone()
    assert broad.abs().max() > 0
    loss, weights = gradient(made, {**tensors, "advantages": broad})
    other, same = gradient(made, {**tensors, "advantages": broad.masked_fill(~own, 1e3)})
    assert other == loss
    assert torch.equal(weights, same)
    _, moved = gradient(made, {**tensors, "advantages": broad + own})
    assert not torch.allclose(weights, moved)


def test_a_run_in_an_environment_is_measured_in_it_and_logs_it(
    run: TrainRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(environments.ENVIRONMENTS, "calculator", Echo(" 7"))
    made, _ = sampled(run, tmp_path, "grpo")
    (calls,) = made._metrics["train"]["step_log/environment/calls"]
    assert calls > 1
    measured = run.model_copy(
        update={
            "grpo": made.table,
            "evaluation": MeasureConfig(test_items=3, samples=2, max_new_tokens=8),
        }
    )
    measures.measure(measured, made.model, made.processing_class, tmp_path / "items.jsonl", lambda done, of: None)
    found = [json.loads(line) for line in (tmp_path / "items.jsonl").read_text().splitlines()]
    assert len(found) == 6
    assert all(" 7" in row["completion"] for row in found)


def test_equal_runs_in_an_environment_with_credit_for_calls_write_equal_bytes(
    run: TrainRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(environments.ENVIRONMENTS, "calculator", Echo(" 4 * 2 = 8,"))
    credit = CreditConfig(rule="min", scorer="calls")
    changes = {"rollout": "decoder", "environment": "calculator", "credit": credit, "max_new_tokens": 24}
    assert run.grpo is not None
    assert run.data is not None
    run = run.model_copy(update={"grpo": run.grpo.model_copy(update=changes)})
    for name in ("a", "b"):
        set_seed(run.seed)
        model, tokenizer = (kind.from_pretrained(run.model.path) for kind in (AutoModelForCausalLM, AutoTokenizer))
        (tmp_path / name).mkdir()
        callbacks = [Records(tmp_path / name, grpo.metrics_row)]
        grpo.train(run, model, tokenizer, load(Path(run.data.train)), tmp_path / name, callbacks)
    first, again = ((tmp_path / name / "metrics.jsonl").read_bytes() for name in ("a", "b"))
    assert first == again
    rows = [json.loads(line) for line in first.splitlines()]
    assert len(rows) == 2
    assert all(row["environment/calls"] > 1 and row["process/steps"] > 1 for row in rows)


def test_none_is_no_environment() -> None:
    assert named("none") is None
    assert named("calculator") == Calculator()
