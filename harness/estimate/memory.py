"""Memory of one GPU at the peak of a step, by part.

States follow ZeRO (arXiv 1910.02054, section 3): stage 1 divides the optimiser's states over D GPUs, stage 2 the
gradients too, stage 3 the weights too. Bytes per parameter (weights + gradients + optimiser):

| precision | full training | divided |
|---|---|---|
| `mixed` | 2 + 2 + 12 = 16 (bf16, with fp32 master weights and two moments) | Z1 4 + 12/D, Z2 2 + 14/D, Z3 16/D |
| `bfloat16` | 2 + 2 + 4 = 8 (everything bf16, torch's AdamW on bf16 weights) | alike |
| `float32` | 4 + 4 + 8 = 16 | alike, with 4 more for the copy that DeepSpeed updates |

Models that are only read (reference, reward model) cost their weights and are divided by stage 3 alone. The parts add
up to the peak: memory that two phases use one after the other is counted once, under the phase that comes first.
"""

from dataclasses import asdict, dataclass
from typing import Literal

from harness.estimate.architecture import Architecture
from harness.estimate.hardware import ACCELERATORS, Accelerator

Objective = Literal["sft", "dpo", "grpo", "ppo"]
Method = Literal["full", "lora", "qlora"]
Precision = Literal["mixed", "bfloat16", "float32"]
Rollout = Literal["colocated", "separate", "transformers"]

GB = 1e9
# nf4 with double quantisation: 4 bits + 8/64 + 32/(64 * 256) bits a weight (arXiv 2305.14314, section 3).
NF4_BYTES = (4 + 8 / 64 + 32 / (64 * 256)) / 8
# TRL computes the log-probabilities in tiles of tokens x vocabulary and never builds all logits.
TILE_TOKENS, TILE_VOCABULARY = 4096, 32768
# What a process holds of vLLM's CPU build once it is imported and settled, as measured.
VLLM_CODE = 0.6 * GB
# DeepSpeed's defaults for `reduce_bucket_size` and `stage3_max_live_parameters`, in elements.
BUCKET, LIVE = 500_000_000, 1_000_000_000


@dataclass(frozen=True)
class Setup:
    """How a model is trained.

    Attributes:
        kl: the loss compares the policy with a reference model, as DPO's and PPO's do, and GRPO's where it has a KL.
        reward_model: a reward model of the policy's size is held too.
        zero: 0 (every GPU has everything) to 3.
        sequence: tokens of a row, prompt and completion.
        micro_batch: rows in one pass of a GPU; DPO's are pairs.
        accumulation: passes in a step.
        completion: sampled tokens of a row.
        updates: steps that share one sampling.
        checkpointing: activations are recomputed layer by layer.
        rollout: a vLLM engine on the training GPUs (`colocated`) or on its own, or the training process itself.
        engine_share: of a GPU's memory for a colocated engine (`vllm_gpu_memory_utilization`, TRL's default 0.3); on a
            CPU, where the engine's weights come on top, for its keys and values alone (`VLLM_CPU_KVCACHE_SPACE`).
        tensor_parallel: GPUs that share one engine.
        rollout_gpus: GPUs of the `separate` engines.
    """

    gpu: Accelerator = ACCELERATORS["h100"]
    objective: Objective = "grpo"
    method: Method = "full"
    rank: int = 16
    kl: bool = False
    reward_model: bool = False
    gpus: int = 1
    zero: int = 0
    precision: Precision = "mixed"
    sequence: int = 1024
    micro_batch: int = 4
    accumulation: int = 1
    group: int = 8
    completion: int = 512
    updates: int = 1
    checkpointing: bool = True
    rollout: Rollout = "colocated"
    engine_share: float = 0.3
    tensor_parallel: int = 1
    rollout_gpus: int = 1

    @property
    def element(self) -> int:
        """Bytes of a weight or activation."""
        return 4 if self.precision == "float32" else 2

    @property
    def samples(self) -> bool:
        """Whether completions are sampled during training."""
        return self.objective in ("grpo", "ppo")

    @property
    def rows(self) -> int:
        """Rows in one pass; a pair is two."""
        return self.micro_batch * (2 if self.objective == "dpo" else 1)

    @property
    def batch(self) -> int:
        """Rows, or pairs, of a step over all GPUs."""
        return self.micro_batch * self.accumulation * self.gpus

    @property
    def sampled(self) -> int:
        """Completions of one sampling over all GPUs."""
        return self.batch * self.updates


@dataclass(frozen=True)
class Memory:
    """Bytes by part."""

    weights: float
    gradients: float
    optimizer: float
    reference: float = 0.0
    critic: float = 0.0
    reward_model: float = 0.0
    activations: float = 0.0
    rollout: float = 0.0

    @property
    def total(self) -> float:
        return float(sum(asdict(self).values()))

    @property
    def states(self) -> float:
        """Without activations and rollout: what is there between the steps."""
        return self.total - self.activations - self.rollout

    def gb(self) -> dict[str, float]:
        """The parts and their total, in 1e9 bytes."""
        return {name: value / GB for name, value in {**asdict(self), "total": self.total}.items()}


def per_gpu(model: Architecture, setup: Setup) -> Memory:
    """The parts of one training GPU's memory at the peak of a step."""
    weights, gradients, optimizer = states(model, setup)
    frozen = read_only(model, setup)
    trained = 2 if setup.objective == "ppo" else 1
    forward_backward = trained * activations(model, setup)
    if setup.gpus == 1 and setup.accumulation == 1:
        # Gradients fill up while activations drain, and are freed before the next pass; several GPUs keep buffers.
        forward_backward = max(0.0, forward_backward - gradients)
    return Memory(
        weights=weights,
        gradients=gradients,
        optimizer=optimizer,
        reference=frozen if needs_reference(setup) else 0.0,
        critic=weights + gradients + optimizer if setup.objective == "ppo" else 0.0,
        reward_model=frozen if setup.reward_model else 0.0,
        activations=forward_backward + trained * (buckets(model, setup) + gathered(model, setup)),
        rollout=engine(model, setup, gradients + forward_backward + gathered(model, setup)),
    )


def states(model: Architecture, setup: Setup) -> tuple[float, float, float]:
    """Bytes of weights, gradients and optimiser of one trained model on one GPU, frozen base included."""
    gradients = trained_bytes(model, setup)
    # DeepSpeed updates a copy of the weights, in fp32 too; `mixed` counts it among its 12 bytes.
    moments = {"mixed": 12, "bfloat16": 4, "float32": 12 if sharded(setup) else 8}[setup.precision] / setup.element
    weights = gradients + (base(model, setup) if setup.method != "full" else 0)
    return weights / shards(setup, 3), gradients / shards(setup, 2), gradients * moments / shards(setup, 1)


def trained_bytes(model: Architecture, setup: Setup) -> float:
    """Bytes of the weights that are trained, and of their gradients."""
    return setup.element * (model.adapter(setup.rank) if setup.method != "full" else model.parameters)


def base(model: Architecture, setup: Setup) -> float:
    """Bytes of the frozen base; QLoRA keeps linear layers in 4 bits and embeddings and norms as they are."""
    if setup.method == "qlora":
        return model.linear * NF4_BYTES + (model.parameters - model.linear) * setup.element
    return model.parameters * setup.element


def sharded(setup: Setup) -> bool:
    """Whether several GPUs divide anything."""
    return setup.zero > 0 and setup.gpus > 1


def shards(setup: Setup, stage: int) -> int:
    """Among how many GPUs a state is divided that ZeRO divides from `stage` on."""
    return setup.gpus if setup.zero >= stage else 1


def needs_reference(setup: Setup) -> bool:
    """An adapter switched off is its own reference, so only full training holds a second copy."""
    return setup.kl and setup.method == "full"


def read_only(model: Architecture, setup: Setup) -> float:
    """Bytes of a second model that is only read."""
    return model.parameters * setup.element / shards(setup, 3)


def activations(model: Architecture, setup: Setup) -> float:
    """Bytes that a forward pass leaves for the backward pass, and what the backward pass of the output needs on top.

    With checkpointing the input of every layer is kept, s b h L, and one layer is whole at a time (arXiv 2205.05198,
    section 4.3); without, every layer is.
    """
    tokens = setup.rows * setup.sequence
    layer = per_token(model, setup) * tokens
    kept = tokens * model.hidden * setup.element * model.layers + layer
    if not setup.checkpointing:
        kept = layer * model.layers
    return kept + head(model, setup)


def per_token(model: Architecture, setup: Setup) -> float:
    """Bytes of one token in one layer that autograd saves with a fused attention kernel.

    Each norm keeps its input in fp32 and its normalised and scaled outputs; attention keeps queries, keys and values
    (repeated to all heads) and its output; the gated feed-forward layer its two projections, the activated gate and the
    product. Frozen norms need no normalised output; an adapter keeps its narrow inner activations.
    """
    element, frozen = setup.element, setup.method != "full"
    norms = 2 * model.hidden * (4 + element * (1 if frozen else 2))
    if model.query_norm:
        norms += (model.query_width + model.kv_width) * (4 + element * (0 if frozen else 1))
    attention = 4 * model.query_width * element + 4 * model.heads
    feed_forward = 4 * model.intermediate * element
    inner = len(model.matrices) * setup.rank * element if frozen else 0
    return norms + attention + feed_forward + inner


def head(model: Architecture, setup: Setup) -> float:
    """Bytes of the tiled output projection's backward pass: tile, fp32 gradients of its input and of its weights."""
    tokens = setup.rows * setup.sequence
    tile = min(tokens, TILE_TOKENS) * min(model.vocab, TILE_VOCABULARY) * setup.element * setup.gpu.tile_copies
    kept = 2 * tokens * model.hidden * setup.element
    gradients = 4 * tokens * model.hidden + (4 * model.vocab * model.hidden if setup.method == "full" else 0)
    return tile + kept + gradients


def buckets(model: Architecture, setup: Setup) -> float:
    """Bytes that gradients are reduced in: by plain data parallelism all at once, by DeepSpeed a bucket at a time."""
    if setup.gpus == 1:
        return 0.0
    whole = trained_bytes(model, setup)
    return whole if setup.zero == 0 else min(whole, BUCKET * setup.element)


def gathered(model: Architecture, setup: Setup) -> float:
    """Bytes of whole weights that ZeRO-3 keeps from one use to the next; a small model stays whole."""
    return min(model.parameters, LIVE) * setup.element if setup.zero == 3 and setup.gpus > 1 else 0.0


def engine(model: Architecture, setup: Setup, free: float) -> float:
    """Bytes of what samples on a training GPU; a sampler in the process uses what training leaves `free` meanwhile."""
    if not setup.samples or setup.rollout == "separate":
        return 0.0
    if setup.rollout == "colocated":
        share = setup.engine_share * setup.gpu.memory_gb * GB
        return share + (model.parameters * setup.element + VLLM_CODE if setup.gpu.is_cpu else 0)
    rows = setup.sampled // setup.gpus
    return max(0.0, whole(model, setup) + rows * setup.sequence * model.kv_bytes(setup.element) - free)


def whole(model: Architecture, setup: Setup) -> float:
    """Bytes of the weights that ZeRO-3 gathers on every GPU while the training process samples, as TRL has it."""
    return model.parameters * setup.element if setup.zero == 3 and setup.gpus > 1 else 0.0
