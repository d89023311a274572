"""Every row against its reference, seed by seed: difference, interval, paired test, and what it could miss."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ablations.curves import accuracy_curve, area
from ablations.estimates import Estimate, detectable, over_seeds, paired_p
from ablations.measures import score
from ablations.records import Arm, Cell, Study

Measure = Callable[[Cell], float | None]


@dataclass(frozen=True)
class Comparison:
    """One row minus its reference (`ablations.records.Plan.reference`), over the `seeds` both have finished.

    `p` is raw, `p_holm` corrected over all comparisons of the table, `detectable` the minimum detectable difference.
    Differences are fractions. Everything but `seeds` is None below two common seeds. `names` says in words what is
    compared.
    """

    arm: Arm
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

    arms = [arm for arm in study.arms if arm != study.plan.reference(arm)]
    pairs = {arm: differences(study, arm, measure) for arm in arms}
    raw = {arm: paired_p(values) for arm, values in pairs.items()}
    corrected = dict(zip(arms, holm([raw[arm] for arm in arms]), strict=True))
    return tuple(
        Comparison(
            arm=arm,
            names=_names(study, arm),
            seeds=len(values),
            difference=over_seeds(values),
            p=raw[arm],
            p_holm=corrected[arm],
            detectable=detectable(values),
        )
        for arm, values in pairs.items()
    )


def compare_area(study: Study) -> tuple[Comparison, ...]:
    """Compare the mean height of the dev accuracy curve instead of its end: who learned sooner."""
    return compare(study, area)


def compare_steps(study: Study) -> dict[Arm, list[tuple[int, Comparison]]]:
    """Compare the dev accuracy at every evaluated step after the base: of each row, `[(step, comparison)]`.

    The `p_holm` of a comparison is corrected over the steps of its row, for the question is when they differ.
    """
    from evals.statistics.holm import holm

    steps = sorted({point.step for cell in study.cells if cell.done for point in cell.curve if point.step > 0})
    found: dict[Arm, list[tuple[int, Comparison]]] = {}
    for step in steps:
        for item in compare(study, _dev_accuracy(step)):
            if item.seeds > 1:
                found.setdefault(item.arm, []).append((step, item))
    return {
        arm: [
            (step, replace(item, p_holm=p))
            for (step, item), p in zip(items, holm([item.p for _, item in items]), strict=True)
        ]
        for arm, items in found.items()
    }


def _dev_accuracy(step: int) -> Measure:
    def measure(cell: Cell) -> float | None:
        return dict(zip(*accuracy_curve(cell), strict=True)).get(step)

    return measure


def _names(study: Study, arm: Arm) -> str:
    """`format_answer against sparse under grpo`; what both rows share is said after the pair."""
    compared, against = study.plan.compared, study.plan.reference(arm)
    pair = f"{getattr(arm, compared)} against {getattr(against, compared)}"
    shared = [getattr(arm, name) for name in study.varying if name not in (compared, "reward", "objective")]
    if compared == "reward":
        return ", ".join([f"{pair} under {arm.objective}", *shared])
    with_reward = f"{pair} with {arm.reward}"
    under = "" if compared == "objective" else f" under {arm.objective}"
    return ", ".join([f"{with_reward}{under}", *shared])


def differences(study: Study, arm: Arm, measure: Measure = final_accuracy) -> list[float]:
    """Return row minus reference for each seed both have finished, in the order of the seeds."""
    ours = _by_seed(study, arm, measure)
    theirs = _by_seed(study, study.plan.reference(arm), measure)
    return [ours[seed] - theirs[seed] for seed in ours if seed in theirs]


def _by_seed(study: Study, arm: Arm, measure: Measure) -> dict[int, float]:
    values = {cell.seed: measure(cell) for cell in study.group(arm) if cell.done}
    return {seed: value for seed, value in values.items() if value is not None}
