"""Intervals, paired tests and learning curves: every number with its n, its interval and its test.

Two sampling units occur and are never mixed: items (questions) and training seeds. `wilson`, `clustered` and
`mcnemar_exact` are about items; `t_interval` and `paired_t` about seeds; `sign_flip` serves both.
"""

from evals.statistics.curves import area_under, steps_to_threshold
from evals.statistics.intervals import Estimate, clustered, t_interval, wilson
from evals.statistics.paired import PairedEstimate, mcnemar_exact, paired_t, sign_flip

__all__ = [
    "Estimate",
    "PairedEstimate",
    "area_under",
    "clustered",
    "mcnemar_exact",
    "paired_t",
    "sign_flip",
    "steps_to_threshold",
    "t_interval",
    "wilson",
]
