"""Records of small studies, deterministic, in the layout `ablations.records` reads."""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Write = Callable[..., Path]
TRAIN = """[model]
name = "tiny-1m"
fingerprint = "0123456789ab"

[data]
name = "tiny-words"
fingerprint = "ba9876543210"

[train]
steps = 4
prompts_per_step = 2
group_size = 8
"""


def rows(*objects: Mapping[str, Any]) -> str:
    """Return JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in objects)


def item(question: int, correct: bool | None, sample: int = 0, **more: Any) -> dict[str, Any]:
    """Return one graded completion, formatted and ten tokens long unless said otherwise."""
    graded = {
        "id": f"q{question}", "question": "How many?", "gold": "4", "completion": "4", "sample": sample, "seed": 0,
        "correct": correct, "status": "correct" if correct else "wrong", "strict": correct, "flexible": correct,
        "format": True, "tokens": 10, "finish_reason": "stop",
    }  # fmt: skip
    return graded | more


def items(pattern: str, **more: Any) -> list[dict[str, Any]]:
    """Return one completion per character: `1` right, `0` wrong, `-` wrong without the format, `?` unscorable gold."""
    correct = {"1": True, "0": False, "-": False, "?": None}
    return [item(place, correct[mark], **({"format": mark != "-"} | more)) for place, mark in enumerate(pattern)]


def plan(rewards: Sequence[str], objectives: Sequence[str], seeds: Sequence[int], name: str = "study") -> str:
    """Return the text of a `plan.toml`."""
    lists = {"rewards": list(rewards), "objectives": list(objectives), "seeds": list(seeds)}
    texts = {"name": name, "preset": "tiny", "model": "tiny-1m", "data": "tiny-words", "code": "abc123"}
    named = texts | lists | {"baseline": rewards[0]}
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in named.items()]
    return "\n".join([*lines, "", "[settings]", "steps = 4", ""])


def write_cell(home: Path, cell: Mapping[str, Any]) -> None:
    """Write the records of one cell into its folder; a record the mapping lacks has no file."""
    home.mkdir(parents=True)
    reward = json.dumps(cell["reward"], ensure_ascii=False)
    (home / "config.toml").write_text(f"reward = {reward}\n\n{TRAIN}", encoding="utf-8")
    if "status" in cell:
        (home / "status.json").write_text(json.dumps(cell["status"]))
    for name in ("metrics", "curve", "items", "items_greedy", "items_base", "items_base_greedy"):
        if name in cell:
            (home / f"{name}.jsonl").write_text(rows(*cell[name]))


def cell(
    end: str, reward: str = "sparse", seed: int = 1, base: str = "1000", objective: str = "grpo", **more: Any
) -> dict[str, Any]:
    """Return a finished cell whose final and base items follow the patterns of `items`."""
    return {
        "reward": reward, "objective": objective, "seed": seed,
        "status": {"state": "done", "step": 4, "steps": 4, "seconds": 90.0, "generated_tokens": 1000, "error": None},
        "items": items(end), "items_greedy": items(end), "items_base": items(base), "items_base_greedy": items(base),
        "metrics": [metric(step, step / 4) for step in range(1, 5)],
        "curve": [point(0, 0.2), point(2, 0.3), point(4, 0.6)],
    } | more  # fmt: skip


def metric(step: int, reward: float, **more: Any) -> dict[str, Any]:
    """Return one training row with one component."""
    return {"step": step, "reward": reward, "rewards/correct": reward, "dead_groups": 0.25, "kl": None} | more


def point(step: int, accuracy: float | None, **more: Any) -> dict[str, Any]:
    """Return one dev evaluation."""
    return {"step": step, "n": 10, "accuracy": accuracy, "format": 0.5, "accuracy_given_format": accuracy} | more


def noisy_cell(reward: str, seed: int, level: float, pace: float, chance: random.Random) -> dict[str, Any]:
    """Return a cell that climbs from 10 % towards `level` with time constant `pace`, in steps, with noise."""
    top = level + chance.gauss(0, 0.02)

    def height(step: int) -> float:
        return 0.1 + (top - 0.1) * (1 - 2.718281828 ** (-step / pace))

    def noisy(step: int, spread: float) -> float:
        return round(min(1.0, max(0.0, height(step) + chance.gauss(0, spread))), 4)

    def form(step: int) -> float:
        return round(min(1.0, 0.4 + step / 60 + chance.gauss(0, 0.02)), 4)

    def answers(share: float, formatted: float) -> list[dict[str, Any]]:
        drawn = [(chance.random() < formatted, chance.random() < share / formatted) for _ in range(400)]
        return [item(n // 4, a and b, n % 4, format=a, tokens=40 + n % 7) for n, (a, b) in enumerate(drawn)]

    def row(step: int) -> dict[str, Any]:
        right, shape = noisy(step, 0.06), form(step)
        parts = {"rewards/correct": right} | ({"rewards/format": shape} if "format" in reward else {})
        return metric(step, right + 0.2 * shape * ("format" in reward), **parts)

    def evaluation(step: int) -> dict[str, Any]:
        right, shape = noisy(step, 0.015), form(step)
        return point(step, right, format=shape, accuracy_given_format=round(min(1.0, right / shape), 4))

    return cell("1", reward, seed) | {
        "metrics": [row(step) for step in range(1, 61)],
        "curve": [evaluation(step) for step in range(0, 61, 5)],
        "items": answers(top, 0.9), "items_greedy": answers(min(1.0, top + 0.05), 0.95)[::4],
        "items_base": answers(0.1, 0.4), "items_base_greedy": answers(0.12, 0.4)[::4],
    }  # fmt: skip
