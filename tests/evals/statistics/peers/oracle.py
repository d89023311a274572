"""Prints what rliable and statsmodels say about the task on stdin, as JSON."""

import json
import sys
import warnings

import numpy as np

# arch and pandas warn about their own future.
warnings.simplefilter("ignore")

from rliable import library, metrics  # noqa: E402
from statsmodels.stats.multitest import multipletests  # noqa: E402
from statsmodels.stats.power import TTestIndPower, TTestPower  # noqa: E402

task = json.load(sys.stdin)
x, y = np.array(task["x"]), np.array(task["y"])
taus = np.array(task["thresholds"])
reps = task["draws"]
np.random.seed(0)


def intervals(scores, statistic):
    points, found = library.get_interval_estimates({"_": scores}, statistic, reps=reps)
    return {"value": points["_"].tolist(), "low": found["_"][0].tolist(), "high": found["_"][1].tolist()}


profile, band = library.create_performance_profile({"_": x}, taus, reps=reps)
print(
    json.dumps(
        {
            "iqm": intervals(x, lambda s: np.array([metrics.aggregate_iqm(s)])),
            "improvement": intervals([x, y], lambda s, t: np.array([metrics.probability_of_improvement(s, t)])),
            "profile": {"value": profile["_"].tolist(), "low": band["_"][0].tolist(), "high": band["_"][1].tolist()},
            "power": [
                (TTestPower() if paired else TTestIndPower()).power(effect, n, 0.05)
                for effect, n, paired in task["designs"]
            ],
            "holm": multipletests(task["p"], method="holm")[1].tolist(),
        }
    )
)
