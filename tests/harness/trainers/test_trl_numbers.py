"""TRL's own numbers and gradients, of the same rewards, as an oracle of ours."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from evals.data import load
from harness import chat
from harness.trainers import advantages, grpo
from harness.training import TrainRun

SCORES: dict[str, list[float | None]] = {
    "first": [1.0, 0.0, 0.25, 1.0, 2.0, 2.0, 2.0, 2.0],
    "second": [0.0, 0.5, -1.0, 0.75, 3.0, 1.0, 0.0, 2.0],
    "missing": [1.0, 0.0, 0.25, 1.0, None, None, None, None],
}
GROUP = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
ROWS = [{"prompt": [{"role": "user", "content": text}], "answer": "1"} for text in "ab" for _ in range(4)]
GRPO = (GRPOTrainer, GRPOConfig)


def parts(run: TrainRun) -> tuple[Any, Any]:
    set_seed(run.seed)
    return AutoModelForCausalLM.from_pretrained(run.model.path), AutoTokenizer.from_pretrained(run.model.path)


def score(name: str) -> Callable[..., list[float | None]]:
    def scores(completions: Sequence[Any], **_: Any) -> list[float | None]:
        return SCORES[name]

    scores.__name__ = name
    return scores


def native(run: TrainRun, folder: Path, scores: Sequence[str], method: tuple[Any, Any], **settings: Any) -> list[float]:
    """The advantages that TRL's trainer computes of two groups of four."""
    trainer, arguments = method
    model, tokenizer = parts(run)
    built = trainer(
        model=model,
        reward_funcs=[score(name) for name in scores],
        args=arguments(
            output_dir=str(folder),
            per_device_train_batch_size=8,
            num_generations=4,
            max_completion_length=4,
            use_cpu=True,
            bf16=False,
            report_to="none",
            beta=0.0,
            **settings,
        ),
        train_dataset=Dataset.from_list(ROWS),
        processing_class=tokenizer,
    )
    built.model.train()
    found: list[float] = built._generate_and_score_completions(ROWS)["advantages"].tolist()
    return found


def column(name: str) -> Tensor:
    return torch.tensor([math.nan if value is None else value for value in SCORES[name]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("estimate", "method", "settings", "name"),
    [
        *[
            pytest.param(estimate, GRPO, {"scale_rewards": scale}, name, id=f"{objective}-{name}")
            for estimate, objective, scale in (
                (advantages.group_normalised, "grpo", "group"),
                (advantages.mean_centred, "dr_grpo", "none"),
            )
            for name in SCORES
        ],
        # TRL's RLOO has no unscorable groups.
        *[
            pytest.param(advantages.leave_one_out, (RLOOTrainer, RLOOConfig), {}, name, id=f"rloo-{name}")
            for name in ("first", "second")
        ],
    ],
)
def test_trl_computes_the_same(
    run: TrainRun,
    tmp_path: Path,
    estimate: Callable[[Tensor, Tensor], Tensor],
    method: tuple[Any, Any],
    settings: dict[str, Any],
    name: str,
) -> None:
    found = native(run, tmp_path, [name], method, **settings)
    assert found == pytest.approx(estimate(column(name), GROUP).tolist(), abs=1e-5)


def test_trl_computes_the_same_gdpo(run: TrainRun, tmp_path: Path) -> None:
    settings = {"multi_objective_aggregation": "normalize_then_sum", "reward_weights": [1.0, 0.3]}
    found = native(run, tmp_path, ["first", "second"], GRPO, **settings)
    both = torch.stack([column("first"), column("second")], dim=1)
    expected = advantages.gdpo(both, torch.tensor([1.0, 0.3], dtype=torch.float64), GROUP)
    assert found == pytest.approx(expected.tolist(), abs=1e-5)


def built(run: TrainRun, folder: Path, objective: str) -> tuple[grpo.Trainer, list[dict[str, Any]]]:
    """A trainer of ours with a policy that has left its reference, and two groups of four prompts."""
    assert run.data is not None
    assert run.grpo is not None
    model, tokenizer = parts(run)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.02 * torch.randn(weight.shape, generator=generator)
    items = load(Path(run.data.train))
    rows = [{"prompt": chat.messages(item.question, "bare"), "answer": item.gold} for item in items]
    chosen = run.model_copy(update={"grpo": run.grpo.model_copy(update={"objective": objective, "reward": "random"})})
    trainer = grpo.Trainer(chosen, folder, model, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
    model.train()
    trainer.current_gradient_accumulation_steps = 1
    return trainer, [row for row in rows[:2] for _ in range(4)]


def log_probabilities(trainer: grpo.Trainer, model: Any, batch: dict[str, Tensor]) -> Tensor:
    """(B, T), 0 behind the end."""
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
    mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
    found: Tensor = trainer._get_per_token_logps_and_entropies(model, ids, mask, batch["completion_ids"].size(1))[0]
    return found * batch["completion_mask"]


def gradients(model: Any) -> dict[str, Tensor]:
    found = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()
    return found


def test_online_dpo_has_the_gradient_of_the_sigmoid_loss_on_a_model(run: TrainRun, tmp_path: Path) -> None:
    trainer, rows = built(run, tmp_path, "online_dpo")
    batch = trainer._generate_and_score_completions(rows)
    trainer.compute_loss(trainer.model, batch).backward()
    ours = gradients(trainer.model)
    reference = log_probabilities(trainer, trainer.ref_model, batch).detach()
    margins = (log_probabilities(trainer, trainer.model, batch) - reference).sum(1)
    assert margins.abs().max() > 0.01
    scores = torch.tensor([sample.reward for sample in trainer.samples]).view(2, 4)
    best, worst = (pick(scores, dim=1) + torch.tensor([0, 4]) for pick in (torch.argmax, torch.argmin))
    (-torch.nn.functional.logsigmoid(0.1 * (margins[best] - margins[worst])).mean()).backward()
    written_out = gradients(trainer.model)
    assert any(gradient.abs().max() > 1e-4 for gradient in written_out.values())
    for name, gradient in written_out.items():
        assert torch.allclose(ours[name], gradient, atol=1e-6), name


def test_rloo_has_the_gradient_of_reinforce_with_the_divergence_in_the_reward(run: TrainRun, tmp_path: Path) -> None:
    trainer, rows = built(run, tmp_path, "rloo")
    batch = trainer._generate_and_score_completions(rows)
    trainer.compute_loss(trainer.model, batch).backward()
    ours = gradients(trainer.model)
    policy = log_probabilities(trainer, trainer.model, batch).sum(1)
    reference = log_probabilities(trainer, trainer.ref_model, batch).sum(1)
    rewards = torch.tensor([sample.reward for sample in trainer.samples])
    paid = (rewards - 0.05 * (policy - reference)).detach().view(2, 4)
    baseline = (paid.sum(1, keepdim=True) - paid) / 3
    (-((paid - baseline).view(-1) * policy).mean()).backward()
    for name, gradient in gradients(trainer.model).items():
        assert torch.allclose(ours[name], gradient, atol=1e-6), name
