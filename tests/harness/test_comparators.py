"""Other projects' verifiers as we call them: known verdicts, each of which says something about them."""

import pytest

from harness import comparators
from harness.cli.verify import COMPARATORS

BOXED, MARKED = r"So it is \boxed{18}", "16 + 2 = 18\n#### 18"


@pytest.mark.parametrize(
    ("completion", "gold", "domain", "verdicts"),
    [
        (MARKED, "18", "gsm8k", (True, False, True, True)),
        (MARKED, "1 + 17 = 18\n#### 18", "gsm8k", (True, False, True, True)),
        (MARKED, "1 + 17 = 18\nA: 18", "gsm8k", (True, False, True, True)),
        ("It costs 1,018\n#### 1,018", "#### 1,018", "gsm8k", (True, False, True, True)),
        (BOXED, "18", "gsm8k", (True, True, False, True)),
        (rf"${BOXED}$.", "18", "gsm8k", (True, True, False, False)),
        (r"$\boxed{17=18}$", "18", "gsm8k", (True, True, False, True)),
        ("#### 18.00", "18", "gsm8k", (True, False, False, False)),
        ("#### 20\nNo, again.\n#### 18", "18", "gsm8k", (True, False, False, True)),
        (r"\boxed{17} no, \boxed{18}", "18", "gsm8k", (False, False, False, True)),
        (r"$\boxed{3+x}$", "x+3", "math", (True, True, None, None)),
        (r"$\boxed{3-x}$", "x+3", "math", (False, False, None, None)),
        (r"$\boxed{\frac{2}{4}}$", r"\frac{1}{2}", "math", (True, True, None, None)),
        (r"$\boxed{\frac{2}{4}}$", r"$\frac{1}{2}$", "math", (True, True, None, None)),
    ],
    ids=[
        "TRL pays nothing for GSM8K's own form",
        "gold is a whole solution",
        "gold in the form A:",
        "gold with a comma",
        "strict wants the marker",
        "flexible takes a last dollar sign and period for the number",
        "an equation is unwrapped to its right side",
        "lm-eval compares strings",
        "strict takes the first marker",
        "different boxes are joined into a set",
        "polynomial",
        "another polynomial",
        "fraction",
        "gold with dollar signs of its own",
    ],
)
def test_known_verdicts(
    completion: str, gold: str, domain: str, verdicts: tuple[bool, bool, bool | None, bool | None]
) -> None:
    functions = (
        comparators.math_verify,
        comparators.trl_accuracy,
        comparators.lm_eval_strict,
        comparators.lm_eval_flexible,
    )
    assert tuple(function(completion, gold, domain) for function in functions) == verdicts


def test_trl_skips_a_gold_that_it_cannot_parse() -> None:
    assert comparators.trl_accuracy(BOXED, "", "math") is None


def test_every_name_leads_to_a_comparator() -> None:
    targets = {target.removeprefix("harness.comparators:") for target in COMPARATORS.values()}
    assert targets == set(comparators.__all__)
