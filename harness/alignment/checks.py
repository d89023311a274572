"""The checks, each a pure function of a tokenizer and what it is used for."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jinja2 import TemplateError

from harness import chat
from harness.alignment.report import Finding, difference

Sample = tuple[chat.Messages, str]

REFUSED = (TemplateError, TypeError, ValueError)
QUESTION = "How much is 2 + 3?"
STEPS, RESULT = "adding up gives five", "#### 5"
THOUGHT = f"<think>{STEPS}</think>\n{RESULT}"
COMPLETIONS = (THOUGHT, "The answer is five.\n#### 5")
ROLES = {"system", "user", "assistant", "model", "human", "developer"}
TODAY = ("%d %b %Y", "%d %B %Y", "%B %d, %Y", "%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y")


@dataclass(frozen=True)
class Subject:
    """A tokenizer and its use: the prompt style, samples of the data, the stop tokens, if a system prompt is needed."""

    tokenizer: Any
    style: chat.Style
    samples: Sequence[Sample]
    stop: frozenset[int]
    needs_system: bool

    @property
    def conversation(self) -> chat.Messages:
        """The style's conversation, or the question alone where the template refuses a system prompt."""
        asked = chat.messages(QUESTION, self.style)
        return asked if refusal(self.tokenizer, asked) is None else asked[-1:]


def refusal(tokenizer: Any, conversation: chat.Messages) -> str | None:
    """Why the template cannot render the conversation, in a line; `None` where it can."""
    try:
        chat.render(tokenizer, conversation)
        return None
    except REFUSED as error:
        return reason(error)


def reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def answered(tokenizer: Any, conversation: chat.Messages, answer: str) -> str:
    return chat.render(tokenizer, [*conversation, {"role": "assistant", "content": answer}], prompt=False)


def prompt(subject: Subject) -> Finding:
    """What the template writes before an answer is the inference prompt, with no header left for the completion."""
    tokenizer, probe = subject.tokenizer, "five, as computed"
    for conversation, _ in subject.samples:
        before = answered(tokenizer, conversation, probe).rpartition(probe)[0]
        # An empty block put before an answer that has none is the business of `think`.
        forms = (before, re.sub(r"<think>\s*</think>\s*$", "", before))
        training, inference = [chat.tokenise(tokenizer, form) for form in forms], chat.encode(tokenizer, conversation)
        if inference not in training:
            return Finding(
                "prompt",
                "fail",
                "the template writes the prompt otherwise when the answer follows: let `add_generation_prompt` add "
                "exactly what stands before an assistant's content",
                difference(tokenizer, inference, training[0], ("inference", "training")),
            )
    return Finding("prompt", "ok", "training prompts are the inference prompts, token for token")


def vocabulary(subject: Subject) -> Finding:
    """The template's markup and the style's system prompt are tokens that the tokenizer knows."""
    tokenizer = subject.tokenizer
    empty = [{**message, "content": ""} if message["role"] == "user" else message for message in subject.conversation]
    ids = chat.encode(tokenizer, empty) if refusal(tokenizer, empty) is None else []
    # Some tokenizers name a token that has another use as well; its place in a prompt says nothing.
    others = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, None}
    unknown = sum(token == tokenizer.unk_token_id and token not in others for token in ids)
    if unknown:
        fix = f"{unknown} of {len(ids)} tokens of a prompt without its question are unknown to the tokenizer"
        return Finding("vocabulary", "fail", f"{fix}: add the markup as tokens, or use another prompt style")
    return Finding("vocabulary", "ok", "every token of the template is known")


def bos(subject: Subject) -> Finding:
    """One BOS in front where the template or the tokenizer knows one, else none."""
    tokenizer = subject.tokenizer
    begin, ids = tokenizer.bos_token_id, chat.encode(tokenizer, subject.conversation)
    writes = "bos_token" in str(tokenizer.chat_template)
    if begin is None:
        missing = "the template writes bos_token and the tokenizer has none: set `tokenizer.bos_token`"
        return Finding("bos", "fail", missing) if writes else Finding("bos", "ok", "the model has no BOS")
    rest = next((i for i, token in enumerate(ids) if token != begin), len(ids))
    wanted = [begin, *ids[rest:]]
    if rest > 1:
        fix = f"the prompt begins with {rest} BOS: take all but one out of the template"
        return Finding("bos", "fail", fix, difference(tokenizer, ids, wanted, ("is", "should be")))
    if rest == 0 and (writes or tokenizer("x")["input_ids"][:1] == [begin]):
        fix = "the model was trained with BOS and the prompt has none: begin the template with {{ bos_token }}"
        return Finding("bos", "fail", fix, difference(tokenizer, ids, wanted, ("is", "should be")))
    return Finding("bos", "ok", "one BOS" if rest else "neither template nor tokenizer puts a BOS in front")


def end_token(subject: Subject) -> int | None:
    """Id of the token that ends an assistant's turn; `None` where the turn ends with ordinary text or nothing."""
    ids = chat.tokenise(subject.tokenizer, chat.end_of_turn(subject.tokenizer))
    own = {i for token, i in subject.tokenizer.get_added_vocab().items() if token.strip()}
    return ids[-1] if ids and ids[-1] in own else None


def end_of_turn(subject: Subject) -> Finding:
    """The end-of-turn token is the last token of every trained completion, and nothing else follows the answer."""
    tokenizer, end = subject.tokenizer, end_token(subject)
    written = chat.end_of_turn(tokenizer)
    if end is None:
        fix = f"the template ends an answer with {written!r}, no token of its own, so nothing teaches the model to stop"
        return Finding("end_of_turn", "fail", f"{fix}: write {{{{ eos_token }}}} after the assistant's content")
    name = tokenizer.convert_ids_to_tokens(end)
    added = written.removesuffix(name).strip()
    if added:
        fix = f"the template puts {added!r} after an answer, which would be trained: take it out"
        return Finding("end_of_turn", "fail", fix)
    return Finding("end_of_turn", "ok", f"completions end with {name}, and it is trained")


def stop(subject: Subject) -> Finding:
    """Generation stops at the end-of-turn token."""
    tokenizer, end = subject.tokenizer, end_token(subject)
    if end is None:
        return Finding("stop", "fail", "there is no end-of-turn token to stop at: see end_of_turn")
    name = tokenizer.convert_ids_to_tokens(end)
    stops = subject.stop | ({tokenizer.eos_token_id} - {None})
    if end in stops:
        return Finding("stop", "ok", f"generation stops at {name}")
    known = ", ".join(tokenizer.convert_ids_to_tokens(sorted(stops))) or "nothing"
    fix = f"answers end with {name}, generation stops at {known}: add {end} to `eos_token_id` in generation_config.json"
    return Finding("stop", "fail", fix)


def think(subject: Subject) -> Finding:
    """`<think>` reaches the model and comes back from it: nobody takes it out and nobody writes it for the model."""
    tokenizer, conversation = subject.tokenizer, subject.conversation
    asked, prompted = conversation[-1]["content"], chat.render(tokenizer, conversation)
    if "<think>" in prompted.rpartition(asked)[2]:
        fix = "the generation prompt already writes <think>, so no completion contains it: take it out of the template"
        return Finding("think", "fail", fix)
    ids = chat.tokenise(tokenizer, THOUGHT)
    decoded = tokenizer.decode(ids, skip_special_tokens=True)
    if "<think>" not in decoded or "</think>" not in decoded:
        fix = "decoding loses <think>: add <think> and </think> to the tokenizer as ordinary tokens, not special ones"
        return Finding("think", "fail", fix)
    written = answered(tokenizer, conversation, THOUGHT)
    if not re.search(rf"<think>\s*{STEPS}\s*</think>\s*{RESULT}", written):
        kept = chat.tokenise(tokenizer, written)
        trained = chat.tokenise(tokenizer, prompted + THOUGHT + chat.end_of_turn(tokenizer))
        fix = "the template takes <think>...</think> out of answers: write the assistant's `content` as it is"
        return Finding("think", "fail", fix, difference(tokenizer, kept, trained, ("template", "trained")))
    return _rewritten(subject, written)


def _rewritten(subject: Subject, written: str) -> Finding:
    """What harms nothing here, where completions are trained as they are, and would elsewhere."""
    tokenizer, conversation = subject.tokenizer, subject.conversation
    asked = conversation[-1]["content"]
    plain = answered(tokenizer, conversation, RESULT).rpartition(asked)[2]
    again = [*conversation, {"role": "assistant", "content": THOUGHT}, {"role": "user", "content": QUESTION}]
    habits = {
        "lays <think> out in its own way": THOUGHT not in written,
        "puts an empty <think> before answers without one": "<think>" in plain,
        "leaves <think> out of earlier turns": refusal(tokenizer, again) is None
        and STEPS not in chat.render(tokenizer, again),
    }
    found = [habit for habit, present in habits.items() if present]
    if not found:
        return Finding("think", "ok", "<think> survives the template and decoding")
    fix = "completions are trained as written here; to have it everywhere, write the assistant's `content` as it is"
    return Finding("think", "warn", f"the template {', '.join(found)}: {fix}")


def system(subject: Subject) -> Finding:
    """The system prompt stands in the prompt as given, and the template adds none of its own."""
    told = "Answer as briefly as you can."
    probe = [{"role": "system", "content": told}, {"role": "user", "content": QUESTION}]
    refused = refusal(subject.tokenizer, probe)
    if refused is not None or told not in chat.render(subject.tokenizer, probe):
        how = f"refuses the system role ({refused})" if refused is not None else "drops the system prompt"
        fix = "write its content before the first question in the template, or use the prompt style bare"
        return Finding("system", "fail" if subject.needs_system else "warn", f"the template {how}: {fix}")
    added = re.sub(r"<[^<>\n]*>|\[[^\[\]\n]*\]", " ", own_text(subject))  # markup is no message
    words = [word for word in re.findall(r"[A-Za-z]{2,}", added) if word.lower() not in ROLES]
    if len(words) < 2:
        return Finding("system", "ok", "the system prompt is kept and none is added")
    shown = " ".join(added.split())[:80]
    return Finding(
        "system", "warn", f"the template adds text of its own ({shown!r}): give a system prompt or take it out"
    )


def own_text(subject: Subject) -> str:
    """What the template adds to the messages."""
    text = chat.render(subject.tokenizer, subject.conversation)
    for message in subject.conversation:
        text = text.replace(message["content"].strip(), " ")
    return text


def tools(subject: Subject) -> Finding:
    """No tools are passed, and none are offered to the model."""
    if re.search(r"(?<![a-z])(tool|function)s?(?![a-z])", own_text(subject), re.IGNORECASE):
        return Finding("tools", "warn", "the template offers tools though none are passed: take its default tools out")
    return Finding("tools", "ok", "pinned to none")


def date(subject: Subject) -> Finding:
    """The prompt is the same on every day."""
    tokenizer, conversation = subject.tokenizer, subject.conversation
    pinned = chat.render(tokenizer, conversation)
    if any(datetime.now().strftime(form) in pinned for form in TODAY):
        fix = "the prompt holds today's date and cannot be pinned: write a fixed date into the chat template"
        return Finding("date", "fail", fix)
    free = str(tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True))
    if free != pinned:
        fix = f"the template asks for today's date, pinned to {chat.DATE} here: write it into the template for all"
        return Finding("date", "warn", fix)
    return Finding("date", "ok", "no date, or a fixed one")


def boundary(subject: Subject) -> Finding:
    """Prompt and completion tokenised apart are the tokens of the whole."""
    tokenizer = subject.tokenizer
    for conversation, completion in subject.samples:
        example = chat.example(tokenizer, conversation, completion)
        if example.joint_differs:
            text = chat.render(tokenizer, conversation) + completion + chat.end_of_turn(tokenizer)
            apart, joint = example.prompt_ids + example.completion_ids, chat.tokenise(tokenizer, text)
            fix = "the end of the prompt merges with the completion: end the generation prompt with a token of its own"
            return Finding("boundary", "fail", fix, difference(tokenizer, apart, joint, ("apart", "together")))
    return Finding("boundary", "ok", "prompt and completion tokenise apart as together")


def padding(subject: Subject) -> Finding:
    """Padding is told apart from the end of a turn, and stands on the left."""
    tokenizer = subject.tokenizer
    pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    if pad is None:
        return Finding("padding", "fail", "there is no token to pad with: set `tokenizer.pad_token`")
    problems = []
    if pad == end_token(subject):
        problems.append("padding is the end-of-turn token, and code that masks by it would leave that untrained")
    if tokenizer.padding_side != "left":
        problems.append("padding stands on the right, between a prompt and what is generated")
    if not problems:
        return Finding("padding", "ok", "on the left, with a token of its own")
    fix = "harmless here, where batches are padded and masked by length; elsewhere set `tokenizer.pad_token` and _side"
    return Finding("padding", "warn", f"{'; '.join(problems)}: {fix}")


CHECKS: tuple[Callable[[Subject], Finding], ...] = (
    prompt,
    vocabulary,
    bos,
    end_of_turn,
    stop,
    think,
    system,
    tools,
    date,
    boundary,
    padding,
)
