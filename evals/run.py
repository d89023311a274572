"""An evaluation in a folder, which survives Ctrl-C and kill -9: the same request finishes what is missing.

`eval.json` says what was asked, `items.jsonl` holds a line for each finished completion, appended batch by batch,
`timing.jsonl` the seconds that each batch took. Once all is there, `items.jsonl` is put in the order of the data.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from evals.engines import Engine, Sampling
from evals.evaluation import Prompted, Row, line, ordered, stream, write_rows

Request = dict[str, Any]


class RunError(ValueError):
    """A folder cannot take this evaluation; the message says why and what to do, one problem a line."""


@dataclass(frozen=True)
class Run:
    """An evaluation and its folder.

    Attributes:
        request: plain values for `eval.json`: model, data, style, sampling, engine. Runs are the same if these are.
        filters: the lm-eval task whose filters grade.
    """

    folder: Path
    request: Request
    prompted: Sequence[Prompted]
    sampling: Sampling
    samples: int = 1
    filters: str = "gsm8k"
    clock: Callable[[], float] = field(default=time.monotonic, compare=False)

    @property
    def items_path(self) -> Path:
        return self.folder / "items.jsonl"

    @property
    def total(self) -> int:
        """Completions asked for."""
        return len(self.prompted) * self.samples

    def seconds(self) -> float:
        """Time spent on the finished completions, over all sessions, without loading."""
        return sum(float(row["seconds"]) for row in mended(self.folder / "timing.jsonl"))

    def finish(self, engine: Callable[[], Engine], watch: Callable[[Sequence[Row], bool], None]) -> list[Row]:
        """All rows, those of earlier sessions included.

        Args:
            engine: loads the engine; not called where nothing is missing.
            watch: called with the rows of every batch; first, and with True, with those found in the folder.

        Raises:
            RunError: the folder holds another evaluation, a damaged one, or one that runs right now.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with _alone(self.folder):
            self._agree()
            rows = self._found()
            watch(rows, True)
            if len(rows) < self.total:
                rows += self._generate(engine(), rows, watch)
            rows = ordered(rows, [each.item for each in self.prompted])
            write_rows(self.items_path, rows)
        return rows

    def _generate(self, engine: Engine, found: list[Row], watch: Callable[[Sequence[Row], bool], None]) -> list[Row]:
        done = {(row["id"], row["sample"]) for row in found}
        rows: list[Row] = []
        last = self.clock()
        with _appending(self.items_path) as items, _appending(self.folder / "timing.jsonl") as timing:
            for batch in stream(engine, self.prompted, self.sampling, self.samples, self.filters, done):
                now = self.clock()
                # One write a batch: a kill between two writes must not leave half of it.
                _append(items, batch)
                _append(timing, [{"completions": len(batch), "seconds": round(now - last, 3)}])
                rows, last = rows + batch, now
                watch(batch, False)
        return rows

    def _agree(self) -> None:
        """Writes the request, or holds it against the one in the folder."""
        path = self.folder / "eval.json"
        if not path.exists():
            if self.items_path.exists():
                raise RunError(f"{self.folder}: holds an items.jsonl without its eval.json; give another --out")
            partial = path.with_suffix(".partial")
            partial.write_text(json.dumps(self.request, indent=1) + "\n", encoding="utf-8")
            partial.replace(path)
        differences = _differences(_object(path), json.loads(json.dumps(self.request)))
        if differences:
            told = "\n".join(f"  {difference}" for difference in differences)
            raise RunError(f"{self.folder}: holds another evaluation; give another --out. It differs in\n{told}")

    def _found(self) -> list[Row]:
        rows = mended(self.items_path)
        known = {(each.item.id, sample) for each in self.prompted for sample in range(self.samples)}
        keys = [(row.get("id"), row.get("sample")) for row in rows]
        if len(set(keys)) < len(keys) or not known.issuperset(keys):
            raise RunError(f"{self.items_path}: holds repeated or unknown completions; delete it to begin anew")
        return rows


def mended(path: Path) -> list[Row]:
    """The rows of a JSON-lines file, none where it is missing; a torn last line is cut off the file.

    Raises:
        RunError: another line is no JSON object, so the damage is not that of a killed writer.
    """
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    return [_row(path, number, text) for number, text in enumerate(whole.decode(errors="replace").split("\n")[:-1], 1)]


def _row(path: Path, number: int, text: str) -> Row:
    try:
        row = json.loads(text)
    except json.JSONDecodeError as error:
        raise RunError(f"{path}:{number}: not JSON ({error.msg}); delete the line and run the command again") from error
    if not isinstance(row, dict):
        raise RunError(f"{path}:{number}: not an object; delete the line and run the command again")
    return row


def _object(path: Path) -> Request:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read as JSON ({error}); give another --out") from error
    return found if isinstance(found, dict) else {}


def _differences(then: Request, now: Request, prefix: str = "") -> list[str]:
    found = []
    for key in dict.fromkeys([*then, *now]):
        old, new = then.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found += _differences(old, new, f"{prefix}{key}.")
        elif old != new:
            found.append(f"{prefix}{key}: {json.dumps(old)} there, {json.dumps(new)} asked")
    return found


def _append(file: IO[bytes], rows: Sequence[Row]) -> None:
    file.write("".join(map(line, rows)).encode(errors="backslashreplace"))


def _appending(path: Path) -> IO[bytes]:
    # Unbuffered, so that a batch reaches the system in one call.
    return path.open("ab", buffering=0)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise RunError(f"{folder}: another process is at this evaluation; wait for it or give another --out") from error
    try:
        yield
    finally:
        lock.release()
