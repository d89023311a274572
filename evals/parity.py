"""Our numbers against lm-eval's own, item by item: its filters and metric over our completions, or its own generation.

lm-eval is an optional extra. Its task is loaded as shipped, with nothing changed but where its documents come from.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from evals.prompts import Shot, Style
from evals.prompts.lm_eval import NAMES
from evals.prompts.shots import SEED, Drawn

Row = Mapping[str, Any]
Progress = Callable[[int], None]

_FILTERS = {"strict": "strict-match", "flexible": "flexible-extract"}


class ParityError(ValueError):
    """The cross-check cannot be made; the message says what to do."""


@dataclass(frozen=True)
class Request:
    """What lm-eval asks of a model for one document."""

    prompt: str
    stop: tuple[str, ...]
    max_new_tokens: int


@dataclass(frozen=True)
class Disagreement:
    """One grade on which we and lm-eval differ: `filter` is `strict` or `flexible`."""

    id: str
    sample: int
    filter: str
    ours: bool
    theirs: bool


@dataclass(frozen=True)
class Parity:
    """Grades of the same completions side by side.

    `strict` and `flexible` count the correct ones of `n` as (ours, lm-eval's). `identical` counts the completions that
    are the same text where lm-eval generated its own, None where it graded ours.
    """

    n: int
    strict: tuple[int, int]
    flexible: tuple[int, int]
    disagreements: tuple[Disagreement, ...]
    identical: int | None = None

    @property
    def agrees(self) -> bool:
        """Whether every grade of every completion is the same."""
        return not self.disagreements

    def counts(self) -> dict[str, int]:
        """For machines: lm-eval's numbers of correct ones beside n, and what differs from ours."""
        same = {} if self.identical is None else {"identical": self.identical}
        theirs = {"strict": self.strict[1], "flexible": self.flexible[1]}
        return {"n": self.n, **theirs, "disagreements": len(self.disagreements), **same}

    def lines(self) -> list[str]:
        """For people: counts, then the first ten disagreements."""
        told = [
            f"lm-eval's {name}: {theirs} of {self.n} correct, ours {ours}"
            for name, (ours, theirs) in (("strict-match", self.strict), ("flexible-extract", self.flexible))
        ]
        if self.identical is not None:
            told.append(f"lm-eval's own generation: {self.identical} of {self.n} completions identical to ours")
        told.append(f"{len(self.disagreements)} of {2 * self.n} grades differ")
        return told + [
            f"  {d.id} sample {d.sample}, {d.filter}: ours {d.ours}, lm-eval's {d.theirs}"
            for d in self.disagreements[:10]
        ]


def check(rows: Sequence[Row], filters: str, progress: Progress = lambda done: None) -> Parity:
    """Grade the completions of `items.jsonl` rows with lm-eval's own filters and metric, and compare.

    Args:
        rows: of one evaluation; `question, gold, completion, strict, flexible` are read.
        filters: the lm-eval task whose filters graded them, `Style.filters`.
        progress: called with the number of completions graded so far; lm-eval takes some milliseconds for each.

    Raises:
        ParityError: lm-eval is missing or of another make, or there are no rows.
    """
    documents = [(row["question"], row["gold"]) for row in rows]
    with _task(filters, documents, shots=0) as task:
        task.build_all_requests()
        for instance, row in zip(task.instances, rows, strict=True):
            instance.resps.append(row["completion"])
        return _compared(rows, _grades(task, progress))


def rerun(
    rows: Sequence[Row],
    style: Style,
    model: str,
    batch_size: int = 8,
    dtype: str = "float32",
    max_new_tokens: int | None = None,
) -> Parity:
    """Run lm-eval's hf backend on the questions of greedy `items.jsonl` rows and compare texts and grades.

    Args:
        rows: one a question, in the order of the data file and from its first on, for `gsm8k` draws shots by position.
        model: a folder or hub id.
        max_new_tokens: as its `--gen_kwargs max_gen_toks`; None leaves the limit to lm-eval.

    Raises:
        ParityError: as `check`, or the style is not one of lm-eval's.
    """
    with _run(style, [(row["question"], row["gold"]) for row in rows]) as task:
        # lm-eval would look for an accelerator even where there is none.
        device = "cuda" if _module("torch").cuda.is_available() else "cpu"
        options = {"pretrained": model, "dtype": dtype, "batch_size": batch_size, "device": device}
        backend = _module("lm_eval.models.huggingface").HFLM(**options)
        rendered = {"chat_template": backend.apply_chat_template} if style.chat else {}
        if max_new_tokens is not None:
            task.set_config("generation_kwargs", {"max_gen_toks": max_new_tokens}, update=True)
        task.build_all_requests(apply_chat_template=style.chat, fewshot_as_multiturn=style.multiturn, **rendered)
        texts = backend.generate_until(task.instances, disable_tqdm=True)
        for instance, text in zip(task.instances, texts, strict=True):
            instance.resps.append(text)
        identical = sum(row["completion"] == text for row, text in zip(rows, texts, strict=True))
        return _compared(rows, _grades(task), identical)


def requests(style: Style, questions: Sequence[Shot], tokenizer: Any = None) -> list[Request]:
    """What lm-eval itself would ask for the first questions of a file.

    Args:
        tokenizer: renders the conversation of a chat style.
    """

    def render(conversation: Any, add_generation_prompt: bool = True) -> str:
        text = tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=add_generation_prompt)
        return str(text)

    limit = _module("lm_eval.models.utils").normalize_gen_kwargs
    rendered = {"chat_template": render} if style.chat else {}
    with _run(style, questions) as task:
        task.build_all_requests(apply_chat_template=style.chat, fewshot_as_multiturn=style.multiturn, **rendered)
        asked = [instance.args for instance in task.instances]
    return [Request(text, tuple(given["until"]), limit(given)["max_gen_toks"]) for text, given in asked]


def _compared(rows: Sequence[Row], theirs: Sequence[dict[str, bool]], identical: int | None = None) -> Parity:
    differ = [
        Disagreement(str(row["id"]), int(row.get("sample", 0)), name, bool(row[name]), grades[name])
        for row, grades in zip(rows, theirs, strict=True)
        for name in _FILTERS
        if bool(row[name]) != grades[name]
    ]
    counts = {name: (sum(bool(row[name]) for row in rows), sum(grades[name] for grades in theirs)) for name in _FILTERS}
    return Parity(len(rows), counts["strict"], counts["flexible"], tuple(differ), identical)


def _grades(task: Any, progress: Progress = lambda done: None) -> list[dict[str, bool]]:
    """lm-eval's grades of the responses that stand in the task's instances, in the documents' order."""
    task.apply_filters()
    found = []
    for done, instance in enumerate(task.instances, start=1):
        said = {name: instance.filtered_resps[key] for name, key in _FILTERS.items()}
        scores = {name: task.process_results(instance.doc, [text]) for name, text in said.items()}
        found.append({name: bool(score["exact_match"]) for name, score in scores.items()})
        progress(done)
    return found


@contextmanager
def _run(style: Style, questions: Sequence[Shot]) -> Iterator[Any]:
    if style.name not in NAMES:
        raise ParityError(f"{style.name}: lm-eval has no such task; it can run the styles {', '.join(NAMES)}")
    train = style.shots.pool if isinstance(style.shots, Drawn) else ()
    with _task(style.name, questions, train) as task:
        yield task


@contextmanager
def _task(name: str, documents: Sequence[Shot], train: Sequence[Shot] = (), shots: int | None = None) -> Iterator[Any]:
    """lm-eval's task `name` over these documents. `shots` None leaves their number to the task."""
    if not documents:
        raise ParityError("there are no completions to check; evaluate at least one item")
    manager = _module("lm_eval.tasks").TaskManager
    shipped = Path(_module("lm_eval").__file__).parent / "tasks" / "gsm8k" / f"{name.replace('_', '-')}.yaml"
    if not shipped.is_file():
        raise ParityError(f"this lm-eval has no task file {shipped.name}; pip install 'reward-harness[lm-eval]'")
    with tempfile.TemporaryDirectory() as folder:
        test, pool = Path(folder) / "test.jsonl", Path(folder) / "train.jsonl"
        _write(test, documents)
        _write(pool, train or documents)
        fewer = {} if shots is None else {"num_fewshot": shots}
        local = {
            "include": str(shipped),
            "task": "local",
            "dataset_path": "json",
            "dataset_name": None,
            "dataset_kwargs": {"data_files": {"train": str(pool), "test": str(test)}, "cache_dir": folder},
            **fewer,
        }
        # YAML reads JSON.
        (Path(folder) / "local.yaml").write_text(json.dumps(local), encoding="utf-8")
        task = manager(include_path=folder, include_defaults=False).load(["local"])["tasks"]["local"]
        task.set_fewshot_seed(SEED)
        yield task


def _write(path: Path, documents: Sequence[Shot]) -> None:
    lines = [json.dumps({"question": question, "answer": answer}) + "\n" for question, answer in documents]
    path.write_text("".join(lines), encoding="utf-8")


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ParityError(
            f"the check against lm-eval needs {error.name}: pip install 'reward-harness[lm-eval]'"
        ) from error
