"""The verifier as a filter of lm-eval (0.4.13), with a GSM8K task that reports it beside lm-eval's own two filters.

    lm_eval --model hf --model_args pretrained=Qwen/Qwen2.5-0.5B-Instruct --tasks gsm8k_verified \\
      --include_path "$(python -c 'from rewards.adapters import lm_eval; print(lm_eval.TASKS)')" \\
      --gen_kwargs max_gen_toks=1024 --log_samples --output_path results

`gsm8k_verified` is lm-eval's `gsm8k` (version 3.0: prompt, shots, stop strings, filters `strict-match` and
`flexible-extract`) plus the filter `verifier`, so all three grade the same generations. In a task of your own, whose
documents hold the gold as `answer`:

    filter_list:
      - name: verifier
        filter:
          - function: custom
            filter_fn: !function rewards.adapters.lm_eval.verdicts
          - function: take_first
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rewards.verify import verify

__all__ = ["TASKS", "verdicts"]

TASKS = Path(__file__).parent
"""The folder for lm-eval's `--include_path`."""


def verdicts(resps: Sequence[Sequence[str]], docs: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return, for every response, the document's gold where the verifier says `correct`, else `[status]`.

    So `exact_match` after it is the verifier's accuracy, and the logged samples say why not: `[wrong]`,
    `[no_answer]`, `[ambiguous]`, ... lm-eval cannot leave a document out: `[unparseable_gold]` counts as not correct.
    """
    return [[_verdict(text, doc["answer"]) for text in texts] for texts, doc in zip(resps, docs, strict=True)]


def _verdict(text: str, gold: Any) -> str:
    verdict = verify(text, gold)
    return str(gold) if verdict.correct else f"[{verdict.status}]"
