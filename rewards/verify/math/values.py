r"""What kind of thing an answer is: a scalar, a tuple or interval, a list or set, a union, a matrix, a relation, words.

    list     = relation { ("," | ";" | "and" | "or") relation }
    relation = union { ("=" | "<" | "<=" | ">" | ">=" | "!=" | "in" | "~") union }
    union    = piece { ("\cup" | "\setminus") piece }
    piece    = "\{" list "\}" | ("(" | "[") item "," item ... (")" | "]") | matrix | cases | scalar with a unit

A plus-minus stands for the list of its two values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise

from rewards.verify.math import words
from rewards.verify.math.equality import exact
from rewards.verify.math.forms import rational
from rewards.verify.math.kinds import Cases, Group, Many, Matrix, Relation, Scalar, Union, Value, Words
from rewards.verify.math.labels import label, named
from rewards.verify.math.latex import FUNCTIONS
from rewards.verify.math.latex import tokens as scan
from rewards.verify.math.parse import parse
from rewards.verify.math.tree import Apply, Name, Node, Num, Unreadable

__all__ = ["name_of", "read"]


RELATIONS = frozenset(["=", "<", "<=", ">", ">=", "!=", "in", "~"])
OPENING = frozenset(["(", "[", "{", "{{", r"\lfloor", r"\lceil"])
ENDING = frozenset([")", "]", "}", "}}", r"\rfloor", r"\rceil"])
MAX_ITEMS = 200
UNIT_MARKS = frozenset(["^", "{", "}", "2", "3", "/", "*", "money", "(", ")", ".", "'", r"\frac"])
REALS = [frozenset({text}) for text in ("all real number", "all real", "real number", "set of all real number")]
# Longer phrases first: each is looked for at the end of a text.
BOUNDS = {"except": "", "greater than or equal to": ">=", "less than or equal to": "<=", "at least": ">="}
BOUNDS |= {"at most": "<=", "greater than": ">", "less than": "<"}
CONDITIONAL = frozenset(['"if', '"for', '"when', '"where', ","])
EMPTY = [frozenset({text}) for text in ("no solution", "none", "empty set")]
BARE = ("begin:array", "begin:matrix", "begin:smallmatrix")
SIGNS = {"%": "%", r"\degree": "deg"}


def read(tokens: Sequence[str], depth: int = 0) -> Value:
    """Return the typed value of an answer. Raises `Unreadable`."""
    if depth > 12:
        raise Unreadable("it is nested too deeply")
    tokens = _trimmed(tokens)
    if not tokens:
        raise Unreadable("nothing is there")
    if (reals := _reals(tokens, depth)) is not None:
        return reals
    systems = _split(tokens, {"or", ";"})[0]
    if 1 < len(systems) <= MAX_ITEMS and all(map(_assigns, systems)):
        return Many(tuple(read(system, depth + 1) for system in systems), "or")
    pieces, joints = _split(tokens, {",", ";", "and", "or"})
    if len(pieces) > 1:
        if len(pieces) > MAX_ITEMS:
            raise Unreadable("the list is too long")
        joint = "or" if "or" in joints else "and" if joints == ["and"] else ","
        return Many(tuple(read(piece, depth + 1) for piece in pieces if piece), joint)
    return _relation(tokens, depth)


def _reals(tokens: Sequence[str], depth: int) -> Value | None:
    """Read "all real numbers except 1 and 2" and "all real numbers greater than 5"; `None` for anything else."""
    start = next((index for index, token in enumerate(tokens) if token[0] != '"'), 0)
    stated = " ".join(token.lstrip('"').lower() for token in tokens[:start])
    found = next((phrase for phrase in BOUNDS if stated.endswith(phrase)), None)
    if found is None or words.phrases(stated.removesuffix(found)) not in REALS:
        return None
    bound = read(tokens[start:], depth + 1)
    if operator := BOUNDS[found]:
        infinity, closed = Name("inf"), operator.endswith("=")
        if operator[0] == ">":
            return Group((bound, Scalar(infinity)), "[" if closed else "(", ")")
        return Group((Scalar(Apply("neg", (infinity,))), bound), "(", "]" if closed else ")")
    items = bound.items if isinstance(bound, Many) else (bound,)
    points = tuple(one.sides[1] if isinstance(one, Relation) and one.operators == ("=",) else one for one in items)
    return Union((Words("setR"),), Many(points, "set"))


def _assigns(tokens: Sequence[str]) -> bool:
    """Whether tokens are several equations, as one of the points in `x = 2, y = 1 or x = 1, y = 2`."""
    equations = _split(_trimmed(tokens), {",", "and"})[0]
    return len(equations) > 1 and all("=" in equation for equation in equations)


def _trimmed(tokens: Sequence[str]) -> Sequence[str]:
    start, end = 0, len(tokens)
    while start < end and tokens[start] in (",", ";", "and", "or"):
        start += 1
    while start < end and tokens[end - 1] in (",", ";", "and", "or"):
        end -= 1
    return tokens[start:end]


def _split(tokens: Sequence[str], at: set[str] | frozenset[str]) -> tuple[list[Sequence[str]], list[str]]:
    """Split where a token of `at` stands outside all brackets."""
    pieces, separators, start = [], [], 0
    for index in _outside(tokens):
        if tokens[index] in at:
            pieces.append(tokens[start:index])
            separators.append(tokens[index])
            start = index + 1
    return [*pieces, tokens[start:]], separators


def _outside(tokens: Sequence[str]) -> Iterator[int]:
    depth = 0
    for index, token in enumerate(tokens):
        if token in OPENING or token.startswith("begin:"):
            depth += 1
        elif token in ENDING or token.startswith("end:"):
            depth -= 1
        elif depth == 0:
            yield index


def _relation(tokens: Sequence[str], depth: int) -> Value:
    sides, operators = _split(tokens, RELATIONS)
    if not operators:
        return _union(tokens, depth)
    if len(operators) == 1 and operators[0] == "~" and not sides[0]:
        return _union(sides[1], depth)
    labels = tuple(label(side) for side in sides)
    values = tuple(_side(side, bool(name), depth) for side, name in zip(sides, labels, strict=True))
    return Relation(tuple(operators), values, labels)


def _side(tokens: Sequence[str], labelled: bool, depth: int) -> Value:
    try:
        return _union(tokens, depth)
    except Unreadable:
        if not labelled:
            raise
    return Words(" ".join(token.lstrip('"') for token in tokens))


def _union(tokens: Sequence[str], depth: int) -> Value:
    pieces, operators = _split(tokens, {"cup", "setminus"})
    if not operators:
        return _piece(tokens, depth)
    pieces = [["{{", *piece[1:-1], "}}"] if _braced(piece) else piece for piece in pieces]
    if "setminus" in operators:
        if operators != ["setminus"]:
            raise Unreadable("several set operations")
        return Union((_piece(pieces[0], depth),), _piece(pieces[1], depth))
    return Union(tuple(_piece(piece, depth) for piece in pieces))


def _braced(tokens: Sequence[str]) -> bool:
    return len(tokens) > 1 and (tokens[0], tokens[-1]) == ("{", "}") and _encloses(tokens)


def _piece(tokens: Sequence[str], depth: int) -> Value:
    if not tokens:
        raise Unreadable("nothing is there")
    first, last = tokens[0], tokens[-1]
    if first in ("empty", "setR", "setZ", "setN", "setQ", "setC") and len(tokens) == 1:
        return Many((), "set") if first == "empty" else Words(first)
    if first == "{{" and last == "}}" and _encloses(tokens):
        return _set(tokens[1:-1], depth)
    if "pm" in tokens or "mp" in tokens:
        return _both_signs(tokens, depth)
    if first in ("(", "[") and last in (")", "]") and _encloses(tokens):
        items, separators = _split(tokens[1:-1], {",", ";"})
        if separators:
            return Group(tuple(read(item, depth + 1) for item in items), first, last)
        if first == "(" and last == ")" and any(token in tokens for token in RELATIONS):
            return read(tokens[1:-1], depth + 1)
    ratio = _split(tokens, {":", '"to'})[0]
    if len(ratio) > 1:
        return Group(tuple(_scalar(part) if part else Words("") for part in ratio), ":", ":")
    start = next((index for index, token in enumerate(tokens) if token.startswith("begin:")), None)
    if tokens[0] == "begin:cases" and last == "end:cases" and _encloses(tokens):
        return _cases(tokens[1:-1], depth)
    if start is not None and last.startswith("end:"):
        return _matrix(tokens[start:], depth, tokens[:start])
    starts = [0, *_amounts(tokens), len(tokens)]
    parts = tuple(_scalar(tokens[a:b]) for a, b in pairwise(starts))
    return parts[0] if len(parts) == 1 else Many(parts, ",")


def _amounts(tokens: Sequence[str]) -> list[int]:
    """Return where further amounts begin: at 30 in "2 hours 30 minutes"."""
    return [
        index
        for index in _outside(tokens)
        if index and tokens[index].isdigit() and tokens[index - 1][0] == '"' and words.unit(tokens[index - 1])
    ]


def _both_signs(tokens: Sequence[str], depth: int) -> Value:
    signs = ({"pm": "+", "mp": "-"}, {"pm": "-", "mp": "+"})
    found = [_piece([sign.get(token, token) for token in tokens], depth + 1) for sign in signs]
    return Many(tuple(found), ",")


def _encloses(tokens: Sequence[str]) -> bool:
    """Whether the first bracket is closed by the last token."""
    return not any(True for _ in _outside(tokens)) and all(depth > 0 for depth in _depths(tokens[:-1]))


def _depths(tokens: Sequence[str]) -> Iterator[int]:
    depth = 0
    for token in tokens:
        depth += (token in OPENING or token.startswith("begin:")) - (token in ENDING or token.startswith("end:"))
        yield depth


def _set(tokens: Sequence[str], depth: int) -> Value:
    if not tokens:
        return Many((), "set")
    builder, bars = _split(tokens, {"|", ":"})
    # {x | x > 3} says what x > 3 says.
    if len(bars) == 1 and builder[0] and named(list(builder[0][:1])):
        return read(builder[1], depth + 1)
    inner = read(tokens, depth + 1)
    return Many(inner.items if isinstance(inner, Many) and inner.joint != "set" else (inner,), "set")


def _matrix(tokens: Sequence[str], depth: int, factor: Sequence[str]) -> Value:
    kind = tokens[0].removeprefix("begin:")
    if tokens[-1] != f"end:{kind}" or kind not in ("pmatrix", "bmatrix", "matrix", "vmatrix", "array", "smallmatrix"):
        raise Unreadable(f"the environment {kind!r} is not known")
    inner = list(tokens[1:-1])
    if kind == "array" and inner[:1] == ["{"]:
        inner = inner[inner.index("}") + 1 :]
    rows = [row for row in _split([t for t in inner if t != r"\hline"], {r"\\"})[0] if row]
    cells = tuple(tuple(read(cell, depth + 1) for cell in _split(row, {"&"})[0]) for row in rows)
    if not cells or sum(map(len, cells)) > MAX_ITEMS:
        raise Unreadable("the matrix is empty or too large")
    if factor:
        cells = _scaled(
            cells, parse([*factor, "1"] if factor == ["-"] else factor[: -1 if factor[-1] == "*" else None])
        )
    return Matrix(cells, "v" if kind == "vmatrix" else "p")


def _cases(tokens: Sequence[str], depth: int) -> Cases:
    rows = [_split(row, {"&"})[0] for row in _split(tokens, {r"\\"})[0] if row]
    if not rows or len(rows) > MAX_ITEMS or any(len(row) > 2 for row in rows):
        raise Unreadable("the branches cannot be told apart")
    return Cases(tuple((_cell(row[0], depth), _condition(row[1], depth) if row[1:] else None) for row in rows))


def _condition(tokens: Sequence[str], depth: int) -> Value:
    rest = [part for token in tokens for part in (scan(token[1:]) if token[0] == '"' else [token])]
    while rest and rest[0].lower() in CONDITIONAL:
        rest = rest[1:]
    while rest and rest[-1] in (",", "."):
        rest = rest[:-1]
    if not any(token[0] == '"' for token in rest):
        return _cell(rest, depth)
    text = " ".join(token.lstrip('"') for token in rest)
    if not all(token[0] == '"' or token.isalnum() for token in rest):
        # Words are compared without their symbols, which would make "x > 0 rational" of "x < 0 rational".
        return Scalar(Name(text))
    return Words("otherwise" if text.lower().strip(" .") in ("else", "otherwise") else text)


def _cell(tokens: Sequence[str], depth: int) -> Value:
    """Read a cell of a case distinction; what cannot be read is a name of its own, equal to the same text only."""
    try:
        return read(tokens, depth + 1)
    except Unreadable:
        return Scalar(Name(" ".join(tokens)))


def _scaled(cells: tuple[tuple[Value, ...], ...], factor: Node) -> tuple[tuple[Value, ...], ...]:
    if not all(isinstance(cell, Scalar) for row in cells for cell in row):
        raise Unreadable("a matrix of numbers was expected")
    return tuple(tuple(_times(factor, cell.node) for cell in row if isinstance(cell, Scalar)) for row in cells)


def _times(factor: Node, node: Node) -> Scalar:
    """Multiply an entry out where it is rational: nobody leaves that undone by writing a factor before a matrix."""
    product = Apply("*", (factor, node))
    found = exact(product)
    value = None if found is None else rational(found)
    return Scalar(product if value is None else Num(value))


def _scalar(tokens: Sequence[str]) -> Value:
    if tokens[0] in ("(", "[") and tokens[-1] in (")", "]") and _encloses(tokens) and tokens[1] in BARE:
        return _piece(tokens[1:-1], 1)
    if tokens[0][0] == '"' and all(token[0] == '"' or token == "-" for token in tokens):
        text = " ".join(token.lstrip('"') for token in tokens)
        if words.phrases(text) in REALS:
            return Words("setR")
        if words.phrases(text) in EMPTY:
            return Many((), "set")
        value = words.number(text)
        return Words(text) if value is None else Scalar(Num(Fraction(value)))
    start = 0
    while tokens[start][0] == '"' and words.filler(tokens[start]):
        start += 1
    body, text = _unit(tokens[start:])
    # A sign behind a single term is its unit; inside a sum, 30 degrees is an angle.
    if (
        len(body) > 1
        and body[-1] in SIGNS
        and not {"+", "-", *SIGNS, *FUNCTIONS} & set(body[1 - (body[0] != "-") : -1])
    ):
        return Scalar(parse(body[:-1]), SIGNS[body[-1]])
    if words.qualifying(text):
        raise Unreadable(f"{text.strip()!r} leaves the value open")
    node, factor = parse(body), words.factor(text)
    if factor > 1 and isinstance(node, Num):
        node = Num(node.value * factor)
    return Scalar(node, words.unit(text))


def _unit(tokens: Sequence[str]) -> tuple[Sequence[str], str]:
    """Split the text of a unit from a value: words at its end, with the power or the fraction of units that follows."""
    if tokens[0] == "money" or tokens[:2] == ["-", "money"]:
        sign = tokens[:1] if tokens[0] == "-" else []
        rest = tokens[len(sign) + 1 :]
        body, text = _unit(rest) if rest else (rest, "")
        return [*sign, *body], f"{text} dollars"
    for index in _outside(tokens):
        if index and (tokens[index][0] == '"' or tokens[index] in ("money", r"\frac")):
            rest = tokens[index:]
            # The 2/3 of 1 2/3 is no unit, the m/s of 5 m/s is.
            if rest[0] == r"\frac" and rest[2:3] and rest[2][0] != '"':
                continue
            if all(t[0] == '"' or t in UNIT_MARKS for t in rest):
                text = (" per " if r"\frac" in rest else " ").join(
                    token.lstrip('"') for token in rest if token not in ("^", "{", "}", r"\frac")
                )
                return tokens[:index], text
    return tokens, ""


def name_of(value: Value) -> str | None:
    """Return the variable that a value is, else `None`."""
    return value.node.name if isinstance(value, Scalar) and isinstance(value.node, Name) else None
