"""QLoRA for real, with bitsandbytes on the path: `python qlora.py FOLDER` trains its `config.toml`; prints JSON."""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from bitsandbytes.nn import Linear4bit
from peft import PeftModel
from transformers import set_seed

from evals.data import load
from evals.engines import Request, Sampling
from evals.engines.transformers import TransformersEngine
from harness import chat, weights
from harness.trainers import adapters, sft
from harness.trainers.records import Records
from harness.training import TrainRun


def answers(model: Any, tokenizer: Any, run: TrainRun) -> list[str]:
    questions = [item.question for item in load(Path(run.data.test))]
    requests = [Request(chat.encode(tokenizer, chat.messages(q, "bare")), seed=0) for q in questions]
    completions = [c for b in TransformersEngine(model, tokenizer).generate(requests, Sampling(24, 0.0, 0)) for c in b]
    return [each.text for each in sorted(completions, key=lambda each: each.index)]


def four_bits(model: Any) -> dict[str, torch.Tensor]:
    """The quantised weights by the name of their layer, which an adapter wraps."""
    return {
        name.removeprefix("base_model.model.").removesuffix(".base_layer"): layer.weight.data.clone()
        for name, layer in model.named_modules()
        if isinstance(layer, Linear4bit)
    }


def main() -> None:
    folder = Path(sys.argv[1])
    run = TrainRun.read(folder / "config.toml")
    tokenizer = weights.tokenizer(run.model.path)
    set_seed(run.seed)
    base = weights.model(run.model.path, quantised=True)
    before = four_bits(base)
    base_answers = answers(base, tokenizer, run)
    records = [Records(folder, sft.metrics_row)]
    trained = sft.train(run, base, tokenizer, load(Path(run.data.train)), folder, records)
    after = four_bits(trained)
    learnt = [name for name, weight in trained.named_parameters() if weight.requires_grad]
    unchanged = before.keys() == after.keys() and all(before[name].equal(after[name]) for name in before)
    adapters.save(trained, tokenizer, folder, run.prompt)
    adapter, merged = weights.model(str(folder / "adapter")), weights.model(str(folder / "model"))
    plain = PeftModel.from_pretrained(weights.model(run.model.path), str(folder / "adapter"))
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        target = merged(ids).logits
        found = {
            "quantised_layers": len(before),
            "base_unchanged": unchanged,
            "only_adapters_learnt": bool(learnt) and all("lora_" in name for name in learnt),
            "losses": [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()],
            "base": base_answers,
            "adapter": answers(adapter, tokenizer, run),
            "merged": answers(merged, tokenizer, run),
            "difference": (adapter(ids).logits - target).abs().max().item(),
            "difference_unquantised": (plain(ids).logits - target).abs().max().item(),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
