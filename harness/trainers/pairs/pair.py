"""A preference pair, and the file of them: `pairs.jsonl`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.chat import Messages
from harness.trainers.pairs.rollouts import Rollout


@dataclass(frozen=True)
class Side:
    """One completion of a pair, and where it comes from.

    Attributes:
        tokens: generated tokens.
        truncated: it was cut off, so it must not be trained to end where it ends.
        generator: fingerprint of the model that wrote it.
    """

    completion: str
    answer: str | None
    tokens: int
    truncated: bool
    reward: float
    components: Mapping[str, float]
    sample: int
    seed: int | None
    generator: str | None


@dataclass(frozen=True)
class Pair:
    """Two completions of one question; `prompt` is the conversation before them."""

    id: str
    question: str
    prompt: Messages
    chosen: Side
    rejected: Side
    both_right: bool

    @property
    def ratio(self) -> float:
        """|chosen| / |rejected| in tokens."""
        return self.chosen.tokens / self.rejected.tokens


def side(rollout: Rollout) -> Side:
    return Side(
        rollout.completion,
        rollout.answer,
        rollout.tokens,
        rollout.truncated,
        rollout.reward,
        rollout.components,
        rollout.sample,
        rollout.seed,
        rollout.generator,
    )


def write_pairs(path: Path, pairs: Sequence[Pair]) -> None:
    """Writes one line a pair, with its `ratio`, under a temporary name first: a file by this name is always whole."""
    partial = path.with_name(f"{path.name}.partial")
    lines = [json.dumps({**asdict(pair), "ratio": round(pair.ratio, 4)}) + "\n" for pair in pairs]
    partial.write_text("".join(lines), encoding="utf-8")
    partial.replace(path)


def read_pairs(path: Path) -> list[Pair]:
    """The pairs that `write_pairs` wrote."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        Pair(
            row["id"], row["question"], row["prompt"], Side(**row["chosen"]), Side(**row["rejected"]), row["both_right"]
        )
        for row in rows
    ]
