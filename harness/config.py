"""The resolved configuration of one run, as it lies in a cell's `config.toml`, and the identity hashed from it.

A leaf: every room may import it.
"""

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness import whole


class Table(BaseModel):
    """A table of a config: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def write(self, path: Path) -> None:
        """Writes the table as a TOML file, whole or not at all."""
        whole.write(path, tomli_w.dumps(without_none(self.model_dump())))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads such a file. Raises `tomllib.TOMLDecodeError`, or pydantic's `ValidationError`."""
        return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


class ModelConfig(Table):
    """Where the starting weights are. `fingerprint` hashes the folder's files (or is the hub id and revision)."""

    name: str
    path: str
    fingerprint: str
    lora_rank: int = Field(default=0, ge=0, description="0 trains every weight")


class DataConfig(Table):
    """Question-and-answer JSON lines. Without a `dev` file, studies hold out the last training rows as dev."""

    name: str
    train: str
    test: str
    dev: str | None = None
    fingerprint: str
    held_out: int = Field(default=0, ge=0, description="last training rows that nobody trains on")


class TrainConfig(Table):
    """Sizes of the GRPO run. A step samples `prompts_per_step * group_size` completions and updates once."""

    steps: int = Field(ge=1)
    prompts_per_step: int = Field(ge=1)
    group_size: int = Field(ge=2)
    learning_rate: float = Field(gt=0)
    max_new_tokens: int = Field(ge=1)
    temperature: float = Field(default=1.0, gt=0)
    beta: float = Field(default=0.0, ge=0, description="weight of the KL to the reference model; 0 loads none")
    micro_batch: int = Field(default=0, ge=0, description="completions in one forward pass; 0 takes the whole batch")

    @model_validator(mode="after")
    def _batches_divide(self) -> "TrainConfig":
        if self.micro_batch and (self.prompts_per_step * self.group_size) % self.micro_batch:
            raise ValueError("train.micro_batch must divide train.prompts_per_step * train.group_size")
        return self


class EvaluationConfig(Table):
    """How base and result are measured. `samples` completions per test question at `train.temperature`, one greedy."""

    test_items: int = Field(ge=1)
    samples: int = Field(ge=1)
    dev_items: int = Field(ge=1)
    dev_samples: int = Field(default=1, ge=1)
    every: int = Field(ge=1, description="training steps between two points of the dev curve")
    batch_size: int = Field(default=128, ge=1)


class Sizes(Table):
    """What a preset and `--set` decide."""

    train: TrainConfig
    evaluation: EvaluationConfig


class PluginConfig(Table):
    """A file that registers rewards of the user's own; `sha256` of its bytes stands for it, the path does not."""

    path: str
    sha256: str


class StageConfig(Table):
    """What an earlier run left that several cells share; `fingerprint` is the identity of that run."""

    path: str
    fingerprint: str


Tracker = Literal["tensorboard", "wandb", "trackio"]


class RunConfig(Table):
    """One run: a reward, an objective, a seed, and everything else it needs. Paths do not enter its identity.

    Attributes:
        objective: of GRPO, perhaps with credit assignment as `grpo+among_correct(process)`
            (`harness.trainers.objectives.split`), or a preference loss (`harness.trainers.losses`).
        settings: of the tables of `harness.training`, by dotted key as `grpo.updates`, over what `train` says.
        variant: what tables call the settings in which this run differs from others of its study; not in its identity.
        rollouts: graded completions of the starting model, which a preference loss builds its pairs from.
    """

    reward: str
    objective: str
    seed: int = Field(ge=0)
    prompt: Literal["bare", "think"]
    model: ModelConfig
    data: DataConfig
    train: TrainConfig
    evaluation: EvaluationConfig
    code: str = Field(description="fingerprint of the code that decides this run's numbers")
    plugins: tuple[PluginConfig, ...] = Field(default=(), description="the files that this run's reward comes from")
    prm: ModelConfig | None = Field(default=None, description="the learned process reward model that scores its steps")
    settings: dict[str, Any] = Field(default_factory=dict)
    variant: str = ""
    rollouts: StageConfig | None = None
    report_to: tuple[Tracker, ...] = Field(default=(), description="who is told as well; no part of its identity")
    module: ClassVar[str] = "harness.cell"

    @property
    def label(self) -> str:
        return " / ".join([self.reward, self.objective, *filter(None, [self.variant]), f"seed {self.seed}"])

    @property
    def steps(self) -> int:
        return self.train.steps

    def identity(self) -> str:
        """12 hex digits of the hash of the config without its paths; the same run anywhere has the same identity."""
        # What a study holds out follows from the sizes of its evaluation.
        paths: dict[str, Any] = {"model": {"path"}, "data": {"train", "dev", "test", "held_out"}}
        paths["plugins"] = {"__all__": {"path"}}
        paths |= {"prm": {"path"}, "rollouts": {"path"}, "variant": True, "report_to": True}
        plain = self.model_dump(exclude=paths)
        # A run without them is what it was before there were any.
        for name in ("plugins", "prm", "settings", "rollouts"):
            if not plain[name]:
                del plain[name]
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]


def without_none(table: dict[str, Any]) -> dict[str, Any]:
    """TOML has no null: a missing key stands for it."""
    return {k: without_none(v) if isinstance(v, dict) else v for k, v in table.items() if v is not None}
