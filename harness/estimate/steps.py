"""The seconds of a step: rollout, training, weight sync, one after the other.

Every figure is a model, not a measurement; `ASSUMPTIONS` says in words what it takes for granted.
"""

from dataclasses import asdict, dataclass, replace

from harness.estimate import memory, sync
from harness.estimate.architecture import Architecture
from harness.estimate.memory import GB, Setup

# GPUs of a machine, which talk over `Accelerator.link`; more talk over the network, each by a port of its own.
MACHINE = 8
# Of an engine's own GPU, as vLLM's default `gpu_memory_utilization` has it.
OWN_SHARE = 0.9
ASSUMPTIONS = (
    "every completion has the full length and every row the full sequence",
    "training and prompts reach {mfu:.0%} of the peak operations, generation {decoding:.0%} of the memory bandwidth",
    "communication hides behind computation where it is the shorter of the two",
    "rollout, training and sync follow one another; rewards, data and checkpoints cost nothing",
    "prompts of a group are read once (prefix caching); a broadcast reaches {efficiency:.0%} of the bandwidth",
)


@dataclass(frozen=True)
class Network:
    """Between machines, and from trainer to engine: `gigabits` a second of every GPU."""

    gigabits: float = 100.0

    @property
    def bytes_per_second(self) -> float:
        return self.gigabits * 1e9 / 8 * sync.EFFICIENCY


@dataclass(frozen=True)
class Step:
    """Seconds of a step by phase."""

    rollout: float
    train: float
    sync: float

    @property
    def total(self) -> float:
        return self.rollout + self.train + self.sync

    @property
    def bottleneck(self) -> str:
        phases = asdict(self)
        return max(phases, key=lambda phase: phases[phase])


def step(model: Architecture, setup: Setup, network: Network) -> Step:
    """The phases of one step. Supervised and preference training have no rollout and no sync.

    One sampling, and the sync before it, serve `updates` steps.
    """
    if not setup.samples:
        return Step(0.0, train_seconds(model, setup, network), 0.0)
    sampling = rollout_seconds(model, setup), sync_seconds(model, setup, network)
    rollout, sync = (seconds / setup.updates for seconds in sampling)
    return Step(rollout, train_seconds(model, setup, network), sync)


def forward_flops(model: Architecture, sequence: int) -> float:
    """Operations of one token's forward pass: 2 N + 2 L w s, w the width of all heads.

    The second term is causal attention, whose mean context is half the sequence (arXiv 2001.08361, table 1).
    """
    return 2 * model.parameters + 2 * model.layers * model.query_width * sequence


def passes(setup: Setup) -> int:
    """Forward passes' worth of work on every token: a backward pass is two, checkpointing repeats the forward one.

    Frozen weights need half the backward pass. vLLM's rollouts have their log-probabilities computed once more, for the
    importance correction; a reference is one pass, a critic its training and one pass for values, a reward model one.
    """
    trained = (3 if setup.method == "full" else 2) + setup.checkpointing
    critic = 1 + 3 + setup.checkpointing if setup.objective == "ppo" else 0
    corrected = setup.samples and setup.rollout != "transformers"
    return trained + critic + setup.kl + corrected + setup.reward_model


def train_seconds(model: Architecture, setup: Setup, network: Network) -> float:
    """The longer of computation and communication, on every GPU alike."""
    tokens = setup.rows * setup.accumulation * setup.sequence
    work = passes(setup) * tokens * forward_flops(model, setup.sequence)
    return max(work / (setup.gpu.flops * setup.gpu.mfu), traffic(model, setup) / speed(setup, network))


def traffic(model: Architecture, setup: Setup) -> float:
    """Bytes that a GPU sends in a step (arXiv 1910.02054, section 7).

    Up to stage 2 the gradients are reduced once and as many bytes come back; stage 3 gathers the weights for every
    forward and backward pass and reduces the gradients: 3 x the weights a pass.
    """
    remote = (setup.gpus - 1) / setup.gpus
    trained = model.adapter(setup.rank) if setup.method != "full" else model.parameters
    if setup.zero < 3:
        return 2 * trained * setup.element * remote
    gathered = 2 * memory.base(model, setup) + trained * setup.element
    return gathered * setup.accumulation * remote


def speed(setup: Setup, network: Network) -> float:
    """Bytes a second of a collective: between machines, the network ports of all GPUs of one work side by side."""
    return setup.gpu.link if setup.gpus <= MACHINE else min(setup.gpu.link, MACHINE * network.bytes_per_second)


def sync_seconds(model: Architecture, setup: Setup, network: Network) -> float:
    """All weights to the engine: over the network, or gathered among the GPUs (ZeRO-3), or copied within one GPU."""
    if setup.rollout == "transformers":
        return 0.0
    size = sync.weight_bytes(model, setup.element)
    if setup.rollout == "separate":
        return sync.seconds(size, network.gigabits)
    if setup.zero == 3 and setup.gpus > 1:
        return size / speed(setup, network)
    return 2 * size / setup.gpu.bandwidth


def engines(setup: Setup) -> float:
    """Engines that sample side by side; each has `tensor_parallel` GPUs."""
    gpus = setup.rollout_gpus if setup.rollout == "separate" else setup.gpus
    return max(1, gpus // setup.tensor_parallel)


def concurrency(model: Architecture, setup: Setup) -> int:
    """Sequences whose keys and values fit an engine at once; 0 where the weights alone do not."""
    shared = setup.sampled // engines(setup)
    if setup.rollout == "transformers":
        return max(1, int(shared))
    share = setup.engine_share if setup.rollout == "colocated" else OWN_SHARE
    weights = 0 if setup.gpu.is_cpu else model.parameters * setup.element
    pool = share * setup.gpu.memory_gb * GB * setup.tensor_parallel - weights
    room = int(pool // (setup.sequence * model.kv_bytes(setup.element)))
    return max(0, min(max(1, int(shared)), room))


def rollout_seconds(model: Architecture, setup: Setup) -> float:
    """Prompts read once a group, then one token of every sequence at a time; NaN where the engine does not fit.

    A decoding pass is bound by memory, (weights + keys and values) / bandwidth, or by operations. Sequences that do not
    fit together wait for others to end.
    """
    at_once = concurrency(model, setup)
    if not at_once:
        return float("nan")
    gpu, count = setup.gpu, setup.tensor_parallel
    shared = max(1.0, setup.sampled / engines(setup))
    prompt = setup.sequence - setup.completion
    context = prompt + setup.completion / 2
    read = model.parameters * setup.element + at_once * context * model.kv_bytes(setup.element)
    operations = at_once * forward_flops(model, setup.sequence)
    decoding = max(read / (gpu.bandwidth * gpu.decoding), operations / (gpu.flops * gpu.mfu)) / count
    prompts = max(1.0, shared / setup.group) * prompt * forward_flops(model, prompt) / (gpu.flops * gpu.mfu * count)
    return prompts + shared / at_once * setup.completion * decoding


def by_group(model: Architecture, setup: Setup, network: Network) -> list[tuple[int, int, Step]]:
    """(group size, completion tokens, step) with as many prompts a step: where sync becomes the bottleneck."""
    prompts = max(1, setup.batch // setup.group)
    prompt = setup.sequence - setup.completion
    found = []
    for group in (2, 4, 8, 16, 32):
        for completion in (64, 256, 1024, 4096):
            # A GPU takes its rows of a step in passes of the same size, or in one smaller pass.
            rows = max(1, prompts * group // setup.gpus)
            micro = min(setup.micro_batch, rows)
            changed = replace(
                setup,
                group=group,
                completion=completion,
                sequence=prompt + completion,
                micro_batch=micro,
                accumulation=max(1, rows // micro),
            )
            found.append((group, completion, step(model, changed, network)))
    return found


def gpu_hours(seconds: float, steps: int, setup: Setup, runs: int = 1) -> float:
    """GPU-hours of `runs` runs of `steps` steps, engines of their own included."""
    gpus = setup.gpus + (setup.rollout_gpus if setup.samples and setup.rollout == "separate" else 0)
    return runs * steps * seconds * gpus / 3600
