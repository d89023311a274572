"""A recursive-descent parser from tokens to the syntax tree. Names outside the grammar are refused, never looked up.

sum     = product { ("+" | "-") product }
product = signed { ["*" | "/"] signed }          nothing between two factors is a multiplication
signed  = { "-" | "+" } power
power   = postfix [ "^" signed ]                 right-associative
postfix = atom { "!" | "%" | degree | subscript }
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from rewards.verify.math.latex import FUNCTIONS, GREEK
from rewards.verify.math.tree import Apply, Name, Node, Num, Unreadable

__all__ = ["parse"]

MAX_DEPTH = 40
MAX_DIGITS = 4_000
MAX_FACTORS = 150
MAX_MARKS = 8

CLOSING = {"(": ")", "[": "]", "{": "}", "{{": "}}"}
FENCES = {r"\lfloor": (r"\rfloor", "floor"), r"\lceil": (r"\rceil", "ceil")}
BARS = ("|", "||")
INVERSE = {"sin": "arcsin", "cos": "arccos", "tan": "arctan"}
# What cannot begin a factor: after a value it ends the product.
ENDS = frozenset([*"+-*/^_!%)]}|,;=<>&:", "}}", "||", r"\degree", r"\rfloor", r"\rceil", "...", "mixed", r"\\"])


def parse(tokens: Sequence[str]) -> Node:
    """Return the tree of an expression. Raises `Unreadable`."""
    if not tokens:
        raise Unreadable("nothing is there")
    reader = _Reader(tokens)
    node = reader.sum()
    if reader.now:
        raise Unreadable(f"{reader.now.lstrip(chr(34))!r} was not expected")
    return node


class _Reader:
    """One method per rule of the grammar; `bars` counts the open absolute values."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens, self.at, self.depth, self.bars = tokens, 0, 0, 0

    @property
    def now(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def next(self, ahead: int = 1) -> str:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.now
        if not token or (expected and token != expected):
            raise Unreadable(f"{expected or 'a value'!r} is missing")
        self.at += 1
        return token

    def sum(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable("it is nested too deeply")
        terms = [self.product()]
        while self.now in ("+", "-"):
            terms.append(self.product() if self.take() == "+" else _negative(self.product()))
        self.depth -= 1
        return terms[0] if len(terms) == 1 else Apply("+", tuple(terms))

    def product(self, *, implicit_only: bool = False) -> Node:
        value = self.signed()
        for _ in range(MAX_FACTORS):
            if self.now in ("*", "/") and not implicit_only:
                operator = self.take()
                value = Apply(operator, (value, self.signed()))
            elif self._begins_factor():
                if implicit_only and self.now in FUNCTIONS:
                    return value
                value = self._juxtaposed(value)
            else:
                return value
        raise Unreadable("the product is too long")

    def _begins_factor(self) -> bool:
        token = self.now
        if not token or token[0] == '"':
            return False
        return token not in ENDS or (token in BARS and not self.bars) or token == "mixed"

    def _juxtaposed(self, value: Node) -> Node:
        """Read what stands right behind a value: a mixed number's fraction, or a factor."""
        whole = isinstance(value, Num) and value.places is None and value.value.denominator == 1
        if self.now == "mixed":
            self.take()
            fraction = self._plain_fraction()
        elif self.now == r"\frac" and whole:
            factor = self.power()
            if not _proper(factor):
                return Apply("*", (value, factor))
            fraction = factor
        elif self._number_follows():
            raise Unreadable("two numbers stand side by side")
        else:
            return Apply("*", (value, self.power()))
        if not whole:
            raise Unreadable("two numbers stand side by side")
        # -3 1/2 is -(3 + 1/2).
        if isinstance(value, Num) and value.value < 0:
            return Apply("neg", (Apply("mixed", (Num(-value.value), fraction)),))
        return Apply("mixed", (value, fraction))

    def _number_follows(self) -> bool:
        """Whether digits stand behind digits, as in 3 5 and {3}{5}: printed, that is 35; 7! 3! is a product."""
        first = self.next() if self.now == "{" else self.now
        before = self.tokens[self.at - 1]
        braced = self.now == "{" and not (before[-1].isdigit() or before == "}")
        return first[:1] in tuple("0123456789.") and before != "!" and not braced

    def _plain_fraction(self) -> Node:
        top = self.number()
        self.take("/")
        if not self.now.isdigit():
            raise Unreadable("two numbers stand side by side")
        fraction = Apply("/", (top, self.number()))
        if not _proper(fraction):
            raise Unreadable("two numbers stand side by side")
        return fraction

    def signed(self) -> Node:
        negative = False
        while self.now in ("+", "-"):
            negative ^= self.take() == "-"
        value = self.power()
        return _negative(value) if negative else value

    def power(self) -> Node:
        value = self.postfix()
        if self.now != "^":
            return value
        self.take()
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable("it is nested too deeply")
        exponent = self.exponent()
        self.depth -= 1
        return Apply("^", (value, exponent))

    def exponent(self) -> Node:
        if self.now == "-":
            self.take()
            return _negative(self.power())
        token = self.now
        # LaTeX: in x^12 only the 1 is raised; everybody who writes this in plain text means x to the 12.
        return self.group() if token == "{" else self.power()

    def postfix(self) -> Node:
        value = self.atom()
        for _ in range(MAX_MARKS):
            if self.now == "!":
                self.take()
                value = Apply("!", (value,))
            elif self.now == "%":
                self.take()
                value = Apply("%", (value,))
            elif self.now == r"\degree":
                self.take()
                value = Apply("deg", (value,))
            elif self.now == "'" and isinstance(value, Name):
                self.take()
                value = Name(value.name + "'")
            elif self.now == "_":
                value = self._subscripted(value)
            else:
                return value
        raise Unreadable("too many marks stand behind a value")

    def _subscripted(self, value: Node) -> Node:
        if not isinstance(value, Name):
            raise Unreadable("a subscript was not expected")
        self.take("_")
        return Name(f"{value.name}_{self._label()}")

    def _label(self) -> str:
        if self.now != "{":
            return self.take().lstrip('"')
        self.take()
        label = ""
        while self.now != "}":
            label += self.take().lstrip('"')
        self.take("}")
        return label

    def atom(self) -> Node:
        token = self.take()
        if token[0].isdigit() or (token[0] == "." and len(token) > 1 and token != "..."):
            self.at -= 1
            return self.number()
        if token in CLOSING:
            return self._bracketed(CLOSING[token]) if token in "({[" else self._refuse(token)
        if token in BARS:
            self.bars += 1
            value = self.sum()
            self.take(token)
            self.bars -= 1
            return Apply("abs", (value,))
        if token in FENCES:
            end, name = FENCES[token]
            value = self.sum()
            self.take(end)
            return Apply(name, (value,))
        if token in FUNCTIONS or token in COMMANDS:
            return COMMANDS.get(token, _Reader._function)(self, token)
        if token in ("pi", "inf") or token in GREEK or (len(token) == 1 and token.isalpha()):
            return Name(token)
        return self._refuse(token)

    def _refuse(self, token: str) -> Node:
        raise Unreadable(f"{token.lstrip(chr(34))[:40]!r} is not part of an expression")

    def _bracketed(self, end: str) -> Node:
        bars, self.bars = self.bars, 0
        value = self.sum()
        self.take(end)
        self.bars = bars
        return value

    def number(self) -> Node:
        token = self.take()
        if len(token) > MAX_DIGITS:
            raise Unreadable("the number is too long to be read")
        digits, _, exponent = token.lower().partition("e")
        decimals = len(digits.partition(".")[2])
        if self.now in (r"\overline", r"\bar", r"\dot", r"\overbar") and "." in digits:
            return self._repeating(digits, decimals)
        if self.now == "..." and "." in digits:
            self.take()
            return _continued(digits)
        value = Fraction(digits.rstrip(".") or "0")
        if exponent:
            return Apply("*", (Num(value, decimals or None), Apply("^", (Num(Fraction(10)), Num(Fraction(exponent))))))
        return Num(value, decimals or None)

    def _repeating(self, digits: str, decimals: int) -> Node:
        self.take()
        block = self._label()
        if not block.isdigit() or len(block) > 100:
            raise Unreadable("the repeating decimals cannot be read")
        if self.now == "...":
            self.take()
        tail = Fraction(int(block), (10 ** len(block) - 1) * 10**decimals)
        return Num(Fraction(digits.rstrip(".") or "0") + tail)

    def group(self) -> Node:
        """Read a LaTeX argument: a group, one digit of a number, or one atom."""
        if self.now == "{":
            self.take()
            return self._bracketed("}")
        token = self.now
        if token.isdigit() and len(token) > 1:
            # \frac12 and \sqrt23: TeX takes one digit; the rest is read as the next token.
            self.tokens = [*self.tokens[: self.at], token[0], token[1:], *self.tokens[self.at + 1 :]]
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable("it is nested too deeply")
        value = self.atom()
        self.depth -= 1
        return value

    def _fraction(self, token: str) -> Node:
        top = self.group()
        return Apply("frac" if token == r"\frac" else "binom", (top, self.group()))

    def _root(self, token: str) -> Node:
        degree: Node = Num(Fraction(2))
        if self.now == "[":
            self.take()
            degree = self._bracketed("]")
        return Apply("root", (self._argument(), degree))

    def _arrow(self, token: str) -> Node:
        return self.group()

    def _cube_root(self, token: str) -> Node:
        return Apply("root", (self._argument(), Num(Fraction(3))))

    def _binom(self, token: str) -> Node:
        self.take("(")
        top = self.sum()
        self.take(",")
        bottom = self.sum()
        self.take(")")
        return Apply("binom", (top, bottom))

    def _argument(self) -> Node:
        # TeX would take one digit of \sqrt13; whoever writes it means the root of 13.
        if self.now in ("(", "{", "["):
            return self._bracketed(CLOSING[self.take()])
        return self.number() if self.now[:1].isdigit() else self.group()

    def _function(self, name: str) -> Node:
        base: Node | None = None
        power: Node | None = None
        while self.now in ("_", "^"):
            if self.take() == "_":
                base = self.group()
            elif self.now == "{" and self.next() == "-" and self.next(2) == "1" and self.next(3) == "}":
                self.at += 4
                name = INVERSE.get(name) or self._refuse(f"{name}^-1")  # type: ignore[assignment]
            else:
                power = self.group() if self.now == "{" else self.number() if self.now.isdigit() else self.atom()
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable("it is nested too deeply")
        # sin(x)y and sin{x}y: the bracket is the argument; sin 2x: the whole product is.
        argument = self.postfix() if self.now in ("(", "{", "[") else self.product(implicit_only=True)
        if self.now == "^" and power is None and self.tokens[self.at - 1] in (")", "}", "]"):
            self.take()
            power = self.exponent()
        self.depth -= 1
        value = _call(name, argument, base)
        return Apply("^", (value, power)) if power is not None else value


COMMANDS = {
    r"\frac": _Reader._fraction,
    r"\binom": _Reader._fraction,
    **dict.fromkeys([r"\vec", r"\hat"], _Reader._arrow),
    r"\sqrt": _Reader._root,
    "sqrt": _Reader._root,
    "cbrt": _Reader._cube_root,
    "binom": _Reader._binom,
}


def _call(name: str, argument: Node, base: Node | None) -> Node:
    if name in ("log", "lg"):
        return Apply("log", (argument, base or Num(Fraction(10))))
    if base is not None:
        raise Unreadable("a subscript was not expected")
    if name == "exp":
        return Apply("^", (Name("e"), argument))
    if name == "cis":
        return Apply("^", (Name("e"), Apply("*", (Name("i"), argument))))
    return Apply(name, (argument,))


def _negative(node: Node) -> Node:
    return Num(-node.value, node.places) if isinstance(node, Num) else Apply("neg", (node,))


def _proper(node: Node) -> bool:
    """Whether a node is a plain fraction of integers below one, as in the mixed number 3 1/2."""
    if not isinstance(node, Apply) or node.op not in ("frac", "/"):
        return False
    top, bottom = node.args
    if not (isinstance(top, Num) and isinstance(bottom, Num)) or top.places or bottom.places:
        return False
    return 0 < top.value < bottom.value


def _continued(digits: str) -> Node:
    """Read 0.333... as the repeating decimal that its digits show; 3.14159... shows none."""
    whole, _, decimals = digits.partition(".")
    for size in range(1, len(decimals) // 2 + 1):
        times = 3 if size == 1 else 2
        block = decimals[-size:]
        if decimals.endswith(block * times):
            lead = decimals[:-size]
            tail = Fraction(int(block), (10**size - 1) * 10 ** len(lead))
            return Num(Fraction(f"{whole or 0}.{lead or 0}") + tail)
    raise Unreadable("the digits go on in no visible pattern")
