r"""Subsets of the real line, so that x > 3, 3 < x, (3, \infty) and x \in (3, \infty) are one answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from rewards.verify.math.kinds import Cases, Group, Many, Relation, Scalar, Union, Value, Words
from rewards.verify.math.probe import decimal_value
from rewards.verify.math.tree import Apply, Name, Node, Num, names
from rewards.verify.math.values import name_of

__all__ = ["Interval", "explicit", "region", "variable"]

INFINITY = Name("inf")
MINUS_INFINITY = Apply("neg", (INFINITY,))
FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`; a point is closed on both sides."""

    low: Node
    high: Node
    closed_low: bool
    closed_high: bool


OTHERWISE = Words("otherwise")
LINE = Interval(MINUS_INFINITY, INFINITY, False, False)


def variable(value: Value) -> str | None:
    """Return the variable that an inequality, or a list of them, speaks of; `None` for other values."""
    if isinstance(value, Relation):
        return next((name for side in value.sides if (name := name_of(side))), None)
    if isinstance(value, Many) and value.joint != "set":
        found = {variable(item) for item in value.items}
        return found.pop() if len(found) == 1 else None
    return None


def region(value: Value) -> list[Interval] | None:
    """Return the disjoint intervals that a value describes, `None` where it describes no part of the line."""
    if isinstance(value, Words):
        return [LINE] if value.text == "setR" else None
    if isinstance(value, Group):
        return _interval(value)
    if isinstance(value, Union):
        return _union(value)
    if isinstance(value, Relation):
        return _relation(value)
    if isinstance(value, Many):
        if value.joint == "set":
            return _points(value)
        if value.joint == "or" and all(isinstance(item, Group) for item in value.items):
            return _union(Union(value.items))
        if (excluded := _excluded(value)) is not None:
            return _punctured(excluded)
        return _several(value) if all(isinstance(item, Relation) for item in value.items) else None
    return None


def _interval(value: Group) -> list[Interval] | None:
    if len(value.items) != 2:
        return None
    low, high = value.items
    if not isinstance(low, Scalar) or not isinstance(high, Scalar):
        return None
    return [Interval(low.node, high.node, value.open == "[", value.close == "]")]


def _points(value: Many) -> list[Interval] | None:
    nodes = [item.node for item in value.items if isinstance(item, Scalar)]
    return [Interval(node, node, True, True) for node in nodes] if len(nodes) == len(value.items) else None


def _union(value: Union) -> list[Interval] | None:
    parts = [region(part) for part in value.parts]
    joined = [interval for part in parts if part is not None for interval in part]
    if None in parts:
        return None
    if value.without is None:
        return joined
    holes = region(value.without)
    if holes is None or joined != [LINE] or any(hole.low != hole.high for hole in holes):
        return None
    return _punctured([hole.low for hole in holes])


def _punctured(points: list[Node]) -> list[Interval] | None:
    """Return the line without some points."""
    valued = [(number, point) for point in points if (number := decimal_value(point)) is not None]
    if len(valued) != len(points):
        return None
    ordered = [point for _, point in sorted(valued, key=lambda pair: pair[0])]
    lows, highs = [MINUS_INFINITY, *ordered], [*ordered, INFINITY]
    return [Interval(low, high, False, False) for low, high in zip(lows, highs, strict=True)]


def _excluded(value: Many) -> list[Node] | None:
    """Return the points of `x \\ne 0, x \\ne 1` and of `x \\ne 0, 1`, `None` for another list."""
    if value.joint == "or" or not value.items or name_of(_first_side(value.items[0])) is None:
        return None
    points = []
    for item in value.items:
        if isinstance(item, Relation):
            if item.operators != ("!=",) or item.sides[0] != _first_side(value.items[0]):
                return None
            item = item.sides[1]
        if not isinstance(item, Scalar):
            return None
        points.append(item.node)
    return points


def _first_side(value: Value) -> Value:
    return value.sides[0] if isinstance(value, Relation) else Words("")


def explicit(value: Cases) -> Cases:
    """Return a function of two branches with "otherwise" said as what the other condition, an interval, leaves over."""
    conditions = [condition for _, condition in value.branches if condition is not None and condition != OTHERWISE]
    parts = region(conditions[0]) if len(conditions) == 1 and len(value.branches) == 2 else None
    if parts is None or len(parts) != 1:
        return value
    rest = Union(tuple(_rays(parts[0])))
    return Cases(tuple((branch, rest if condition == OTHERWISE else condition) for branch, condition in value.branches))


def _rays(hole: Interval) -> Iterator[Group]:
    if hole.low != MINUS_INFINITY:
        yield Group((Scalar(MINUS_INFINITY), Scalar(hole.low)), "(", ")" if hole.closed_low else "]")
    if hole.high != INFINITY:
        yield Group((Scalar(hole.high), Scalar(INFINITY)), "(" if hole.closed_high else "[", ")")


def _relation(value: Relation) -> list[Interval] | None:
    sides, operators = value.sides, value.operators
    places = [index for index, side in enumerate(sides) if name_of(side)]
    if len(places) != 1:
        return None if places else _distance(value)
    place = places[0]
    if operators == ("in",):
        return region(sides[1]) if place == 0 else None
    if operators == ("!=",):
        other = sides[1 - place]
        return _punctured([other.node]) if isinstance(other, Scalar) else None
    if operators == ("=",):
        other = sides[1 - place]
        return [Interval(other.node, other.node, True, True)] if isinstance(other, Scalar) else None
    return _chain(sides, operators, place)


def _distance(value: Relation) -> list[Interval] | None:
    """Read |x - c| < r, and the same with another sign, as the interval or the two rays that it is."""
    if len(value.sides) != 2 or value.operators[0] not in FLIPPED:
        return None
    left, right = value.sides
    operator = value.operators[0]
    if not isinstance(left, Scalar) or not isinstance(right, Scalar):
        return None
    if isinstance(right.node, Apply) and right.node.op == "abs":
        left, right, operator = right, left, FLIPPED[operator]
    centre = _centre(left.node)
    if centre is None or names(right.node):
        return None
    low, high = Apply("+", (centre, Apply("neg", (right.node,)))), Apply("+", (centre, right.node))
    closed = operator.endswith("=")
    if operator[0] == "<":
        return [Interval(low, high, closed, closed)]
    return [Interval(MINUS_INFINITY, low, False, closed), Interval(high, INFINITY, closed, False)]


def _centre(node: Node) -> Node | None:
    """Return c of |x - c|, `None` for another expression."""
    if not isinstance(node, Apply) or node.op != "abs":
        return None
    inner = node.args[0]
    if isinstance(inner, Name):
        return Num(Fraction(0))
    if isinstance(inner, Apply) and inner.op == "+" and isinstance(inner.args[0], Name):
        rest = Apply("neg", (Apply("+", inner.args[1:]),))
        return None if names(rest) else rest
    return None


def _chain(sides: tuple[Value, ...], operators: tuple[str, ...], place: int) -> list[Interval] | None:
    """Read `a < x`, `x <= b` or `a < x <= b`, in either direction."""
    if len(sides) > 3 or (len(sides) == 3 and place != 1) or any(op not in FLIPPED for op in operators):
        return None
    low, high, closed_low, closed_high = MINUS_INFINITY, INFINITY, False, False  # type: tuple[Node, Node, bool, bool]
    for index, side in enumerate(sides):
        if index == place:
            continue
        if not isinstance(side, Scalar):
            return None
        # How the variable stands to this side.
        operator = operators[place] if index > place else FLIPPED[operators[index]]
        if operator[0] == ">":
            if low != MINUS_INFINITY:
                return None
            low, closed_low = side.node, operator == ">="
        else:
            if high != INFINITY:
                return None
            high, closed_high = side.node, operator == "<="
    return [Interval(low, high, closed_low, closed_high)]


def _several(value: Many) -> list[Interval] | None:
    """Join inequalities: by "or" to a union, else to an intersection where there is one."""
    parts = [region(item) for item in value.items]
    if variable(value) is None or any(part is None for part in parts):
        return None
    intervals = [interval for part in parts if part is not None for interval in part]
    if value.joint != "or" and len(intervals) == 2:
        met = _intersection(*intervals)
        if met is not None:
            return [met]
        if value.joint == "and":
            return None
    return intervals


def _intersection(a: Interval, b: Interval) -> Interval | None:
    lower, upper = (a, b) if b.low == MINUS_INFINITY and a.high == INFINITY else (b, a)
    if upper.low != MINUS_INFINITY or lower.high != INFINITY:
        return None
    low, high = decimal_value(lower.low), decimal_value(upper.high)
    if low is None or high is None or low >= high:
        return None
    return Interval(lower.low, upper.high, lower.closed_low, upper.closed_high)
