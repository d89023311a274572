"""Answers that are notation rather than values: numbers in a base and times of day."""

from __future__ import annotations

import re
from typing import Literal

from rewards.verify.math.words import bare

__all__ = ["compare"]

BASE = re.compile(
    r"\(?\s*(?P<digits>-?[0-9A-F]+(?:\.[0-9A-F]+)?)\s*\)?\s*"
    r"(?:_|\(?(?=base))\s*(?:base )?(?P<base>[0-9]{1,2}|[a-z]+)\)?"
)
TIME = re.compile(r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?(?P<half>[ap]m)?")
HOUR = re.compile(r"(?P<hour>[0-9]{1,2})(?P<half>[ap]m)")
NAMED = re.compile(r"(?:12(?::00)?)?(noon|midnight)")
BASES = {word: value for value, word in enumerate("two three four five six seven eight nine ten".split(), 2)}
BASES |= {"eleven": 11, "twelve": 12, "sixteen": 16}

Result = Literal["correct", "wrong"]


def compare(gold: str, answer: str) -> Result | None:
    """Compare where the gold, or the answer, is one of these notations; `None` where neither is."""
    if len(gold) > 100 or len(answer) > 100:
        return None
    both = gold + answer
    if ("_" in both or "base" in both) and (result := _bases(bare(gold), bare(answer))) is not None:
        return result
    return _times(_tight(gold), _tight(answer)) if ":" in both or re.search(r"[ap]\.?\s?m", both.lower()) else None


def _bases(gold: str, answer: str) -> Result | None:
    wanted, given = _based(gold), _based(answer)
    if wanted is None and given is None:
        return None
    if wanted is None or given is None:
        # Without its subscript an answer to a gold in a base may keep the digits; a bare gold is in base ten.
        based, other = (wanted, answer) if wanted else (given, gold)
        assert based is not None
        loose = wanted is not None or based[1] == 10
        return "correct" if loose and re.sub(r"[\s()]", "", other) == based[0] else "wrong"
    return "correct" if wanted == given else "wrong"


def _based(text: str) -> tuple[str, int] | None:
    found = BASE.fullmatch(text.strip())
    if found is None:
        return None
    base = int(found["base"]) if found["base"].isdigit() else BASES.get(found["base"], 0)
    return (found["digits"], base) if base else None


def _tight(text: str) -> str:
    """Return text without spaces, braces and the points of "p.m."."""
    text = re.sub(r"\\mathbin|\\[,;:! ]", "", text.replace(r"\colon", ":"))
    text = bare(text).lower()
    text = re.sub(r"\s+|(?<=[ap])\.|(?<=m)\.", "", text)
    return NAMED.sub(lambda named: "12:00pm" if named[1] == "noon" else "12:00am", text)


def _times(gold: str, answer: str) -> Result | None:
    wanted, given = _time(gold), _time(answer)
    if wanted is not None and given is not None:
        return "correct" if _clock(wanted, given) else "wrong"
    # Without a half of the day it may be a ratio.
    return "wrong" if wanted is not None and wanted["half"] else None


def _time(text: str) -> re.Match[str] | None:
    found = TIME.fullmatch(text) or HOUR.fullmatch(text)
    if found is None or int(found["hour"]) > 24:
        return None
    return found if all(int(found.groupdict().get(part) or 0) < 60 for part in ("minute", "second")) else None


def _clock(gold: re.Match[str], answer: re.Match[str]) -> bool:
    """Compare times of day; am and pm matter where both say which, and 16:30 is 4:30 pm."""
    left, right = gold.groupdict(), answer.groupdict()
    if left["half"] and right["half"] and left["half"] != right["half"]:
        return False
    if left["half"] and not right["half"] and int(right["hour"]) > 12:
        return _seconds(left) == _seconds(right)
    return _seconds(left | {"half": None}) == _seconds(right | {"half": None})


def _seconds(time: dict[str, str | None]) -> int:
    hour = int(time["hour"] or 0)
    if time["half"]:
        hour = hour % 12 + 12 * (time["half"] == "pm")
    return 3600 * hour + 60 * int(time.get("minute") or 0) + int(time.get("second") or 0)
