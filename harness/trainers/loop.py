"""What every trainer shares: the arguments of transformers' loop, and running it to its end."""

from pathlib import Path
from typing import Any

from harness.training import TrainRun

CHECKPOINTS = "checkpoints"


def arguments(run: TrainRun, folder: Path, on_cpu: bool) -> dict[str, Any]:
    """`TrainingArguments` of any method: sizes, schedule, precision (float32 on a CPU, else bfloat16), checkpoints."""
    optimizer = run.optimizer
    return {
        "output_dir": str(folder / CHECKPOINTS),
        "seed": run.seed,
        "max_steps": optimizer.steps,
        "per_device_train_batch_size": run.micro_batch,
        "gradient_accumulation_steps": optimizer.batch_size // (run.micro_batch * run.shard.processes),
        "learning_rate": optimizer.learning_rate,
        "lr_scheduler_type": optimizer.schedule,
        "warmup_steps": optimizer.warmup_steps,
        "weight_decay": optimizer.weight_decay,
        "adam_beta2": optimizer.beta2,
        "max_grad_norm": optimizer.max_grad_norm,
        "use_cpu": on_cpu,
        "bf16": not on_cpu,
        "gradient_checkpointing": not on_cpu,
        "logging_steps": 1,
        "save_strategy": "steps" if run.checkpoint.every else "no",
        "save_steps": run.checkpoint.every or optimizer.steps,
        "save_total_limit": run.checkpoint.keep,
        "report_to": "none",
        "disable_tqdm": True,
    }


def fit(trainer: Any) -> Any:
    """Trains to the last step and returns the model."""
    trainer.train()
    return trainer.model
