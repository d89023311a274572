"""What can go wrong with rewards, and who is told.

There are two kinds of trouble and they travel by different roads.

*The researcher's mistakes* - a misspelt reward, a parameter that does not exist, a dataset without its gold column -
are exceptions. They are raised before or at the first batch, they say what to do next, and nobody catches them:

    ValueError
      RewardError            a reward cannot be built or called as asked
        UnknownReward        no reward has that name
        BadSpec              the reward's text does not parse
        SpanBeyondText       a scorer's step lies outside of the completion

*The data's trouble* - a completion that is nonsense, a gold that is no number - is never an exception, because a bad
rollout is data. The verifier turns it into a `Verdict` status, and a reward that cannot score a sample answers `None`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["BadSpec", "RewardError", "UnknownReward"]


class RewardError(ValueError):
    """A reward cannot be built or called as asked; the message says what to change."""


class UnknownReward(RewardError):
    """No reward has this name; the message lists the nearest names."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        """Keep the name asked for and compose the message from its nearest neighbours in `known`."""
        self.name = name
        near = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}? " if near else ""
        super().__init__(f"no reward is named {name!r}: {hint}`harness rewards` lists all")

    def __reduce__(self) -> tuple[type[RewardError], tuple[str]]:
        """Cross a process border as a plain `RewardError` with the same message (the two arguments are gone)."""
        return RewardError, (str(self),)


class BadSpec(RewardError):
    """The text of a reward does not parse; the message shows the text, the place and the fix."""

    def __init__(self, spec: str, position: int, fix: str) -> None:
        """Point at `position` (0-based character of `spec`) and say in `fix` what belongs there."""
        self.spec, self.position, self.fix = spec, position, fix
        place = f"  {spec}\n  {' ' * position}^"
        super().__init__(f"cannot read reward {spec!r} at character {position + 1}: {fix}\n{place}")

    def __reduce__(self) -> tuple[type[BadSpec], tuple[str, int, str]]:
        """Rebuild from the three arguments, so that the error survives a process border."""
        return BadSpec, (self.spec, self.position, self.fix)
