"""Refilling a batch, with tensors whose rows say which completion they belong to."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from harness.trainers.dynamic_sampling import Sampled, drawn, refill, spliced
from harness.trainers.scoring import Sample

SIZE = 3
# No completion is numbered so.
PAD = 10_000


class World:
    """Numbers completions in the order of sampling; `alive` says of each group sampled next whether it teaches."""

    def __init__(self, processes: int, alive: list[bool]) -> None:
        self.processes, self.alive = processes, alive
        self.made = 0

    def sampled(self, groups: int) -> list[Sampled]:
        """What each process holds after sampling `groups` groups."""
        samples: list[Sample] = []
        for _ in range(groups * self.processes):
            teaches = self.alive[self.made // SIZE % len(self.alive)]
            for member in range(SIZE):
                reward = float(teaches and member == 0)
                samples.append(Sample("q", str(self.made), self.made % 4 + 1, "stop", "1", "wrong", {}, reward))
                self.made += 1
        size = groups * SIZE
        return [Sampled(tensors(samples[p * size : (p + 1) * size]), samples) for p in range(self.processes)]


def tensors(samples: Sequence[Sample]) -> dict[str, torch.Tensor]:
    """Padded as TRL pads: prompts on the left, completions on the right, PAD in the place of tokens."""
    width = max(sample.tokens for sample in samples)
    ids = torch.full((len(samples), width), PAD)
    for row, sample in enumerate(samples):
        ids[row, : sample.tokens] = int(sample.completion)
    return {
        "completion_ids": ids,
        "completion_mask": (ids != PAD).long(),
        "prompt_ids": ids.flip(1),
        "prompt_mask": (ids != PAD).long().flip(1),
        "advantages": torch.tensor([float(sample.completion) for sample in samples]),
        "num_items_in_batch": torch.tensor(0),
    }


def teaches(group: Sequence[Sample]) -> bool:
    return len({sample.reward for sample in group}) > 1


def refilled(
    processes: int, groups: int, alive: list[bool], rounds: int
) -> tuple[list[Sampled], list[list[Sample]], int]:
    """Runs `refill` as each of the processes would, on one world: the batches, what was dropped, rounds drawn."""
    world = World(processes, alive)
    first = world.sampled(groups)
    cache: dict[int, list[Sampled]] = {}
    results, dropped = [], []
    for rank in range(processes):

        def draw(count: int, number: int, rank: int = rank) -> Sampled:
            if number not in cache:
                cache[number] = world.sampled(count)
            return cache[number][rank]

        batch, left = refill(first[rank], draw, teaches, SIZE, rounds, (rank, processes), pad=PAD)
        results.append(batch)
        dropped.append(left)
    return results, dropped, len(cache)


@given(
    processes=st.integers(1, 3),
    groups=st.integers(1, 4),
    alive=st.lists(st.booleans(), min_size=1, max_size=12),
    rounds=st.integers(1, 4),
)
@example(processes=3, groups=4, alive=[False, True, False, False], rounds=3)
def test_rows_and_samples_stay_together_and_none_is_lost(
    processes: int, groups: int, alive: list[bool], rounds: int
) -> None:
    batches, dropped, drawn_rounds = refilled(processes, groups, alive, rounds)
    samples = batches[0].samples
    # All processes agree on the whole, and each holds its own rows of it.
    assert all(batch.samples == samples and left == dropped[0] for batch, left in zip(batches, dropped, strict=True))
    assert len(samples) == processes * groups * SIZE
    for rank, batch in enumerate(batches):
        own = samples[rank * groups * SIZE : (rank + 1) * groups * SIZE]
        for row, sample in enumerate(own):
            expected = [int(sample.completion)] * sample.tokens
            held = batch.tensors
            assert held["completion_ids"][row][held["completion_mask"][row].bool()].tolist() == expected
            assert held["prompt_ids"][row][held["prompt_mask"][row].bool()].tolist() == expected
            assert held["completion_mask"][row].tolist() == sorted(held["completion_mask"][row].tolist(), reverse=True)
            assert held["prompt_mask"][row].tolist() == sorted(held["prompt_mask"][row].tolist())
            assert held["advantages"][row] == float(sample.completion)
    everything = sorted(int(sample.completion) for sample in [*samples, *dropped[0]])
    assert everything == list(range(len(everything)))
    dead = [g for g in range(processes * groups) if not teaches(samples[g * SIZE : (g + 1) * SIZE])]
    assert drawn_rounds == rounds or not dead


def test_a_full_batch_samples_nothing_more() -> None:
    _, dropped, rounds = refilled(2, 3, [True], rounds=4)
    assert (dropped, rounds) == ([[], []], 0)


def test_only_free_places_are_sampled_again_until_they_teach() -> None:
    # Of three groups the second is dead; the first replacement is dead too, the second one teaches.
    (batch,), (dropped,), rounds = refilled(1, 3, [True, False, True, False, True], rounds=9)
    assert rounds == 2
    assert [int(sample.completion) // SIZE for sample in batch.samples[::SIZE]] == [0, 4, 2]
    assert [int(sample.completion) // SIZE for sample in dropped[::SIZE]] == [3, 1]


def test_the_bound_leaves_what_is_dead() -> None:
    (batch,), (dropped,), rounds = refilled(1, 2, [False], rounds=5)
    assert rounds == 5
    assert [int(sample.completion) // SIZE for sample in batch.samples[::SIZE]] == [0, 1]
    assert len(dropped) == 5 * 2 * SIZE


def test_splicing_nothing_changes_nothing() -> None:
    base = {"completion_ids": torch.ones(2, 3)}
    assert spliced(base, {"completion_ids": torch.zeros(2, 9)}, [], [], pad=0) is base


@pytest.mark.parametrize(("items", "count"), [(40, 8), (3, 8), (1, 2)], ids=["enough", "round and round", "one"])
def test_prompts_are_drawn_by_the_seed_alone_and_differ_where_they_can(items: int, count: int) -> None:
    first = drawn(items, count, 0, 3, 1)
    assert first == drawn(items, count, 0, 3, 1)
    assert len(first) == count
    assert len(set(first)) == min(items, count)
    assert items == 1 or any(first != drawn(items, count, 0, step, 1) for step in range(4, 9))
