"""Rejection sampling: a model's own correct completions as demonstrations (RFT, arXiv 2308.01825)."""

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from evals.items import ItemsError, Row, rows_of
from harness import chat
from harness.trainers.demonstrations import Demonstration, Demonstrations
from harness.training import Prompt
from rewards.equations import equations


class TestQuestions(ValueError):
    """Completions of test questions were given to train on; the message says how to get others."""

    __test__ = False  # pytest takes classes of this name for its own


def read(files: Sequence[Path], style: Prompt, per_question: int, test: Collection[str] = ()) -> Demonstrations:
    """The correct completions of evaluations, the distinct ones of a question only, and at most `per_question` of them.

    Two are the same where they compute the same in the same order, whatever their words (the paper's equation lists),
    or, if they hold no equation, where their words are the same. Which are kept depends on the files alone: the first.

    Args:
        files: `items.jsonl` files, or the folders that hold them.
        test: questions that must not be trained on.

    Raises:
        ItemsError: a file is missing or malformed.
        TestQuestions: rollouts of `test`.
    """
    rows = [row for file in files for row in rows_of(file)]
    refuse_test_questions({row.get("question") for row in rows}, test)
    dropped: Counter[str] = Counter()
    kept: dict[str, dict[object, Demonstration]] = {}
    for row in rows:
        reason = _unfit(row)
        if reason is None:
            mine = kept.setdefault(row["question"], {})
            key = path(row["completion"])
            reason = "repeated" if key in mine else "over_cap" if len(mine) >= per_question else None
        if reason is None:
            mine[key] = Demonstration(chat.messages(row["question"], style), row["completion"])
        else:
            dropped[reason] += 1
    return Demonstrations(tuple(d for mine in kept.values() for d in mine.values()), dropped)


def refuse_test_questions(questions: Collection[object], test: Collection[str]) -> None:
    """Raises `TestQuestions` where `questions` of rollouts are among those of the test split."""
    if seen := set(questions) & set(test):
        raise TestQuestions(
            f"{len(seen)} questions of the rollouts are test questions; sample others: harness eval --split train"
        )


def _unfit(row: Row) -> str | None:
    """Why a completion is not to be imitated, None if it is."""
    if not (isinstance(row.get("question"), str) and isinstance(row.get("completion"), str)):
        raise ItemsError(f"{row.get('id')}: no texts under `question` and `completion`; give an evaluation's items")
    if row.get("correct") is None:
        return "unscorable"
    if not row["correct"]:
        return "wrong"
    # Cut off, it has no end of its own: training would teach to stop in the middle.
    return "truncated" if row.get("finish_reason") == "length" else None


def path(completion: str) -> object:
    """What tells reasoning paths apart: the equations in order, or the words where there is none."""
    return tuple(equation.key for equation in equations(completion)) or " ".join(completion.split())
