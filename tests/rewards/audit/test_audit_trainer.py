"""What the trainer makes of a reward, by hand and by enumeration."""

import itertools
import math

import pytest

import rewards
from rewards.audit.arena import set_up
from rewards.audit.attacks import ATTACKS
from rewards.audit.bench import Bench
from rewards.audit.items import builtin
from rewards.audit.trainer import STABILISER, advantage, advantages, auxiliary_share, mixtures


def test_group_scaling_by_hand() -> None:
    # Mean 0.25, deviations 0.75 and three of -0.25: sample variance (0.5625 + 3 * 0.0625) / 3 = 0.25.
    (found,) = advantages([[1.0, 0.0, 0.0, 0.0]], "group")
    assert found == pytest.approx([0.75 / (0.5 + STABILISER)] + [-0.25 / (0.5 + STABILISER)] * 3)


def test_group_scaling_makes_a_small_weight_as_large_as_any() -> None:
    small, large = advantages([[0.2, 0, 0, 0], [1.0, 0, 0, 0]], "group")
    assert small == pytest.approx(large, rel=1e-3)


def test_batch_scaling_keeps_the_proportion() -> None:
    small, large = advantages([[0.2, 0, 0, 0], [1.0, 0, 0, 0]], "batch")
    assert [5 * value for value in small] == pytest.approx(large)


def test_unscaled_is_the_distance_from_the_mean() -> None:
    assert advantages([[1.0, 0.5], [0.0, 0.0]], "none") == [[0.25, -0.25], [0.0, 0.0]]


def test_equal_rewards_teach_nothing() -> None:
    for scale in ("group", "batch", "none"):
        assert advantages([[0.7] * 4, [0.7] * 4], scale) == [[0.0] * 4] * 2


def test_an_unknown_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="group, batch, none"):
        advantages([[1.0]], "std")


@pytest.mark.parametrize("pays_right", [True, False])
@pytest.mark.parametrize("pays_wrong", [True, False])
@pytest.mark.parametrize(("p_format", "p_correct"), [(0.5, 0.02), (0.3, 0.7), (0.0, 0.5), (1.0, 0.5)])
def test_the_share_of_auxiliary_groups_is_that_of_enumeration(
    p_format: float, p_correct: float, pays_right: bool, pays_wrong: bool
) -> None:
    size, total = 3, 0.0
    for members in itertools.product(itertools.product([0, 1], [0, 1]), repeat=size):
        chance = math.prod((p_format if f else 1 - p_format) * (p_correct if c else 1 - p_correct) for f, c in members)
        paid = {f * (pays_right if c else pays_wrong) for f, c in members}
        if len({c for _, c in members}) == 1 and len(paid) > 1:
            total += chance
    found = auxiliary_share(p_format, p_correct, size, pays_right=pays_right, pays_wrong=pays_wrong)
    assert found == pytest.approx(total)


def test_a_gated_format_leaves_no_auxiliary_group_among_wrong_answers() -> None:
    first = mixtures(pays_right=True, pays_wrong=True)[1]
    gated = mixtures(pays_right=True, pays_wrong=False)[1]
    assert first.auxiliary == pytest.approx(0.844, abs=0.001)
    assert gated.auxiliary < 1e-6
    assert first.auxiliary + first.dead == pytest.approx(gated.auxiliary + gated.dead)


def test_the_advantage_of_an_exploit_is_measured_in_real_groups() -> None:
    arena = set_up(Bench(rewards.get("step_sum")), builtin()[:8])
    farm = next(attack for attack in ATTACKS if attack.name == "sum of two given numbers, repeated")
    found = advantage(arena.bench, arena.scenes, farm)
    assert found is not None
    # One far above seven near each other: (G - 1) / sqrt(G) under group scaling.
    assert found.hopeless["group"] == pytest.approx(7 / math.sqrt(8), rel=0.01)
    assert found.mixed["group"] > 2
    assert found.mixed["none"] > 5
