"""Preference losses by name: each has its paper's settings, its source and the TRL arguments that make it.

Cheap to import: no torch. Notation: pi the policy, ref the model before training, y_w chosen, y_l rejected, |y| tokens,
r(y) = log pi(y|x) - log ref(y|x), a(y) = log pi(y|x) / |y|, s the logistic function. `docs/preferences.md` numbers
where a configuration departs from its paper.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.nearest import hint

Settings = Mapping[str, float]


class UnknownLoss(ValueError):
    """No preference loss by that name; the message lists the nearest ones."""


class BadSetting(ValueError):
    """A loss has no such setting, or not with that value; the message says what it takes."""


@dataclass(frozen=True)
class Loss:
    """A preference loss.

    Attributes:
        formula: what one pair costs; for `kto`, what one completion costs.
        defaults: the paper's settings.
        trl: from the settings to the arguments of TRL's `DPOConfig` (of `KTOConfig` for an `unpaired` loss).
        reference_free: needs no log-probabilities of the starting model, so that nothing of it is kept or computed.
        unpaired: learns from single completions, the chosen as desirable and the rejected as undesirable.
    """

    name: str
    formula: str
    defaults: dict[str, float]
    source: str
    trl: Callable[[Settings], dict[str, Any]]
    reference_free: bool = False
    unpaired: bool = False

    def values(self, given: Settings) -> dict[str, float]:
        """The defaults with `given` over them. Raises `BadSetting`."""
        unknown = sorted(given.keys() - self.defaults.keys())
        if unknown:
            raise BadSetting(f"{self.name} has no setting {', '.join(unknown)}: it takes {', '.join(self.defaults)}")
        values = {**self.defaults, **given}
        # `not >= 0` refuses NaN as well.
        bad = [name for name, value in values.items() if not value >= 0 or (value == 0 and name in ("beta", "tau"))]
        if bad:
            raise BadSetting(f"{self.name}: {bad[0]} is {values[bad[0]]:g}; give a positive number")
        if self.name == "ld_dpo" and values["alpha"] > 1:
            raise BadSetting(f"ld_dpo: alpha is {values['alpha']:g}; give 0 (no tail) to 1 (DPO)")
        return values


def _sigmoid(values: Settings) -> dict[str, Any]:
    return {"loss_type": ["sigmoid"], "beta": values["beta"]}


_LOSSES = {
    loss.name: loss
    for loss in (
        Loss(
            "dpo",
            "-log s(beta (r(y_w) - r(y_l)))",
            {"beta": 0.1},
            "DPO, arXiv 2305.18290, eq. 7; beta of appendix B",
            _sigmoid,
        ),
        Loss(
            "ipo",
            "(r(y_w)/|y_w| - r(y_l)/|y_l| - 1/(2 tau))^2",
            {"tau": 0.1},
            "IPO, arXiv 2310.12036, eq. 17",
            lambda values: {"loss_type": ["ipo"], "beta": values["tau"]},
        ),
        Loss(
            "rpo",
            "-log s(beta (r(y_w) - r(y_l))) - alpha a(y_w)",
            {"beta": 0.1, "alpha": 1.0},
            "Iterative RPO, arXiv 2404.19733, eq. 1; settings of section 3.1",
            lambda values: {
                "loss_type": ["sigmoid", "sft"],
                "loss_weights": [1.0, values["alpha"]],
                "beta": values["beta"],
            },
        ),
        Loss(
            "ld_dpo",
            "DPO; log-probabilities behind the first min(|y_w|, |y_l|) tokens times alpha",
            {"beta": 0.1, "alpha": 0.5},
            "LD-DPO, arXiv 2409.06411, section 3.3",
            lambda values: {**_sigmoid(values), "ld_alpha": values["alpha"]},
        ),
        Loss(
            "r_dpo",
            "-log s(beta (r(y_w) - r(y_l)) + alpha (|y_w| - |y_l|))",
            {"beta": 0.1, "alpha": 0.01},
            "R-DPO, arXiv 2403.19159, section 3: DPO for the reward r_dpo - alpha |y|",
            _sigmoid,
        ),
        Loss(
            "simpo",
            "-log s(beta (a(y_w) - a(y_l)) - gamma)",
            {"beta": 2.0, "gamma": 1.0},
            "SimPO, arXiv 2405.14734, eq. 6; settings of Llama-3-Base",
            _sigmoid,
            reference_free=True,
        ),
        Loss(
            "orpo",
            "-a(y_w) - lambda log s(odds(y_w) - odds(y_l)), odds(y) = a(y) - log(1 - exp a(y))",
            {"lambda": 0.1},
            "ORPO, arXiv 2403.07691, eq. 6 and 7; lambda of section 5",
            lambda values: {},
            reference_free=True,
        ),
        Loss(
            "kto",
            "1 - s(beta (r(y) - z)) if desirable, 1 - s(beta (z - r(y))) if not; z = max(0, mean r of mismatches)",
            {"beta": 0.1, "desirable": 1.0, "undesirable": 1.0},
            "KTO, arXiv 2402.01306, eq. 8; beta of section 4",
            lambda values: {
                "beta": values["beta"],
                "desirable_weight": values["desirable"],
                "undesirable_weight": values["undesirable"],
            },
            unpaired=True,
        ),
    )
}


def loss(name: str) -> Loss:
    """Looks a loss up. Raises `UnknownLoss` with the nearest names."""
    if name not in _LOSSES:
        raise UnknownLoss(f"unknown preference loss {name!r}: {hint(name, _LOSSES)}There are {', '.join(_LOSSES)}")
    return _LOSSES[name]


def names() -> list[str]:
    return list(_LOSSES)
