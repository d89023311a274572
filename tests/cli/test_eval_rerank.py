"""`harness eval --rerank`: a model with hand-set weights chooses among real samples; files, table, resumption."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from harness import chat
from harness.cli.eval import evaluate_command
from harness.tiny import tokenizer
from rewards.aggregate import RULES, aggregate
from rewards.batch import Batch
from rewards.learned import Prm
from tests.rewards import tiny_prms

GOLD, OTHER = 20, 7
PROBLEMS = [{"question": f"Tom has {n} apples. How many apples?", "answer": f"#### {GOLD}"} for n in range(6)]
Rows = dict[str, list[tuple[str, float]]]
app = typer.Typer()
app.command()(evaluate_command)


def known(folder: Path, family: str, embedded: Sequence[str], head: str, rows: Rows) -> Path:
    """A model in which only `embedded` tokens are told apart: a row of its head adds (token, weight) up."""
    tokens = tokenizer.build()
    place = {token: number for number, token in enumerate(embedded)}
    tiny_prms.save(folder, family, tokens, {})
    tensors = load_file(folder / "model.safetensors")
    embedding, weight = (torch.zeros_like(tensors[name]) for name in ("model.embed_tokens.weight", head))
    for token, number in place.items():
        embedding[tokens.convert_tokens_to_ids(token), number] = 1.0
    for row, added in rows.items():
        at = int(row) if row.isdigit() else tokens.convert_tokens_to_ids(row)
        for token, value in added:
            weight[at, place[token]] = value
    tensors |= {"model.embed_tokens.weight": embedding, head: weight}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    chat.save_template_hash(folder, tokens, "bare")
    return folder


def policy(folder: Path) -> Path:
    """Says `#### 20` or `#### 7`, one as often as the other, and stops."""
    numbers = [f" {GOLD}", f" {OTHER}"]
    after = {"####": [("\n", 30.0)], **{number: [("####", 30.0)] for number in numbers}}
    after["<|end|>"] = [(number, 30.0) for number in numbers]
    return known(folder, "rlhflow", ["\n", "####", *numbers], "lm_head.weight", after)


def prm(folder: Path, sign: float) -> Path:
    """A step is good (`sign` 1) or bad (-1) where it ends in the gold, and undecided elsewhere."""
    known(folder, "steps", [f" {GOLD}"], "score.weight", {"1": [(f" {GOLD}", sign)]})
    tensors = load_file(folder / "model.safetensors")
    save_file({**tensors, "score.bias": torch.zeros(2)}, folder / "model.safetensors", {"format": "pt"})
    (folder / "prm.json").write_text(json.dumps({"family": "steps"}))
    return folder


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prm(tmp_path_factory.mktemp("prm") / "oracle", 1.0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("data") / "apples.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in PROBLEMS))
    policy(file.parent / "policy")
    return file


def run(data: Path, out: Path, model: str, *more: object) -> Any:
    given = [
        data.parent / "policy",
        "--max-new-tokens",
        8,
        "--data-path",
        data,
        "--out",
        out,
        "--samples",
        4,
        "--temperature",
        1,
        "--rerank",
        model,
        *more,
    ]
    return CliRunner().invoke(app, [str(argument) for argument in given], catch_exceptions=False)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def measured(oracle: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "e"
    assert run(data, out, str(oracle)).exit_code == 0
    return out


def test_an_oracle_reaches_pass_at_n_and_its_opposite_does_not(measured: Path, data: Path, tmp_path: Path) -> None:
    told = json.loads((measured / "summary.json").read_text())["rerank"]
    mean, best = told["mean"]["value"], told["best_of"]["last"]
    assert 0 < mean < told["pass"]["4"]["value"], "the samples must differ for this to say anything"
    assert {n: at["value"] for n, at in best.items()} == pytest.approx(
        {n: at["value"] for n, at in told["pass"].items()}
    )
    against = prm(tmp_path / "against", -1.0)
    done = run(data, measured, str(against), "--json")
    worse = json.loads(done.stdout)["rerank"]
    assert worse["best_of"]["last"]["4"]["value"] < mean == worse["mean"]["value"]


def test_scores_in_the_file_are_the_rewards_own(oracle: Path, data: Path, tmp_path: Path) -> None:
    assert run(data, tmp_path, str(oracle)).exit_code == 0
    items, kept = lines(tmp_path / "items.jsonl"), lines(tmp_path / "rerank.jsonl")
    assert [(row["id"], row["sample"]) for row in kept] == [(row["id"], row["sample"]) for row in items]
    for item, row in zip(items, kept, strict=True):
        spans = Prm(str(oracle)).spans(Batch([item["question"]], [item["completion"]], None, {}))[0]
        assert row["steps"] == pytest.approx([span.score for span in spans], abs=1e-6)
        assert row["scores"] == pytest.approx({rule: aggregate(row["steps"], rule) for rule in RULES})


def test_a_second_time_nothing_is_scored_anew(
    measured: Path, oracle: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(data, measured, str(oracle), "--json").stdout
    monkeypatch.setattr(Prm, "spans", lambda *_: pytest.fail("scored again"))
    assert run(data, measured, str(oracle), "--json").stdout == first


def test_table_and_page_show_every_method_beside_the_vote(measured: Path, oracle: Path, data: Path) -> None:
    done = run(data, measured, str(oracle))
    page = (measured / "summary.md").read_text()
    for text in (done.stdout, page):
        assert "best of n by oracle (steps, " in text and "6 questions" in text
        for name in ("mean (a random one)", "pass@n", "maj@n", *(f"best of n by {rule}" for rule in RULES)):
            assert name in text
        assert text.count("minus maj@4") == len(RULES) and "after Holm" in text
    one = run(data, measured, f"{oracle},last").stdout
    assert one.count("minus maj@4") == 1 and "best of n by min" not in one


@pytest.mark.parametrize(
    ("rerank", "more", "says"),
    [
        pytest.param("{prm},max", [], "take min, product, last, mean, prefix", id="unknown-aggregation"),
        pytest.param("nowhere", [], "--rerank nowhere: nowhere: no model there", id="no-folder"),
        pytest.param("{prm}", ["--samples", 1, "--temperature", 0], "give --samples 2 or more", id="one-sample"),
        pytest.param("{base}", [], "does not tell the family", id="a-language-model"),
    ],
)
def test_refused_in_one_line_before_anything_is_sampled(
    oracle: Path, data: Path, tmp_path: Path, rerank: str, more: list[object], says: str
) -> None:
    base = tiny_prms.save(tmp_path / "base", "rlhflow", tokenizer.build())
    done = run(data, tmp_path / "e", rerank.format(prm=oracle, base=base), *more)
    assert done.exit_code == 2 and says in done.stderr and "Traceback" not in done.output
    assert len(done.stderr.strip().splitlines()) == 1 and not (tmp_path / "e").exists()
