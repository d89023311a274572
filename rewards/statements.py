"""Cut text into statements of arithmetic: runs of numbers, operators and `=`, with units and currency left out.

A statement is a list of tokens with their places. What cannot be read exactly stands in it as the token `?`: a variable
(`3x`), a power, a number in prose (`3/4 of the eggs`, `5 times 3`), the end of something that began before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["UNREADABLE", "Statement", "Token", "statements"]

UNREADABLE = "?"

# A statement of more characters is none: nobody writes one, and steps must stay small.
MAX_LENGTH = 300

# Character for character, so that places stay what they are; first the wide forms of ASCII.
SAME_AS = str.maketrans(
    {
        **{chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
        **dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\u2014\ufe63", "-"),
        **dict.fromkeys("\u00a0\u2007\u2009\u200a\u202f\u2002\u2003\u3000", " "),
        **dict.fromkeys("\u00d7\u2217\u22c5\u00b7\u2715", "*"),
        **dict.fromkeys("\u00f7\u2044\u2215", "/"),
        "\u2019": "'",
    }
)

# Of a number only the extent is found here: 6:30, 16,0000 or 1 3/2 are one token each, which no calculator reads.
# A blank is whatever stands between tokens unread: currency, bold, the slash of $2/egg, the dash of 5-pound.
TOKEN = re.compile(
    r"""<<(?P<annotation>[^<>\n]{0,200})>>
      | (?P<blank>[ \t$\u20ac\u00a3\u00a5\u20b9]{1,20} | \*\* | \\\$ | (?<=[A-Za-z0-9])(?:/[ ]?|-)(?=[A-Za-z]{2}))
      | (?P<number>(?:[0-9]{1,9}[ ]?)?[\u00bc-\u00be\u2153-\u2155\u215b-\u215e]
                 | (?: [0-9]{1,9}[ ](?:and[ ])?[0-9]{1,9}/[0-9]{1,9}(?![0-9])
                     | (?<=[/][ ])[0-9]{1,9}/[0-9]{1,9}(?![0-9])
                     | [1-9][0-9]{0,2}(?:[ ][0-9]{3}){1,9}(?![0-9]|-[A-Za-z])(?:\.[0-9]{1,30})?
                     | (?:[0-9]|\.(?=[0-9]))(?:[0-9]|[.,](?=[0-9])|:(?=[0-5][0-9](?![0-9]))){0,60}(?:\.{2,3}|\u2026)? )
                   (?:[ ]?(?:%|percent\b))?)
      | (?P<operator>// | [-+*/=()] | \\times | \\div | \\cdot | [xX](?=[ ]?[$(]?[ ]?[.0-9]))
      | (?P<spoken>(?:times|plus|minus|over|divided[ ]by|multiplied[ ]by|twice)(?=[ ][$(]?[0-9]))
      | (?P<of>of(?:[ ]the)?(?=[ ][$]?[0-9.]))
      | (?P<word>[A-Za-z][A-Za-z'&]+ | (?<![0-9)%])a\b)
      | (?P<letter>[A-Za-z])
      | (?P<bracket>\\[()\[\]])
      | (?P<power>[\^{}\\_\u221a])
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)

# Where a statement may begin; what else stands in prose is passed over.
BEGIN = re.compile(
    r"[0-9.(<=*+/^{}\\_\u221a\u00bc-\u00be\u2153-\u215e-]|\b(?:times|plus|minus|over|divided|multiplied|twice)[ ]"
)

OPERATORS = dict.fromkeys(["x", "X", "\\times", "\\cdot"], "*") | {"\\div": "/"}

# What asks for a number behind it.
OPENING = frozenset(("+", "-", "*", "/", "//", "("))

# Bullets are neither minus nor times.
BULLET = re.compile(r"[ \t]*[-+*][ ]")

# The words behind a number are its unit where an operator follows: "12 girls and boys / 2".
NO_UNIT = "because|so|then|gives|is|are|was|were|if|but"
NO_UNITS = frozenset(NO_UNIT.split("|"))
UNIT = re.compile(
    rf"""(?:[ /-]{{1,2}}(?!(?:{NO_UNIT})\b)[A-Za-z][A-Za-z'&]{{0,20}}){{0,5}}
        (?: [ ]{{0,3}}(?:[+*=]|[-/](?![A-Za-z])) | [ ][xX][ ][$(]?[0-9] )""",
    re.VERBOSE,
)

# The units of one letter; behind a result they are no variables.
METRIC = frozenset("mgLlhs")


class Token(NamedTuple):
    """A number or an operator as it is read, at characters [start, end)."""

    text: str
    start: int
    end: int


class Statement(NamedTuple):
    """Tokens in order; `annotated` where they are the inside of `<<...>>`, whose own place is [start, end)."""

    tokens: list[Token]
    annotated: bool
    start: int
    end: int


def statements(text: str) -> Iterator[Statement]:
    """Yield what may be an equation: the runs of `text` that hold an `=`, and every annotation."""
    if not text.isascii():
        text = text.translate(SAME_AS)
    start = 0
    for line in text.split("\n"):
        end = start + len(line)
        if "=" in line or "<<" in line:
            yield from _line(text, start, end)
        start = end + 1


def _line(text: str, start: int, end: int) -> Iterator[Statement]:
    bullet = BULLET.match(text, start, end)
    at = bullet.end() if bullet else start
    run = _Run(text)
    while True:
        if not run.tokens:
            # Between statements prose is passed over quickly.
            begin = BEGIN.search(text, at, end)
            at = begin.start() if begin else end
        match = TOKEN.match(text, at, end)
        if match is None:
            break
        at = match.end()
        if match.lastgroup == "annotation":
            yield from run.taken()
            yield Statement(_inside(text, match), True, match.start(), match.end())
        elif not run.read(match):
            # What ends a statement may begin the next.
            yield from run.taken()
            run.read(match)
    yield from run.taken()


def _inside(text: str, annotation: re.Match[str]) -> list[Token]:
    run = _Run(text)
    for match in TOKEN.finditer(text, annotation.start("annotation"), annotation.end("annotation")):
        # The last unit has no operator behind it: <<5 eggs+3 eggs=8 eggs>>.
        if not run.read(match) and match.lastgroup != "word":
            run.put(UNREADABLE, match)
    return run.tokens


class _Run:
    """The statement that is being read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[Token] = []
        self.open: list[int] = []

    def taken(self) -> Iterator[Statement]:
        """Yield what was read, if it may be an equation, and begin anew; what an operator left open stays unread."""
        tokens = self.tokens
        broken = bool(tokens) and tokens[-1].text in OPENING
        if any(token.text == "=" for token in tokens) and tokens[-1].end - tokens[0].start <= MAX_LENGTH:
            yield Statement(tokens, False, tokens[0].start, tokens[-1].end)
        end = tokens[-1].end if tokens else 0
        self.tokens, self.open = [Token(UNREADABLE, end, end)] if broken else [], []

    def read(self, match: re.Match[str]) -> bool:
        """Take one token; `False` where it ends the statement."""
        kind, piece = match.lastgroup, match[0]
        if kind == "number":
            if self.behind_result:
                return False
            # A number right behind another belongs to something else.
            if self.behind_number:
                self.put(UNREADABLE, match)
            self.put(piece, match)
            return True
        if kind == "operator":
            return self.operator(OPERATORS.get(piece, piece), match)
        if kind == "of":
            return self.part(match)
        if kind == "power" or (kind == "spoken" and not self.behind_result):
            return self.put(UNREADABLE, match)
        return kind == "blank" or (kind in ("word", "letter") and self.word(match))

    def operator(self, piece: str, match: re.Match[str]) -> bool:
        if piece == "(":
            glued = self.behind_number and self.tokens[-1].end == match.start()
            if self.behind_result and not glued:
                return False
            if self.behind_number:
                # 2(40+9) multiplies; "16 eggs (16-3=13)" does not.
                self.put("*" if glued else UNREADABLE, match)
            self.open.append(len(self.tokens))
        elif piece == ")" and not self.open:
            return False
        elif piece == ")":
            self.open.pop()
        elif piece == "=" and self.open:
            self.inside_bracket()
        self.put(piece, match)
        return True

    def inside_bracket(self) -> None:
        """Begin at the last open bracket, where the equation stands; 5+(2*3=11 has lost its left side."""
        last = self.open[-1]
        lost = last > 0 and self.tokens[last - 1].text in OPENING
        self.tokens = [Token(UNREADABLE, *self.tokens[last][1:])] * lost + self.tokens[last + 1 :]
        self.open = []

    def part(self, match: re.Match[str]) -> bool:
        """20% of 50 and 1/2 of 50 multiply; 3 of 50 is something else, unless it is a result: "= 3 of 50"."""
        last = self.tokens[-1].text if self.behind_number else ""
        if last.endswith(("%", "percent")) or (last and [token.text for token in self.tokens[-2:-1]] == ["/"]):
            return self.put("*", match)
        return bool(last) and not self.behind_result and self.put(UNREADABLE, match)

    def word(self, match: re.Match[str]) -> bool:
        """A unit is left out."""
        if not self.behind_number:
            return False
        if match[0] in NO_UNITS or (self.behind_result and match[0] in METRIC):
            return False
        glued = self.tokens[-1].end == match.start()
        unit = UNIT.match(self.text, match.end()) is not None
        # A variable, or part of something that is not told: "3/4 of the eggs = 12".
        if (match.lastgroup == "letter" and (glued or unit)) or (match[0] == "of" and unit):
            return self.put(UNREADABLE, match)
        return unit

    def put(self, piece: str, match: re.Match[str]) -> bool:
        self.tokens.append(Token(piece, match.start(), match.end()))
        return True

    @property
    def behind_number(self) -> bool:
        return bool(self.tokens) and self.tokens[-1].text not in OPENING and self.tokens[-1].text != "="

    @property
    def behind_result(self) -> bool:
        return len(self.tokens) > 1 and self.tokens[-2].text == "=" and self.behind_number
