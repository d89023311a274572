"""What a reward may return, what stops the training, and a reward that hangs."""

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import rewards
from harness.config import PluginConfig
from harness.trainers.scoring import RewardFailure, Sample, Scorer, settled
from rewards import registry
from rewards.batch import Batch
from rewards.reward import Components

PLUGIN = """
import time
from dataclasses import dataclass
import numpy as np
import rewards

@rewards.register("slow_reader")
@dataclass(frozen=True)
class SlowReader(rewards.Reward):
    def score(self, batch):
        if any("sleep" in text for text in batch.texts):
            time.sleep(600)
        if any("raise" in text for text in batch.texts):
            raise KeyError("a bug of the user")
        return {self.name: [np.float32(len(text) + len(batch.questions[0])) for text in batch.texts]}
"""


def samples(scorer: Scorer, *completions: str, answers: tuple[str, ...] = ()) -> list[Sample]:
    size = len(completions)
    return scorer.samples(
        [[{"role": "user", "content": "How many eggs?"}]] * size,
        [[{"role": "assistant", "content": text}] for text in completions],
        [[1, 2, 3]] * size,
        ["stop"] * size,
        {"answer": list(answers or ("1",) * size)},
    )


@dataclass(frozen=True)
class Bad(rewards.Reward):
    """Returns what must never become a gradient."""

    name = "bad"
    values: Callable[[int], list[Any]] = lambda size: [1.0] * size

    @property
    def spec(self) -> str:
        return self.name

    def score(self, batch: Batch) -> Components:
        return {"bad": self.values(len(batch.texts))}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        pytest.param(lambda size: [math.nan] * size, "returned nan in the group of 'How many eggs\\?'", id="nan"),
        pytest.param(lambda size: [1.0] * (size - 1) + [-math.inf], "returned -inf", id="infinity, once"),
        pytest.param(lambda size: [1.0] * (size + 1), "returned 3 scores for 2 completions", id="one score too many"),
        pytest.param(lambda size: [], "returned 0 scores for 2 completions", id="no scores"),
        pytest.param(lambda size: ["1"] * size, "returned '1'", id="text"),
    ],
)
def test_a_bad_reward_stops_with_a_clear_error(values: Callable[[int], list[Any]], says: str) -> None:
    with pytest.raises(RewardFailure, match=f"reward bad: component bad {says}"):
        samples(Scorer(Bad(values), (), 1.0), "a", "b")


@pytest.mark.parametrize(
    ("scores", "stops"),
    [
        pytest.param([1.0, None, 0.0, 1.0], "returned None for 1 of 2", id="one of a group"),
        pytest.param([1.0, 1.0, None, None], None, id="a whole group"),
        pytest.param([1.0, None, None, 0.0], "returned None for 1 of 2", id="across two groups"),
    ],
)
def test_none_is_for_all_of_a_group_or_for_none(scores: list[float | None], stops: str | None) -> None:
    reward = Bad(lambda size: scores)
    graded = samples(Scorer(reward, (), 1.0), *"abcd")
    if stops is None:
        assert [sample.reward for sample in settled(graded, 2, reward)] == scores
        return
    with pytest.raises(RewardFailure, match=f"reward bad: component bad {stops} completions in the group of 'How many"):
        settled(graded, 2, reward)


def test_a_metric_that_is_not_paid_may_miss_where_it_likes() -> None:
    reward = rewards.Composite(
        (rewards.Term(1.0, rewards.get("sparse")), rewards.Term(0.0, Bad(lambda size: [None, 1.0])))
    )
    graded = settled(samples(Scorer(reward, (), 1.0), "#### 1", "#### 2"), 2, reward)
    assert [sample.reward for sample in graded] == [1.0, 0.0]


def test_samples_carry_everything_that_is_known() -> None:
    graded = samples(Scorer(rewards.parse("format_answer"), (), 1.0), "<think>1</think>\n#### 1", "no idea", "#### 7")
    assert [sample.status for sample in graded] == ["correct", "no_answer", "wrong"]
    assert [sample.correct for sample in graded] == [True, False, False]
    assert [sample.reward for sample in graded] == [1.0, 0.0, 0.0]
    assert graded[0].components == {"format": 1.0, "answer": 1.0}
    assert (graded[0].completion, graded[0].tokens, graded[0].gold) == ("<think>1</think>\n#### 1", 3, "1")


def test_an_unreadable_gold_is_a_status_and_not_a_wrong_answer() -> None:
    graded = samples(Scorer(rewards.parse("sparse"), (), 1.0), "#### 1", answers=("no number",))
    assert (graded[0].status, graded[0].correct, graded[0].reward) == ("unparseable_gold", None, None)


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[rewards.Reward, tuple[PluginConfig, ...]]]:
    before = registry.snapshot()
    path = tmp_path_factory.mktemp("plugin") / "slow_reader.py"
    path.write_text(PLUGIN)
    rewards.plugins.load(path)
    yield rewards.parse("slow_reader"), (PluginConfig(path=str(path), sha256=sha256(path.read_bytes()).hexdigest()),)
    registry.restore(before)


def children() -> set[str]:
    """The reward workers that this process has started and that still run."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = process.joinpath("stat").read_text().rpartition(")")[2].split()[1]
            command = process.joinpath("cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == str(os.getpid()) and "reward_worker" in command:
            found.add(process.name)
    return found


def test_a_reward_that_hangs_costs_its_batch_and_leaves_no_process(
    plugin: tuple[rewards.Reward, tuple[PluginConfig, ...]],
) -> None:
    scorer = Scorer(*plugin, seconds=0.5)
    assert [sample.reward for sample in samples(scorer, "ab", "abc")] == [16, 17]
    assert len(children()) == 1
    started = time.monotonic()
    late = samples(scorer, "sleep", "abc")
    assert time.monotonic() - started < 5
    assert children() == set()
    assert [(sample.late, sample.reward, sample.components) for sample in late] == [
        (True, None, {"slow_reader": None})
    ] * 2
    # Judged all the same: accuracy does not depend on the reward.
    assert [sample.status for sample in late] == ["no_answer", "no_answer"]
    assert [sample.reward for sample in samples(scorer, "a", "b")] == [15, 15]
    assert scorer.pool
    scorer.pool.close()


def test_a_reward_that_is_late_on_one_process_is_unscorable_on_all() -> None:
    reward = rewards.parse("sparse")
    mine, others = (
        samples(Scorer(reward, (), 1.0), "#### 1", "#### 2"),
        samples(Scorer(reward, (), 1.0), "#### 1", "#### 1"),
    )
    late = [replace(sample, late=True, reward=None, components={"sparse": None}) for sample in others]
    assert [(sample.reward, sample.late) for sample in settled([*mine, *late], 2, reward)] == [(None, True)] * 4


def test_a_plugin_that_fails_stops_with_its_own_error(plugin: tuple[rewards.Reward, tuple[PluginConfig, ...]]) -> None:
    scorer = Scorer(*plugin, seconds=5.0)
    with pytest.raises(RewardFailure, match="reward slow_reader failed: KeyError: 'a bug of the user'"):
        samples(scorer, "raise")
    assert scorer.pool
    scorer.pool.close()
