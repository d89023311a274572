"""How the rows of a study are told apart in every figure: name, colour, dash, marker.

Colours are Okabe and Ito's, safe for colour-blind readers; every row also has its own dash and marker, so a grey print
can be read. More rows than `MOST` cannot be told apart in one panel: then the first row, the three with the highest
and the two with the lowest final accuracy are named, and the others are thin and grey.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablations.comparisons import final_accuracy
from ablations.measures import mean
from ablations.records import Arm, Study

Style = dict[str, Any]
COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00")
DASHES: tuple[Any, ...] = (
    "-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)), (0, (9, 3)),
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P")
OTHERS = "0.72"
MOST, HIGHEST, LOWEST = 6, 3, 2
WIDTH, LONGEST = 34, 90


@dataclass(frozen=True)
class Looks:
    """`labels` name every row in lines of `WIDTH` characters; `slots` number the rows drawn in colour."""

    labels: Mapping[Arm, str]
    slots: Mapping[Arm, int]

    @classmethod
    def of(cls, study: Study) -> "Looks":
        """Return the looks of a study's rows."""
        texts = labels([study.short(arm) for arm in study.arms])
        return cls(
            labels=dict(zip(study.arms, texts, strict=True)),
            slots={arm: slot for slot, arm in enumerate(_named(study))},
        )

    @property
    def others(self) -> int:
        """How many rows are grey."""
        return len(self.labels) - len(self.slots)

    @property
    def note(self) -> str:
        """Say which rows are named, where not all are."""
        who = f"named: the first row, the {HIGHEST} highest and {LOWEST} lowest in final accuracy"
        return f"{who}; grey: {self.others} others" if self.others else ""

    def line(self, arm: Arm) -> Style:
        """Return the style of a row's curve, as arguments of `plot`."""
        slot = self.slots.get(arm)
        if slot is None:
            return {"color": OTHERS, "linewidth": 0.7, "zorder": 1.5}
        return {"linestyle": DASHES[slot], "linewidth": 1.7, "zorder": 3, **self.marker(arm)}

    def marker(self, arm: Arm) -> Style:
        """Return the style of a row's marker."""
        slot = self.slots.get(arm)
        if slot is None:
            return {"color": OTHERS, "marker": "o", "markersize": 3, "zorder": 1.5}
        edge: Style = {"markeredgecolor": "white", "markeredgewidth": 0.5}
        return {"color": COLOURS[slot], "marker": MARKERS[slot], "markersize": 4.8, "zorder": 3, **edge}


def _named(study: Study) -> Sequence[Arm]:
    if len(study.arms) <= MOST:
        return study.arms
    ends = {arm: mean(final_accuracy(cell) for cell in cells if cell.done) for arm, cells in study.groups()}
    reached = {arm: value for arm, value in ends.items() if value is not None}
    first, *rest = sorted(reached, key=study.arms.index)
    # The sort is stable: of equal rows the one that stands first in the table counts as the higher.
    rest.sort(key=lambda arm: -reached[arm])
    chosen = {first, *rest[:HIGHEST], *rest[-LOWEST:]}
    return [arm for arm in study.arms if arm in chosen]


def labels(names: Sequence[str], width: int = WIDTH) -> list[str]:
    """Wrap names at `width`; above `LONGEST` characters they lose their middle, and those then alike get a number."""
    half = LONGEST // 2
    short = [name if len(name) <= LONGEST else f"{name[:half]}…{name[-half:]}" for name in names]
    alike = Counter(short)
    told = [text if alike[text] == 1 else f"{text} #{place}" for place, text in enumerate(short, 1)]
    return [plain("\n".join(_wrapped(text, width))) for text in told]


def _wrapped(text: str, width: int) -> list[str]:
    """Break behind a comma, plus, slash or space; a part that is longer than a line is cut."""
    lines = [""]
    for part in re.findall(rf"[^,+/\s]{{1,{width - 1}}}[,+/]?\s?|[,+/\s]", text):
        if len(lines[-1] + part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return [line.rstrip() for line in lines]


def plain(text: str) -> str:
    """Keep a dollar sign in a name from starting a formula."""
    return text.replace("$", r"\$")
