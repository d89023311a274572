"""What credit within completions costs: seconds and sampled tokens of a GRPO step, by who scores the steps.

    python benchmarks/credit.py --model results/train/sft-tiny/model
    python benchmarks/credit.py --model FOLDER --data FOLDER --prm FOLDER --steps 4 --completions 16 --new-tokens 64

How it is measured. `harness train grpo` runs once for every scorer and once without any, in turn, the order changing
from round to round: the same weights, prompts and batch, and a learning rate so small that the policy stays what it is.
The first two steps warm up and do not count. A ratio is a scorer's seconds per token of the completions over those
without credit, the median over the rounds (some scorers draw random numbers, so the completions are others);
`process` is the share of its step that passes in scoring and crediting; extra tokens are those that it samples itself,
a step. The model must write steps, as the embedded one does after a few steps of SFT.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import fmean, median
from typing import Any

from harness import threads

WARM = 2
SCORERS = {
    "none": "",
    "process": "first_error(process)",
    "prm": "min(prm)",
    "implicit": "prime(implicit)",
    "vine": "direct(vine)",
}


def main() -> None:
    """Measure, then print a table or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", required=True, help="a model folder")
    parser.add_argument("--data", default="tiny", help="tiny, or a folder with train.jsonl and test.jsonl")
    parser.add_argument("--prm", default="", help="folder of a learned process reward model; without it, none")
    parser.add_argument("--steps", type=int, default=10, help="after those that warm up")
    parser.add_argument("--completions", type=int, default=64, help="of a step")
    parser.add_argument("--group-size", type=int, default=8)
    parser.add_argument("--new-tokens", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="for machines")
    asked = parser.parse_args()
    found = measured(asked)
    print(json.dumps(found, indent=1) if asked.json else table(asked, found))


def measured(asked: argparse.Namespace) -> dict[str, dict[str, float]]:
    """All scorers in turn, for all rounds."""
    names = [name for name in SCORERS if name != "prm" or asked.prm]
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for turn in range(asked.rounds):
        for name in names if turn % 2 == 0 else reversed(names):
            runs[name].append(step(asked, name))
    plain = runs["none"]
    return {
        name: {
            "ratio": median(pace(own) / pace(other) for own, other in zip(one, plain, strict=True)),
            "seconds": median(run["seconds"] for run in one),
            "process": median(run["process"] / run["seconds"] for run in one),
            "extra_tokens": one[0]["extra_tokens"],
            "tokens": one[0]["length"] * asked.completions,
        }
        for name, one in runs.items()
    }


def pace(run: dict[str, float]) -> float:
    """Seconds per token of a completion."""
    return run["seconds"] / run["length"]


def step(asked: argparse.Namespace, name: str) -> dict[str, float]:
    """Means over the steps of a run: seconds, of them in `process`, tokens a completion, tokens the scorer sampled."""
    with tempfile.TemporaryDirectory() as folder:
        config, out = Path(folder) / "run.toml", Path(folder) / "run"
        config.write_text(recipe(asked, SCORERS[name]), encoding="utf-8")
        code = "from harness.cli import app; app()"
        command = [sys.executable, "-c", code, "train", "grpo", "--config", str(config), "--out", str(out), "--json"]
        done = subprocess.run(command, env=threads.environment(), capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{name} failed:\n{(done.stdout + done.stderr)[-3000:]}")
        timing, metrics = lines(out / "timing.jsonl")[WARM:], lines(out / "metrics.jsonl")[WARM:]
    return {
        "seconds": fmean(row["seconds"] for row in timing),
        "process": fmean(row["process"] for row in timing),
        "length": fmean(row["length"] for row in metrics),
        "extra_tokens": fmean(row.get("process/extra_tokens") or 0.0 for row in metrics),
    }


def recipe(asked: argparse.Namespace, credit: str) -> str:
    """The TOML file of one run."""
    table = [
        f"model = {json.dumps(asked.model)}",
        f"data = {json.dumps(asked.data)}",
        "[optimizer]",
        f"steps = {asked.steps + WARM}",
        f"batch_size = {asked.completions}",
        "learning_rate = 1e-12",
        "[grpo]",
        'reward = "sparse"',
        'rollout = "decoder"',
        f"group_size = {asked.group_size}",
        f"max_new_tokens = {asked.new_tokens}",
    ]
    if credit:
        rule, _, scorer = credit.removesuffix(")").partition("(")
        if scorer == "prm":
            scorer = f"prm(model={json.dumps(asked.prm)})"
        table += ["[grpo.credit]", f"rule = {json.dumps(rule)}", f"scorer = {json.dumps(scorer)}"]
    return "\n".join(table) + "\n"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def table(asked: argparse.Namespace, found: dict[str, dict[str, float]]) -> str:
    """The result for people."""
    head = f"{'scorer':10} {'step s':>8} {'ratio':>6} {'process %':>10} {'extra tokens a step':>20}"
    rows = [
        f"{name:10} {one['seconds']:8.3f} {one['ratio']:6.2f} {100 * one['process']:10.1f} {one['extra_tokens']:20.0f}"
        for name, one in found.items()
    ]
    under = f"{asked.steps} steps of {asked.completions} completions, {found['none']['tokens']:.0f} tokens a step"
    return "\n".join([head, *rows, f"{under}; median of {asked.rounds} rounds"])


if __name__ == "__main__":
    main()
