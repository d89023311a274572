"""Which tokens wrote a step: from places in a completion's text to places in its token ids, without re-tokenising.

A text has many tokenisations and a policy samples any of them, so the ids are decoded, never the text encoded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rewards.errors import RewardError
from rewards.spans import Span, TokenStep

__all__ = ["SpanBeyondText", "token_steps"]

Decode = Callable[[Sequence[int]], str]

# Tokens between two places whose character is known: few decodings of the way, and short ones around a step's end.
STRIDE = 32

# The most bytes, and so tokens, of one character.
BYTES = 4


class SpanBeyondText(RewardError):
    """A scorer's span ends where the decoded completion has no character: it was given another text."""


def token_steps(ids: Sequence[int], decode: Decode, spans: Sequence[Span]) -> list[TokenStep]:
    """Return the tokens of every step: from the step before it up to the token that completes its last character.

    The text of the first t tokens and the whole text begin with the same characters; the first t for which these
    reach a character completes it. So of a character's bytes it is the last, and of tokens that write nothing (special
    ones) none. What follows the last step belongs to no step.

    Args:
        ids: the tokens of a completion, without padding.
        decode: the text of tokens; that of `ids` is the one that the spans are places in.
        spans: in order and without overlap.

    Raises `SpanBeyondText` where a span is no place of the text.
    """
    text = decode(ids)
    for span in spans:
        if not 0 <= span.start <= span.end <= len(text):
            raise SpanBeyondText(
                f"step [{span.start}, {span.end}) of a completion of {len(text)} characters: "
                "give the scorer the text that the tokens decode to"
            )
    prefixes = _Prefixes(ids, decode, text)
    lasts = [prefixes.tokens(span.end) for span in spans]
    return [TokenStep(span, first, last) for span, (first, last) in zip(spans, pairwise([0, *lasts]), strict=True)]


@dataclass(frozen=True)
class _Anchor:
    """The first `token` tokens write the first `char` characters and no more; those from `window` on write `seen`."""

    token: int
    char: int
    window: int
    seen: str


class _Prefixes:
    """How much of `text` the first tokens have written, by decoding windows of tokens.

    A window begins at least one written character before what it is to tell, for decoders drop a blank at the begin.
    One that does not write what the text has there is not believed: then the window begins at the first token.
    """

    def __init__(self, ids: Sequence[int], decode: Decode, text: str) -> None:
        self.ids, self.decode, self.text = ids, decode, text
        self.anchors = [_Anchor(0, 0, 0, "")]
        for token in range(STRIDE, len(ids), STRIDE):
            self._settle(range(token, min(token + BYTES, len(ids))))

    def tokens(self, end: int) -> int:
        """The fewest first tokens that write `text[:end]`."""
        after = bisect_left(self.anchors, end, key=lambda anchor: anchor.char)
        anchor = self.anchors[max(after - 1, 0)]
        stop = self.anchors[after].token if after < len(self.anchors) else len(self.ids)
        return bisect_left(range(stop), end, lo=anchor.token, key=lambda token: self._written(token, anchor))

    def _written(self, token: int, anchor: _Anchor) -> int:
        """How many characters of the text the first `token` tokens have written.

        Sentencepiece decodes bytes that end within a character to no character at all, also those of whole ones before
        it: these are told by fewer tokens.
        """
        written = anchor.char
        for count in range(token, max(anchor.token, token - BYTES), -1):
            shared, whole = self._shared(count, anchor)
            written = max(written, shared)
            if whole:
                break
        return written

    def _shared(self, token: int, anchor: _Anchor) -> tuple[int, bool]:
        """How many characters the text of `ids[:token]` shares with that of all ids, and whether it has no others."""
        window = self.decode(self.ids[anchor.window : token])
        shared = _alike(window, anchor.seen + self.text[anchor.char : anchor.char + len(window)])
        return anchor.char - len(anchor.seen) + shared, shared == len(window)

    def _settle(self, tokens: Sequence[int]) -> None:
        """Make an anchor of the first of `tokens` that does not stand within a character."""
        last = self.anchors[-1]
        for token in tokens:
            char, whole = self._shared(token, last)
            if whole:
                self.anchors.append(self._anchor(token, char, last))
                return

    def _anchor(self, token: int, char: int, last: _Anchor) -> _Anchor:
        for window in (last.token, last.window):
            seen = self.decode(self.ids[window:token])
            if seen and self.text.endswith(seen, 0, char):
                return _Anchor(token, char, window, seen)
        return _Anchor(token, char, 0, self.text[:char])


def _alike(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    if other.startswith(one):
        return len(one)
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
