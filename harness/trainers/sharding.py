"""Several processes in one run: the DeepSpeed and FSDP configs made from it, and joining the other processes.

Processes are started by torchrun (`harness.launch`), which says in the environment how many and which one this is.
"""

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from harness.training import TrainRun

# FSDP2 (arXiv 2304.11277), one shard for each layer of the model, on CUDA devices. Weights are saved whole: a divided
# state dict has its index in pickle.
FSDP = {
    "version": 2,
    "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
    "reshard_after_forward": True,
    "state_dict_type": "FULL_STATE_DICT",
    "activation_checkpointing": True,
}

DEEPSPEED_CLASSES = (
    ("deepspeed.runtime.fp16.loss_scaler", "LossScaler"),
    ("deepspeed.runtime.zero.config", "ZeroStageEnum"),
    ("deepspeed.utils.tensor_fragment", "fragment_address"),
)


class NotShardable(ValueError):
    """The processes, devices or packages here cannot do what `[shard]` asks; the message says what to do."""


def rank() -> int:
    """The number of this process, from 0; only the first one writes."""
    return int(os.environ.get("RANK", "0"))


def divided(run: TrainRun) -> bool:
    """No process holds all weights while it trains."""
    return run.shard.strategy in ("zero3", "fsdp")


def join(run: TrainRun) -> None:
    """Takes this process's place among the run's processes, before a model is loaded.

    Raises:
        NotShardable: another number of processes was started, or the strategy needs what is not here.
    """
    shard = run.shard
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started != shard.processes:
        raise NotShardable(
            f"shard.processes is {shard.processes} but {started} run; start it with `harness train`, or "
            f"torchrun --nproc-per-node {shard.processes} -m harness.trainers.run FOLDER"
        )
    if shard.processes == 1:
        return
    import torch

    on_cpu = not torch.cuda.is_available()
    if not on_cpu:
        if torch.cuda.device_count() < int(os.environ["LOCAL_WORLD_SIZE"]):
            raise NotShardable(f"shard.processes {shard.processes} need a CUDA device each; here are fewer")
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    if shard.strategy == "fsdp" and on_cpu:
        # accelerate would train undivided copies and not say so.
        raise NotShardable("shard.strategy fsdp needs CUDA devices; on a CPU take ddp, zero1, zero2 or zero3")
    if shard.strategy.startswith("zero"):
        _join_deepspeed(on_cpu)


def _join_deepspeed(on_cpu: bool) -> None:
    if find_spec("deepspeed") is None:
        raise NotShardable(
            "ZeRO needs DeepSpeed: pip install 'reward-harness[deepspeed]', or set shard.strategy to ddp"
        )
    if on_cpu:
        os.environ["DS_ACCELERATOR"] = "cpu"
    deepspeed = import_module("deepspeed")
    if on_cpu:
        # Its collectives over shared memory are compiled on first use, for minutes; a killed compilation leaves a lock
        # that every later run waits for. Those of gloo need none.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    # ZeRO-3 partitions the model before accelerate has joined the processes, and would see only this one.
    deepspeed.init_distributed(dist_backend="gloo" if on_cpu else "nccl", verbose=False)


def classes() -> list[Any]:
    """What DeepSpeed writes into its checkpoints besides tensors and plain values; nothing where it is not in use."""
    if "deepspeed" not in sys.modules:
        return []
    return [getattr(import_module(module), name) for module, name in DEEPSPEED_CLASSES]


def accumulation(run: TrainRun) -> int:
    """Forward passes of a process that make up one step."""
    return run.optimizer.batch_size // (run.micro_batch * run.shard.processes)


def arguments(run: TrainRun, on_cpu: bool) -> dict[str, Any]:
    """The part of `TrainingArguments` that says how the processes share the work; empty for a single process."""
    if run.shard.processes == 1:
        return {}
    match run.shard.strategy:
        case "ddp":
            return {"ddp_find_unused_parameters": False, **({"ddp_backend": "gloo"} if on_cpu else {})}
        case "fsdp":
            return {"fsdp": True, "fsdp_config": dict(FSDP), "gradient_checkpointing": False}
        case _:
            return {"deepspeed": deepspeed(run, on_cpu)}


def deepspeed(run: TrainRun, on_cpu: bool) -> dict[str, Any]:
    """The DeepSpeed config of ZeRO-1, -2 or -3 (arXiv 1910.02054): float32 on a CPU, else bfloat16.

    The optimiser and its schedule are the same as without DeepSpeed; sizes are given, not `auto`, and transformers
    refuses a config that contradicts its arguments.
    """
    stage = int(run.shard.strategy.removeprefix("zero"))
    zero: dict[str, Any] = {"stage": stage}
    if stage == 3:
        zero["stage3_gather_16bit_weights_on_model_save"] = True
    return {
        "zero_optimization": zero,
        "bf16": {"enabled": not on_cpu},
        "train_batch_size": run.optimizer.batch_size,
        "train_micro_batch_size_per_gpu": run.micro_batch,
        "gradient_accumulation_steps": accumulation(run),
        "gradient_clipping": run.optimizer.max_grad_norm,
        "zero_allow_untested_optimizer": True,
    }
