r"""Other projects' verifiers, called the way their users call them: `(completion, gold, domain) -> bool | None`.

The gold of a GSM8K problem is reduced to its number first, as those projects' own data preparation does; the gold of
any other goes between dollar signs where it has no LaTeX marks of its own, as math-verify's documentation advises.
`None` says that the verifier has no score. Loaded in the child processes of `harness verify` and in the benchmark only.
"""

from math_verify import parse, verify
from trl.rewards.accuracy_rewards import accuracy_reward

from evals.gsm8k import flexible_extract, strict_match

__all__ = ["lm_eval_flexible", "lm_eval_strict", "math_verify", "trl_accuracy"]


def math_verify(completion: str, gold: str, domain: str) -> bool:
    """math-verify 0.9: `verify(parse(gold), parse(completion))` with the limits of time it has by default."""
    return bool(verify(parse(latex(gold, domain)), parse(completion)))


def trl_accuracy(completion: str, gold: str, domain: str) -> bool | None:
    """TRL's `accuracy_reward` on one chat message; `None` where it cannot parse the gold and skips the sample."""
    messages = [[{"role": "assistant", "content": completion}]]
    score = accuracy_reward(messages, [latex(gold, domain)])[0]
    return None if score is None else score == 1.0


def lm_eval_strict(completion: str, gold: str, domain: str) -> bool | None:
    """lm-eval's task gsm8k under its filter `strict-match`; it has none for other problems."""
    return strict_match(completion, number(gold)) if domain == "gsm8k" else None


def lm_eval_flexible(completion: str, gold: str, domain: str) -> bool | None:
    """lm-eval's task gsm8k under its filter `flexible-extract`; it has none for other problems."""
    return flexible_extract(completion, number(gold)) if domain == "gsm8k" else None


def latex(gold: str, domain: str) -> str:
    r"""Return the gold as LaTeX that math-verify finds: `$18$`, or as it is where it has `$`, `\(`, `\[` or a box."""
    text = number(gold) if domain == "gsm8k" else str(gold)
    return text if any(mark in text for mark in ("$", r"\(", r"\[", r"\boxed")) else f"${text}$"


def number(gold: str) -> str:
    """Return the number of GSM8K's `answer` field, commas dropped: what follows the last `####` or a last `A:`."""
    last = str(gold).strip().rpartition("\n")[2]
    return last.rpartition("####")[2].strip().removeprefix("A:").strip().replace(",", "")
