"""Every second of a step is counted once, to the phase that it belongs to."""

from harness.trainers.phases import PhaseClock


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_phase_inside_another_stops_the_outer_clock() -> None:
    hands = Hands()
    phases = PhaseClock(hands)
    with phases("train"):
        hands.now += 1
        with phases("rollout"):
            hands.now += 5
            with phases("sync"):
                hands.now += 0.25
        hands.now += 2
    hands.now += 50
    phases.on_pre_optimizer_step()
    hands.now += 0.5
    phases.on_optimizer_step()
    assert phases.take() == {"rollout": 5, "reward": 0, "process": 0, "train": 3.5, "sync": 0.25}


def test_rates_are_tokens_by_the_seconds_of_their_phase_and_taking_starts_anew() -> None:
    hands = Hands()
    phases = PhaseClock(hands)
    with phases("rollout"):
        hands.now += 4
        phases.tokens("rollout", 100)
        phases.tokens("rollout", 60)
    assert phases.take()["rollout/tokens_per_second"] == 40
    assert phases.take() == {"rollout": 0, "reward": 0, "process": 0, "train": 0, "sync": 0}


def test_a_failing_phase_ends_as_well() -> None:
    hands = Hands()
    phases = PhaseClock(hands)
    try:
        with phases("reward"):
            hands.now += 1
            raise RuntimeError
    except RuntimeError:
        hands.now += 9
    assert phases.take()["reward"] == 1
