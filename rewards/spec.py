"""Read rewards written as text, as on the command line and in config files.

    spec      = ["-"] term { ("+" | "-") term }
    term      = [ number "*" ] name [ "(" [ parameter { "," parameter } ] ")" ]
    parameter = name "=" ( number | true | false | quoted string )

Blanks are free. Nothing is evaluated: a value is one literal token.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rewards.composite import Composite, Term
from rewards.errors import BadSpec
from rewards.registry import get
from rewards.reward import Reward

__all__ = ["parse", "split"]

TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<string>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')|(?P<sign>[-+*(),=]))",
    re.DOTALL,
)

MAX_DIGITS = 300
BOOLEANS = {"true": True, "True": True, "false": False, "False": False}

Value = int | float | bool | str


@dataclass(frozen=True)
class Token:
    """A piece of a spec: its kind (a group of `TOKEN`, or `end`), its text and where it starts."""

    kind: str
    text: str
    start: int


def parse(spec: str) -> Reward:
    """Return the reward that `spec` describes; one term without a weight is that reward, else a `Composite`.

    `str(parse(spec))` is the canonical spelling and parses to an equal reward. Raises `BadSpec` with the place and the
    fix, `UnknownReward` for a name, `RewardError` for a parameter.
    """
    return _Parser(spec).reward()


def split(text: str) -> list[str]:
    """Split a list of specs on its top-level commas: `"a(b=1,c=2),d"` -> `["a(b=1,c=2)", "d"]`. Raises `BadSpec`."""
    depth, cuts = 0, []
    for token in _tokens(text):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth < 0:
            raise BadSpec(text, token.start, "this `)` closes nothing")
        if depth == 0 and token.kind == "sign" and token.text == ",":
            cuts.append(token.start)
    pieces = [text[a:b].strip() for a, b in zip([0, *(cut + 1 for cut in cuts)], [*cuts, len(text)], strict=True)]
    if depth or "" in pieces:
        raise BadSpec(text, len(text), "close the `(`" if depth else "write a reward on both sides of each comma")
    return pieces


def _tokens(spec: str) -> list[Token]:
    tokens, at = [], 0
    end = len(spec.rstrip())
    while at < end:
        match = TOKEN.match(spec, at)
        if match is None or match.lastgroup is None:
            raise BadSpec(spec, at, "use names, numbers, quoted strings and + - * ( ) , = only")
        tokens.append(Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        at = match.end()
    return tokens


class _Parser:
    """Recursive descent over the tokens of one spec; one method per rule of the grammar."""

    def __init__(self, spec: str) -> None:
        self.spec = spec
        self.tokens = [*_tokens(spec), Token("end", "", len(spec.rstrip()))]
        self.at = 0

    def reward(self) -> Reward:
        terms = [self.term(-1.0 if self.accept("-") else 1.0)]
        while self.now.kind != "end":
            if self.now.text not in ("+", "-"):
                raise self.bad("join terms with + or -")
            terms.append(self.term(-1.0 if self.take().text == "-" else 1.0))
        single = len(terms) == 1 and terms[0].weight == 1
        return terms[0].reward if single else Composite(tuple(terms))

    def term(self, sign: float) -> Term:
        if self.now.kind == "number":
            sign *= float(self.take().text)
            self.expect("*", "write weight*reward, as in 0.1*sparse")
        if self.now.kind != "name":
            raise self.bad("write a reward's name here, as in 0.1*sparse")
        name = self.take().text
        return Term(sign, get(name, **self.parameters()))

    def parameters(self) -> dict[str, Value]:
        found: dict[str, Value] = {}
        if not self.accept("(") or self.accept(")"):
            return found
        while True:
            if self.now.kind != "name" or self.now.text in found:
                raise self.bad("write each parameter once, as name=value")
            key = self.take().text
            self.expect("=", f"give it a value, as in {key}=0.5")
            found[key] = self.value()
            if self.accept(")"):
                return found
            self.expect(",", "close with ) or go on with ,")

    def value(self) -> Value:
        sign = -1 if self.accept("-") else 1
        token = self.now
        if token.kind == "number":
            # Python refuses to read an integer beyond 4,300 digits, with an error that names no place.
            if len(token.text) > MAX_DIGITS:
                raise self.bad(f"a number has at most {MAX_DIGITS} digits")
            self.take()
            return sign * (int(token.text) if token.text.isdigit() else float(token.text))
        if sign == 1 and (token.kind == "string" or token.text in BOOLEANS):
            self.take()
            return BOOLEANS[token.text] if token.kind == "name" else re.sub(r"(?s)\\(.)", r"\1", token.text[1:-1])
        raise self.bad("a value is a number, true, false or a quoted string")

    @property
    def now(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def accept(self, sign: str) -> bool:
        if self.now.kind == "sign" and self.now.text == sign:
            self.at += 1
            return True
        return False

    def expect(self, sign: str, fix: str) -> None:
        if not self.accept(sign):
            raise self.bad(fix)

    def bad(self, fix: str) -> BadSpec:
        return BadSpec(self.spec, self.now.start, fix)
