"""`significance.csv`: every row against its reference, by several end points and by a test without the normal curve."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from ablations.comparisons import Comparison, compare, compare_area, differences
from ablations.curves import area
from ablations.measures import answers
from ablations.records import Arm, Cell, Study

SEEDS_TEST = "paired t over seeds"
QUESTIONS_TEST = "sign-flip over questions"


@dataclass(frozen=True)
class Tested:
    """One line of `significance.csv`: a row less its reference. Differences, bounds and `detectable` are fractions.

    `units` are what the test counts: the common seeds, or the questions both were asked where they share one seed.
    `p_holm` is corrected over all rows with the same end point and test, `p_sign_flip` is the exact sign-flip
    permutation p of the same differences (5 seeds cannot go below 0.0625). `detectable` is the true difference found
    four times in five with this spread.
    """

    end_point: str
    reward: str
    objective: str
    model: str
    data: str
    variant: str
    reference: str
    seeds: int
    units: int
    difference: float | None
    low: float | None
    high: float | None
    t: float | None
    df: int | None
    p: float | None
    p_holm: float | None
    p_sign_flip: float | None
    detectable: float | None
    test: str


COLUMNS = tuple(each.name for each in fields(Tested))


def significance(study: Study) -> tuple[Tested, ...]:
    """Return every comparison of the study: final accuracy, area, and over questions where a row has but one seed."""
    by_accuracy = (_over_seeds(study, "accuracy", item, differences(study, item.arm)) for item in compare(study))
    by_area = (_over_seeds(study, "area", item, differences(study, item.arm, area)) for item in compare_area(study))
    return (*by_accuracy, *by_area, *_over_questions(study))


def _over_seeds(study: Study, end_point: str, item: Comparison, values: Sequence[float]) -> Tested:
    from evals.statistics.intervals import t_interval
    from evals.statistics.paired import sign_flip

    # Equal differences of equal fractions may differ in the last bit, which would pass for a tiny spread.
    plain = [round(value, 12) for value in values]
    spread = t_interval(plain) if plain else None
    return Tested(
        end_point=end_point,
        **vars(item.arm),
        reference=study.name(study.plan.reference(item.arm)),
        seeds=item.seeds,
        units=item.seeds,
        difference=item.difference.value,
        low=item.difference.low,
        high=item.difference.high,
        t=spread.mean / spread.se if spread and spread.se else None,
        df=spread.df if spread and spread.df else None,
        p=item.p,
        p_holm=item.p_holm,
        p_sign_flip=sign_flip(plain) if len(plain) > 1 else None,
        detectable=item.detectable,
        test=SEEDS_TEST,
    )


def _over_questions(study: Study) -> Iterator[Tested]:
    """Compare the rows that share a single seed with their reference on the same questions, with Holm over them."""
    from evals.statistics.holm import holm
    from evals.statistics.paired import paired_shares

    pairs = {arm: pair for arm in study.arms if (pair := _lone_pair(study, arm))}
    tables = {arm: _by_question(*pair) for arm, pair in pairs.items()}
    found = {arm: paired_shares(table) for arm, table in tables.items() if table}
    corrected = holm([estimate.p for estimate in found.values()])
    for (arm, estimate), p_holm in zip(found.items(), corrected, strict=True):
        yield Tested(
            end_point="accuracy",
            **vars(arm),
            reference=study.name(study.plan.reference(arm)),
            seeds=1,
            units=estimate.n,
            difference=estimate.delta,
            low=estimate.low,
            high=estimate.high,
            t=None,
            df=estimate.df or None,
            p=estimate.p,
            p_holm=p_holm,
            p_sign_flip=estimate.p,
            detectable=None,
            test=QUESTIONS_TEST,
        )


def _lone_pair(study: Study, arm: Arm) -> tuple[Cell, Cell] | None:
    """Return the two cells of the only seed that a row and its reference have both finished."""
    reference = study.plan.reference(arm)
    done = [{cell.seed: cell for cell in study.group(each) if cell.done} for each in (arm, reference)]
    common = [seed for seed in done[0] if seed in done[1]]
    return (done[0][common[0]], done[1][common[0]]) if len(common) == 1 and arm != reference else None


def _by_question(ours: Cell, theirs: Cell) -> list[list[float]]:
    """Return the differences in correctness, sample by sample, of every question that both have scored."""
    mine, others = answers(ours.items), answers(theirs.items)
    return [
        [float(a) - float(b) for a, b in zip(mine[question], others[question], strict=True)]
        for question in mine
        if len(mine[question]) == len(others.get(question, ()))
    ]
