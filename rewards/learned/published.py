"""Families of published process reward models: their markers, prompts and score rules.

Whoever wrote a solution may have written a marker into it. So markers and special tokens are taken out of the text
first, and positions come from where the markers were put, never from a search for them. Every step stands on one line.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

from torch import Tensor, nn

from harness import chat
from rewards.errors import RewardError
from rewards.learned.families import Family, Layout, Solution
from rewards.learned.networks import classifier, headed, language_model
from rewards.segments import segments

__all__ = ["MathShepherd", "Pure", "QwenMathPrm", "RlhFlow", "Skywork"]

SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."


class Published(Family):
    """A family that is shown the text of the steps with something of its own between them."""

    marker: ClassVar[str] = ""

    def layout(self, solution: Solution) -> Layout:
        """Lay out the steps; one that is blank, or held nothing but markers, is left out and has no position."""
        steps = [self._plain(solution.text[start:end]) for start, end in segments(solution.text)]
        shown = [step for step in steps if step]
        ids, read = self.joined(self._plain(solution.question), shown)
        # A chat template may leave out a part of an answer; which markers are left is then anyone's guess.
        places = iter(read if len(read) == len(shown) else [None] * len(shown))
        return Layout(ids, [next(places) if step else None for step in steps])

    @abstractmethod
    def joined(self, question: str, steps: Sequence[str]) -> tuple[list[int], list[int]]:
        """Return token ids, and the position that judges each of the steps, none of which is empty."""

    def _plain(self, text: str) -> str:
        for token in self._spoken:
            text = text.replace(token, " ")
        return " ".join(text.split())

    @cached_property
    def _spoken(self) -> list[str]:
        """What would speak to the model rather than of the solution, longest first."""
        special = {str(token) for token in self.tokenizer.added_tokens_decoder.values() if token.special}
        return sorted({self.marker, *special} - {""}, key=len, reverse=True)

    def _token(self, text: str) -> int:
        """The token that is `text`; where it falls to pieces, one of them would be read in its place."""
        ids = chat.tokenise(self.tokenizer, text)
        if len(ids) != 1 or ids[0] == self.tokenizer.unk_token_id:
            raise RewardError(f"the tokenizer has no token {text!r}, which {self.name} needs: it is of another family")
        return ids[0]


class PlusOrMinus(Published):
    """A causal language model that says `+` or `-`: P = softmax over these two logits."""

    network = staticmethod(language_model)

    def probability(self, judged: Tensor) -> Tensor:
        """softmax over the two, first is good."""
        return judged[:, [self._token("+"), self._token("-")]].softmax(dim=-1)[:, 0]


class MathShepherd(PlusOrMinus):
    """peiyi9979/math-shepherd-mistral-7b-prm (arXiv 2312.08935): `question Step 1: ... ки`, a step a line.

    Judged at `ки`. The lines are those of the training data (card of peiyi9979/Math-Shepherd); the score rule is in
    huggingface/search-and-learn, src/sal/models/reward_models.py.
    """

    name = "math_shepherd"
    marker = "ки"

    def joined(self, question: str, steps: Sequence[str]) -> tuple[list[int], list[int]]:
        """Tokenise as a whole, for a SentencePiece token depends on its neighbours, and find where the markers went."""
        text, ends = question, []
        for number, step in enumerate(steps, 1):
            text += f"{' ' if number == 1 else chr(10)}Step {number}: {step} {self.marker}"
            ends.append(len(text))
        told = self.tokenizer(text, return_offsets_mapping=True)
        token_of_end = {end: place for place, (start, end) in enumerate(told["offset_mapping"]) if start < end}
        ids = list(told["input_ids"])
        mark = self._token(self.marker)
        return ids, [at for end in ends if (at := token_of_end.get(end)) is not None and ids[at] == mark]


class RlhFlow(PlusOrMinus):
    """RLHFlow/Llama3.1-8B-PRM-Mistral-Data and -Deepseek-Data: a conversation, each step is the user's, `+` the answer.

    The question stands before the first step. Judged at the token before each answer, all earlier answers being `+`, as
    in the batched scoring of huggingface/search-and-learn, src/sal/models/reward_models.py.
    """

    name = "rlhflow"

    def joined(self, question: str, steps: Sequence[str]) -> tuple[list[int], list[int]]:
        """Render up to every answer: what is rendered is a prefix of what is rendered next."""
        ids: list[int] = []
        read = []
        conversation: chat.Messages = []
        for number, step in enumerate(steps):
            said = step if number else f"{question} {step}"
            conversation = [*conversation, {"role": "user", "content": said}]
            longer = chat.encode(self.tokenizer, conversation)
            if longer[: len(ids)] != ids:
                raise RewardError("the chat template rewrites earlier turns; rlhflow needs one that only adds")
            ids = longer
            read.append(len(ids) - 1)
            conversation.append({"role": "assistant", "content": "+"})
        return ids, read


class QwenMathPrm(Published):
    """Qwen/Qwen2.5-Math-PRM-7B, -72B and Qwen2.5-Math-7B-PRM800K (arXiv 2501.07301): `<extra_0>` after every step.

    P = softmax at the marker, class 1, of score = Linear-ReLU-Linear over the last hidden states. Prompt, marker and
    rule are the model's card, the head is `Qwen2ForProcessRewardModel` (vllm/model_executor/models/qwen2_rm.py).
    """

    name = "qwen_math_prm"
    marker = "<extra_0>"
    network = staticmethod(headed("score.", lambda d: nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Linear(d, 2))))

    @classmethod
    def is_architecture(cls, name: str) -> bool:
        """Its own class."""
        return name == "Qwen2ForProcessRewardModel"

    def joined(self, question: str, steps: Sequence[str]) -> tuple[list[int], list[int]]:
        """Render system prompt, question, and the steps as the assistant's answer."""
        conversation = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": question},
            {"role": "assistant", "content": "".join(step + self.marker for step in steps)},
        ]
        ids = chat.tokenise(self.tokenizer, chat.render(self.tokenizer, conversation, prompt=False))
        mark = self._token(self.marker)
        # Taken out of all texts before, so these are the ones put in here.
        return ids, [place for place, token in enumerate(ids) if token == mark]

    def probability(self, judged: Tensor) -> Tensor:
        """softmax, class 1 is good."""
        return judged.softmax(dim=-1)[:, 1]


class Lines(Published):
    """A step a line, tokenised one by one, and judged at the newline after each."""

    opening: ClassVar[str]

    def joined(self, question: str, steps: Sequence[str]) -> tuple[list[int], list[int]]:
        """Put the question, then each step and the token of the newline."""
        newline = self._token("\n")
        ids, read = chat.tokenise(self.tokenizer, self.opened(question)), []
        for step in steps:
            ids += [*chat.tokenise(self.tokenizer, step), newline]
            read.append(len(ids) - 1)
        return ids, read

    @abstractmethod
    def opened(self, question: str) -> str:
        """Return what stands before the first step."""


class Skywork(Lines):
    """Skywork/Skywork-o1-Open-PRM-Qwen-2.5-1.5B and -7B: `<bos>question`, newline, a step a line.

    P = sigmoid of the value head (`v_head.summary`, one output) at each newline; format and head are those of
    SkyworkAI/skywork-o1-prm-inference (prepare_input, ValueHead), which names the architecture Qwen2ForPrmModel.
    """

    name = "skywork"
    network = staticmethod(headed("v_head.summary.", lambda d: nn.Linear(d, 1)))

    @classmethod
    def is_architecture(cls, name: str) -> bool:
        """Its own class."""
        return name == "Qwen2ForPrmModel"

    def opened(self, question: str) -> str:
        """Begin with the tokenizer's first token, where it has one."""
        return f"{self.tokenizer.bos_token or ''}{question}\n"

    def probability(self, judged: Tensor) -> Tensor:
        """sigmoid."""
        return judged[:, 0].sigmoid()


class Pure(Lines):
    """jinachris/PURE-PRM-7B (arXiv 2504.15275): a token classifier, judged at the newline after each step.

    Its score is p1 - p0 (the model's card), which is 2 P - 1 with P = softmax, class 1. That the question stands before
    the first step without a chat template or a separator is from memory.
    """

    name = "pure"
    network = staticmethod(classifier)

    @classmethod
    def is_architecture(cls, name: str) -> bool:
        """Any token classifier; those of this project say in `prm.json` that they are `steps`."""
        return name.endswith("ForTokenClassification")

    def opened(self, question: str) -> str:
        """Begin with the question alone."""
        return question

    def probability(self, judged: Tensor) -> Tensor:
        """softmax, class 1 is good."""
        return judged.softmax(dim=-1)[:, 1]
