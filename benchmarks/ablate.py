"""What the ablations room costs beyond the runs themselves.

    python benchmarks/ablate.py report                              # 200 cells of 1,000 items
    python benchmarks/ablate.py report --cells 50 --items 250 --json
    python benchmarks/ablate.py overhead --cells 4                  # a study of real runs, against the runs alone

`report` writes a study of finished cells, 5 seeds a row, with records as large as those of real runs: four files of
graded completions (sampled and greedy, before and after), 100 training steps, a dev curve and the completions of 10
training steps. `ablations.report.build` then reports it in a process of its own. The seconds are those of the
whole process, imports included, the parts by the clock within it; the peak is the kernel's high-water mark.

`overhead` runs a study in the smoke size by `harness ablate --jobs 1`, then the same configs one after the other as the
plain processes that the cells are, in turn for each round. What the command takes beyond them is its own: checking,
planning and reporting, which a repetition of the finished command takes as well, and the rest, which is per cell.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).parents[1]
SEEDS, SAMPLES = 5, 4
STEPS, EVERY = 100, 10
PROMPTS, GROUP, KEPT = 8, 8, 10
QUESTION = "Sam has 35 cookies. Sam sells 20 percent of the cookies. How many cookies does Sam have left?"
GOLD = "35*20/100=<<35*20/100=7>>7\n35-7=<<35-7=28>>28\n#### 28"
COMPLETION = "<think> 35 * 20 / 100 = 7\n 35 - 7 = 28</think>\n#### 28"
PARTS = ("load_study", "draw", "page.build")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    report = commands.add_parser("report", help="time and memory of `harness report`")
    report.add_argument("--cells", type=int, default=200)
    report.add_argument("--items", type=int, default=1000, help="graded completions of the final model, per cell")
    report.add_argument("--json", action="store_true", dest="as_json", help="for machines")
    report.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    overhead = commands.add_parser("overhead", help="what the scheduler adds to real runs")
    overhead.add_argument("--cells", type=int, default=4)
    overhead.add_argument("--rounds", type=int, default=2)
    overhead.add_argument("--json", action="store_true", dest="as_json", help="for machines")
    asked = parser.parse_args()
    if asked.command == "overhead":
        rounds = [added(asked.cells) for _ in range(asked.rounds)]
        print(json.dumps(rounds, indent=1) if asked.as_json else "\n".join(map(told_of_round, rounds)))
        return
    if asked.child:
        print(json.dumps(timed(asked.child)))
        return
    found = measured(asked.cells, asked.items)
    print(json.dumps(found, indent=1) if asked.as_json else told(found))


def measured(cells: int, items: int) -> dict[str, Any]:
    """Writes a study and reports it in a process of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "large"
        write_study(folder, cells, items)
        command = [sys.executable, __file__, "report", "--child", str(folder)]
        start = time.perf_counter()
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=scratch
        )
        seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    inside = json.loads(done.stdout.splitlines()[-1])
    return {"cells": cells, "items": items, "seconds": round(seconds, 1), **inside}


def added(cells: int) -> dict[str, float]:
    """Seconds of a study, of its repetition once it is done, and of its cells as plain processes."""
    from harness import sources, threads

    with tempfile.TemporaryDirectory() as scratch:
        sizes = ["--preset", "smoke", "--seeds", str(cells), "--jobs", "1", "--name", "study", "--results", scratch]
        command = [sys.executable, "-m", "harness", "ablate", "--rewards", "sparse", *sizes]
        environment = {**threads.environment(), "PYTHONPATH": str(ROOT)}
        # The embedded model is made once on a machine: before anything is timed.
        sources.model("tiny", "smoke", lambda step, steps: None)
        study, again = clock(command, environment), clock(command, environment)
        plain = 0.0
        for number, path in enumerate(sorted(Path(scratch).glob("study/cells/*/config.toml"))):
            folder = Path(scratch) / f"plain-{number}"
            folder.mkdir()
            (folder / path.name).write_bytes(path.read_bytes())
            plain += clock([sys.executable, "-m", "harness.cell", str(folder)], environment)
    return {
        "cells": cells,
        "study": round(study, 1),
        "finished_again": round(again, 1),
        "plain": round(plain, 1),
        "per_cell": round((study - again - plain) / cells, 2),
        "per_cell_with_plan_and_report": round((study - plain) / cells, 2),
    }


def clock(command: list[str], environment: Mapping[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return time.perf_counter() - start


def told_of_round(found: Mapping[str, float]) -> str:
    return (
        f"{found['cells']} cells: {found['study']:.1f} s by `harness ablate`, {found['plain']:.1f} s as plain "
        f"processes: {found['per_cell']:+.2f} s a cell, and {found['finished_again']:.1f} s a study to plan and report"
    )


def told(found: Mapping[str, Any]) -> str:
    parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in found["parts"].items())
    size = f"{found['cells']} cells x {found['items']} items"
    return f"{size}: {found['seconds']:.1f} s ({found['cpu']:.1f} s of CPU; {parts}), {found['peak_mb']:.0f} MB"


def timed(folder: Path) -> dict[str, Any]:
    """Reports a study in this process: seconds by part, CPU seconds and the peak in MB."""
    import resource

    import ablations.report

    parts: dict[str, float] = {}
    start = time.perf_counter()
    with mock.patch.multiple(
        ablations.report,
        load_study=clocked("load_study", ablations.report.load_study, parts),
        draw=clocked("draw", ablations.report.draw, parts),
    ), mock.patch.object(
        ablations.report.page, "build", clocked("page.build", ablations.report.page.build, parts)
    ):  # fmt: skip
        ablations.report.build(folder)
    parts["tables and all else"] = time.perf_counter() - start - sum(parts.values())
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "parts": {name: round(seconds, 2) for name, seconds in parts.items()},
        "cpu": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mb": round(usage.ru_maxrss / 1024),
    }


def clocked(name: str, function: Callable[..., Any], parts: dict[str, float]) -> Callable[..., Any]:
    """The function, whose seconds go to `parts`."""

    def call(*arguments: Any, **named: Any) -> Any:
        start = time.perf_counter()
        found = function(*arguments, **named)
        parts[name] = time.perf_counter() - start
        return found

    return call


def write_study(folder: Path, cells: int, items: int) -> None:
    """Writes a study of finished cells: rows of `SEEDS` seeds, whose rewards differ in how much they teach."""
    count = -(-cells // SEEDS)
    objectives = ["grpo", "dr_grpo"] if count > 1 else ["grpo"]
    rewards = [f"reward_{number}" for number in range(-(-count // len(objectives)))]
    axes = [(reward, objective, seed) for objective in objectives for reward in rewards for seed in range(SEEDS)]
    kept = axes[:cells]
    folder.mkdir(parents=True)
    named = {"name": folder.name, "rewards": rewards, "objectives": objectives, "seeds": list(range(SEEDS))}
    texts = named | {"model": "tiny", "data": "tiny", "baseline": rewards[0], "preset": "", "code": "0" * 12}
    (folder / "plan.toml").write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in texts.items()))
    listed = []
    for number, (reward, objective, seed) in enumerate(kept):
        name = f"{number:012x}"
        listed.append({"id": name, "reward": reward, "objective": objective, "seed": seed})
        write_cell(folder / "cells" / name, reward, rewards.index(reward) / len(rewards), items, random.Random(number))
    (folder / "manifest.json").write_text(json.dumps({"cells": listed}))


def write_cell(home: Path, reward: str, taught: float, items: int, chance: random.Random) -> None:
    """Writes the records of one cell, which ends `taught` above its base."""
    (home / "completions").mkdir(parents=True)
    end = 0.3 + 0.5 * taught + chance.gauss(0, 0.02)
    status = {
        "state": "done",
        "step": STEPS,
        "steps": STEPS,
        "seconds": 60.0,
        "generated_tokens": 80_000,
        "error": None,
    }
    (home / "status.json").write_text(json.dumps(status))
    config = f'reward = "{reward}"\n\n[train]\nsteps = {STEPS}\nprompts_per_step = {PROMPTS}\ngroup_size = {GROUP}\n'
    (home / "config.toml").write_text(config)
    (home / "log.txt").write_text("".join(f"step {step}\n" for step in range(STEPS)))
    for name, share, count in (
        ("items", end, items), ("items_base", 0.3, items), ("items_greedy", end, items // SAMPLES),
        ("items_base_greedy", 0.3, items // SAMPLES),
    ):  # fmt: skip
        samples = 1 if "greedy" in name else SAMPLES
        lines(home / f"{name}.jsonl", (item(place, samples, share, chance) for place in range(count)))
    rises = [0.3 + (end - 0.3) * step / STEPS for step in range(STEPS + 1)]
    lines(home / "metrics.jsonl", (metric(step, rises[step], chance) for step in range(1, STEPS + 1)))
    lines(home / "curve.jsonl", (point(step, rises[step], chance) for step in range(0, STEPS + 1, EVERY)))
    for step in range(STEPS - KEPT + 1, STEPS + 1):
        rows = (completion(step, reward, chance.random() < rises[step]) for _ in range(PROMPTS * GROUP))
        data = "".join(json.dumps(row) + "\n" for row in rows).encode()
        (home / "completions" / f"step_{step:06d}.jsonl.gz").write_bytes(gzip.compress(data, mtime=0))


def lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def item(place: int, samples: int, share: float, chance: random.Random) -> dict[str, Any]:
    right = chance.random() < share
    return {
        "id": f"test-{place // samples}", "question": QUESTION, "gold": GOLD, "completion": COMPLETION,
        "correct": right, "status": "correct" if right else "wrong", "strict": right, "flexible": right,
        "format": chance.random() < 0.95, "answer": "28", "steps": 2, "false_steps": int(chance.random() < 0.1),
        "tokens": chance.randint(15, 40), "finish_reason": "stop", "sample": place % samples, "seed": place,
    }  # fmt: skip


def metric(step: int, right: float, chance: random.Random) -> dict[str, Any]:
    seen = min(1.0, max(0.0, right + chance.gauss(0, 0.05)))
    return {
        "step": step, "reward": seen, "rewards/sparse": seen, "rewards/format": 0.9, "accuracy": seen, "entropy": 0.3,
        "kl": 0.01, "length": 20.0 + chance.random(), "dead_groups": 0.25, "truncated": 0.01, "grad_norm": 0.3,
        "rewards_std/sparse": 0.5, "rewards_share/sparse": 1.0, "reward_std": 0.5, "seconds": 0.4,
    }  # fmt: skip


def point(step: int, right: float, chance: random.Random) -> dict[str, Any]:
    seen = min(1.0, max(0.0, right + chance.gauss(0, 0.03)))
    return {"step": step, "n": 100, "accuracy": seen, "format": 0.95, "accuracy_given_format": seen}


def completion(step: int, reward: str, right: bool) -> dict[str, Any]:
    return {
        "step": step, "prompt": [{"role": "user", "content": QUESTION}], "completion": COMPLETION, "tokens": 20,
        "finish": "stop", "gold": GOLD, "status": "correct" if right else "wrong", "components": {reward: float(right)},
        "reward": float(right), "late": False, "advantage": 0.5,
    }  # fmt: skip


if __name__ == "__main__":
    main()
