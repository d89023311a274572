"""The resolved configuration of one `harness train` run, as it lies in the run's `config.toml`.

It shares the tables of `harness.config`. Sizes are in sequences and tokens; a *step* is one optimiser update.
"""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from harness.config import DataConfig, ModelConfig, PluginConfig, Table, Tracker

Method = Literal["sft", "dpo", "grpo", "prm"]
METHODS: tuple[Method, ...] = ("sft", "dpo", "grpo", "prm")
Prompt = Literal["bare", "think"]


class AdapterConfig(Table):
    """A low-rank adapter on the linear layers (LoRA, arXiv 2106.09685); without this table every weight is trained.

    `qlora` keeps the frozen base in 4-bit nf4 with double quantisation (arXiv 2305.14314); `dora` also learns the
    magnitude of every column (arXiv 2402.09353). What is added to a weight is scaled by `alpha / rank`.
    """

    kind: Literal["lora", "qlora", "dora"] = "lora"
    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)


class OptimizerConfig(Table):
    """AdamW and how long. `batch_size` sequences make an update, over all processes; `micro_batch` fit one pass."""

    steps: int = Field(ge=1)
    batch_size: int = Field(ge=1, description="SFT: examples, DPO: pairs, GRPO: completions")
    learning_rate: float = Field(gt=0)
    micro_batch: int = Field(default=0, ge=0, description="sequences in one forward pass of a process; 0: all of them")
    schedule: Literal["constant", "constant_with_warmup", "linear", "cosine"] = "constant"
    warmup_steps: int = Field(default=0, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)
    beta2: float = Field(default=0.999, gt=0, lt=1)
    max_grad_norm: float = Field(default=1.0, gt=0)


class CheckpointConfig(Table):
    """`every` steps, and after the last, the whole state is saved under `checkpoints/`; the newest `keep` stay.

    The state is weights, optimiser, schedule and random numbers. 0 saves only when Ctrl-C ends the run.
    """

    folder: ClassVar[str] = "checkpoints"
    every: int = Field(default=0, ge=0)
    keep: int = Field(default=2, ge=1)


class ShardConfig(Table):
    """How the processes of all machines share the work, each with a part of every batch.

    `ddp` copies everything. ZeRO-1 divides the optimiser's state, ZeRO-2 the gradients too, ZeRO-3 and FSDP the weights
    as well (arXiv 1910.02054, section 5; 2304.11277).
    """

    processes: int = Field(default=1, ge=1)
    strategy: Literal["ddp", "zero1", "zero2", "zero3", "fsdp"] = "ddp"

    @model_validator(mode="after")
    def _something_to_share(self) -> "ShardConfig":
        if self.processes == 1 and self.strategy != "ddp":
            raise ValueError(
                f"shard.strategy {self.strategy} divides among processes: set shard.processes to 2 or more"
            )
        return self


class SftConfig(Table):
    """Supervised fine-tuning on completions only.

    Usual learning rates: 2e-5 for all weights (TRL's default), 2e-4 for an adapter up to 13B and 1e-4 above
    (arXiv 2305.14314, appendix B).

    Attributes:
        source: `solutions` renders question-and-answer data to `<think>` steps, `chat` takes JSON lines with `messages`
            or `prompt` and `completion`, `rollouts` the correct completions of an evaluation's `items.jsonl`
            (rejection sampling, RFT, arXiv 2308.01825).
        files: what `chat` and `rollouts` read; `solutions` reads the run's data.
        annotations: keep GSM8K's calculator annotations `<<3*4=12>>` in the steps.
        per_question: most completions of one question that `rollouts` keeps, all distinct.
        packing: whole examples share rows of `max_length` tokens, without seeing each other (best-fit decreasing, arXiv
            2404.10830); `optimizer.batch_size` then counts rows.
        loss: `nll`, or `dft` (arXiv 2508.05629).
        max_length: longer examples are dropped and counted, never cut.
    """

    source: Literal["solutions", "chat", "rollouts"] = "solutions"
    files: tuple[str, ...] = ()
    annotations: bool = False
    per_question: int = Field(default=4, ge=1)
    packing: bool = False
    loss: Literal["nll", "dft"] = "nll"
    max_length: int = Field(default=1024, ge=2)

    @model_validator(mode="after")
    def _files_belong(self) -> "SftConfig":
        if (self.source == "solutions") == bool(self.files):
            raise ValueError("sft.source chat and rollouts need sft.files; solutions reads the run's data instead")
        return self


class PairsConfig(Table):
    """How pairs are chosen from graded rollouts, the `items.jsonl` of evaluations.

    Attributes:
        rollouts: the files, or the folders that hold an `items.jsonl`; empty samples them from the model at the start.
        policy: `random` right against wrong, `best_worst`, `best_mu2sigma` (arXiv 2502.16825), `hard` negatives.
        length_ratio: keeps pairs whose lengths differ by at most this factor; 0 keeps all.
        per_prompt: most pairs of a prompt.
        reward: what `best_worst` and `best_mu2sigma` go by; its components are recorded with every pair.
        questions: how many of the data's questions are sampled here, drawn by the run's seed; 0 takes all.
        samples: completions of a question where they are sampled here.
    """

    rollouts: tuple[str, ...] = ()
    policy: Literal["random", "best_worst", "best_mu2sigma", "hard"] = "random"
    length_ratio: float = Field(default=0.0, ge=0)
    per_prompt: int = Field(default=4, ge=1)
    reward: str = "sparse"
    questions: int = Field(default=0, ge=0)
    samples: int = Field(default=8, ge=2)
    temperature: float = Field(default=0.8, gt=0)
    max_new_tokens: int = Field(default=256, ge=1)

    @model_validator(mode="after")
    def _ratio_is_a_factor(self) -> "PairsConfig":
        if 0 < self.length_ratio < 1:
            raise ValueError(f"length_ratio {self.length_ratio:g} would keep no pair; give 1 or more, or 0 for all")
        return self


class DpoConfig(Table):
    """Preference optimisation. What is not given has the default of the loss's paper (`harness.trainers.losses`).

    Attributes:
        loss: dpo, ipo, rpo, ld_dpo, r_dpo, simpo, orpo or kto.
        max_length: pairs with more tokens, prompt included, are left out and counted.
    """

    loss: str = "dpo"
    settings: dict[str, float] = Field(default_factory=dict, description="of the loss, as beta, gamma, alpha")
    pairs: PairsConfig = PairsConfig()
    max_length: int = Field(default=1024, ge=2)


class ImplicitConfig(Table):
    """An implicit process reward model that is trained online (PRIME, arXiv 2502.01456, sections 2 and 3).

    A token's reward is `beta` * log(pi_phi / pi_ref): pi_ref is the starting model, phi a low-rank adapter on it.

    Attributes:
        learning_rate: of the adapter, which learns from outcomes only; `None` is 10 times the policy's: a model that
            learns more slowly than the policy moves scores what is no longer written.
        update: `after` the completions were rewarded (the paper's scripts), or `before`.
    """

    beta: float = Field(default=0.05, gt=0)
    learning_rate: float | None = Field(default=None, gt=0)
    rank: int = Field(default=16, ge=1)
    update: Literal["after", "before"] = "after"


class CreditConfig(Table):
    """Which tokens a reward is credited to, by scores of steps (`rewards.credit` has the formulas, docs/process.md).

    Attributes:
        rule: how the scores of the steps become advantages of tokens.
        scorer: who scores the steps: a registered reward with spans, as `process` or `prm(model="FOLDER")`;
            `vine`, Monte-Carlo values at the prefixes (arXiv 2410.01679); or `implicit`.
        weight: of what the rule adds to the objective's own advantage.
        temperature: of `min`'s soft minimum (arXiv 2504.15275).
        eta: the most that a step may add, of `clip` (arXiv 2410.15115).
        continuations: of every prefix, of `vine`.
    """

    rule: str = "among_correct"
    scorer: str = "process"
    weight: float = Field(default=0.5, ge=0)
    temperature: float = Field(default=0.1, gt=0)
    eta: float = Field(default=0.0, ge=-1, le=1)
    continuations: int = Field(default=4, ge=1)
    implicit: ImplicitConfig = ImplicitConfig()


class PrmConfig(Table):
    """A learned process reward model, from Monte-Carlo labels of steps (Math-Shepherd, arXiv 2312.08935, section 3).

    Attributes:
        questions: how many of the data's questions are answered, drawn by the run's seed; 0 takes all.
        solutions: completions of a question, whose steps are labelled.
        continuations: K rollouts from the end of every step but the last, whose label is the solution's own verdict.
        labels: `hard`, whether any continuation is right, or `soft`, the share of right ones.
        max_new_tokens: of a solution; a continuation has what its prefix left of them.
        engine: who samples; vLLM computes what prefixes share once, in blocks (128 tokens on a CPU, 16 on a GPU).
        max_length: longer sequences, prompt included, are left out and counted.
    """

    questions: int = Field(default=0, ge=0)
    solutions: int = Field(default=4, ge=1)
    continuations: int = Field(default=8, ge=1)
    labels: Literal["hard", "soft"] = "soft"
    temperature: float = Field(default=1.0, gt=0)
    max_new_tokens: int = Field(default=256, ge=1)
    max_length: int = Field(default=1024, ge=2)
    engine: Literal["transformers", "vllm"] = "transformers"


class GrpoConfig(Table):
    """Reinforcement learning from a registered reward.

    A step trains on `optimizer.batch_size` completions, `group_size` of each prompt.

    Attributes:
        objective: by name, an exact configuration (`docs/objectives.md`).
        updates: steps that share one sampling of `updates * optimizer.batch_size` completions, papers' mini-batches.
            With 1 every step is on-policy and no ratio is ever clipped.
        kl: weight of the divergence from the starting model; `None` is the objective's own, 0 is none.
        entropy: weight of the entropy bonus.
        rollout: who samples: `transformers` (TRL's own way), `decoder` (that of the evaluations, in which finished
            completions leave the batch) or `vllm` in the training process, or `server`, a vLLM started as
            `harness.trainers.rollouts.served` says.
        server: of rollout `server`, its base URL, as http://127.0.0.1:8000/v1.
        sampling_rounds: most rounds in which dynamic sampling replaces dead groups, per sampling.
        reward_seconds: how long a plugin's reward may take for one batch; a batch that takes longer is unscorable.
        keep_completions: steps whose completions stay on disk; the newest are kept.
        credit: credit assignment within a completion; without it every token has the completion's advantage.
        environment: `calculator` computes every `expression =` that the model writes (`harness.trainers.environments`).
    """

    reward: str
    objective: str = "grpo"
    credit: CreditConfig | None = None
    environment: Literal["none", "calculator"] = "none"
    group_size: int = Field(default=8, ge=2)
    updates: int = Field(default=1, ge=1)
    max_new_tokens: int = Field(default=256, ge=1)
    temperature: float = Field(default=1.0, gt=0)
    kl: float | None = Field(default=None, ge=0)
    entropy: float = Field(default=0.0, ge=0)
    rollout: Literal["transformers", "decoder", "vllm", "server"] = "transformers"
    server: str = ""
    sampling_rounds: int = Field(default=10, ge=1)
    reward_seconds: float = Field(default=60.0, gt=0)
    keep_completions: int = Field(default=200, ge=0)

    @model_validator(mode="after")
    def _rollout_belongs(self) -> "GrpoConfig":
        if (self.rollout == "server") != self.server.startswith(("http://", "https://")):
            raise ValueError("rollout server and server = URL belong together, as http://127.0.0.1:8000/v1")
        if self.environment != "none" and self.rollout != "decoder":
            raise ValueError(f'environment {self.environment} writes into completions: set rollout = "decoder"')
        return self


class MeasureConfig(Table):
    """Accuracy of the trained model on the first `test_items` of the test split; `temperature` 0 is greedy.

    `before` measures the model before training as well.
    """

    test_items: int = Field(ge=1)
    samples: int = Field(default=1, ge=1)
    temperature: float = Field(default=1.0, ge=0)
    max_new_tokens: int = Field(default=256, ge=1)
    batch_size: int = Field(default=128, ge=1)
    before: bool = False

    @model_validator(mode="after")
    def _draws_differ(self) -> "MeasureConfig":
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(f"evaluation.samples {self.samples} at temperature 0 would all be equal")
        return self


class Settings(Table):
    """What the file of a run and the resolved run say in the same words."""

    seed: int = Field(default=0, ge=0)
    optimizer: OptimizerConfig
    adapter: AdapterConfig | None = None
    checkpoint: CheckpointConfig = CheckpointConfig()
    shard: ShardConfig = ShardConfig()
    sft: SftConfig | None = None
    dpo: DpoConfig | None = None
    grpo: GrpoConfig | None = None
    prm: PrmConfig | None = None
    evaluation: MeasureConfig | None = None
    report_to: tuple[Tracker, ...] = Field(default=(), description="who is told of every step as well")

    @property
    def micro_batch(self) -> int:
        """Sequences in one forward pass of one process."""
        return self.optimizer.micro_batch or max(1, self.optimizer.batch_size // self.shard.processes)


class TrainRun(Settings):
    """One run. Exactly the table of its method is given; `evaluation` measures the result."""

    method: Method
    prompt: Prompt
    model: ModelConfig
    data: DataConfig | None = Field(default=None, description="question and answer; SFT on `chat` files needs none")
    plugins: tuple[PluginConfig, ...] = ()
    module: ClassVar[str] = "harness.trainers.run"

    @model_validator(mode="after")
    def _one_method(self) -> "TrainRun":
        given = [name for name in METHODS if getattr(self, name) is not None]
        if given != [self.method]:
            raise ValueError(f"a {self.method} run needs the table [{self.method}] and no other; given: {given}")
        return self

    @model_validator(mode="after")
    def _batches_divide(self) -> "TrainRun":
        batch, processes = self.optimizer.batch_size, self.shard.processes
        if batch % (processes * self.micro_batch):
            raise ValueError(
                f"optimizer.batch_size {batch} must be a multiple of shard.processes {processes} "
                f"x micro_batch {self.micro_batch}"
            )
        if self.grpo is not None and batch % self.grpo.group_size:
            raise ValueError(
                f"optimizer.batch_size {batch} must be a multiple of grpo.group_size {self.grpo.group_size}"
            )
        return self

    @property
    def label(self) -> str:
        named = self.dpo.loss if self.dpo else self.grpo.objective if self.grpo else ""
        return " / ".join([self.method, *([named] if named else []), f"seed {self.seed}"])

    @property
    def steps(self) -> int:
        return self.optimizer.steps


class RolloutsRun(Table):
    """Graded completions of the training questions, which preference losses build their pairs from.

    `questions` of them are drawn by the seed (0 takes all), `samples` completions each.
    """

    seed: int = Field(ge=0)
    prompt: Prompt
    model: ModelConfig
    data: DataConfig
    questions: int = Field(ge=0)
    samples: int = Field(ge=2)
    temperature: float = Field(gt=0)
    max_new_tokens: int = Field(ge=1)
    module: ClassVar[str] = "harness.trainers.pairs.sampling"

    @property
    def label(self) -> str:
        return f"rollouts of {self.model.name} / seed {self.seed}"

    @property
    def steps(self) -> int:
        return 0
