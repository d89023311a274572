"""The stages that cells need: made once, under a lock beside each, also where other studies want the same one."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from ablations.cells import CellRun


class Needs:
    """The stages of some cells, each once, with the locks of those that are being made here.

    A stage that failed under an earlier command is tried again. One that fails here, or while another process made it
    and this one waited, has failed for all that need it.
    """

    def __init__(self, cells: Sequence[CellRun], refresh: Callable[[CellRun], None]) -> None:
        self.refresh = refresh
        self.stages: dict[Path, CellRun] = {}
        for stage in _found(cells):
            self.stages.setdefault(stage.folder, stage)
        for stage in self.stages.values():
            refresh(stage)
            if stage.state != "done":
                stage.status = {"state": "pending"}
        self.locks: dict[Path, FileLock] = {}
        self.awaited: set[Path] = set()

    def pending(self) -> list[CellRun]:
        """The stages still to make, each after those it needs itself."""
        return [stage for stage in self.stages.values() if stage.state == "pending"]

    def failed(self, cell: CellRun) -> CellRun | None:
        """A stage whose failure keeps the cell from starting."""
        return next((stage for stage in self._of(cell) if stage.state == "failed"), None)

    def ready(self, cell: CellRun) -> bool:
        """Whether it may leave the queue: all it needs is done, and nobody else makes it.

        A stage's lock is held from here on until `release`; its state is then what another process left.
        """
        if any(stage.state != "done" for stage in self._of(cell)):
            return False
        return self.mine(cell) or self._claimed(cell)

    def mine(self, cell: CellRun) -> bool:
        """Whether nobody else can be making it: it is no stage, or its lock is held here."""
        return cell is not self.stages.get(cell.folder) or cell.folder in self.locks

    def release(self, cell: CellRun) -> None:
        """Gives the lock back; cells that are no stages have none."""
        if lock := self.locks.pop(cell.folder, None):
            lock.release()

    def release_all(self) -> None:
        for folder in list(self.locks):
            self.release(self.stages[folder])

    def _of(self, cell: CellRun) -> list[CellRun]:
        return [self.stages[stage.folder] for stage in cell.needs]

    def _claimed(self, stage: CellRun) -> bool:
        stage.folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{stage.folder}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            self.awaited.add(stage.folder)
            return False
        self.refresh(stage)
        if stage.state == "done" or (stage.state == "failed" and stage.folder in self.awaited):
            lock.release()
            return True
        stage.status = {"state": "pending"}
        self.locks[stage.folder] = lock
        return True


def _found(cells: Sequence[CellRun]) -> Iterator[CellRun]:
    """All stages the cells need, directly or not, each after those it needs itself."""
    for cell in cells:
        yield from _found(cell.needs)
        yield from cell.needs
