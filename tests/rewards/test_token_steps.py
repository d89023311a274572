"""Places in a text become places among tokens, the same as by decoding every prefix of the tokens."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smollm2 import checkpoint, needed
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from harness.tiny import tokenizer as tiny
from rewards.segments import segments
from rewards.spans import Span, TokenStep
from rewards.token_steps import STRIDE, SpanBeyondText, token_steps

Decode = Callable[[Sequence[int]], str]

CORPUS = [
    "She sells 4 * 7 = 28 eggs, so 28 + 3 = 31 a day.\n#### 31",
    "Übung naïve café €3 5 + 4 = 9 \N{GRINNING FACE} 日本 12 ÷ 4 = 3",
]
WORDS = ["She", " sells", " 4", " * 7", " = 28", ",", "\n", "  ", "é", " €", " 日本", "\N{GRINNING FACE}", "<eos>"]
FAMILY = "\N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL}"


def byte_level() -> Tokenizer:
    """As of GPT-2, Llama 3, Qwen and SmolLM2: characters beyond the training text are several tokens of bytes."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        CORPUS[:1], trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet, special_tokens=["<eos>"])
    )
    return made


def sentencepiece() -> Tokenizer:
    """As of Llama 2 and Mistral: blanks begin a token, the first is dropped, unknown characters are bytes."""
    pieces = ["<unk>", "<eos>", *(f"<0x{byte:02X}>" for byte in range(256)), *"▁Selsegdayof,.0123456789*=+#"]
    merged = ["▁4", "▁7", "28", "31", "ls", "ell", "ells"]
    vocabulary = {piece: at for at, piece in enumerate(dict.fromkeys([*pieces, *merged]))}
    merges = [("▁", "4"), ("▁", "7"), ("2", "8"), ("3", "1"), ("l", "s"), ("e", "l"), ("el", "l")]
    merges = [pair for pair in merges if "".join(pair) in vocabulary and set(pair) <= set(vocabulary)]
    made = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=False))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    made.add_special_tokens(["<eos>"])
    return made


TOKENIZERS = {"byte-level BPE": byte_level(), "sentencepiece with bytes": sentencepiece()}
KINDS = pytest.mark.parametrize("kind", TOKENIZERS)


def decoding(tokenizer: Any) -> Decode:
    return lambda ids: str(tokenizer.decode(list(ids), skip_special_tokens=True))


def spans(text: str, ends: Sequence[int]) -> list[Span]:
    return [Span(start, end, 1.0) for start, end in pairwise([0, *ends])]


def by_prefixes(ids: Sequence[int], decode: Decode, ends: Sequence[int]) -> list[int]:
    """The fewest first tokens that write each `text[:end]`: all prefixes decoded, O(T^2)."""
    text, lasts = decode(ids), list[int]()
    prefixes = [decode(ids[:count]) for count in range(len(ids) + 1)]
    for end in ends:
        lasts.append(next(count for count, prefix in enumerate(prefixes) if prefix[:end] == text[:end]))
    return lasts


def lasts(ids: Sequence[int], decode: Decode, ends: Sequence[int]) -> list[int]:
    return [step.last for step in token_steps(ids, decode, spans(decode(ids), ends))]


def all_ends(text: str) -> range:
    return range(1, len(text) + 1)


class TestByHand:
    TEXTS = ("4", "*", "7", "=28", ",", " ", "28", "+3", "<eos>", "")

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(self.TEXTS[one] for one in ids if self.TEXTS[one] != "<eos>")

    def test_what_leads_to_a_step_is_its_own_and_what_follows_the_last_is_nobodys(self) -> None:
        # 4*7=28, 28+3 as nine tokens: the blank and the comma lead to the second step; end of sequence and "" follow.
        first, second = Span(0, 6, 1.0), Span(8, 12, -1.0)
        found = token_steps(range(10), self.decode, [first, second])
        assert found == [TokenStep(first, 0, 4), TokenStep(second, 4, 8)]

    def test_a_step_that_ends_within_a_token_has_that_token(self) -> None:
        found = token_steps(range(10), self.decode, [Span(0, 5, None), Span(5, 6, None), Span(6, 7, None)])
        assert [(step.first, step.last) for step in found] == [(0, 4), (4, 4), (4, 5)]

    def test_no_steps_and_no_tokens(self) -> None:
        assert token_steps(range(10), self.decode, []) == []
        assert token_steps([], self.decode, [Span(0, 0, 1.0)]) == [TokenStep(Span(0, 0, 1.0), 0, 0)]

    @pytest.mark.parametrize("span", [Span(0, 13, 1.0), Span(5, 4, 1.0), Span(-1, 4, 1.0)], ids=str)
    def test_a_place_that_the_text_has_not(self, span: Span) -> None:
        with pytest.raises(SpanBeyondText, match="12 characters"):
            token_steps(range(10), self.decode, [span])


@KINDS
class TestRealDecoders:
    @settings(max_examples=40, deadline=None)
    @given(words=st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=3 * STRIDE))
    def test_as_by_decoding_every_prefix(self, kind: str, words: list[str]) -> None:
        tokenizer = TOKENIZERS[kind]
        ids, decode = tokenizer.encode("".join(words)).ids, decoding(tokenizer)
        ends = all_ends(decode(ids))[:: max(1, len(ids) // 40)]
        assert lasts(ids, decode, ends) == by_prefixes(ids, decode, ends)

    def test_a_character_belongs_to_the_token_that_completes_it(self, kind: str) -> None:
        tokenizer = TOKENIZERS[kind]
        ids, decode = tokenizer.encode("4" + "\N{GRINNING FACE}").ids, decoding(tokenizer)
        assert len(ids) >= 5, "the face is four tokens of a byte each"
        assert lasts(ids, decode, [1, 2]) == [len(ids) - 4, len(ids)]

    def test_characters_of_many_tokens_across_the_places_that_are_looked_up(self, kind: str) -> None:
        tokenizer = TOKENIZERS[kind]
        decode = decoding(tokenizer)
        for shift in range(8):
            ids = tokenizer.encode("4" * shift + (FAMILY + " ") * 12).ids
            ends = all_ends(decode(ids))
            assert lasts(ids, decode, ends) == by_prefixes(ids, decode, ends)

    def test_special_tokens_write_nothing_and_lead_to_what_follows(self, kind: str) -> None:
        tokenizer = TOKENIZERS[kind]
        end, decode = tokenizer.token_to_id("<eos>"), decoding(tokenizer)
        first, second = tokenizer.encode("4 * 7").ids, tokenizer.encode(" = 28").ids
        ids = [*first, *[end] * 2 * STRIDE, *second, end]
        ends = [5, len(decode(ids))]
        assert lasts(ids, decode, ends) == [len(first), len(ids) - 1]

    def test_bytes_that_are_no_character_and_one_that_was_cut_off(self, kind: str) -> None:
        # The model may sample any bytes; the steps still go on from token to token, and the last one ends at the end.
        tokenizer = TOKENIZERS[kind]
        decode, face = decoding(tokenizer), tokenizer.encode("\N{GRINNING FACE}").ids[-4:]
        ids = [*face[:2], *tokenizer.encode(" 4").ids, *face[2:], *face, *face[:3]] * 8
        text = decode(ids)
        assert "\N{REPLACEMENT CHARACTER}" in text
        found = lasts(ids, decode, all_ends(text))
        assert found == sorted(found)
        assert 0 < found[0] <= found[-1] <= len(ids)

    def test_another_tokenisation_than_the_tokenizers_own(self, kind: str) -> None:
        # A policy samples tokens that encoding its text would not give.
        tokenizer = TOKENIZERS[kind]
        decode = decoding(tokenizer)
        ids = [tokenizer.token_to_id(character) for character in "28*31=28"]
        assert ids != tokenizer.encode("28*31=28").ids
        assert lasts(ids, decode, [2, 5, 8]) == [2, 5, 8]


ODD = {
    "drops blanks at both ends": str.strip,
    "marks the begin, so that no window goes on as the text does": lambda text: f"<s>{text}" if text else "",
    "tidies blanks before a mark, as clean_up_tokenization_spaces does": lambda text: text.replace(" ,", ","),
}


@pytest.mark.parametrize("change", ODD.values(), ids=ODD)
def test_decoders_that_change_the_text(change: Callable[[str], str]) -> None:
    tokenizer = TOKENIZERS["byte-level BPE"]
    ids = tokenizer.encode(" 4 * 7 = 28 , 日本  28 + 3 = 31 \n" * 2 * STRIDE).ids[: 5 * STRIDE]

    def decode(some: Sequence[int]) -> str:
        return change(str(tokenizer.decode(list(some))))

    ends = all_ends(decode(ids))
    assert lasts(ids, decode, ends) == by_prefixes(ids, decode, ends)


def test_random_bytes_as_by_decoding_every_prefix() -> None:
    # Of a byte-level decoder also where they are no characters: what stands is never taken back.
    tokenizer, draws = TOKENIZERS["byte-level BPE"], random.Random(1)
    decode = decoding(tokenizer)
    for _ in range(20):
        ids = [draws.randrange(tokenizer.get_vocab_size()) for _ in range(3 * STRIDE)]
        ends = all_ends(decode(ids))
        assert lasts(ids, decode, ends) == by_prefixes(ids, decode, ends)


def test_the_embedded_tokenizer() -> None:
    tokenizer = tiny.build()
    text = "<think> 4 * 7 = 28, 28 + 3 = 31</think>\n#### 31"
    ids, decode = tokenizer(text, add_special_tokens=False)["input_ids"], decoding(tokenizer)
    assert decode(ids) == text
    ends = [end for _, end in segments(text)]
    found = token_steps(ids, decode, spans(text, ends))
    assert [step.last for step in found] == by_prefixes(ids, decode, ends)
    assert "".join(decode(ids[step.first : step.last]) for step in found) == text


@needed
@pytest.mark.slow
def test_smollm2() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint())
    text = "\n".join([*CORPUS, FAMILY]) * 4
    ids, decode = tokenizer(text)["input_ids"], decoding(tokenizer)
    assert decode(ids) == text
    assert lasts(ids, decode, all_ends(text)) == by_prefixes(ids, decode, all_ends(text))


def test_the_number_of_decoded_tokens_grows_with_the_length_and_not_with_its_square() -> None:
    tokenizer, decoded = TOKENIZERS["byte-level BPE"], [0]

    def decode(ids: Sequence[int]) -> str:
        decoded[0] += len(ids)
        return str(tokenizer.decode(list(ids), skip_special_tokens=True))

    def cost(lines: int) -> int:
        ids = tokenizer.encode("4 * 7 = 28 €\n" * lines).ids
        text = decode(ids)
        decoded[0] = 0
        token_steps(ids, decode, spans(text, [at + 1 for at, one in enumerate(text) if one == "\n"]))
        return decoded[0]

    assert cost(400) < 1.2 * 4 * cost(100)
