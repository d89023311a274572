"""The embedded base model: a small Llama trained from scratch by TRL's `SFTTrainer`, saved as a Hugging Face folder.

Run as `python -m harness.tiny.base RECIPE FOLDER`; prints one JSON line `{"step", "steps"}` now and then.
"""

import json
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness import threads
from harness.tiny.corpus import rows
from harness.tiny.recipe import RECIPES, Recipe


def model(recipe: Recipe, tokenizer: Any) -> Any:
    """An untrained `LlamaForCausalLM` of the recipe's size, float32, tied embeddings."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.hidden,
            intermediate_size=recipe.mlp,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.heads,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            # The usual 0.02 suits wide models; at this width it costs a tenth of the training to grow out of it.
            initializer_range=recipe.hidden**-0.5,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def corpus(recipe: Recipe) -> Iterator[dict[str, Any]]:
    """Training rows in order, phase by phase."""
    for number, phase in enumerate(recipe.phases):
        drawn = rows(recipe.seed + number, phase.steps * recipe.batch, phase.habits, recipe.difficulty, phase.drills)
        for row in by_length(list(drawn), recipe):
            yield {
                "prompt": [{"role": "user", "content": row["question"]}],
                "completion": [{"role": "assistant", "content": row["completion"]}],
            }


def by_length(texts: list[dict[str, str]], recipe: Recipe) -> Iterator[dict[str, str]]:
    """The same rows; within windows of 5 batches those of similar length share one, which saves a tenth in padding."""
    rng = random.Random(recipe.seed)
    window = 5 * recipe.batch
    for start in range(0, len(texts), window):
        near = sorted(texts[start : start + window], key=lambda row: len(row["question"] + row["completion"]))
        batches = [near[i : i + recipe.batch] for i in range(0, len(near), recipe.batch)]
        rng.shuffle(batches)
        yield from (row for batch in batches for row in batch)


def train(recipe: Recipe, folder: Path) -> None:
    """Trains the recipe and saves weights, tokenizer and recipe into `folder`."""
    import datasets
    from transformers import TrainerCallback, set_seed
    from trl import SFTConfig, SFTTrainer

    from harness.tiny import tokenizer as tokens

    class Progress(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step % 10 == 0 or state.global_step == state.max_steps:
                print(json.dumps({"step": state.global_step, "steps": state.max_steps}), flush=True)

    datasets.disable_progress_bars()
    set_seed(recipe.seed)
    tokenizer = tokens.build()
    trainer = SFTTrainer(
        model=model(recipe, tokenizer),
        args=SFTConfig(
            output_dir=tempfile.mkdtemp(prefix="harness-sft-"),
            seed=recipe.seed,
            max_steps=recipe.steps,
            per_device_train_batch_size=recipe.batch,
            train_sampling_strategy="sequential",
            learning_rate=recipe.learning_rate,
            lr_scheduler_type="cosine_with_min_lr",
            lr_scheduler_kwargs={"min_lr_rate": 0.1},
            warmup_steps=30,
            adam_beta2=0.98,
            completion_only_loss=True,
            max_length=256,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            save_strategy="no",
            report_to="none",
            logging_steps=100,
            disable_tqdm=True,
        ),
        train_dataset=datasets.Dataset.from_list(list(corpus(recipe))),
        processing_class=tokenizer,
        callbacks=[Progress()],
    )
    trainer.train()
    trainer.model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "recipe.json").write_text(json.dumps(asdict(recipe), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    threads.apply()
    train(RECIPES[sys.argv[1]], Path(sys.argv[2]))
