"""Labelled edge cases, and what holds a verifier to them.

`cases` reads them, `run` judges each with a verifier, `foreign` keeps other people's verifiers in a child process that
can be killed, `summary` counts, `baseline` tells what has become worse.
"""

from rewards.regression.baseline import BaselineError, Diff, compare, read, write
from rewards.regression.cases import Case, CaseError, load, shipped
from rewards.regression.foreign import BadVerifier, Foreign
from rewards.regression.run import DEADLINE, Judgement, Result, hold, ours
from rewards.regression.summary import Rates, grouped

__all__ = [
    "DEADLINE",
    "BadVerifier",
    "BaselineError",
    "Case",
    "CaseError",
    "Diff",
    "Foreign",
    "Judgement",
    "Rates",
    "Result",
    "compare",
    "grouped",
    "hold",
    "load",
    "ours",
    "read",
    "shipped",
    "write",
]
