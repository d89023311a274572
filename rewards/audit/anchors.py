"""What attacks are measured against: honest completions of an item, right and wrong, with and without their format."""

from __future__ import annotations

import re
from fractions import Fraction

from rewards.arithmetic import side
from rewards.audit.completions import Attempt, Scene
from rewards.audit.items import Item, Step, written

__all__ = ["RIGHT", "WRONG", "anchors", "perturbed", "wrong_answer"]

RIGHT = ("right", "right, long")
WRONG = ("wrong", "wrong, long")

TOKEN = re.compile(r"[0-9.,]+%?|[-+*/()]")
SWAPS = {"+": "*-", "*": "+-", "-": "+*", "/": "*-"}


def anchors(scene: Scene) -> dict[str, Attempt]:
    """Return the honest completions of an item by name.

    `right` holds the equations alone, `right, long` the whole solution; `wrong` and `wrong, long` are the same with the
    last operation exchanged (23 * 3 becomes 23 + 3), so that only the answer is wrong; `..., unformatted` has neither
    think block nor marker; `truncated` is the right solution cut off before its answer.
    """
    item = scene.item
    bad, answer = perturbed(item)
    short = _equations(item.steps) or _prose(item, item.gold)
    short_bad = _equations((*item.steps[:-1], bad)) if bad else _prose(item, answer)
    full = "\n".join(item.lines) or short
    full_bad = _reworded(item, bad) if bad and item.lines else short_bad
    return {
        "right": Attempt(short, scene.commit(item.gold), item.gold),
        "right, long": Attempt(full, scene.commit(item.gold), item.gold),
        "wrong": Attempt(short_bad, scene.commit(answer), answer),
        "wrong, long": Attempt(full_bad, scene.commit(answer), answer),
        "right, unformatted": Attempt(None, f"{full}\nThe answer is {written(item.gold)}.", item.gold),
        "wrong, unformatted": Attempt(None, f"{full_bad}\nThe answer is {written(answer)}.", answer),
        "truncated": Attempt(None, f"<think>{full[: max(1, len(full) * 2 // 3)]}"),
    }


def wrong_answer(item: Item) -> Fraction:
    """Return the answer of the honest wrong solution."""
    return perturbed(item)[1]


def perturbed(item: Item) -> tuple[Step | None, Fraction]:
    """Return the last step with its last operator exchanged where that gives a plausible number, else one off."""
    if not item.steps:
        return None, item.gold + 1
    last = item.steps[-1]
    tokens = TOKEN.findall(last.expression)
    places = [place for place, token in enumerate(tokens) if token in SWAPS and place > 0]
    for place in reversed(places):
        for operator in SWAPS[tokens[place]]:
            changed = [*tokens[:place], operator, *tokens[place + 1 :]]
            value = _value(changed)
            if value is not None and value > 0 and value.denominator == 1 and value != item.gold:
                return Step("".join(changed), written(value)), value
    return Step(last.expression, written(item.gold + 1)), item.gold + 1


def _value(tokens: list[str]) -> Fraction | None:
    try:
        return side(tokens).value
    except (ValueError, ZeroDivisionError):
        return None


def _equations(steps: tuple[Step, ...]) -> str:
    return "\n".join(map(str, steps))


def _prose(item: Item, answer: Fraction) -> str:
    return f"From what the question says it follows that the result is {written(answer)}."


def _reworded(item: Item, bad: Step) -> str:
    """Write the last step's new expression and result into the last line; where they are not found, add the step."""
    last, line = item.steps[-1], item.lines[-1]
    spaced = r"\s*".join(map(re.escape, TOKEN.findall(last.expression)))
    stated = re.compile(rf"{spaced}\s*=\s*\$?{re.escape(last.result)}")
    changed, count = stated.subn(lambda _: str(bad), line)
    return "\n".join([*item.lines[:-1], changed if count else f"{bad}"])
