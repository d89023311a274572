"""Names: the left side of `x = 5`, `f(x) = x^2`, `AB = 12`, `\\|v\\| = 5` says what the right side is the value of."""

from __future__ import annotations

from collections.abc import Sequence

from rewards.verify.math.latex import GREEK

__all__ = ["label", "named"]

GEOMETRY = frozenset(
    [r"\angle", r"\triangle", "m", "[", "]", "{", "}", "|", r"\overline", r"\measuredangle", r"\degree", "'"]
)
ARROWS = frozenset([r"\vec", r"\overrightarrow", r"\hat"])
TRIGONOMETRIC = frozenset(["sin", "cos", "tan", "cot", "sec", "csc"])


def label(tokens: Sequence[str]) -> str:
    """Return the name of a side that only names something, else ""."""
    plain = [token.lstrip('"') for token in tokens]
    if not plain:
        return ""
    if all(token[0] == '"' for token in tokens):
        return " ".join(plain).lower()
    if any(_capital(token) for token in plain) and all(_capital(token) or token in GEOMETRY for token in plain):
        return "".join(plain).replace(r"m\angle", r"\angle")
    if _length(plain):
        return "".join(plain)
    plain = _bare(plain) if ARROWS & set(plain) else plain
    function = plain[0] in TRIGONOMETRIC and len(plain) > 1
    return "".join(plain) if named(plain[function:]) else ""


def _capital(token: str) -> bool:
    return len(token) == 1 and token.isupper()


def _bare(tokens: Sequence[str]) -> list[str]:
    return [token for token in tokens if token not in ARROWS and token not in "{}"]


def _length(tokens: Sequence[str]) -> bool:
    r"""Whether tokens are the length of a vector of letters (\|v\|, \|a - 2b\|, ||v||, |\vec{a}|) or |z|.

    Not |x|, for |x| = 5 is an equation with two solutions.
    """
    if tokens[:2] == tokens[-2:] == ["|", "|"]:
        inner = tokens[2:-2]
    elif tokens[0] == tokens[-1] == "||" or (
        tokens[0] == tokens[-1] == "|" and (ARROWS & set(tokens) or tokens[1:-1] == ["z"])
    ):
        inner = tokens[1:-1]
    else:
        return False
    inner = _bare(inner)
    return any(map(_is_letter, inner)) and all(_is_letter(t) or t.isdigit() or t in "+-*_" for t in inner)


def named(tokens: Sequence[str]) -> bool:
    """Whether tokens are a name: x, x_1, x', f(x), f^{-1}(x), (x, y)."""
    if tokens[:1] == ["("] and tokens[-1] == ")":
        return all(_is_letter(token) for token in tokens[1:-1:2]) and set(tokens[2:-1:2]) == {","}
    if not tokens or not _is_letter(tokens[0]):
        return False
    rest = list(tokens[1:])
    while rest[:1] == ["'"]:
        rest = rest[1:]
    if rest[:1] == ["_"]:
        rest = rest[rest.index("}") + 1 :] if rest[1:2] == ["{"] and "}" in rest else rest[2:]
    if rest[:5] == ["^", "{", "-", "1", "}"]:
        rest = rest[5:]
    if not rest:
        return True
    return rest[0] == "(" and rest[-1] == ")" and all(_is_letter(t) or t.isdigit() or t == "," for t in rest[1:-1])


def _is_letter(token: str) -> bool:
    return (len(token) == 1 and token.isalpha()) or token in GREEK
