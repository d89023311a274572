"""The words of the live view: a cell's phase, its accuracy, a duration, why it failed, how many are where."""

from collections import Counter
from collections.abc import Sequence

from ablations.cells import CellRun
from ablations.live.progress import Progress, Reading, number
from evals.statistics import wilson

UNKNOWN = "-"
REASON = 400
ORDER = ("done", "running", "failed", "interrupted", "pending")
WORDS = {"pending": "waiting"}


def phase(cell: CellRun) -> str:
    """What a running cell is doing (load, base, train, test, ...), else its state; evaluations with their count."""
    if cell.state != "running":
        return WORDS.get(cell.state, cell.state)
    doing = str(cell.status.get("phase", "start"))
    # In training the numbers are those of the last evaluation on the dev split.
    if doing != "train" and cell.status.get("to_grade"):
        return f"{doing} {cell.status.get('graded', 0)}/{cell.status['to_grade']}"
    return doing


def steps(cell: CellRun) -> str:
    """`5/60`; nothing of a cell that never began, or of what takes no steps."""
    begun = cell.state != "pending" and cell.config.steps
    return f"{cell.status.get('step') or 0}/{cell.config.steps}" if begun else ""


def accuracy(reading: Reading) -> str:
    """The newest dev accuracy with Wilson's 95 % interval; before there is one, that of the last training step.

    Completions of one question are counted as independent; the report's intervals do not assume it.
    """
    share, n = number(reading.point.get("accuracy")), reading.point.get("n")
    if share is not None and isinstance(n, int) and n > 0:
        low, high = wilson(round(share * n), n)
        return f"{100 * share:.0f}% ({100 * low:.0f} to {100 * high:.0f})"
    if "reward" not in reading.metrics:
        # Before the first step; or the accuracy of SFT and of preference losses, which is not that of answers.
        return ""
    trained = number(reading.metrics.get("accuracy"))
    return UNKNOWN if trained is None else f"{100 * trained:.0f}% in training"


def duration(seconds: float | None) -> str:
    """`45 s`, `12 min` or `3.5 h`; nothing where it is not known."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def reason(cell: CellRun) -> str:
    """Why a cell failed and where, in one line that cannot steer a terminal."""
    error = cell.status.get("error") or {}
    parts = [str(error[key]) for key in ("type", "message") if error.get(key)]
    text = " ".join(": ".join(parts).split()) or "no reason was recorded"
    plain = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    step = cell.status.get("step")
    return f"failed at step {step}/{cell.config.steps}: {plain}"[:REASON] if step else f"failed: {plain}"[:REASON]


def summary(cells: Sequence[CellRun], progress: Progress, elapsed: float) -> str:
    """`3 of 10 cells done, 2 running, 5 waiting; 4 min so far, about 12 min left`."""
    counts = Counter(cell.state for cell in cells)
    done = f"{counts['done']} of {len(cells)} cells done"
    others = [f"{counts[state]} {WORDS.get(state, state)}" for state in ORDER[1:] if counts[state]]
    left = progress.study_seconds_left(cells)
    ending = f", about {duration(left)} left" if left is not None else ""
    return f"{', '.join([done, *others])}; {duration(elapsed)} so far{ending}"
