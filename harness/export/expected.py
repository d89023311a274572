"""What the registry says of a few completions of real questions: `check.py` holds the engine to it."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import rewards
from harness import chat
from harness.export.data import Prompt
from harness.export.mapping import BadExport
from rewards.adapters import single
from rewards.length import LengthSoft
from rewards.verify.gold import gold_number

QUESTIONS = 3
# By kind, with {right} and {wrong} for numbers.
COMPLETIONS = {
    "right": "<think>so it is {right}</think>\n#### {right}",
    "wrong": "<think>so it is {wrong}</think>\n#### {wrong}",
    "other format": "The answer is \\boxed{{{right}}}.",
    "hedged": "It is {right} or {wrong}.",
    "no answer": "I do not know.",
    "cut off": "<think>so it is {right}",
    # Numbers that stand in the system prompt of style `think`, not in the question.
    "of the prompt": "<think>2 + 3 = 5</think>\n#### 5",
}


def rows(reward: rewards.Reward, prompts: Sequence[Prompt], tokenizer: Any, engine: str) -> list[dict[str, Any]]:
    """A row for each of a few questions and each kind of completion, as `expected.jsonl` holds them.

    `score` and `components` are the registry's, called as `harness train grpo` calls it; `None` is unscorable.
    Raises `BadExport` where the engine's adapter would say otherwise: it has the question in another form.
    """
    found = []
    for index, prompt in _readable(prompts):
        for kind, completion in _completions(prompt, tokenizer):
            grades = single.grade(reward, completion, prompt.item.gold, prompt=prompt.messages)
            if single.numbers(_adapted(reward, prompt, completion, engine)) != single.numbers(grades):
                raise BadExport(
                    f"grpo.reward {reward}: it reads the question, which {engine} hands over in another form; "
                    "take a reward that does not, or harness train"
                )
            verdict = rewards.verify(completion, prompt.item.gold)
            found.append(
                {
                    "index": index,
                    "kind": kind,
                    "question": prompt.item.question,
                    "gold": prompt.item.gold,
                    "prompt": prompt.text,
                    "prompt_ids": list(prompt.ids),
                    "completion": completion,
                    "grades": grades,
                    "correct": verdict.correct,
                    "status": verdict.status,
                }
            )
    return found


def overlong(weight: float, max_new_tokens: int) -> list[dict[str, float]]:
    """What the objective's punishment of length costs completions of some lengths, in tokens, by the registry."""
    lengths = sorted({1, round(0.75 * max_new_tokens), round(0.9 * max_new_tokens), max_new_tokens} - {0})
    punishment = LengthSoft(max_tokens=max_new_tokens)
    ids = [[0] * length for length in lengths]
    scores = punishment(prompts=["?"] * len(ids), completions=["?"] * len(ids), completion_ids=ids)
    return [
        {"tokens": length, "punishment": weight * (score or 0.0)} for length, score in zip(lengths, scores, strict=True)
    ]


def _readable(prompts: Sequence[Prompt]) -> Iterator[tuple[int, Prompt]]:
    """The first questions whose gold is a number, and the first one whose is not."""
    numbers = [gold_number(prompt.item.gold) is not None for prompt in prompts]
    readable = [index for index, known in enumerate(numbers) if known][:QUESTIONS]
    unreadable = [index for index, known in enumerate(numbers) if not known][:1]
    return ((index, prompts[index]) for index in [*readable, *unreadable])


def _completions(prompt: Prompt, tokenizer: Any) -> Iterator[tuple[str, str]]:
    """By kind, as the tokenizer gives them back: an engine sees tokens, and a small vocabulary lacks characters."""
    found = re.findall(r"-?\d+", prompt.item.gold.rsplit("####")[-1].replace(",", ""))
    right = found[-1] if found else "7"
    for kind, form in COMPLETIONS.items():
        written = form.format(right=right, wrong=int(right) + 1)
        yield kind, chat.decode(tokenizer, chat.tokenise(tokenizer, written))


def _adapted(reward: rewards.Reward, prompt: Prompt, completion: str, engine: str) -> single.Grades:
    if engine == "verl":
        return single.grade(reward, completion, prompt.item.gold, question=prompt.item.question)
    return single.grade(reward, completion, prompt.item.gold, prompt=prompt.text)
