"""`alarms.csv`: every alarm that rang in a finished cell of a study, row by row and seed by seed."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields

from ablations.alarms import alarms
from ablations.records import Arm, Study


@dataclass(frozen=True)
class Entry:
    """One line of `alarms.csv`: an alarm (`ablations.alarms.Alarm`) and the cell in which it rang."""

    reward: str
    objective: str
    model: str
    data: str
    variant: str
    seed: int
    cell: str
    name: str
    severity: str
    start: float
    end: float
    steps: int
    sentence: str

    @property
    def arm(self) -> Arm:
        """The row of the table that the cell belongs to."""
        return Arm(self.reward, self.objective, self.model, self.data, self.variant)


COLUMNS = tuple(each.name for each in fields(Entry))


def rung(study: Study) -> Iterator[Entry]:
    """Yield the alarms of the finished cells, in the order of the table; critical ones first in each cell."""
    for arm, cells in study.groups():
        for cell in cells:
            for alarm in alarms(cell.metrics) if cell.done else ():
                yield Entry(**vars(arm), seed=cell.seed, cell=cell.id, **asdict(alarm))
