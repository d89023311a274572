"""What a typed value also says: the matrix behind a name, the point of `x = 2, y = 3`, the items of a list."""

from __future__ import annotations

from rewards.verify.math.kinds import Cases, Group, Many, Matrix, Relation, Scalar, Value
from rewards.verify.math.tree import Apply, Node, names
from rewards.verify.math.values import name_of

__all__ = ["assigned", "difference", "flat", "formula", "named_value", "quotient", "units", "vector"]


def formula(gold: Scalar, side: Value) -> bool:
    """Whether a side speaks of variables that the gold does not have, as \\pi r^2 does in A = \\pi r^2 = 9\\pi."""
    return isinstance(side, Scalar) and not names(side.node) <= names(gold.node)


def named_value(value: Value) -> Value:
    """Return what a name is said to be: in A = M the matrix, in x \\in {1, 2} the set."""
    # No name, but no other value either: |x| = \\begin{cases} ...
    if isinstance(value, Relation) and value.operators == ("=",) and isinstance(value.sides[1], Cases):
        return value.sides[1]
    if not isinstance(value, Relation) or not value.labels[0]:
        return value
    listed = value.operators == ("in",) and isinstance(value.sides[1], Many)
    return value.sides[1] if listed or value.operators == ("=",) else value


def assigned(value: Value) -> tuple[Value, ...] | None:
    """Return the values of `x = 2, y = 3` in the order of their names, `None` for anything else."""
    if not isinstance(value, Many):
        return None
    named: dict[str, Value] = {}
    for item in value.items:
        if not isinstance(item, Relation) or item.operators != ("=",):
            return None
        name = name_of(item.sides[0])
        if name is None or name in named:
            return None
        named[name] = item.sides[1]
    return tuple(named[name] for name in sorted(named)) if len(named) > 1 else None


def vector(value: Matrix) -> tuple[Value, ...] | None:
    """Return the entries of a matrix of one column or one row."""
    if len(value.rows) == 1:
        return value.rows[0]
    return tuple(row[0] for row in value.rows) if all(len(row) == 1 for row in value.rows) else None


def flat(value: Value) -> list[Value]:
    """Return the items of a list; what is equal to `x` in each of them, and both signs of a plus-minus."""
    if (
        isinstance(value, Relation)
        and value.operators == ("=",)
        and value.labels[0]
        and isinstance(value.sides[1], Many)
    ):
        return flat(value.sides[1])
    if not isinstance(value, Many):
        return [value]
    return [inner for item in value.items for inner in _inner(item)]


def _inner(item: Value) -> list[Value]:
    """Return the items of an inner list; a set among the items stays one, and so does the point x = 2, y = 1."""
    if isinstance(item, Many) and item.joint == "set":
        return [item]
    point = assigned(item)
    return flat(item) if point is None else [Group(point, "(", ")")]


def quotient(value: Group) -> Node | None:
    """Return a/b for the ratio a:b, `None` for another group."""
    if value.open != ":" or len(value.items) != 2:
        return None
    top, bottom = value.items
    return Apply("/", (top.node, bottom.node)) if isinstance(top, Scalar) and isinstance(bottom, Scalar) else None


def units(relation: Relation) -> set[str]:
    return {side.unit for side in relation.sides if isinstance(side, Scalar) and side.unit}


def difference(relation: Relation) -> Node | None:
    left, right = relation.sides[:2]
    if not isinstance(left, Scalar) or not isinstance(right, Scalar):
        return None
    return Apply("+", (left.node, Apply("neg", (right.node,))))
