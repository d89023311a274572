"""Numbers: formatting, percents, rounding, and computations left undone."""

from __future__ import annotations

import pytest

from rewards.verify.math import compare

# reason -> status -> (gold, answer); "refused" is any status but `correct`.
CASES: dict[str, dict[str, list[tuple[str, str]]]] = {
    "a percent sign is a unit; a factor of 100 is never free": {
        "correct": [
            (r"\frac{1}{2}", r"50\%"),
            (r"50\%", "0.5"),
            (r"50\%", "50"),
            (r"50\%", r"50\%"),
            ("50", r"50\%"),
            (r"12\%", "12"),
            (r"12.5\%", r"\frac{1}{8}"),
            ("0", "0%"),
            (r"\frac{1}{3}", r"33\frac{1}{3}\%"),
            (r"33\frac{1}{3}\%", r"\frac{1}{3}"),
            ("10", "10%"),
            ("0.1", "10%"),
            (r"35\%", "0.35"),
            (r"35\%", "35 percent"),
            (r"35\%", "35"),
            (r"35\%", r"\frac{7}{20}"),
            ("0.05", r"5\%"),
        ],
        "wrong": [
            (r"35\%", r"3.5\%"),
        ],
        "refused": [
            ("18", r"1800\%"),
            (r"\frac{1}{3}", r"33.3\%"),
            ("1", r"100\%"),
        ],
    },
    "another value, or nothing that has one": {
        "wrong": [
            ("12345678901234567891", "12345678901234567890"),
            ("2^{10}", "2^{11}"),
            ("-5", "5"),
            ("100001", "100000"),
            (r"\frac{22}{7}", r"\pi"),
            (r"\frac{1}{2}", r"\frac{1}{2}x"),
            ("4", "4x"),
            (r"1\frac{1}{2}", r"\frac{11}{2}"),
            (r"\frac{1}{3}", "0.3333"),
            ("2000", "20000"),
            ("0.05", "0.5"),
            ("7", "7!"),
            ("7", "7x"),
            ("A,C", r"\text{(C)}"),
            ("AB", "ab"),
        ],
        "refused": [
            ("18", "0.18"),
            ("0.18", "18"),
            ("0.5", "50"),
            (r"\frac{1}{2}", "one half"),
            (r"\frac{\pi}{2}", "90"),
            ("18", "not 18"),
            ("18", r"\text{not } 18"),
            ("18", "answer"),
            ("AB", r"\overline{AB}"),
            ("12", r"1\,2"),
        ],
    },
    "a computation left undone is no answer": {
        "refused": [
            ("18", r"9\cdot2"),
            ("18", "36/2"),
            ("18", r"\frac{36}{2}"),
            ("7", "3+4"),
            ("18", "18 + 0"),
            ("18", r"2\cdot 9"),
            (r"\frac12", r"\frac13+\frac16"),
            ("5", "|3-8|"),
            ("24", r"4 \times 3 \times 2 \times 1"),
            ("2+3i", "2+3j"),
            ("7", r"\frac{14}{2}"),
            ("7", "7/1"),
            ("7", "VII"),
            ("7", "#7"),
            ("7", "7)"),
        ],
    },
    "a decimal is exact; only a gold that is itself rounded is met by what rounds to it": {
        "correct": [
            ("3.14", r"\pi"),
            ("3.14", "3.14159"),
            ("0.333", "1/3"),
            ("2.50", "2.5"),
            ("3.1416", r"\pi"),
            ("3.14", "3.142"),
            ("9.42", r"3\pi"),
            ("0.67", r"\frac23"),
            ("0.67", "0.6667"),
            (r"3.14\times10^{5}", r"3.14 \cdot 10^5"),
            (r"3.14\times10^{5}", "3.14e5"),
        ],
        "wrong": [
            (r"\frac13", "0.333"),
            (r"\pi", "3.14"),
            (r"\sqrt2", "1.414"),
            ("3.14", "3.1"),
            ("3.14", "3"),
            ("0.25", "0.252"),
            (r"5\sqrt{2}", "7.07"),
            (r"5\sqrt{2}", "7.0710678"),
            ("2.5", "2.54"),
            ("3.14", "3.15"),
            (r"25\pi", "78.5"),
            (r"25\pi", "78.54"),
            (r"\frac{2}{3}", "0.667"),
            (r"\frac{2}{3}", "0.6666666667"),
            ("0.67", "0.7"),
            ("2.0", "2.04"),
            (r"3.14\times10^{5}", r"3.14\times10^{6}"),
        ],
    },
    "formatting of a number is forgiven, its value is not": {
        "correct": [
            ("1000", "1,000"),
            ("1000", "1{,}000"),
            ("1,000,000", "1000000"),
            ("1{,}000{,}000", "10^6"),
            ("5", "five"),
            ("25", "twenty-five"),
            ("10080", "10,080"),
            (r"10,\!080", "10080"),
            (r"1,\!000", "1000"),
            (r"12,\!000,\!000", "12 million"),
            (r"12,\!000,\!000", "12000000"),
            ("18", "eighteen"),
            ("100", "one hundred"),
            ("18", "18."),
            ("18", "18.0"),
            ("18", "18,"),
            ("18", r"$\boxed{18}$"),
            ("18", r"\fbox{18}"),
            ("18", "`18`"),
            ("18", '"18"'),
            ("18", r"\mathbf{18}"),
            ("18", r"\text{18 eggs}"),
            ("18", "{18}"),
            ("18", r"2 \cdot 3^2"),
            ("18", "+18"),
            ("18", "018"),
            ("18", r"\phantom{0}18"),
            ("18", r"18\ \text{(eighteen)}"),
            ("18", r"18\quad"),
            ("18", r" 18 \,"),
            ("18", "\uff11\uff18"),
            ("18", "[18]"),
            ("18", "(18)"),
            ("1000000", "1 million"),
            ("70000", "70k"),
            ("1500000", "1.5 million"),
        ],
        "wrong": [
            ("18", "180"),
            ("18", "1.8"),
        ],
        "refused": [
            ("-5", "minus five"),
        ],
    },
}


@pytest.mark.parametrize(
    ("gold", "answer", "status", "reason"),
    [
        pytest.param(gold, answer, status, reason, id=f"{answer} for {gold} is {status}")
        for reason, table in CASES.items()
        for status, pairs in table.items()
        for gold, answer in pairs
    ],
)
def test_verdict(gold: str, answer: str, status: str, reason: str) -> None:
    found = compare(answer, gold)
    expected = found.status not in ("correct", "error", "timeout") if status == "refused" else found.status == status
    assert expected, f"{reason}: {found}"
