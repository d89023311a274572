"""Supervised fine-tuning for real: TRL steps on a random model, whose loss is checked by hand."""

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, set_seed

from evals.data import Item, load
from harness import chat
from harness.config import RunConfig
from harness.tiny.problems import problems
from harness.trainers import sft
from harness.trainers.records import Records
from harness.training import AdapterConfig, OptimizerConfig, SftConfig, TrainRun


@pytest.fixture
def sft_run(config: RunConfig) -> TrainRun:
    return TrainRun(
        method="sft",
        seed=3,
        prompt="bare",
        model=config.model,
        data=config.data,
        optimizer=OptimizerConfig(steps=1, batch_size=8, learning_rate=1e-2),
        sft=SftConfig(),
    )


def with_sft(run: TrainRun, **changes: Any) -> TrainRun:
    return run.model_copy(update={"sft": SftConfig(**changes)})


def with_optimizer(run: TrainRun, **changes: Any) -> TrainRun:
    return run.model_copy(update={"optimizer": run.optimizer.model_copy(update=changes)})


def items_of(run: TrainRun, count: int | None = None) -> list[Item]:
    assert run.data is not None
    return load(Path(run.data.train), count)


def train(run: TrainRun, folder: Path, items: list[Item] | None = None, model: Any = None) -> list[dict[str, Any]]:
    """The metrics of a run from the start."""
    folder.mkdir(exist_ok=True)
    set_seed(run.seed)
    model = model or AutoModelForCausalLM.from_pretrained(run.model.path)
    tokenizer = AutoTokenizer.from_pretrained(run.model.path)
    sft.train(
        run, model, tokenizer, items_of(run) if items is None else items, folder, [Records(folder, sft.metrics_row)]
    )
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def by_hand(run: TrainRun, items: list[Item]) -> dict[str, float]:
    """Mean negative log-likelihood, entropy and accuracy over completion tokens, one example at a time."""
    model = AutoModelForCausalLM.from_pretrained(run.model.path)
    tokenizer = AutoTokenizer.from_pretrained(run.model.path)
    losses, entropies, hits = [], [], []
    for item in items:
        prompt = chat.encode(tokenizer, chat.messages(item.question, run.prompt))
        text = sft.solutions([item], run.prompt, annotations=False).found[0].completion + tokenizer.eos_token
        completion = tokenizer(text, add_special_tokens=False)["input_ids"]
        logits = model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1]
        logs = logits.log_softmax(-1)
        losses.append(-logs[range(len(completion)), completion])
        entropies.append(-(logs.exp() * logs).sum(-1))
        hits.append((logits.argmax(-1) == torch.tensor(completion)).float())
    loss = torch.cat(losses).mean()
    loss.backward()
    norm = torch.stack([weight.grad.norm() for weight in model.parameters()]).norm()
    return {
        "loss": loss.item(),
        "entropy": torch.cat(entropies).mean().item(),
        "accuracy": torch.cat(hits).mean().item(),
        "grad_norm": norm.item(),
    }


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"micro_batch": 2},
        {"batch_size": 1, "packing": True},
        {"batch_size": 2, "packing": True, "max_length": 256},
        {"batch_size": 2, "packing": True, "max_length": 256, "micro_batch": 1},
    ],
    ids=["one batch", "micro-batches", "packed in one row", "packed in two rows", "a packed row at a time"],
)
def test_the_loss_is_that_of_completion_tokens(sft_run: TrainRun, tmp_path: Path, changes: dict[str, Any]) -> None:
    """One step over all eight examples, however they are laid out, is the same loss and the same gradient."""
    sizes = {key: changes[key] for key in ("batch_size", "micro_batch") if key in changes}
    table = {key: changes[key] for key in ("packing", "max_length") if key in changes}
    run, items = with_sft(with_optimizer(sft_run, **sizes), **table), items_of(sft_run, 8)
    (step,) = train(run, tmp_path, items)
    expected = by_hand(run, items)
    assert (step["loss"], step["grad_norm"]) == pytest.approx((expected["loss"], expected["grad_norm"]), rel=1e-5)
    # These are means of the micro-batches' means.
    near = 1e-2 if "micro_batch" in changes else 1e-5
    assert (step["entropy"], step["accuracy"]) == pytest.approx((expected["entropy"], expected["accuracy"]), abs=near)
    assert step["tokens"] == json.loads((tmp_path / "data.json").read_text())["tokens"]["all"]
    assert step["learning_rate"] == run.optimizer.learning_rate


def test_the_end_of_turn_is_learnt_and_the_prompt_is_not(sft_run: TrainRun) -> None:
    tokenizer = AutoTokenizer.from_pretrained(sft_run.model.path)
    rows, _ = sft.prepared(sft_run, tokenizer, items_of(sft_run))
    for row, item in zip(rows, items_of(sft_run), strict=True):
        learnt = [token for token, on in zip(row["input_ids"], row["completion_mask"], strict=True) if on]
        given = [token for token, on in zip(row["input_ids"], row["completion_mask"], strict=True) if not on]
        assert learnt[-1] == tokenizer.eos_token_id
        assert learnt.count(tokenizer.eos_token_id) == 1
        assert given == chat.encode(tokenizer, chat.messages(item.question, "bare"))
        assert tokenizer.decode(learnt).startswith("<think>")


@pytest.mark.parametrize("loss", ["nll", "dft"])
def test_the_loss_falls(sft_run: TrainRun, tmp_path: Path, loss: str) -> None:
    rows = train(with_optimizer(with_sft(sft_run, loss=loss), steps=12, learning_rate=3e-2), tmp_path)
    assert [row["step"] for row in rows] == list(range(1, 13))
    assert rows[-1]["accuracy"] > rows[0]["accuracy"] + 0.1
    if loss == "nll":
        assert rows[-1]["loss"] < rows[0]["loss"] - 1


def test_equal_seeds_give_equal_metrics_to_the_byte(sft_run: TrainRun, tmp_path: Path) -> None:
    for name in ("a", "b"):
        train(with_optimizer(sft_run, steps=3), tmp_path / name)
    assert (tmp_path / "a/metrics.jsonl").read_bytes() == (tmp_path / "b/metrics.jsonl").read_bytes()


@pytest.mark.parametrize("adapter", [None, AdapterConfig(rank=4)], ids=["full", "adapter"])
def test_a_resumed_run_has_the_metrics_of_an_uninterrupted_one(
    sft_run: TrainRun, tmp_path: Path, adapter: AdapterConfig | None
) -> None:
    run = with_optimizer(sft_run, steps=4).model_copy(
        update={"checkpoint": sft_run.checkpoint.model_copy(update={"every": 2}), "adapter": adapter}
    )
    train(run, tmp_path)
    for newer in (tmp_path / "checkpoints").glob("checkpoint-4"):
        newer.rename(tmp_path / "set-aside")
    whole = (tmp_path / "metrics.jsonl").read_text().splitlines()
    (tmp_path / "metrics.jsonl").unlink()
    train(run, tmp_path)
    assert (tmp_path / "metrics.jsonl").read_text().splitlines()[-2:] == whole[2:]


def test_long_examples_are_dropped_whole_and_counted(sft_run: TrainRun, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(sft_run.model.path)
    lengths = sorted(len(row["input_ids"]) for row in sft.prepared(sft_run, tokenizer, items_of(sft_run))[0])
    limit = lengths[len(lengths) // 2]
    train(with_sft(sft_run, max_length=limit), tmp_path)
    counts = json.loads((tmp_path / "data.json").read_text())
    assert counts["dropped"] == {"too_long": sum(length > limit for length in lengths)}
    assert counts["examples"] == sum(length <= limit for length in lengths)
    assert counts["tokens"]["all"] == sum(length for length in lengths if length <= limit)
    assert counts["tokens"]["longest"] == limit


def test_what_the_tokenizer_cannot_write_is_not_learnt(sft_run: TrainRun) -> None:
    tokenizer = AutoTokenizer.from_pretrained(sft_run.model.path)
    items = [*items_of(sft_run, 3), Item("x", "How many?", "A zeppelin flies.\n#### 1")]
    rows, counts = sft.prepared(sft_run, tokenizer, items)
    assert (len(rows), counts["dropped"]) == (3, {"unwritable": 1})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"max_length": 2}, r"leaves no example \(40 too_long\); sft.max_length is 2"),
        ({"annotations": True}, r"leaves no example \(40 unwritable\)"),
    ],
    ids=["too long", "annotations that the embedded tokenizer has no tokens for"],
)
def test_a_source_that_leaves_nothing_is_refused(sft_run: TrainRun, changes: dict[str, Any], says: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(sft_run.model.path)
    with pytest.raises(sft.NothingToLearn, match=says):
        sft.prepared(with_sft(sft_run, **changes), tokenizer, items_of(sft_run))


def test_chat_files_are_learnt(sft_run: TrainRun, tmp_path: Path) -> None:
    problem = next(problems("train", 0, 1))
    path = tmp_path / "chat.jsonl"
    path.write_text(json.dumps({"prompt": problem.question, "completion": problem.chain}), encoding="utf-8")
    run = with_sft(sft_run, source="chat", files=(str(path),)).model_copy(update={"data": None})
    first, *_, last = train(with_optimizer(run, steps=5), tmp_path, items=[])
    assert last["loss"] < first["loss"]


def rollouts(folder: Path, split: Any) -> Path:
    """An evaluation in which every problem was solved once and failed once."""
    rows = []
    for number, problem in enumerate(islice(problems(split, 0, 1), 6)):
        asked = {"id": str(number), "question": problem.question, "gold": problem.solution}
        rows += [{**asked, "completion": problem.chain, "correct": True, "sample": 0, "finish_reason": "stop"}]
        rows += [{**asked, "completion": "#### 0", "correct": False, "sample": 1, "finish_reason": "stop"}]
    (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def test_own_correct_rollouts_are_learnt(sft_run: TrainRun, tmp_path: Path) -> None:
    run = with_sft(sft_run, source="rollouts", files=(str(rollouts(tmp_path, "train")),))
    train(run, tmp_path)
    counts = json.loads((tmp_path / "data.json").read_text())
    assert (counts["source"], counts["examples"], counts["dropped"]) == ("rollouts", 6, {"wrong": 6})


def test_rollouts_of_the_runs_test_questions_are_refused(sft_run: TrainRun, tmp_path: Path) -> None:
    run = with_sft(sft_run, source="rollouts", files=(str(rollouts(tmp_path, "test")),))
    with pytest.raises(ValueError, match="6 questions of the rollouts are test questions"):
        train(run, tmp_path)


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("mamba", {"hidden_size": 32, "num_hidden_layers": 1, "state_size": 4}),
        ("opt", {"hidden_size": 32, "ffn_dim": 32, "num_hidden_layers": 1, "num_attention_heads": 2}),
    ],
    ids=["a state that runs on", "positions from the attention mask"],
)
def test_packing_is_refused_for_models_whose_examples_would_see_each_other(
    sft_run: TrainRun, tmp_path: Path, kind: str, sizes: dict[str, int]
) -> None:
    tokens = AutoTokenizer.from_pretrained(sft_run.model.path)
    special = {"pad_token_id": tokens.pad_token_id, "bos_token_id": None, "eos_token_id": tokens.eos_token_id}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, vocab_size=len(tokens), **special, **sizes))
    with pytest.raises(sft.PackingLeaks, match=f"{kind} lets packed examples see each other; set sft.packing to false"):
        train(with_sft(sft_run, packing=True, max_length=128), tmp_path, model=model)


@pytest.mark.parametrize(
    "table",
    [{"source": "chat"}, {"source": "rollouts"}, {"source": "solutions", "files": ("a.jsonl",)}],
    ids=["chat needs files", "rollouts need files", "solutions take none"],
)
def test_source_and_files_belong_together(table: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"sft.source chat and rollouts need sft.files"):
        SftConfig(**table)
