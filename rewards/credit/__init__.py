"""Credit rules: from the scores of steps, or of tokens, to what each token is worth. Pure functions, numpy alone.

>>> import numpy as np
>>> from rewards.spans import Span, TokenStep
>>> right, wrong = [TokenStep(Span(0, 5, 1.0), 0, 2)], [TokenStep(Span(0, 5, -1.0), 0, 2)]
>>> outcome, rewards, mask = np.zeros((2, 3)), np.zeros(2), np.ones((2, 3))
>>> batch = Stepwise(outcome, rewards, [False, False], np.zeros(2, dtype=int), mask, [right, wrong])
>>> RULES["delta"](batch, Settings(weight=0.5, temperature=0.1, eta=0.0)).tolist()
[[1.0, 1.0, 0.0], [-1.0, -1.0, 0.0]]
"""

from rewards.credit.rules import RULES, Rule
from rewards.credit.stepwise import Settings, Stepwise

__all__ = ["RULES", "Rule", "Settings", "Stepwise"]
