"""Audit: attack a reward before a GPU-hour is spent on it.

    >>> found = audit(rewards.parse("format_answer"))
    >>> found.verdict
    'pass'

`items` and `completions` set the scene, `attacks` try to earn without being right, `verdict` says what that means,
`laws` are kept by every reward, `recall` counts right answers that go unpaid, `trainer` is what GRPO makes of it all.
`credit` attacks rules that credit steps, on groups that `staged` sets up and `payment` pays; `trial` judges.
"""

from rewards.audit.completions import pieces
from rewards.audit.credit import AUDITED, SETTINGS, audit_credit
from rewards.audit.items import Item, builtin, read
from rewards.audit.record import Audit, Baseline, read_baseline, written_baseline
from rewards.audit.run import audit
from rewards.audit.verdict import Finding

__all__ = [
    "AUDITED",
    "SETTINGS",
    "Audit",
    "Baseline",
    "Finding",
    "Item",
    "audit",
    "audit_credit",
    "builtin",
    "pieces",
    "read",
    "read_baseline",
    "written_baseline",
]
