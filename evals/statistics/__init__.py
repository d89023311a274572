"""Intervals, paired tests, power and learning curves: every number with its n, its interval and its test.

Two sampling units occur and are never mixed unawares: items (questions) and training seeds.

    over items            wilson, clustered, mcnemar_exact, paired_shares, paired_scores
    over seeds            t_interval, paired_t; iqm, probability_of_improvement, performance_profile
    over both             crossed, hierarchical
    over either           sign_flip, holm; power, detectable, needed before a study
"""

from evals.statistics.aggregates import iqm, performance_profile, probability_of_improvement, stratified_interval
from evals.statistics.curves import area_under, steps_to_threshold
from evals.statistics.hierarchy import crossed, hierarchical
from evals.statistics.holm import holm
from evals.statistics.intervals import Estimate, clustered, t_interval, wilson
from evals.statistics.paired import PairedEstimate, mcnemar_exact, paired_scores, paired_shares, paired_t, sign_flip
from evals.statistics.planning import detectable, needed, paired_sd, power, share_sd

__all__ = [
    "Estimate",
    "PairedEstimate",
    "area_under",
    "clustered",
    "crossed",
    "detectable",
    "hierarchical",
    "holm",
    "iqm",
    "mcnemar_exact",
    "needed",
    "paired_scores",
    "paired_sd",
    "paired_shares",
    "paired_t",
    "performance_profile",
    "power",
    "probability_of_improvement",
    "share_sd",
    "sign_flip",
    "steps_to_threshold",
    "stratified_interval",
    "t_interval",
    "wilson",
]
