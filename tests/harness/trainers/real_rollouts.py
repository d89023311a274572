"""Weight sync and GRPO on real engines.

Run as a program, on vLLM in its own process: a task as JSON on stdin, findings as JSON on the last line of stdout.
"""

import json
import sys
from typing import Any

import torch
from accelerate import Accelerator
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

from evals.engines import Request, Sampling
from evals.engines.vllm import VllmEngine
from harness.trainers import rollouts
from harness.trainers.rollouts import RolloutEngine
from harness.trainers.rollouts.colocated import VllmRollouts
from harness.trainers.rollouts.weights import named_weights

TOKENS = 12


def main() -> None:
    task = json.load(sys.stdin)
    engines = {name: VllmRollouts(folder, 96, seed=5) for name, folder in task["models"].items()}
    found: dict[str, Any] = {
        name: synced(engines[name], folder, task["prompts"]) for name, folder in task["models"].items()
    }
    folder = task["models"]["tied"]
    found["adapters"] = {
        kind: adapted(engines["tied"], folder, task["prompts"], kind == "dora") for kind in ("lora", "dora")
    }
    for name, checkpoint in (("whole", None), ("again", None), ("resumed", f"{task['output']}/checkpoint-2")):
        found[name] = trained(engines["tied"], folder, task["prompts"], task["output"], checkpoint)
    found["crowd"] = crowd(folder)
    print(json.dumps(found))


def crowd(folder: str) -> int:
    """Completions of the evaluator's engine for more prompt tokens than vLLM takes in one pass (4096)."""
    requests = [Request(range(5, 45), seed) for seed in range(200)]
    return sum(map(len, VllmEngine(folder, 96).generate(requests, Sampling(2, 1.0))))


def synced(engine: RolloutEngine, folder: str, prompts: list[list[int]]) -> dict[str, Any]:
    """Differences to the trainer, before and after a sync, once its weights have moved."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    scramble(model.parameters())
    without = difference(engine, model, prompts)
    sync = engine.sync(named_weights(model, Accelerator(cpu=True)))
    own = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    return {
        "tied": model.lm_head.weight is model.model.embed_tokens.weight,
        "without": without,
        "with": difference(engine, model, prompts),
        "bytes": sync.bytes,
        "own": own,
        "seconds": sync.seconds,
    }


def adapted(engine: RolloutEngine, folder: str, prompts: list[list[int]], dora: bool) -> dict[str, Any]:
    base = AutoModelForCausalLM.from_pretrained(folder)
    model = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", use_dora=dora))
    engine.sync(named_weights(model, Accelerator(cpu=True)))
    scramble(parameter for name, parameter in model.named_parameters() if ".lora_" in name)
    kept = {name: parameter.clone() for name, parameter in model.named_parameters()}
    without = difference(engine, model, prompts)
    engine.sync(named_weights(model, Accelerator(cpu=True)))
    same = all(torch.equal(parameter, kept[name]) for name, parameter in model.named_parameters())
    return {"without": without, "with": difference(engine, model, prompts), "trainer_unchanged": same}


def scramble(parameters: Any) -> None:
    """Moves the weights far enough that the old ones choose other tokens."""
    torch.manual_seed(11)
    with torch.no_grad():
        for parameter in parameters:
            parameter.add_(0.05 * torch.randn_like(parameter))


@torch.no_grad()
def difference(engine: RolloutEngine, model: Any, prompts: list[list[int]]) -> dict[str, Any]:
    """The engine's greedy tokens against the trainer's, and the largest difference of log-probabilities.

    The trainer scores the engine's tokens in one forward pass a prompt, without cache or padding. The engine tells the
    log-probability of greedy tokens at temperature 0 and of drawn ones at temperature 0.7.
    """
    greedy = [rollout.tokens for rollout in engine.generate(prompts, Sampling(TOKENS, 0.0))]
    own = [by_trainer(model, prompt, len(tokens)) for prompt, tokens in zip(prompts, greedy, strict=True)]
    gaps = []
    for prompt, rollout in zip(prompts, engine.generate(prompts, Sampling(TOKENS, 0.7)), strict=True):
        logits = model(torch.tensor([prompt + rollout.tokens])).logits[0, len(prompt) - 1 : -1] / 0.7
        scored = logits.log_softmax(-1).gather(1, torch.tensor(rollout.tokens)[:, None])[:, 0]
        gaps.append(float((scored - torch.tensor(rollout.logprobs)).abs().max()))
    return {"same_tokens": greedy == own, "logprobs": max(gaps)}


def by_trainer(model: Any, prompt: list[int], count: int) -> list[int]:
    ids = list(prompt)
    for _ in range(count):
        ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt) :]


def trained(
    engine: RolloutEngine, folder: str, prompts: list[list[int]], output: str, checkpoint: str | None = None
) -> list[dict[str, float]]:
    """The logs of three GRPO steps on TRL's own trainer, at a learning rate that moves the weights; the second saves.

    With `checkpoint` only what is left after it is trained, and the logs begin with those that it holds.
    """
    tokenizer = AutoTokenizer.from_pretrained(folder)
    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(folder),
        reward_funcs=short,
        args=GRPOConfig(
            output_dir=output,
            max_steps=3,
            per_device_train_batch_size=8,
            num_generations=4,
            learning_rate=1e-2,
            max_completion_length=TOKENS,
            temperature=0.7,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            logging_steps=1,
            save_steps=2,
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list([{"prompt": tokenizer.decode(prompt)} for prompt in prompts]),
        processing_class=tokenizer,
    )
    rollouts.attach(trainer, engine)
    torch.manual_seed(7)
    trainer.train(resume_from_checkpoint=checkpoint)
    return [row for row in trainer.state.log_history if "reward" in row]


def short(completion_ids: list[list[int]], **_: Any) -> list[float]:
    return [float(sum(ids) % 7) for ids in completion_ids]


if __name__ == "__main__":
    main()
