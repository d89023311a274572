"""Does the model see at inference the tokens it was trained on? Every check before anything is trained or measured.

`check` reports, `require` refuses. All are pure functions of a tokenizer: no weights, no torch.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from harness import chat
from harness.alignment.checks import CHECKS, COMPLETIONS, QUESTION, REFUSED, Sample, Subject, reason, refusal
from harness.alignment.report import Finding, Misaligned, Report, Status, difference

__all__ = [
    "Finding",
    "Misaligned",
    "Report",
    "Sample",
    "Status",
    "check",
    "difference",
    "require",
    "stop_tokens",
    "truncated",
    "truncation",
]


def check(
    tokenizer: Any,
    style: chat.Style,
    stop: int | Sequence[int] | None = None,
    samples: Sequence[Sample] | None = None,
) -> Report:
    """Runs every check.

    Args:
        tokenizer: of transformers, with a chat template.
        style: the prompt style it will be used with.
        stop: `eos_token_id` of the model's generation config; the tokenizer's own EOS always stops as well.
        samples: conversations and completions of the data; without them, a question with two answers is taken.
    """
    if samples is None:
        samples = [(chat.messages(QUESTION, style), completion) for completion in COMPLETIONS]
    try:
        chat.end_of_turn(tokenizer)
        fit = [(_rendered(tokenizer, conversation), completion) for conversation, completion in samples]
    except REFUSED as error:
        return Report((Finding("template", "fail", f"the template cannot render: {reason(error)}"),))
    needs = any(message["role"] == "system" for conversation, _ in samples for message in conversation)
    ends = frozenset([stop] if isinstance(stop, int) else stop or ())
    return Report(tuple(one(Subject(tokenizer, style, fit, ends, needs)) for one in CHECKS))


def _rendered(tokenizer: Any, conversation: chat.Messages) -> chat.Messages:
    """The conversation, without a system prompt that the template refuses; raises what the template raises."""
    if refusal(tokenizer, conversation) is not None:
        conversation = [message for message in conversation if message["role"] != "system"]
        chat.render(tokenizer, conversation)
    return conversation


def require(
    tokenizer: Any,
    style: chat.Style,
    stop: int | Sequence[int] | None = None,
    samples: Sequence[Sample] | None = None,
) -> Report:
    """`check`, for those who go on only if nothing failed; raises `Misaligned` with all failures at once."""
    report = check(tokenizer, style, stop, samples)
    if report.failures:
        raise Misaligned("\n".join(line for finding in report.failures for line in finding.lines()))
    return report


def stop_tokens(folder: Path) -> list[int]:
    """`eos_token_id` of a model folder: of its generation config, else of its config; empty where neither has one."""
    for name in ("generation_config.json", "config.json"):
        if (folder / name).is_file():
            stop = json.loads((folder / name).read_text(encoding="utf-8")).get("eos_token_id")
            if stop is not None:
                return [stop] if isinstance(stop, int) else list(stop)
    return []


def truncated(examples: Iterable[chat.Example], max_length: int) -> int:
    """How many answers would be cut: those with more than `max_length` tokens of prompt and completion together."""
    return sum(len(one.prompt_ids) + len(one.completion_ids) > max_length for one in examples)


def truncation(examples: Sequence[chat.Example], max_length: int) -> Finding:
    """`truncated` as a finding: a cut answer has no result and no end, which is what the model would learn."""
    cut = truncated(examples, max_length)
    if not cut:
        return Finding("truncation", "ok", f"no answer of {len(examples)} is cut at {max_length} tokens")
    longest = max(len(one.prompt_ids) + len(one.completion_ids) for one in examples)
    fix = (
        f"{cut} of {len(examples)} answers are cut at {max_length} tokens: leave them out, or give max_length {longest}"
    )
    return Finding("truncation", "fail" if cut == len(examples) else "warn", fix)
