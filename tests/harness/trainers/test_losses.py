"""Preference losses, as pure functions and as the trainers compute them, against hand-made numbers and TRL's."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer

from harness.trainers import losses, preference
from harness.trainers.length_bias import completion_logps
from harness.trainers.losses import BadSetting, UnknownLoss
from harness.trainers.sequence_losses import log_odds, orpo, simpo, tail_weights
from harness.training import DpoConfig, OptimizerConfig, TrainRun

CHOSEN, REJECTED = torch.tensor([-0.5, -1.0]), torch.tensor([-1.5, -0.25])
ROWS = [
    {"prompt_ids": [5, 6, 7], "chosen_ids": [8, 9, 10, 4], "rejected_ids": [11, 12, 4]},
    {"prompt_ids": [5, 7], "chosen_ids": [9, 4], "rejected_ids": [12, 13, 14, 15, 4]},
]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_simpo_is_a_margin_between_mean_log_probabilities() -> None:
    expected = [-math.log(sigmoid(2 * (-0.5 + 1.5) - 1)), -math.log(sigmoid(2 * (-1.0 + 0.25) - 1))]
    assert simpo(CHOSEN, REJECTED, beta=2.0, gamma=1.0).tolist() == pytest.approx(expected, abs=1e-6)


def test_orpo_is_the_likelihood_of_the_chosen_and_a_ratio_of_odds() -> None:
    odds = [[math.exp(a) / (1 - math.exp(a)) for a in side.tolist()] for side in (CHOSEN, REJECTED)]
    expected = [
        -mean - 0.1 * math.log(sigmoid(math.log(won / lost)))
        for mean, won, lost in zip(CHOSEN.tolist(), *odds, strict=True)
    ]
    assert orpo(CHOSEN, REJECTED, weight=0.1).tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.filterwarnings("ignore:You are importing from 'trl.experimental'")
def test_simpo_agrees_with_trl() -> None:
    from trl.experimental.cpo import CPOTrainer

    trl = SimpleNamespace(
        alpha=0.0, beta=2.0, simpo_gamma=1.0, label_smoothing=0.0, loss_type="simpo",
        accelerator=SimpleNamespace(device="cpu"),
    )  # fmt: skip
    theirs = CPOTrainer.cpo_loss(trl, CHOSEN, REJECTED)[0]
    assert simpo(CHOSEN, REJECTED, beta=2.0, gamma=1.0).tolist() == pytest.approx(theirs.tolist(), abs=1e-5)


@pytest.mark.filterwarnings("ignore:You are importing from 'trl.experimental'")
def test_orpo_agrees_with_trl() -> None:
    from trl.experimental.orpo import ORPOTrainer

    trl = SimpleNamespace(beta=0.1, accelerator=SimpleNamespace(device="cpu"))
    theirs = -CHOSEN - ORPOTrainer.odds_ratio_loss(trl, CHOSEN, REJECTED)[0]
    assert orpo(CHOSEN, REJECTED, weight=0.1).tolist() == pytest.approx(theirs.tolist(), abs=1e-5)


def test_a_certain_completion_has_finite_odds_and_gradient() -> None:
    certain = torch.zeros(1, requires_grad=True)
    loss = orpo(certain, REJECTED[:1], weight=0.1).sum()
    loss.backward()
    assert math.isfinite(loss.item())
    assert certain.grad is not None
    assert math.isfinite(certain.grad.item())


def test_log_odds_of_a_half_are_zero() -> None:
    assert log_odds(torch.tensor([math.log(0.5)])).item() == pytest.approx(0, abs=1e-6)


def test_tail_weights_count_from_each_completions_start() -> None:
    # One pair of 2 and 4 tokens behind prompts of 1.
    mask = torch.tensor([[0, 1, 1, 0, 0], [0, 1, 1, 1, 1]])
    assert tail_weights(mask, 0.5).tolist() == [[0, 1, 1, 0, 0], [0, 1, 1, 0.5, 0.5]]


@pytest.fixture
def dpo(run: TrainRun) -> TrainRun:
    optimizer = OptimizerConfig(steps=1, batch_size=2, learning_rate=1e-3)
    return run.model_copy(update={"method": "dpo", "grpo": None, "dpo": DpoConfig(), "optimizer": optimizer})


class Scene:
    """A trainer of a loss whose policy has moved from its reference, and the log-probabilities of `ROWS` under both."""

    def __init__(self, run: TrainRun, folder: Path, name: str, **given: float) -> None:
        chosen = losses.loss(name)
        self.values = chosen.values(given)
        tokenizer = AutoTokenizer.from_pretrained(run.model.path)
        model = AutoModelForCausalLM.from_pretrained(run.model.path)
        arguments = {
            "model": model,
            "args": preference.settings(run, folder, chosen, self.values, on_cpu=True),
            "processing_class": tokenizer,
            "peft_config": None,
        }
        self.trainer = preference.trainer(run, chosen, self.values, ROWS, folder, arguments)
        self.reference = self.logps()
        generator = torch.Generator().manual_seed(1)
        for weight in model.parameters():
            weight.data += 0.05 * torch.randn(weight.shape, generator=generator)
        self.policy = self.logps()

    def logps(self) -> list[list[list[float]]]:
        """Log-probability of every token: by side, pair and token, computed one sequence at a time from the logits."""
        return [[self._tokens(row["prompt_ids"], row[ids]) for row in ROWS] for ids in ("chosen_ids", "rejected_ids")]

    def _tokens(self, prompt: list[int], completion: list[int]) -> list[float]:
        with torch.no_grad():
            logits = self.trainer.model(input_ids=torch.tensor([prompt + completion])).logits[0]
        found = torch.log_softmax(logits, dim=-1)[len(prompt) - 1 : -1]
        return found.gather(1, torch.tensor(completion).unsqueeze(1)).squeeze(1).tolist()

    def loss(self) -> float:
        """What the trainer itself computes for both pairs, as in a training step."""
        batch = next(iter(self.trainer.get_train_dataloader()))
        self.trainer.model.train()
        return float(self.trainer._compute_loss(self.trainer.model, batch, False).detach())

    def ratio(self, side: int, pair: int) -> float:
        return sum(self.policy[side][pair]) - sum(self.reference[side][pair])

    def mean(self, per_pair: Any) -> float:
        return sum(per_pair(pair) for pair in range(len(ROWS))) / len(ROWS)


def length(side: int, pair: int) -> int:
    return len(ROWS[pair][("chosen_ids", "rejected_ids")[side]])


def expect_dpo(s: Scene, pair: int) -> float:
    return -math.log(sigmoid(s.values["beta"] * (s.ratio(0, pair) - s.ratio(1, pair))))


def expect_r_dpo(s: Scene, pair: int) -> float:
    margin = s.values["beta"] * (s.ratio(0, pair) - s.ratio(1, pair))
    return -math.log(sigmoid(margin + s.values["alpha"] * (length(0, pair) - length(1, pair))))


def expect_ipo(s: Scene, pair: int) -> float:
    means = [s.ratio(side, pair) / length(side, pair) for side in (0, 1)]
    return float((means[0] - means[1] - 1 / (2 * s.values["tau"])) ** 2)


def expect_ld_dpo(s: Scene, pair: int) -> float:
    shared = min(length(0, pair), length(1, pair))

    def ratio(side: int) -> float:
        moved = [a - b for a, b in zip(s.policy[side][pair], s.reference[side][pair], strict=True)]
        return sum(moved[:shared]) + s.values["alpha"] * sum(moved[shared:])

    return -math.log(sigmoid(s.values["beta"] * (ratio(0) - ratio(1))))


def expect_rpo(s: Scene, pair: int) -> float:
    # TRL averages the likelihood term over the tokens of the batch, not first over those of each completion.
    tokens = [logp for logps in s.policy[0] for logp in logps]
    return expect_dpo(s, pair) - s.values["alpha"] * sum(tokens) / len(tokens)


def average(s: Scene, side: int, pair: int) -> torch.Tensor:
    return torch.tensor(sum(s.policy[side][pair]) / length(side, pair))


def expect_simpo(s: Scene, pair: int) -> float:
    return simpo(average(s, 0, pair), average(s, 1, pair), s.values["beta"], s.values["gamma"]).item()


def expect_orpo(s: Scene, pair: int) -> float:
    return orpo(average(s, 0, pair), average(s, 1, pair), s.values["lambda"]).item()


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        pytest.param("dpo", {}, expect_dpo, id="dpo"),
        pytest.param("dpo", {"beta": 0.5}, expect_dpo, id="dpo beta"),
        pytest.param("ipo", {}, expect_ipo, id="ipo"),
        pytest.param("rpo", {"alpha": 0.7}, expect_rpo, id="rpo"),
        pytest.param("ld_dpo", {"alpha": 0.3}, expect_ld_dpo, id="ld_dpo"),
        pytest.param("ld_dpo", {"alpha": 1.0}, expect_dpo, id="ld_dpo of alpha 1 is dpo"),
        pytest.param("r_dpo", {"alpha": 0.05}, expect_r_dpo, id="r_dpo"),
        pytest.param("r_dpo", {"alpha": 0.0}, expect_dpo, id="r_dpo of alpha 0 is dpo"),
        pytest.param("simpo", {}, expect_simpo, id="simpo"),
        pytest.param("orpo", {"lambda": 0.25}, expect_orpo, id="orpo"),
    ],
)
def test_the_trained_loss_is_its_formula(
    dpo: TrainRun, tmp_path: Path, name: str, given: dict[str, float], expected: Any
) -> None:
    scene = Scene(dpo, tmp_path, name, **given)
    assert scene.loss() == pytest.approx(scene.mean(lambda pair: expected(scene, pair)), abs=1e-5)


def test_kto_is_its_formula(dpo: TrainRun, tmp_path: Path) -> None:
    scene = Scene(dpo, tmp_path, "kto", beta=0.5, desirable=1.5)
    rows = scene.trainer.train_dataset
    with torch.no_grad():
        mismatched = [sum(scene._tokens(row["prompt_ids"], row["KL_completion_ids"])) for row in rows]
    z = max(0.0, sum(now - row["ref_KL_logps"] for now, row in zip(mismatched, rows, strict=True)) / len(rows))
    desirable = [1.5 * (1 - sigmoid(0.5 * (scene.ratio(0, pair) - z))) for pair in (0, 1)]
    undesirable = [1 - sigmoid(0.5 * (z - scene.ratio(1, pair))) for pair in (0, 1)]
    assert scene.loss() == pytest.approx(sum(desirable + undesirable) / 4, abs=1e-5)


def test_log_probabilities_of_completions_are_those_of_their_tokens(dpo: TrainRun, tmp_path: Path) -> None:
    scene = Scene(dpo, tmp_path, "dpo")
    batch = scene.trainer.data_collator(ROWS)
    found = completion_logps(scene.trainer.model, batch).tolist()
    assert found == pytest.approx([sum(tokens) for side in scene.policy for tokens in side], abs=1e-4)


def test_the_rows_go_to_trl_as_they_are(dpo: TrainRun, tmp_path: Path) -> None:
    dataset: Dataset = Scene(dpo, tmp_path, "simpo").trainer.train_dataset
    assert dataset.to_list() == ROWS
    # Kept in memory, each process would look for the reference log-probabilities in a temporary folder of its own.
    assert all(Path(file["filename"]).is_relative_to(tmp_path) for file in dataset.cache_files)
    assert dataset.cache_files


def test_unknown_loss_names_the_nearest() -> None:
    with pytest.raises(UnknownLoss, match="did you mean simpo"):
        losses.loss("simp")


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("dpo", {"gamma": 1.0}, "dpo has no setting gamma: it takes beta"),
        ("dpo", {"beta": 0.0}, "beta is 0; give a positive number"),
        ("simpo", {"gamma": -1.0}, "gamma is -1; give a positive number"),
        ("rpo", {"alpha": math.nan}, "alpha is nan"),
        ("ld_dpo", {"alpha": 1.5}, "alpha is 1.5; give 0"),
    ],
    ids=["unknown", "beta zero", "negative", "not a number", "ld_dpo above one"],
)
def test_bad_settings_are_refused(name: str, given: dict[str, float], says: str) -> None:
    with pytest.raises(BadSetting, match=says):
        losses.loss(name).values(given)


def test_every_loss_names_its_paper() -> None:
    for name in losses.names():
        assert "arXiv" in losses.loss(name).source
