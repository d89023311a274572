"""Monte-Carlo labels of steps: solutions of training questions, and continuations from the end of each of their steps.

In the run's folder: `solutions/`, an evaluation; `labels.jsonl`, a line for each question once all of it is labelled;
`label_seconds.jsonl`, what that took. Killed, the run goes on where it was and ends with the same bytes in the first
two: every request has a seed of its own, and a question's continuations are sampled together.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from evals import engines
from evals.data import Item, drawn
from evals.engines import Engine, transformers, vllm
from evals.evaluation import Prompted, Row, line
from evals.prefixes import values
from evals.run import Run, mended
from harness import chat, status
from harness.trainers.prm.record import LABEL_SECONDS, LABELS, SOLUTIONS
from harness.trainers.prm.steps import Cut, cut_up, prefixes_of, solution
from harness.training import PrmConfig, TrainRun

BATCH = 128


def table(run: TrainRun) -> PrmConfig:
    assert run.prm is not None
    return run.prm


def labelled(run: TrainRun, model: Any, tokenizer: Any, items: Sequence[Item], folder: Path) -> list[Row]:
    """The lines of `labels.jsonl`, in the order of the questions; what is missing is sampled first.

    A line has `id`, `question`, `solutions`, `dropped` (those without labels, by reason), `prefixes` (distinct ones)
    and `tokens` (sampled, of solutions and of continuations). A solution has `sample`, `completion`, `correct` and
    `steps`, a step its characters [start, end), `tokens` of the completion up to its end, and how many continuations
    were `right` of those `scorable`; the last step's value is the verdict of the completion itself.

    Raises:
        evals.engines.EngineError: the engine cannot run here.
        evals.run.RunError: the folder holds other solutions, or damaged records.
    """
    asked = drawn(items, table(run).questions, run.seed)
    prompted = [Prompted(one, chat.encode(tokenizer, chat.messages(one.question, run.prompt))) for one in asked]
    # Loaded once, and not at all where nothing is missing.
    made = lru_cache(maxsize=1)(lambda: engine(run, model, tokenizer, max(len(one.prompt) for one in prompted)))
    rows = solutions(run, model, tokenizer, prompted, folder, made)
    by_question: dict[str, list[Row]] = {}
    for row in rows:
        by_question.setdefault(row["id"], []).append(row)
    return label(folder, asked, lambda item: labels_of(run, made(), tokenizer, item, by_question[item.id]))


def label(folder: Path, asked: Sequence[Item], labels_of: Callable[[Item], Row]) -> list[Row]:
    """The lines of `labels.jsonl`, the missing ones appended one by one."""
    found = mended(folder / LABELS)
    missing = asked[len(found) :]
    with appending(folder / LABELS) as labels, appending(folder / LABEL_SECONDS) as seconds:
        for item in missing:
            started = time.monotonic()
            found.append(labels_of(item))
            # One write a question: a kill must not leave half of it.
            labels.write(encoded(found[-1]))
            seconds.write(encoded({"id": item.id, "seconds": round(time.monotonic() - started, 3)}))
            tell(folder, "labels", len(found), len(asked))
    return found


def appending(path: Path) -> IO[bytes]:
    return path.open("ab", buffering=0)


def encoded(row: Row) -> bytes:
    return line(row).encode(errors="backslashreplace")


def sampling(run: TrainRun) -> engines.Sampling:
    return engines.Sampling(table(run).max_new_tokens, table(run).temperature, run.seed)


def engine(run: TrainRun, model: Any, tokenizer: Any, prompt: int) -> Engine:
    """Who samples. vLLM, which keeps the states of prefixes unless told not to, has its own copy of the weights."""
    if table(run).engine == "transformers":
        return transformers.TransformersEngine(model, tokenizer, BATCH)
    dtype = str(model.dtype).removeprefix("torch.")
    # Its memory is counted when it starts; the classifier is loaded after it is gone.
    model.to("cpu")
    return vllm.VllmEngine(run.model.path, prompt + table(run).max_new_tokens + 1, dtype, run.seed)


def solutions(
    run: TrainRun,
    model: Any,
    tokenizer: Any,
    prompted: Sequence[Prompted],
    folder: Path,
    made: Callable[[], Engine],
) -> list[Row]:
    """The graded completions of the questions, as an evaluation in `folder`/solutions."""
    dtype, device = str(model.dtype).removeprefix("torch."), model.device.type
    by_vllm = table(run).engine == "vllm"
    request = {
        "model": {"name": run.model.name, "fingerprint": run.model.fingerprint},
        "data": {"name": run.data.name, "fingerprint": run.data.fingerprint, "items": len(prompted)}
        if run.data
        else {},
        "prompt": {"style": run.prompt, "template": chat.template_hash(tokenizer)},
        "sampling": {"samples": table(run).solutions, **asdict(sampling(run))},
        "engine": vllm.facts(dtype, device) if by_vllm else transformers.facts(dtype, device, BATCH),
    }
    evaluation = Run(folder / SOLUTIONS, request, prompted, sampling(run), table(run).solutions)
    done = 0

    def watch(rows: Sequence[Row], _: bool) -> None:
        nonlocal done
        done += len(rows)
        tell(folder, "solutions", done, evaluation.total)

    return evaluation.finish(made, watch)


def tell(folder: Path, phase: str, done: int, of: int) -> None:
    """Shows how far a phase is in the run's `status.json`."""
    told = asdict(status.Status()) | status.read(folder)
    status.replace(folder / status.FILE, told | {"phase": phase, "graded": done, "to_grade": of})


def labels_of(run: TrainRun, engine: Engine, tokenizer: Any, item: Item, rows: Sequence[Row]) -> Row:
    """The line of a question. Equal beginnings of its solutions are continued once."""
    prm = table(run)
    dropped: Counter[str] = Counter()
    cuts: list[Cut] = []
    for row in rows:
        cut = cut_up(tokenizer, row, run.prompt, prm.max_new_tokens, prm.max_length)
        if isinstance(cut, str):
            dropped[cut] += 1
        else:
            cuts.append(cut)
    prefixes = prefixes_of(cuts, tokenizer, item, prm.max_new_tokens)
    found = values(engine, list(prefixes.values()), sampling(run), prm.continuations)
    known = dict(zip(prefixes, found, strict=True))
    return {
        "id": item.id,
        "question": item.question,
        "solutions": [solution(cut, known) for cut in cuts],
        "dropped": dict(sorted(dropped.items())),
        "prefixes": len(prefixes),
        "tokens": {
            "solutions": sum(row["tokens"] for row in rows),
            "continuations": sum(value.tokens for value in found),
        },
    }
