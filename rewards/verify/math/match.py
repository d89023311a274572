"""The rules: which typed answer says the same as which typed gold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from rewards.verify.math.equality import Budget, equal, multiple
from rewards.verify.math.finished import number, plain, rounded, rounds_to, unfinished
from rewards.verify.math.kinds import Cases, Group, Many, Matrix, Relation, Scalar, Union, Value, Words
from rewards.verify.math.readings import (
    assigned,
    difference,
    flat,
    formula,
    named_value,
    quotient,
    units,
    vector,
)
from rewards.verify.math.region import INFINITY, MINUS_INFINITY, Interval, explicit, region, variable
from rewards.verify.math.tree import Apply, Name, Node, Num, names, walk
from rewards.verify.math.words import phrases

__all__ = ["Matcher", "Result"]

T = TypeVar("T")
Result = Literal["correct", "wrong", "unreadable", "ambiguous"]

# Letters that are units rather than variables where the gold has no variable.
BRACKETS = (("(", ")"), ("[", "]"))
PI = Name("pi")
SHORT_UNITS = {"m": "m", "g": "g", "s": "s", "h": "h", "L": "l"}


@dataclass(frozen=True)
class Matcher:
    """Compares values; all symbolic questions together have one `budget`."""

    budget: Budget

    def judge(self, gold: Value, answer: Value) -> Result:
        """Compare an answer with the gold, from whose side the rules are not symmetric."""
        if isinstance(gold, Scalar):
            return self._single(gold, answer)
        return "correct" if self.same(gold, answer) else "wrong"

    def same(self, gold: Value, answer: Value) -> bool:
        """Return whether two values say the same."""
        if isinstance(gold, Scalar):
            return self._single(gold, answer) == "correct"
        if isinstance(gold, Words):
            return self._words(gold, answer)
        if isinstance(gold, Group):
            return self._group(gold, answer)
        if isinstance(gold, Many):
            return self._many(gold, answer)
        if isinstance(gold, Matrix):
            return self._matrix(gold, answer)
        if isinstance(gold, Cases):
            return self._cases(gold, answer)
        if isinstance(gold, Union):
            return self._regions(gold, answer)
        return self._relation(gold, answer)

    # Scalars ---------------------------------------------------------------------------------------------------------

    def _single(self, gold: Scalar, answer: Value) -> Result:
        if isinstance(answer, Many):
            return self._one_of_several(gold, answer)
        if isinstance(answer, Relation):
            return self._stated(gold, answer)
        if isinstance(answer, Matrix) and len(answer.rows) == len(answer.rows[0]) == 1:
            return self._single(gold, answer.rows[0][0])
        if isinstance(answer, Group):
            ratio = quotient(answer)
            return "correct" if ratio is not None and self.equal(gold.node, ratio) else "wrong"
        if not isinstance(answer, Scalar):
            return "wrong"
        if unfinished(answer.node) and plain(gold.node):
            return "unreadable"
        return "correct" if self._scalar(gold, answer) else "wrong"

    def _one_of_several(self, gold: Scalar, answer: Many) -> Result:
        """Several values for one are no answer, however many of them are right; 1/2 or 0.5 is one value."""
        if not answer.items:
            return "wrong"
        results = [self._single(gold, item) for item in answer.items]
        if all(result == "correct" for result in results):
            return "correct"
        return "wrong" if answer.joint == "set" or len(results) == 1 else "ambiguous"

    def _stated(self, gold: Scalar, answer: Relation) -> Result:
        """Read `x = 5`, `5 = x`, `AB = 5`, `1/2 = 0.5` and `\\sqrt{2} \\approx 1.41` as the value that they state."""
        if not set(answer.operators) <= {"=", "~"}:
            return "wrong"
        sides = [side for side, label in zip(answer.sides, answer.labels, strict=True) if not label]
        if len(sides) == len(answer.sides):
            sides = self._without_question(gold, sides)
        if len(sides) == len(answer.sides) and any(isinstance(s, Scalar) and names(s.node) for s in sides):
            return "wrong"
        if answer.labels[0]:
            sides = [side for side in sides[:-1] if not formula(gold, side)] + sides[-1:]
        # A side that is only a name may be the value where the gold is a name.
        if not sides:
            sides = [answer.sides[-1]]
        if "~" in answer.operators:
            rounded_off = len(answer.operators) - answer.operators.index("~")
            sides = sides[:-rounded_off] or sides[:1]
        return self._agreed(gold, sides)

    def _agreed(self, gold: Scalar, sides: list[Value]) -> Result:
        """Every side must have the gold's value, and one of them must be more than a computation: 9*2 = 18."""
        results = [self._single(gold, side) for side in sides]
        undone = [side for side, result in zip(sides, results, strict=True) if result == "unreadable"]
        if not all(isinstance(side, Scalar) and self.equal(gold.node, side.node) for side in undone):
            return "wrong"
        refused = [result for result in results if result not in ("correct", "unreadable")]
        return refused[0] if refused else "correct" if "correct" in results else "unreadable"

    def _without_question(self, gold: Scalar, sides: list[Value]) -> list[Value]:
        """Drop the quantity asked for, as in `m + n = 17`: a left side of two or more variables."""
        left = sides[0]
        # With numbers in it, it is an equation rather than a name: x^2 + 4y = 0 does not answer 0.
        numbers = isinstance(left, Scalar) and any(isinstance(part, Num) for part in walk(left.node))
        if isinstance(left, Scalar) and len(names(left.node)) >= 2 and not numbers and not names(gold.node):
            return sides[1:]
        return sides

    def _scalar(self, gold: Scalar, answer: Scalar) -> bool:
        node, unit = answer.node, answer.unit
        if not unit and not names(gold.node) and isinstance(node, Apply) and node.op == "*":
            amount, letter = node.args
            if letter == Name("k") and isinstance(amount, Num):
                node = Num(amount.value * 1_000)
            elif isinstance(letter, Name) and letter.name in SHORT_UNITS and not names(amount):
                node, unit = amount, SHORT_UNITS[letter.name]
        if "%" in (gold.unit, unit) and gold.unit != unit:
            return self._percent(gold, node, unit)
        if {gold.unit, unit} in ({"deg", ""}, {"deg", "rad"}) and PI in {*walk(gold.node), *walk(node)}:
            degrees = [Apply("deg", (one,)) if u == "deg" else one for one, u in ((gold.node, gold.unit), (node, unit))]
            return self.equal(*degrees)
        if "mod" in gold.unit + unit:
            return self._residue(gold, answer)
        if gold.unit and unit and gold.unit != unit:
            return False
        return self.equal(gold.node, node)

    def _residue(self, gold: Scalar, answer: Scalar) -> bool:
        """A residue class is any of its numbers; a plain number is the smallest of them that is not negative."""
        moduli = {int(unit.removeprefix("mod ")) for unit in (gold.unit, answer.unit) if unit.startswith("mod ")}
        wanted, given = number(gold.node), number(answer.node)
        if len(moduli) > 1 or wanted is None or given is None:
            return False
        modulus = moduli.pop()
        if gold.unit and answer.unit:
            return modulus > 0 and (wanted - given) % modulus == 0
        return wanted == given and wanted.denominator == 1 and 0 <= wanted < modulus

    def _percent(self, gold: Scalar, node: Node, unit: str) -> bool:
        """A percent sign is a unit; 50% is also 0.5, but 1800% is not 18 times anything but itself."""
        if gold.unit not in ("", "%") or unit not in ("", "%"):
            return False
        share = Apply("%", (node if unit == "%" else gold.node,))
        if gold.unit == "%":
            return self.equal(gold.node, node) or self.equal(share, node)
        value = number(gold.node)
        # 50% of a gold of 0.5, while 0.5% is a hundredth of it.
        return self.equal(gold.node, share if value is not None and 0 < value < 1 else node)

    def equal(self, gold: Node, answer: Node) -> bool:
        """Compare values: exactly, but to the gold's places where the gold is itself a rounded decimal."""
        if equal(gold, answer, self.budget):
            return True
        return rounded(gold) and rounds_to(answer, gold)

    # Groups and collections ------------------------------------------------------------------------------------------

    def _words(self, gold: Words, answer: Value) -> bool:
        if gold.text == "setR":
            return region(answer) is not None and self._regions(gold, answer)
        if isinstance(answer, Relation) and answer.operators == ("=",):
            answer = answer.sides[-1]
        if isinstance(answer, Scalar) and isinstance(answer.node, Name):
            return phrases(gold.text) == phrases(answer.node.name)
        return isinstance(answer, Words) and phrases(gold.text) == phrases(answer.text)

    def _group(self, gold: Group, answer: Value) -> bool:
        if isinstance(answer, Relation):
            if variable(answer) and region(answer):
                return self._regions(gold, answer)
            return answer.operators == ("=",) and bool(answer.labels[0]) and self._group(gold, answer.sides[1])
        if isinstance(answer, Many):
            point = assigned(answer)
            if point is None:
                return (len(answer.items) == 1 and self._group(gold, answer.items[0])) or self._joined(gold, answer)
            return self._in_order(gold.items, point)
        if isinstance(answer, Union):
            return self._regions(gold, answer)
        if isinstance(answer, Matrix):
            return (gold.open, gold.close) in BRACKETS and self._in_order(gold.items, vector(answer) or ())
        if isinstance(answer, Scalar):
            ratio = quotient(gold)
            return ratio is not None and self.equal(ratio, answer.node)
        if not isinstance(answer, Group):
            return isinstance(answer, Words) and self._regions(gold, answer)
        if ":" in (gold.open, answer.open):
            return gold.open == answer.open and self._proportional(gold.items, answer.items)
        # Three numbers in brackets are no interval: there the brackets say nothing.
        fences = (gold.open, gold.close) == (answer.open, answer.close)
        return (fences or len(gold.items) > 2) and self._in_order(gold.items, answer.items)

    def _joined(self, gold: Group, answer: Many) -> bool:
        return variable(answer) is not None and self._regions(gold, answer)

    def _in_order(self, gold: Sequence[Value], answer: Sequence[Value]) -> bool:
        return len(gold) == len(answer) and all(self.same(a, b) for a, b in zip(gold, answer, strict=True))

    def _proportional(self, gold: Sequence[Value], answer: Sequence[Value]) -> bool:
        pairs = [
            (a.node, b.node)
            for a, b in zip(gold, answer, strict=False)
            if isinstance(a, Scalar) and isinstance(b, Scalar)
        ]
        if not len(gold) == len(answer) == len(pairs):
            return False
        (first, other), *rest = pairs
        return all(self.equal(Apply("*", (a, other)), Apply("*", (b, first))) for a, b in rest)

    def _many(self, gold: Many, answer: Value) -> bool:
        answer = named_value(answer)
        if isinstance(answer, Relation | Union) or variable(gold) is not None:
            regions = region(gold), region(answer)
            if None not in regions:
                return self._regions(gold, answer)
        if (point := assigned(gold)) is not None and assigned(answer) is None:
            # a = 2, b = 3 is the point (2, 3): without the names the order counts.
            return isinstance(answer, Group | Many) and self._in_order(point, answer.items)
        wanted, given = flat(gold), flat(answer)
        return _matched(wanted, given, self._item)

    def _item(self, gold: Value, answer: Value) -> bool:
        """Compare items of lists: in `x = 3 or x = 5` the name says nothing beyond the value."""
        if (
            isinstance(gold, Relation)
            and not isinstance(answer, Relation)
            and gold.operators == ("=",)
            and gold.labels[0]
        ):
            gold = gold.sides[1]
        return self.same(gold, answer)

    def _matrix(self, gold: Matrix, answer: Value) -> bool:
        answer = named_value(answer)
        if isinstance(answer, Group):
            return (answer.open, answer.close) in BRACKETS and self._in_order(vector(gold) or (), answer.items)
        if not isinstance(answer, Matrix) or gold.fence != answer.fence:
            return False
        return len(gold.rows) == len(answer.rows) and all(map(self._in_order, gold.rows, answer.rows))

    def _cases(self, gold: Cases, answer: Value) -> bool:
        """Compare branch by branch, in any order."""
        answer = named_value(answer)
        if not isinstance(answer, Cases) or len(gold.branches) != len(answer.branches):
            return False
        return _matched(explicit(gold).branches, explicit(answer).branches, self._branch)

    def _branch(self, gold: tuple[Value, Value | None], answer: tuple[Value, Value | None]) -> bool:
        (value, condition), (other, given) = gold, answer
        if condition is None or given is None:
            return condition is given and self.same(value, other)
        return self.same(value, other) and self.same(condition, given)

    # Relations and regions -------------------------------------------------------------------------------------------

    def _relation(self, gold: Relation, answer: Value) -> bool:
        if gold.operators == ("in",) and isinstance(listed := named_value(gold), Many):
            return self._many(listed, answer)
        if isinstance(cases := named_value(gold), Cases):
            return self._cases(cases, answer)
        regions = region(gold), region(answer)
        if gold.operators != ("=",) and None not in regions:
            names_match = variable(gold) == variable(answer) or variable(answer) is None
            return names_match and self._regions(gold, answer)
        if gold.operators == ("=",) and not isinstance(answer, Relation):
            return bool(gold.labels[0] or gold.labels[1]) and self._definition(gold, answer)
        if not isinstance(answer, Relation) or len(gold.operators) != len(answer.operators):
            return False
        if gold.operators == answer.operators == ("=",):
            return self._equation(gold, answer)
        return len(gold.operators) == 1 and self._inequality(gold, answer)

    def _definition(self, gold: Relation, answer: Value) -> bool:
        value = gold.sides[1] if gold.labels[0] else gold.sides[0]
        return self.same(value, answer)

    def _equation(self, gold: Relation, answer: Relation) -> bool:
        """Equations say the same if their differences are multiples of one another, or if they define the same."""
        left, right = difference(gold), difference(answer)
        measured = {unit for relation in (gold, answer) for unit in units(relation)}
        if not measured and left is not None and right is not None and multiple(left, right) is not None:
            return True
        defined = gold.labels[0], answer.labels[0]
        # f(x) = 2x+1 and y = 2x+1 define the same; x = 5 and y = 5 do not.
        alike = defined[0] == defined[1] or any("(" in label or " " in label for label in defined)
        return all(defined) and alike and self.same(gold.sides[1], answer.sides[1])

    def _inequality(self, gold: Relation, answer: Relation) -> bool:
        left, right = difference(gold), difference(answer)
        sign = multiple(left, right) if left is not None and right is not None else None
        if sign is None:
            return False
        mirror = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
        operator = answer.operators[0] if sign > 0 else mirror.get(answer.operators[0], answer.operators[0])
        return operator == gold.operators[0]

    def _regions(self, gold: Value, answer: Value) -> bool:
        wanted, given = region(gold), region(answer)
        return wanted is not None and given is not None and _matched(wanted, given, self._interval)

    def _interval(self, gold: Interval, answer: Interval) -> bool:
        if (gold.closed_low, gold.closed_high) != (answer.closed_low, answer.closed_high):
            return False
        return self._end(gold.low, answer.low) and self._end(gold.high, answer.high)

    def _end(self, gold: Node, answer: Node) -> bool:
        infinite = (INFINITY, MINUS_INFINITY)
        return gold == answer if gold in infinite or answer in infinite else self.equal(gold, answer)


def _matched(gold: Sequence[T], answer: Sequence[T], same: Callable[[T, T], bool]) -> bool:
    """Whether every item of one side equals an item of the other: order and repetition say nothing."""
    if len(gold) * len(answer) > 2_500:
        return list(gold) == list(answer)
    table = [[same(a, b) for b in answer] for a in gold]
    return (
        all(any(row) for row in table) and all(any(column) for column in zip(*table, strict=True))
        if table
        else not answer
    )
