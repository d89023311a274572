"""Holm's step-down correction for many tests in one table."""

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return Holm-adjusted p-values in the order given; None (no test was made) stays None and does not count.

    With the m tests sorted as p_(1) <= ... <= p_(m), adjusted p_(i) = max over j <= i of min(1, (m - j + 1) * p_(j)).
    Rejecting where the adjusted value is below alpha keeps the family-wise error at alpha under any dependence.
    Raises `ValueError` for a value outside [0, 1]. Source: Holm, Scandinavian Journal of Statistics 6 (1979), 65-70.

    >>> holm([0.01, None, 0.04, 0.03])
    [0.03, None, 0.06, 0.06]
    """
    tested = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    reached = 0.0
    for rank, (p, index) in enumerate(tested):
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"p-value {p} at position {index} is not in [0, 1]")
        reached = max(reached, min(1.0, (len(tested) - rank) * p))
        adjusted[index] = reached
    return adjusted
