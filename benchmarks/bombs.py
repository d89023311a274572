"""Thirty texts made to hang, exhaust or take over a grader. `BOMBS` are (name, completion, gold, domain).

The code strings try to make the file `CANARY`; it must not exist afterwards.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

__all__ = ["BOMBS", "CANARY"]

CANARY = Path(tempfile.gettempdir()) / "harness-benchmark-canary"


def _boxed(*answers: tuple[str, str, str]) -> list[tuple[str, str, str, str]]:
    return [(name, rf"So the answer is $\boxed{{{answer}}}$.", gold, "math") for name, answer, gold in answers]


_TOWERS = _boxed(
    ("tower of nines", "9^{9^{9}}", "387420489"),
    ("tower of tens", "10^{10^{10}}", "10^{100}"),
    ("tower of six", "2^{2^{2^{2^{2^{2}}}}}", "65536"),
    ("two towers", "9^{9^{9}} + 1 - 9^{9^{9}}", "1"),
    ("negative tower", "(-7)^{7^{7^{7}}}", "-1"),
    ("last digit of a tower", r"7^{7^{7^{7}}} \bmod 10", "3"),
    ("root of a tower", r"\sqrt{2^{2^{40}}}", "2^{2^{39}}"),
    ("tower in the gold", "3", "9^{9^{9^{9}}}"),
    ("python tower", "9**9**9**9", "9"),
)
_FACTORIALS = _boxed(
    ("factorial", "(10^{9})!", "10^{9}"),
    ("factorial of a factorial", "((20!)!)!", "20"),
    ("quotient of factorials", r"\frac{(10^8)!}{(10^8-1)!}", "100000000"),
    ("binomial", r"\binom{10^{12}}{10^{11}}", "1"),
    ("sum to a trillion", r"\sum_{k=1}^{10^{12}} \frac{1}{k!}", "e"),
    ("product to a billion", r"\prod_{k=1}^{10^{9}} k", "1"),
)
_POLYNOMIALS = _boxed(
    ("binomial power", "(x+y+z+w)^{500}", "(w+z+y+x)^{500}+1"),
    ("power of a sum", "(1+x)^{100000}", "(1+x)^{100000}+x"),
    ("product of sums", "".join(f"(x+{k}y)" for k in range(1, 200)), "".join(f"(x-{k}y)" for k in range(1, 200))),
    ("nested powers", "((((x+1)^{9}+1)^{9}+1)^{9}+1)^{9}", "x"),
    ("trigonometric sum", "+".join(rf"\sin^{{{k}}}(x)\cos({k}x)" for k in range(1, 60)), "0"),
    ("sum of radicals", "+".join(rf"\sqrt{{{k}}}" for k in range(2, 300)), r"\sqrt{2}"),
)
_NESTING = _boxed(
    ("nested braces", "{" * 100_000 + "1" + "}" * 100_000, "1"),
    ("nested roots", r"\sqrt{" * 20_000 + "2" + "}" * 20_000, "2"),
    ("nested fractions", r"\frac{1}{1+" * 5_000 + "1" + "}" * 5_000, "1"),
)
_DIGITS = [
    ("a million digits", "#### " + "9" * 1_000_000, "9", "gsm8k"),
    ("a vast exponent", "#### 1e999999999", "1", "gsm8k"),
    ("a hundred thousand boxes", r"\boxed{18} " * 100_000, "18", "gsm8k"),
]
_CODE = [
    ("import", rf"\boxed{{__import__('pathlib').Path('{CANARY}').touch()}}", "18", "gsm8k"),
    *_boxed(
        ("lambda", f"(lambda: open('{CANARY}','w'))()", "1"),
        ("class walk", f"().__class__.__base__.__subclasses__()[0]; open('{CANARY}','w')", "1"),
    ),
]

BOMBS = [*_TOWERS, *_FACTORIALS, *_POLYNOMIALS, *_NESTING, *_DIGITS, *_CODE]
