"""One call of a reward, read once: texts, golds, lengths and questions, with errors that name the missing column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rewards.completion import Completion, text_of
from rewards.errors import RewardError

__all__ = ["Batch"]


@dataclass(frozen=True)
class Batch:
    """B completions with what belongs to them; every list below has B entries, in the order of `completions`."""

    prompts: Sequence[Completion]
    completions: Sequence[Completion]
    completion_ids: Sequence[Sequence[int]] | None
    columns: Mapping[str, Any]

    @cached_property
    def texts(self) -> list[str]:
        """The completions as strings."""
        return [text_of(completion) for completion in self.completions]

    @cached_property
    def golds(self) -> list[object]:
        """The gold answers, column `answer`. Raises `RewardError` where the dataset has no such column."""
        golds = self.columns.get("answer")
        if golds is None:
            raise RewardError("this reward compares with the gold: give the dataset an `answer` column")
        return self._checked("answer", golds)

    @cached_property
    def ids(self) -> list[Sequence[int]]:
        """The completions' token ids. Raises `RewardError` where no `completion_ids` were given."""
        if self.completion_ids is None:
            raise RewardError("this reward measures tokens: call it with `completion_ids`")
        return self._checked("completion_ids", self.completion_ids)

    @cached_property
    def lengths(self) -> list[int]:
        """Completion lengths in tokens. Raises `RewardError` where no `completion_ids` were given."""
        return [len(ids) for ids in self.ids]

    @cached_property
    def domains(self) -> list[str]:
        """How each answer is to be read: column `domain` (`gsm8k` or `math`), else `gsm8k`."""
        domains = self.columns.get("domain")
        return ["gsm8k"] * len(self.completions) if domains is None else self._checked("domain", domains)

    @cached_property
    def groups(self) -> list[list[int]]:
        """The indices of each prompt's completions: a group is whatever shares a prompt within this call."""
        members: dict[object, list[int]] = {}
        for index, prompt in enumerate(self._checked("prompts", self.prompts)):
            members.setdefault(prompt if isinstance(prompt, str) else repr(prompt), []).append(index)
        return list(members.values())

    @cached_property
    def questions(self) -> list[str]:
        """What was asked: column `question` if there is one (it is free of few-shot numbers), else the prompt.

        Of a chat prompt this is the last user message.
        """
        questions = self.columns.get("question")
        if questions is not None:
            return [str(question) for question in self._checked("question", questions)]
        return [_asked(prompt) for prompt in self._checked("prompts", self.prompts)]

    def _checked(self, name: str, values: Sequence[Any]) -> list[Any]:
        if len(values) != len(self.completions):
            raise RewardError(f"{len(self.completions)} completions but {len(values)} entries in `{name}`")
        return list(values)


def _asked(prompt: Completion) -> str:
    if isinstance(prompt, str):
        return prompt
    users = [message for message in prompt if message.get("role") == "user"]
    return text_of(users[-1:] or prompt)
