"""Peak memory of real training steps in float32 on a CPU, against what `harness estimate` predicts of them.

    python benchmarks/memory.py MODEL_FOLDER
    python benchmarks/memory.py MODEL_FOLDER --case sft-lora --case grpo --json

How it is measured. Every case is a few steps of a TRL trainer in a process of its own, on rows of random tokens that
all have the full length. The peak is the kernel's high-water mark of the process (VmHWM), reset once everything is
imported and the weights are loaded, less what the process held before it loaded them. The allocator is told to give
freed memory back at once: what it would keep is no need of the run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import threads

if TYPE_CHECKING:
    from harness.training import TrainRun

ROOT = Path(__file__).parents[1]
GB = 1e9
LEARNING_RATE = 1e-5
# Blocks above this many bytes go back to the system when they are freed.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


@dataclass(frozen=True)
class Case:
    """A few steps of `micro` rows a pass. `tokens` is the whole row; of it `completion` are sampled (GRPO).

    Of several `processes`, which gloo connects, the largest peak counts.
    """

    objective: str
    rank: int = 0
    micro: int = 4
    accumulation: int = 2
    tokens: int = 256
    completion: int = 64
    checkpointing: bool = False
    kl: float = 0.0
    steps: int = 2
    processes: int = 1
    zero: int = 0


# Short rows, beside which the buffers that processes talk over show; they are all in use from the third step on.
SHARED = Case("sft", micro=1, tokens=64, steps=4, processes=2)
CASES = {
    "sft-full": Case("sft"),
    "sft-full-one-pass": Case("sft", accumulation=1),
    "sft-full-checkpointing": Case("sft", checkpointing=True),
    "sft-lora": Case("sft", rank=16),
    "dpo-full": Case("dpo", micro=2),
    "grpo": Case("grpo", micro=4, tokens=192),
    "grpo-kl": Case("grpo", micro=4, tokens=192, kl=0.04),
    "grpo-lora": Case("grpo", rank=16, tokens=192),
    "sft-full-ddp": replace(SHARED, zero=0),
    "sft-full-zero1": replace(SHARED, zero=1),
    "sft-full-zero2": replace(SHARED, zero=2),
    "sft-full-zero3": replace(SHARED, zero=3),
}


def predicted(folder: Path, case: Case) -> dict[str, float]:
    """GB by part, and their total."""
    from harness.estimate import architecture, memory
    from harness.estimate.hardware import ACCELERATORS

    run = memory.Setup(
        gpu=ACCELERATORS["cpu"],
        objective=case.objective,  # type: ignore[arg-type]
        method="lora" if case.rank else "full",
        rank=case.rank or 16,
        kl=case.kl > 0 or case.objective == "dpo",
        precision="float32",
        micro_batch=case.micro,
        accumulation=case.accumulation,
        sequence=case.tokens,
        completion=case.completion,
        checkpointing=case.checkpointing,
        rollout="transformers",
        gpus=case.processes,
        zero=case.zero,
    )
    return memory.per_gpu(architecture.read(folder), run).gb()


def actual(folder: Path, case: Case) -> float:
    """GB at the peak, from a process of its own, or the largest of several."""
    from benchmarks.overlay import overlay

    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(case.processes)]
    started = [sys.executable, *(torchrun if case.processes > 1 else []), __file__]
    command = [*started, str(folder), "--child", json.dumps(asdict(case))]
    path = os.pathsep.join([str(ROOT), *([str(overlay("deepspeed"))] if case.zero else [])])
    environment = {**threads.environment(), **ALLOCATOR, "PYTHONPATH": path}
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=scratch)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    peaks = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("peak ")]
    return max(map(float, peaks))


def child(folder: Path, case: Case) -> float:
    """Trains in this process and returns its peak in GB."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    build = {"sft": sft, "dpo": dpo, "grpo": grpo}[case.objective]
    torch.manual_seed(0)
    import peft  # noqa: F401
    import trl.trainer.dpo_trainer
    import trl.trainer.grpo_trainer
    import trl.trainer.sft_trainer  # noqa: F401

    from harness.trainers import sharding

    sharding.join(shared(case))
    torch.nn.Linear(64, 64)(torch.zeros(64, 64)).sum().backward()
    before = status("VmRSS")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    Path("/proc/self/clear_refs").write_text("5")
    build(model, tokenizer, case).train()
    return (status("VmHWM") - before) / GB


def status(field: str) -> int:
    """Bytes of a field of /proc/self/status."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def arguments(case: Case) -> dict[str, Any]:
    from harness.trainers import sharding

    return {
        "output_dir": "out",
        "max_steps": case.steps,
        "per_device_train_batch_size": case.micro,
        "gradient_accumulation_steps": case.accumulation,
        "learning_rate": LEARNING_RATE,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": case.checkpointing,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        **sharding.arguments(shared(case), on_cpu=True),
    }


def shared(case: Case) -> TrainRun:
    """The part of a run that says how its processes share the work."""
    from harness.training import TrainRun

    rows = case.micro * case.accumulation * case.processes
    return TrainRun.model_validate(
        {
            "method": "sft",
            "prompt": "bare",
            "model": {"name": "", "path": "", "fingerprint": ""},
            "optimizer": {
                "steps": case.steps, "batch_size": rows, "micro_batch": case.micro, "learning_rate": LEARNING_RATE
            },
            "shard": {"processes": case.processes, "strategy": f"zero{case.zero}" if case.zero else "ddp"},
            "sft": {},
        }
    )  # fmt: skip


def adapter(case: Case) -> Any:
    from peft import LoraConfig

    return LoraConfig(r=case.rank, target_modules="all-linear", task_type="CAUSAL_LM") if case.rank else None


def rows(case: Case, width: int) -> list[list[int]]:
    import torch

    count = case.micro * case.accumulation * case.steps * case.processes
    return [torch.randint(1000, 40000, (width,)).tolist() for _ in range(count)]


def sft(model: Any, tokenizer: Any, case: Case) -> Any:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    data = Dataset.from_list([{"input_ids": ids} for ids in rows(case, case.tokens)])
    settings = SFTConfig(**arguments(case), max_length=case.tokens)
    return SFTTrainer(
        model=model, args=settings, train_dataset=data, processing_class=tokenizer, peft_config=adapter(case)
    )


def dpo(model: Any, tokenizer: Any, case: Case) -> Any:
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    class Trainer(DPOTrainer):  # type: ignore[misc]
        """Pairs that are token ids already."""

        def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
            return dataset

    half = case.tokens // 2
    pairs = zip(rows(case, half), rows(case, half), rows(case, half), strict=True)
    data = Dataset.from_list([{"prompt_ids": p, "chosen_ids": c, "rejected_ids": r} for p, c, r in pairs])
    settings = DPOConfig(**arguments(case), max_length=case.tokens)
    return Trainer(
        model=model, args=settings, train_dataset=data, processing_class=tokenizer, peft_config=adapter(case)
    )


def grpo(model: Any, tokenizer: Any, case: Case) -> Any:
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    class Trainer(GRPOTrainer):  # type: ignore[misc]
        """Prompts of one length, whatever the tokenizer makes of them."""

        def _tokenize_prompts(self, prompts: list[Any]) -> Any:
            return [prompt_ids[int(prompt)] for prompt in prompts], None, {}

    def reward(completions: list[Any], **_: Any) -> list[float]:
        return [float(number % 2) for number, _ in enumerate(completions)]

    prompt_ids = rows(case, case.tokens - case.completion)
    data = Dataset.from_list([{"prompt": str(number)} for number in range(len(prompt_ids))])
    settings = GRPOConfig(
        **arguments(case),
        num_generations=case.micro,
        max_completion_length=case.completion,
        generation_kwargs={"min_new_tokens": case.completion},
        beta=case.kl,
    )
    return Trainer(
        model=model,
        reward_funcs=reward,
        args=settings,
        train_dataset=data,
        processing_class=tokenizer,
        peft_config=adapter(case),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    folder = args.model.resolve()
    if args.child:
        # One write: lines of several processes would else run into one another.
        sys.stdout.write(f"peak {child(folder, Case(**json.loads(args.child)))}\n")
        return
    for name in args.case or CASES:
        case = CASES[name]
        expected, found = predicted(folder, case), actual(folder, case)
        total = expected["total"]
        if args.json:
            print(json.dumps({"case": name, "predicted": expected, "actual": found}), flush=True)
        else:
            print(f"{name:<24} {total:6.2f} GB predicted {found:6.2f} GB actual {total / found - 1:+6.1%}", flush=True)


if __name__ == "__main__":
    threads.apply()
    main()
