"""The same attacks on learned process reward models: tiny ones with weights that are random, or set by hand."""

import json
from pathlib import Path

import pytest
import torch

import rewards
from rewards.audit import audit, audit_credit, builtin
from tests.rewards import tiny_prms

SOME = builtin()[::36]


def prm(folder: Path, head: dict[str, torch.Tensor] | None = None, limit: int = 700) -> rewards.Reward:
    # A token a character: of the longest attacks nothing is known, which is a score as good as any here.
    tiny_prms.save(folder, "steps", tiny_prms.characters(), head, max_position_embeddings=limit)
    (folder / "prm.json").write_text(json.dumps({"family": "steps"}))
    return rewards.get("prm", model=str(folder))


def test_random_weights_have_a_verdict_and_it_stays(tmp_path: Path) -> None:
    reward = prm(tmp_path / "random")
    first, second = (audit_credit(reward, ["min"], SOME).to_json() for _ in range(2))
    assert first == second
    assert first["anchors"]["right"] is not None
    assert {one["rule"] for one in first["findings"]} == {"min"}


def test_one_that_calls_all_lines_good_is_farmed(tmp_path: Path) -> None:
    # A step is read at its last character, whose embedding is that of its class modulo 16: the newline of a line, the
    # digit of an answer. What ends in a newline is good, all else is bad.
    tokenizer = tiny_prms.characters()
    newline = tokenizer.convert_tokens_to_ids("\n") % tiny_prms.WIDTH
    weight = torch.full((2, tiny_prms.WIDTH), 0.0)
    weight[1], weight[1, newline] = -1.0, 1.0
    reward = prm(tmp_path / "lines", {"score.weight": weight, "score.bias": torch.zeros(2)}, limit=1600)
    found = audit_credit(reward, ["direct", "sum_to_go"], SOME)
    beaten = {one.attack for one in found.failures}
    assert {"direct: wrong: a step repeated", "sum_to_go: wrong: a step repeated"} <= beaten


@pytest.mark.slow
def test_alone_it_is_a_reward_that_never_looks_at_the_gold(tmp_path: Path) -> None:
    found = audit(prm(tmp_path / "alone"), SOME)
    assert found.verdict == "fail"
    assert "never looks at the gold" in found.reason
