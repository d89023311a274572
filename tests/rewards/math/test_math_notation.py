"""Notation: cases, norms, dress, keyboard forms, chains, congruences, and other ways to write an answer down."""

from __future__ import annotations

import pytest

from rewards.verify.math import compare

# reason -> status -> (gold, answer); "refused" is any status but `correct`.
CASES: dict[str, dict[str, list[tuple[str, str]]]] = {
    "a function by cases is its branches, each a value and its condition, in any order": {
        "correct": [
            (
                r"\begin{cases} x & x\ge 0\\ -x & x<0\end{cases}",
                r"f(x)=\begin{cases} -x & \text{if } x<0\\ x & \text{if } x \geq 0\end{cases}",
            ),
            (
                r"f(x)=\begin{cases} x & x\ge 0\\ -x & x<0\end{cases}",
                r"\begin{cases} x, & 0 \le x\\ -x, & 0>x\end{cases}",
            ),
            (
                r"f(x)=\begin{cases} x & x\ge 0\\ -x & \text{otherwise}\end{cases}",
                r"\begin{cases} x & \text{if } x\ge 0\\ -x & \text{otherwise.}\end{cases}",
            ),
            (
                r"f(x)=\begin{cases} x & x\ge 0\\ -x & \text{otherwise}\end{cases}",
                r"\begin{cases} x & \text{if } x\ge 0\\ -x & x < 0\end{cases}",
            ),
            (
                r"\begin{cases} 1 & \text{if $n$ is even} \\ 0 & \text{if $n$ is odd}\end{cases}",
                r"\begin{cases} 0 & n \text{ odd} \\ 1 & n \text{ even}\end{cases}",
            ),
            (r"\begin{cases} x+y=1\\ x-y=2\end{cases}", r"\begin{cases} x-y=2\\ x+y=1\end{cases}"),
            (
                r"\begin{cases} x & x\ge 0\\ -x & x<0\end{cases}",
                r"\left\{\begin{array}{ll} x & x\ge 0\\ -x & x<0\end{array}\right.",
            ),
            (
                r"\begin{cases} x^2 & 0\le x\le 1\\ 2x-1 & x>1\end{cases}",
                r"\begin{cases} x^2 & x \in [0,1]\\ 2x-1 & x>1\end{cases}",
            ),
            (
                r"\begin{cases} 1 & x = 0 \\ 2 & \text{otherwise}\end{cases}",
                r"\begin{cases} 2 & x \neq 0 \\ 1 & x=0\end{cases}",
            ),
            (
                r"\begin{cases} \foo x & x > 0 \\ 0 & x\le 0\end{cases}",
                r"\begin{cases} 0 & x\le 0 \\ \foo x & x > 0\end{cases}",
            ),
            (
                r"|x|=\begin{cases} x & x\ge 0 \\ -x & x<0\end{cases}",
                r"\begin{cases} x, & \text{if $x\ge0$} \\ -x, & \text{if $x<0$}\end{cases}",
            ),
        ],
        "wrong": [
            (r"\begin{cases} x & x\ge 0\\ -x & x<0\end{cases}", r"\begin{cases} -x & x\ge 0\\ x & x<0\end{cases}"),
            (r"\begin{cases} x & x\ge 0\\ -x & x<0\end{cases}", r"\begin{cases} x & x> 0\\ -x & x\le0\end{cases}"),
            (
                r"f(x)=\begin{cases} x & x\ge 0\\ -x & \text{otherwise}\end{cases}",
                r"\begin{cases} x & \text{if } x\ge 0\\ -x & x < 5\end{cases}",
            ),
            (
                r"\begin{cases} 1 & \text{if $n$ is even} \\ 0 & \text{if $n$ is odd}\end{cases}",
                r"\begin{cases} 1 & n \text{ odd} \\ 0 & n \text{ even}\end{cases}",
            ),
            (r"\begin{cases} x & x\ge 0\\ -x & x<0\end{cases}", "x"),
            ("5", r"\begin{cases} 5 & x\ge 0\\ -x & x<0\end{cases}"),
            (
                r"\begin{cases} 1 & x > 0 \text{ rational} \\ 0 & \text{otherwise}\end{cases}",
                r"\begin{cases} 1 & x < 0 \text{ rational} \\ 0 & \text{otherwise}\end{cases}",
            ),
            (
                r"\begin{cases} 1 & x > 0 \\ 0 & \text{otherwise}\end{cases}",
                r"\begin{cases} 1 & x > 0 \\ 0 & x<0\end{cases}",
            ),
            (
                r"\begin{cases} 1 & x > 0 \\ 0 & \text{otherwise}\end{cases}",
                r"\begin{cases} 1 & x > 0 \\ 0 & \text{otherwise} \\ 3 & x=5\end{cases}",
            ),
            (r"\begin{cases} 1 & x > 0 \\ 0 & x\le 0\end{cases}", r"\begin{cases} 1 & x > 0 \\ 0 & x\le 1\end{cases}"),
            (r"\begin{cases} 1 & x > 0 \\ 0 & x\le 0\end{cases}", r"\begin{cases} 1 \\ 0 \end{cases}"),
            (
                r"\begin{cases} \foo x & x > 0 \\ 0 & x\le 0\end{cases}",
                r"\begin{cases} 0 & x\le 0 \\ \foo y & x > 0\end{cases}",
            ),
        ],
    },
    "a norm names the value that it has; |x| = 5 is an equation with two solutions": {
        "correct": [
            ("5", r"\|\mathbf{v}\| = 5"),
            ("5", r"|\vec{a}| = 5"),
            ("5", r"\|x\|=5"),
            ("5", "||v||=5"),
            ("5", r"\left\|\mathbf{a}+\mathbf{b}\right\| = 5"),
            ("5", "|z|=5"),
            (r"\|v\|=5", "5"),
            ("5", r"\|\mathbf v\| = \sqrt{3^2+4^2} = 5"),
        ],
        "wrong": [
            ("5", r"\|v\| = 6"),
            ("5", "|x|=5"),
            ("5", r"\|v\|^2 = 5"),
            ("5", "|x| = 5"),
            ("5", "|x-3| = 5"),
            ("5", r"\|x\| = -5"),
        ],
        "refused": [
            ("5", r"\|(3,4)\| = 5"),
        ],
    },
    "size, style, colour and frame only dress": {
        "correct": [
            (r"\text{Evelyn}", r"\boldsymbol{\text{Evelyn}}"),
            (r"\text{Evelyn}", r"\fbox{Evelyn}"),
            (r"\mathbf{0}", r"\boldsymbol{0}"),
            ("17", r"{\Large 17}"),
            ("17", r"\color{blue} 17"),
            ("17", r"\textcolor{red}{17}"),
            ("17", r"\huge{17}"),
            (r"\frac12", r"\boldsymbol{\frac12}"),
            (r"5\pi", r"\underline{5\pi}"),
            (r"5\pi", r"\mathbf{5}\pi"),
            (r"5\pi", r"\underline{5}\pi"),
            ("17", r"\colorbox{yellow}{17}"),
            ("17", r"\bf 17"),
            ("17", r"\mathit{17}"),
            ("17", r"\operatorname{17}"),
            ("17", r"x = \fbox{17}"),
            ("17", r"{\color{red}17}"),
            (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\mathbf v = \begin{pmatrix} 1 \\ 2 \end{pmatrix}"),
        ],
        "wrong": [
            ("17", r"\Large 18"),
            ("17", r"\color{red}18"),
        ],
        "refused": [
            (r"15\pi", r"\underline{3}\underline{5\pi}"),
            ("7", r"\cancel{8}7"),
            ("17", r"\sout{17} 18"),
            ("7", r"\color{red}{8}7"),
        ],
    },
    "what a keyboard has for infinity and union": {
        "correct": [
            (r"[0,\infty)", "[0, oo)"),
            (r"[0,\infty)", "[0, inf)"),
            (r"[0,\infty)", "[0, +infinity)"),
            (r"(-\infty, -5] \cup [5, \infty)", "(-inf, -5] U [5, inf)"),
            (r"(-\infty, -5] \cup [5, \infty)", "(-oo,-5] union [5,oo)"),
            (r"(-\infty, 3)", "(-oo, 3)"),
            (r"(-\infty, 3)", "(-infinity, 3)"),
            (r"(-\infty, 3)", "(-Inf,3)"),
            (r"(-\infty,3)\cup(5,\infty)", "(-oo,3)U(5,oo)"),
            (r"(-\infty,3)\cup\{5\}", r"(-oo,3) U \{5\}"),
            (r"\infty", "infinity"),
            (r"(-\infty,3)\cup\{5\}", "(-oo,3) U {5}"),
            (r"x<-2 \text{ or } x>3", "(-oo,-2) U (3,oo)"),
        ],
        "wrong": [
            (r"(-\infty,3)\cup(5,\infty)", "(-oo,3]U(5,oo)"),
            (r"(-3,2)\cup(5,7)", "(-3,2)U(5,8)"),
            ("15", "(3)U(5)"),
        ],
    },
    "a gold of two and more places is rounded, unless it is a short fraction": {
        "correct": [
            ("2.65", r"\sqrt7"),
            ("2.65", "2.6458"),
        ],
        "wrong": [
            ("2.65", "2.6"),
            ("2.65", "2.64"),
            ("0.25", "0.2513"),
            ("2.5", "2.51"),
            ("0.75", "0.7512"),
            ("1.2", "1.204"),
            ("2.65", "2.7"),
        ],
    },
    "a time of day has minutes below sixty": {
        "correct": [
            (r"9{:}05 \text{ a.m.}", "9:05"),
            (r"9{:}05 \text{ a.m.}", "09:05 AM"),
        ],
        "wrong": [
            (r"9{:}05 \text{ a.m.}", r"8:65 \text{ a.m.}"),
            ("9:05", "8:65"),
            (r"9:05 \text{ a.m.}", r"9:65 \text{ a.m.}"),
            ("8:65", "9:05"),
        ],
    },
    "a chain states its last value under its first name; a false link between numbers refuses it": {
        "correct": [
            (r"9\pi", r"A = \pi r^2 = 9\pi"),
            ("3", r"x = \frac{-b}{2a} = 3"),
            (r"9\pi", r"A = \pi r^2 = \pi \cdot 3^2 = 9\pi"),
            ("28.27", r"A = \pi r^2 \approx 28.27"),
            (r"9\pi", r"A = \pi r^2 = 9\pi \approx 28.27"),
            ("5", r"d = \sqrt{(x_2-x_1)^2+(y_2-y_1)^2} = \sqrt{9+16} = 5"),
            ("2x+3", "y = mx+b = 2x+3"),
            ("10", r"\text{Area} = \frac12 bh = 10"),
            ("10", r"\text{Area} = \frac12 \cdot 4 \cdot 5 = 10"),
            ("28.27", r"A=\pi r^2 = 9\pi \approx 28.27"),
        ],
        "wrong": [
            ("3", r"x = \frac{-b}{2a} = 4"),
            ("7", "x = 3+5 = 7"),
            ("18", "17 = 18"),
            (r"9\pi", r"A = \pi r^2 = \pi \cdot 4^2 = 9\pi"),
            ("3", "x = 3 = 4"),
            ("3", "x = 4 = 3"),
            ("3", "x^2 = 9 = 3"),
            ("x", "y=x=3"),
            ("3", "x = y = 3 = 4"),
            ("3", r"x = \frac{6}{3} = 3 = 5"),
            ("3", r"x = 5 \approx 3"),
            ("3", "3 = x = 4"),
            ("x", "y = x + 1"),
            ("2", "1:2 = 2"),
        ],
    },
    "a congruence is its class and its modulus; a bare number is the smallest of the class": {
        "correct": [
            (r"n \equiv 3 \pmod{7}", r"3 \pmod 7"),
            (r"n \equiv 3 \pmod{7}", r"n \equiv 10 \pmod{7}"),
            (r"n \equiv 3 \pmod{7}", "n = 3 (mod 7)"),
            ("3", r"x\equiv 3\pmod{7}"),
            ("3", r"3 \pmod 7"),
            (r"n \equiv 3 \pmod{7}", "3"),
            (r"3,5 \pmod 7", r"5,3 \pmod 7"),
        ],
        "wrong": [
            (r"n \equiv 3 \pmod{7}", r"n\equiv 4\pmod 7"),
            (r"n \equiv 3 \pmod{7}", r"n\equiv 3\pmod 5"),
            ("10", r"10\pmod 7"),
            (r"n \equiv 3 \pmod{7}", "10"),
            ("2", r"17\pmod 5"),
            (r"n \equiv 3 \pmod{7}", r"m \equiv 3 \pmod{7}"),
            (r"3 \pmod{0}", "3"),
            (r"3 \pmod{0}", r"4 \pmod 0"),
            (r"\frac12", r"\frac12 \pmod 7"),
        ],
        "refused": [
            ("17", r"17 \bmod 5"),
        ],
    },
    "nothing, under any name, is the empty set": {
        "correct": [
            (r"\text{no solution}", r"\emptyset"),
            (r"\emptyset", "no solution"),
            (r"\emptyset", r"\text{No solutions}"),
            (r"\text{no solutions}", r"\varnothing"),
            (r"\emptyset", r"\text{none}"),
            (r"\text{none}", "none"),
            (r"\text{None}", r"\text{no solution}"),
            (r"\emptyset", r"\text{the empty set}"),
            (r"\text{infinitely many}", "infinitely many"),
        ],
        "wrong": [
            (r"\emptyset", "0"),
            (r"\text{none}", "0"),
            (r"\emptyset", "no real solutions"),
            (r"\text{No}", "none"),
            (r"\text{no solution}", "1"),
            ("1", r"\text{no solution}"),
            (r"\emptyset", r"\{0\}"),
            (r"\{\emptyset\}", r"\emptyset"),
            (r"\text{one solution}", r"\text{no solution}"),
            (r"\text{no solution}", r"\text{infinitely many solutions}"),
            (r"\text{None of these}", "none"),
        ],
    },
    "amounts in two units belong together, and x = 5 cm is not x = 5 m": {
        "correct": [
            (r"5 \text{ feet } 3 \text{ inches}", "5 feet 3 inches"),
            (r"2 \text{ hours } 30 \text{ minutes}", "2 hours 30 minutes"),
            (r"2 \text{ hours } 30 \text{ minutes}", "2 hours and 30 minutes"),
            ("5 feet 3 inches", "3 inches, 5 feet"),
            (r"x=5\text{ cm}", "x=5"),
        ],
        "wrong": [
            (r"5 \text{ feet } 3 \text{ inches}", "5 feet 4 inches"),
            (r"2 \text{ hours } 30 \text{ minutes}", "2 hours"),
            (r"5 \text{ feet } 3 \text{ inches}", "3 feet 5 inches"),
            ("5 feet 3 inches", "5 feet"),
            (r"x=5\text{ cm}", r"x=5\text{ m}"),
        ],
        "refused": [
            ("5", "5 feet 3 inches"),
        ],
    },
    "the line without some points": {
        "correct": [
            (r"(-\infty, 0) \cup (0, 1) \cup (1, \infty)", r"x\ne 0, 1"),
            (r"(-\infty, 0) \cup (0, 1) \cup (1, \infty)", r"x \neq 0 \text{ and } x\neq 1"),
            (r"\mathbb{R} \setminus \{1\}", r"\text{all real numbers except } 1"),
            (r"\mathbb{R}\setminus\{1,2\}", "all real numbers except 1 and 2"),
            (r"(-\infty,1)\cup(1,\infty)", r"\text{all reals except } x = 1"),
            (r"x \neq 1, x\neq 2", r"x \neq 2, 1"),
        ],
        "wrong": [
            (r"\mathbb{R}\setminus\{1\}", "all real numbers except 2"),
            (r"\mathbb{R}", "all real numbers except 1"),
            (r"x\ne 1", r"x \ne 1, 2"),
            (r"x \neq 1, x\neq 2", r"x \neq 1"),
            (r"x \neq 1, x\neq 2", "x = 1, x=2"),
            (r"(-\infty,1)\cup(1,2)\cup(2,\infty)", r"x \neq 1, y\neq 2"),
        ],
    },
    "factorials, also of a variable, multiply what stands beside them": {
        "correct": [
            ("120", r"\binom{10}{3} = \frac{10!}{7!\,3!} = 120"),
            (r"\frac{10!}{7!\,3!}", r"\frac{10!}{3!\,7!}"),
            (r"\frac{10!}{7!\,3!}", "120"),
            (r"\frac{10!}{7!3!}", r"\binom{10}{3}"),
            (r"\dbinom{8}{4}", "70"),
            ("70", r"\binom{8}{4}=70"),
            ("4320", "3!6!"),
            ("12", "3!2"),
            ("8!", "40320"),
            (r"2 \cdot 5!", "240"),
            (r"\frac{7!}{2!2!}", "1260"),
            (r"\frac{n(n-1)}{2}", r"\binom{n}{2}"),
            (r"\frac{(n+1)!}{n!}", "n+1"),
            (r"\frac{(2n)!}{(n!)^2}", r"\binom{2n}{n}"),
            (r"\binom{n}{k}", r"\binom{n}{n-k}"),
            (r"\binom{n}{k}", r"\frac{n!}{k!(n-k)!}"),
            ("(n-1)!", r"\frac{n!}{n}"),
            ("n(n-1)(n-2)", r"\frac{n!}{(n-3)!}"),
        ],
        "wrong": [
            (r"\frac{10!}{7!\,3!}", "720"),
            ("7", "7! 3!"),
            ("4320", "3! 5!"),
            ("62", "3!+2"),
            ("32", "3!2"),
            ("1260", r"\frac{7!}{2!3!}"),
            (r"\frac{(2n)!}{(n!)^2}", r"\binom{2n}{n+1}"),
            ("(n+1)!", "n!+1"),
            ("n!", "(n+1)!"),
            ("n(n-1)(n-2)", r"\frac{n!}{(n-2)!}"),
        ],
    },
    "a mixed number is negative as a whole, and a fraction behind a value is no unit": {
        "correct": [
            (r"-\frac{35}{9}", r"-3\frac{8}{9}"),
            (r"\pm\frac{3}{2}", r"\frac32,-\frac32"),
            (r"-\frac{3}{2}", "-1.5"),
            (r"5\text{ m/s}", r"5\frac{\text{m}}{\text{s}}"),
            (r"1\frac{2}{3}", r"\frac53"),
            (r"1\frac{2}{3}\text{ cm}", r"\frac53 \text{ cm}"),
            (r"-1\frac{1}{2}", "-1.5"),
            ("-1.5", "-1 1/2"),
            (r"\frac{2}{3}", "2/3"),
            (r"x-\frac{2}{3}", "x - 2/3"),
            (r"2\cdot\frac{2}{3}", r"\frac43"),
            (r"\sin\frac{2}{3}", r"\sin(2/3)"),
        ],
        "wrong": [
            (r"\pm\frac{3}{2}", r"\frac32"),
            (r"-\frac{3}{2}", r"\frac32"),
            (r"-1\frac{1}{2}", "-0.5"),
            ("-0.5", "-1 1/2"),
        ],
    },
    "sets in sets stay apart": {
        "correct": [
            (r"\{\{1\},\{2\}\}", r"\{\{2\},\{1\}\}"),
        ],
        "wrong": [
            (r"\{\{1,2\},\{3,4\}\}", r"\{\{1,3\},\{2,4\}\}"),
            (r"\{1,2\},\{3,4\}", r"\{1,3\},\{2,4\}"),
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
