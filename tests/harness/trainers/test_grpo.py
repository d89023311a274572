"""Reinforcement learning for real: TRL steps on a random model, with everything logged."""

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed

import rewards
from evals.data import load
from harness import chat
from harness.config import PluginConfig
from harness.trainers import completions, grpo
from harness.trainers.objectives import names, objective
from harness.trainers.records import Records
from harness.training import AdapterConfig, ShardConfig, TrainRun
from rewards import registry
from rewards.batch import Batch
from rewards.reward import Components

Rows = list[dict[str, Any]]


def parts(run: TrainRun) -> tuple[Any, Any]:
    set_seed(run.seed)
    return AutoModelForCausalLM.from_pretrained(run.model.path), AutoTokenizer.from_pretrained(run.model.path)


def train(run: TrainRun, folder: Path) -> tuple[Any, Rows]:
    assert run.data is not None
    model, tokenizer = parts(run)
    folder.mkdir(exist_ok=True)
    callbacks = [Records(folder, grpo.metrics_row)]
    trained = grpo.train(run, model, tokenizer, load(Path(run.data.train)), folder, callbacks)
    return trained, lines(folder / "metrics.jsonl")


def lines(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_text().splitlines()]


def with_grpo(run: TrainRun, **changes: Any) -> TrainRun:
    assert run.grpo is not None
    return run.model_copy(update={"grpo": run.grpo.model_copy(update=changes)})


def with_optimizer(run: TrainRun, **changes: Any) -> TrainRun:
    return run.model_copy(update={"optimizer": run.optimizer.model_copy(update=changes)})


def test_the_decoder_samples_as_trl_does_where_nothing_is_left_to_chance(run: TrainRun, tmp_path: Path) -> None:
    """Two steps at a temperature near 0: equal completions, so equal rewards, lengths and gradients."""
    cold = with_grpo(run, reward="random", temperature=1e-4)
    _, theirs = train(cold, tmp_path / "transformers")
    _, ours = train(with_grpo(cold, rollout="decoder"), tmp_path / "decoder")
    for key in ("length", "accuracy", "truncated"):
        assert [row[key] for row in ours] == [row[key] for row in theirs]


def test_equal_seeds_decode_equal_completions(run: TrainRun, tmp_path: Path) -> None:
    decoder = with_grpo(run, reward="random", rollout="decoder")
    for name in ("a", "b"):
        train(decoder, tmp_path / name)
    assert (tmp_path / "a" / "metrics.jsonl").read_bytes() == (tmp_path / "b" / "metrics.jsonl").read_bytes()


@dataclass(frozen=True)
class Half(rewards.Reward):
    """Half of the questions teach: in the others all completions are worth the same."""

    def score(self, batch: Batch) -> Components:
        scores: list[float | None] = [0.0] * len(batch.texts)
        for group in batch.groups:
            for place, index in enumerate(group):
                scores[index] = float(place) if len(batch.questions[index]) % 2 else 1.0
        return {"half": scores}


@dataclass(frozen=True)
class Same(rewards.Reward):
    """Nothing to learn."""

    def score(self, batch: Batch) -> Components:
        return {"same": [1.0] * len(batch.texts)}


@dataclass(frozen=True)
class Unknown(rewards.Reward):
    """Nothing is scorable."""

    def score(self, batch: Batch) -> Components:
        return {"unknown": [None] * len(batch.texts)}


@pytest.fixture(autouse=True)
def families() -> Iterator[None]:
    before = registry.snapshot()
    for name, family in (("half", Half), ("same", Same), ("unknown", Unknown)):
        rewards.register(name)(family)
    yield
    registry.restore(before)


@pytest.mark.parametrize("name", names())
def test_every_objective_trains_and_logs_everything(run: TrainRun, tmp_path: Path, name: str) -> None:
    spec = "random+0.5*format_answer+0.0*repetition"
    _, rows = train(with_grpo(run, objective=name, reward=spec), tmp_path)
    assert [row["step"] for row in rows] == [1, 2]
    for row in rows:
        for component in ("random", "format", "answer", "repetition"):
            assert {f"rewards/{component}", f"rewards_std/{component}", f"rewards_share/{component}"} <= set(row)
        shares = [value for key, value in row.items() if key.startswith("rewards_share/")]
        assert math.fsum(shares) == pytest.approx(1)
        assert {"accuracy", "entropy", "kl", "unscorable", "late", "truncated", "length_right", "length_wrong"} <= set(
            row
        )
        assert {"clip_low", "clip_high", "clip_region", "off_policy_gap", "sync_bytes", "status/no_answer"} <= set(row)
        assert 0 < row["length"] <= run.grpo.max_new_tokens
        assert row["entropy"] > 0
        assert row["grad_norm"] > 0
        assert row["seconds"] is None
        assert (row["kl"] is None) == (objective(name).kl == 0)
        assert set(row) == set(rows[0])
    timing = lines(tmp_path / "timing.jsonl")
    for row in timing:
        assert row["rollout"] > 0
        assert row["train"] > 0
        assert row["rollout"] + row["reward"] + row["train"] + row["sync"] <= row["seconds"] + 0.01
        assert row["rollout/tokens_per_second"] > 0
        assert row["train/tokens_per_second"] > 0
    kept = completions.read(tmp_path, 2)
    assert len([row for row in kept if row["advantage"] is not None]) == run.optimizer.batch_size
    assert {"random", "format", "answer", "repetition"} <= set(kept[0]["components"])


@pytest.mark.parametrize("name", ["grpo", "dapo", "online_dpo"])
def test_equal_seeds_give_equal_records_to_the_byte(run: TrainRun, tmp_path: Path, name: str) -> None:
    for folder in ("a", "b"):
        train(with_grpo(run, reward="half", objective=name), tmp_path / folder)
    for record in ("metrics.jsonl", "completions/step_000001.jsonl.gz", "completions/step_000002.jsonl.gz"):
        assert (tmp_path / "a" / record).read_bytes() == (tmp_path / "b" / record).read_bytes()


def weights_of(model: Any) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in model.state_dict().items()}


def moved(run: TrainRun, trained: Any) -> bool:
    before = weights_of(AutoModelForCausalLM.from_pretrained(run.model.path))
    after = weights_of(trained)
    return any(not before[name].equal(after[name]) for name in before)


@pytest.mark.parametrize(
    ("changes", "moves"),
    [
        pytest.param({"reward": "half"}, True, id="a reward that varies"),
        pytest.param({"reward": "same"}, False, id="equal rewards"),
        pytest.param({"reward": "unknown"}, False, id="unscorable"),
        pytest.param({"reward": "same", "entropy": 0.1}, True, id="the entropy bonus alone"),
    ],
)
def test_what_moves_the_weights(run: TrainRun, tmp_path: Path, changes: dict[str, Any], moves: bool) -> None:
    trained, rows = train(with_grpo(run, kl=0.0, **changes), tmp_path)
    assert moved(run, trained) == moves
    unscorable = changes["reward"] == "unknown"
    assert [row["unscorable"] for row in rows] == [float(unscorable)] * 2
    assert [row["reward"] is None for row in rows] == [unscorable] * 2
    assert all(row["accuracy"] is not None for row in rows)


def test_the_entropy_bonus_raises_entropy(run: TrainRun, tmp_path: Path) -> None:
    """Measured at sampling temperature 0.3, where the random model's is not at its ceiling."""
    longer = with_optimizer(with_grpo(run, reward="same", kl=0.0, entropy=1.0, temperature=0.3), steps=6)
    _, rows = train(longer, tmp_path)
    assert rows[-1]["entropy"] > rows[0]["entropy"]


@pytest.mark.parametrize(("kl", "logged"), [(None, True), (0.0, False), (0.5, True)], ids=["own", "off", "given"])
@pytest.mark.parametrize("name", ["grpo", "rloo"])
def test_the_divergence_is_measured_where_it_is_paid(
    run: TrainRun, tmp_path: Path, name: str, kl: float | None, logged: bool
) -> None:
    _, rows = train(with_grpo(run, objective=name, reward="half", kl=kl), tmp_path)
    assert [row["kl"] is not None for row in rows] == [logged] * 2
    if logged:
        assert rows[0]["kl"] == pytest.approx(0, abs=1e-6)
        assert abs(rows[1]["kl"]) > 1e-6


def test_a_low_rank_adapter_is_its_own_reference(run: TrainRun, tmp_path: Path) -> None:
    low_rank = with_grpo(run, objective="rloo", reward="half").model_copy(update={"adapter": AdapterConfig(rank=4)})
    trained, rows = train(low_rank, tmp_path)
    trainable = [name for name, weight in trained.named_parameters() if weight.requires_grad]
    assert trainable
    assert all("lora_" in name for name in trainable)
    assert rows[0]["kl"] == pytest.approx(0, abs=1e-6)
    assert rows[1]["kl"] != 0


def test_micro_batches_are_the_same_step(run: TrainRun, tmp_path: Path) -> None:
    rows = [
        train(with_optimizer(with_grpo(run, reward="half"), micro_batch=size, steps=1), tmp_path / str(size))[1][0]
        for size in (8, 4)
    ]
    assert rows[1]["grad_norm"] == pytest.approx(rows[0]["grad_norm"], rel=1e-4)
    assert rows[1]["reward"] == rows[0]["reward"]


@pytest.mark.parametrize("name", ["gspo", "grpo"])
def test_updates_share_a_sampling_and_only_then_is_anything_clipped(run: TrainRun, tmp_path: Path, name: str) -> None:
    shared = with_optimizer(
        with_grpo(run, objective=name, reward="half", updates=2, kl=0.0), steps=4, learning_rate=0.05
    )
    _, rows = train(shared, tmp_path)
    assert [row["reward"] is None for row in rows] == [False, True, False, True]
    assert [row["clip_region"] > 0 for row in rows] == [False, True, False, True]
    found = sorted(path.name for path in (tmp_path / "completions").iterdir())
    assert found == ["step_000001.jsonl.gz", "step_000003.jsonl.gz"]
    assert len(completions.read(tmp_path, 1)) == 2 * run.optimizer.batch_size


def test_dynamic_sampling_fills_the_batch_with_groups_that_teach(run: TrainRun, tmp_path: Path) -> None:
    dynamic = with_optimizer(with_grpo(run, objective="dapo", reward="half"), steps=4, batch_size=16)
    _, rows = train(dynamic, tmp_path)
    extra = 0
    for row in rows:
        everything = completions.read(tmp_path, row["step"])
        trained = [one for one in everything if one["advantage"] is not None]
        dropped = [one for one in everything if one["advantage"] is None]
        assert len(trained) == 16
        assert all(len(one["prompt"][-1]["content"]) % 2 for one in trained)
        assert row["dead_groups_kept"] == 0
        assert row["extra_completions"] == len(dropped)
        assert row["extra_tokens"] == sum(one["tokens"] for one in dropped)
        # The metrics are of everything that was sampled, not of what was picked.
        assert row["reward"] == pytest.approx(sum(one["reward"] for one in everything) / len(everything))
        extra += len(dropped)
    assert extra > 0


def test_dynamic_sampling_gives_up_and_says_so(run: TrainRun, tmp_path: Path) -> None:
    trained, rows = train(
        with_grpo(run, objective="dapo", reward="same", sampling_rounds=2, max_new_tokens=1), tmp_path
    )
    for row in rows:
        assert row["dead_groups_kept"] == 1
        assert row["extra_completions"] == 2 * run.optimizer.batch_size
        assert row["dead_groups"] == 1
        assert row["grad_norm"] == 0
    assert not moved(run, trained)


def test_dapo_pays_for_length_and_does_not_count_it_as_teaching(run: TrainRun, tmp_path: Path) -> None:
    _, rows = train(with_grpo(run, objective="dapo", reward="same", sampling_rounds=1), tmp_path)
    assert all(row["rewards/length_soft"] < 0 for row in rows)
    assert all(row["dead_groups_kept"] == row["dead_groups"] == 1 for row in rows)
    for one in completions.read(tmp_path, 1):
        assert one["reward"] == pytest.approx(1 + 0.5 * one["components"]["length_soft"])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"objective": "online_dpo", "updates": 2}, "grpo.updates must be 1"),
        ({"objective": "dapo", "group_size": 3}, "must be a multiple of grpo.group_size 3"),
    ],
    ids=["stale pairs", "divided groups"],
)
def test_sizes_that_do_not_suit_the_objective(
    run: TrainRun, tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(grpo.BadObjective, match=says):
        grpo.settings(with_grpo(run, **changes), tmp_path, on_cpu=True)


def test_a_hanging_plugin_leaves_steps_without_reward_and_the_run_goes_on(run: TrainRun, tmp_path: Path) -> None:
    path = tmp_path / "sleeper.py"
    path.write_text(
        "import time\nfrom dataclasses import dataclass\nimport rewards\n\n"
        '@rewards.register("sleeper")\n@dataclass(frozen=True)\nclass Sleeper(rewards.Reward):\n'
        "    def score(self, batch):\n        time.sleep(600)\n"
    )
    rewards.plugins.load(path)
    plugin = PluginConfig(path=str(path), sha256=sha256(path.read_bytes()).hexdigest())
    slow = with_grpo(run, reward="sleeper", reward_seconds=0.2, kl=0.0).model_copy(update={"plugins": (plugin,)})
    trained, rows = train(slow, tmp_path / "run")
    assert [(row["late"], row["unscorable"], row["reward"]) for row in rows] == [(1.0, 1.0, None)] * 2
    assert not moved(run, trained)


def test_training_prompts_are_the_inference_prompts(run: TrainRun) -> None:
    tokenizer = AutoTokenizer.from_pretrained(run.model.path)
    seen = grpo.Trainer._tokenize_prompts(
        type("Fake", (), {"processing_class": tokenizer})(), [chat.messages("How many eggs?", "bare")]
    )
    assert seen[0] == [chat.encode(tokenizer, chat.messages("How many eggs?", "bare"))]


@pytest.mark.slow
def test_two_processes_fill_their_batches_together(run: TrainRun, tmp_path: Path) -> None:
    plugin = tmp_path / "halves.py"
    plugin.write_text(
        "from dataclasses import dataclass\nimport rewards\n\n"
        '@rewards.register("halves")\n@dataclass(frozen=True)\nclass Halves(rewards.Reward):\n'
        "    def score(self, batch):\n"
        "        odd = [len(question) % 2 for question in batch.questions]\n"
        '        return {"halves": [float(odd[i] and i % 4) for i in range(len(odd))]}\n'
    )
    loaded = PluginConfig(path=str(plugin), sha256=sha256(plugin.read_bytes()).hexdigest())
    shared = with_optimizer(with_grpo(run, objective="dapo", reward="halves"), batch_size=16)
    both = shared.model_copy(update={"plugins": (loaded,), "shard": ShardConfig(processes=2)})
    both.write(tmp_path / "config.toml")
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--rdzv_backend=c10d"]
    launch += ["--rdzv_endpoint=localhost:0", "-m", "harness.trainers.run", str(tmp_path)]
    done = subprocess.run(launch, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    for row in lines(tmp_path / "metrics.jsonl"):
        everything = completions.read(tmp_path, row["step"])
        trained = [one for one in everything if one["advantage"] is not None]
        assert len(trained) == 16
        assert all(len(one["prompt"][-1]["content"]) % 2 for one in trained)
        assert len(everything) == 16 + row["extra_completions"]
        assert row["dead_groups_kept"] == 0
