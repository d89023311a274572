"""Every row against its reference, seed by seed: difference, interval, paired test, and what it could miss."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ablations.curves import accuracy_curve, area
from ablations.estimates import Estimate, detectable, over_seeds, paired_p
from ablations.measures import score
from ablations.records import Cell, Plan, Study

Measure = Callable[[Cell], float | None]


@dataclass(frozen=True)
class Comparison:
    """One row minus its reference (`ablations.records.Plan.reference`), over the `seeds` both have finished.

    `p` is raw, `p_holm` corrected over all comparisons of the table, `detectable` the minimum detectable difference.
    Differences are fractions. Everything but `seeds` is None below two common seeds. `names` says in words what is
    compared.
    """

    reward: str
    objective: str
    names: str
    seeds: int
    difference: Estimate
    p: float | None
    p_holm: float | None
    detectable: float | None


def final_accuracy(cell: Cell) -> float | None:
    """Return the accuracy of the final model on the test split: the end point the table tests."""
    return score(cell.items).accuracy


def compare(study: Study, measure: Measure = final_accuracy) -> tuple[Comparison, ...]:
    """Compare every row with its reference by `measure`, with Holm over all of them."""
    from evals.statistics.holm import holm

    groups = [(r, o) for r, o, _ in study.groups() if (r, o) != study.plan.reference(r, o)]
    pairs = {key: _differences(study, *key, measure) for key in groups}
    raw = {key: paired_p(values) for key, values in pairs.items()}
    corrected = dict(zip(groups, holm([raw[key] for key in groups]), strict=True))
    return tuple(
        Comparison(
            reward=reward,
            objective=objective,
            names=_names(study.plan, reward, objective),
            seeds=len(values),
            difference=over_seeds(values),
            p=raw[reward, objective],
            p_holm=corrected[reward, objective],
            detectable=detectable(values),
        )
        for (reward, objective), values in pairs.items()
    )


def compare_area(study: Study) -> tuple[Comparison, ...]:
    """Compare the mean height of the dev accuracy curve instead of its end: who learned sooner."""
    return compare(study, area)


def compare_steps(study: Study) -> dict[tuple[str, str], list[tuple[int, Comparison]]]:
    """Compare the dev accuracy at every evaluated step after the base: `{(reward, objective): [(step, comparison)]}`.

    The `p_holm` of a comparison is corrected over the steps of its reward, for the question is when they differ.
    """
    from evals.statistics.holm import holm

    steps = sorted({point.step for cell in study.cells if cell.done for point in cell.curve if point.step > 0})
    found: dict[tuple[str, str], list[tuple[int, Comparison]]] = {}
    for step in steps:
        for item in compare(study, _dev_accuracy(step)):
            if item.seeds > 1:
                found.setdefault((item.reward, item.objective), []).append((step, item))
    return {
        key: [
            (step, replace(item, p_holm=p))
            for (step, item), p in zip(items, holm([item.p for _, item in items]), strict=True)
        ]
        for key, items in found.items()
    }


def _dev_accuracy(step: int) -> Measure:
    def measure(cell: Cell) -> float | None:
        return dict(zip(*accuracy_curve(cell), strict=True)).get(step)

    return measure


def _names(plan: Plan, reward: str, objective: str) -> str:
    against = plan.reference(reward, objective)
    if plan.compares_objectives:
        return f"{objective} against {against[1]} with {reward}"
    return f"{reward} against {against[0]} under {objective}"


def _differences(study: Study, reward: str, objective: str, measure: Measure) -> list[float]:
    """Return row minus reference for each seed both have finished, in the order of the seeds."""
    ours = _by_seed(study, reward, objective, measure)
    theirs = _by_seed(study, *study.plan.reference(reward, objective), measure)
    return [ours[seed] - theirs[seed] for seed in ours if seed in theirs]


def _by_seed(study: Study, reward: str, objective: str, measure: Measure) -> dict[int, float]:
    values = {cell.seed: measure(cell) for cell in study.group(reward, objective) if cell.done}
    return {seed: value for seed, value in values.items() if value is not None}
