"""Two real GRPO steps of TRL's own trainer, scored and logged by a reward of ours."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from datasets import Dataset
from graded import EXAMPLES
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, set_seed
from trl import GRPOConfig, GRPOTrainer

import rewards

# A random model earns nothing for format or answer; the coin makes its groups vary.
SPEC = "0.5*random+format_answer+0.0*contains"


SYMBOLIC = [
    (r"\boxed{\sqrt[3]{2+\sqrt{5}}+\sqrt[3]{2-\sqrt{5}}}", "1", "correct"),
    (r"\boxed{9^{9^{9}}}", "18", "wrong"),
]


class Symbolic:
    """Compares by the worker process from within TRL's reward call, and pays nothing."""

    __name__ = "symbolic"

    def __init__(self) -> None:
        self.said: list[str] = []

    def __call__(self, completions: list[str], **_: object) -> list[float]:
        self.said += [rewards.verify(text, gold, "math", deadline=30).status for text, gold, _ in SYMBOLIC]
        return [0.0] * len(completions)


symbolic = Symbolic()


@pytest.fixture(scope="module")
def trained(characters: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[GRPOTrainer, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("grpo")
    tokenizer = AutoTokenizer.from_pretrained(characters)
    set_seed(0)
    tiny = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    arguments = GRPOConfig(
        output_dir=str(folder),
        max_steps=2,
        per_device_train_batch_size=8,
        num_generations=4,
        max_completion_length=8,
        learning_rate=1e-2,
        logging_steps=1,
        log_completions=True,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        bf16=False,
        disable_tqdm=True,
    )
    rows = [{"prompt": example.question, "answer": example.gold} for example in (EXAMPLES[0], EXAMPLES[-1])]
    trainer = GRPOTrainer(
        LlamaForCausalLM(tiny),
        reward_funcs=[rewards.parse(SPEC), symbolic],
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.train()
    assert any(not torch.equal(before[name], value) for name, value in trainer.model.state_dict().items())
    files = sorted((folder / "completions").glob("*.parquet"))
    return trainer, pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)


def test_the_table_holds_every_component_as_the_reward_itself_gives_it(
    trained: tuple[GRPOTrainer, pd.DataFrame],
) -> None:
    _, table = trained
    assert len(table) == 16
    reward = rewards.parse(SPEC)
    golds = {example.question: example.gold for example in EXAMPLES}
    prompts, completions = list(table["prompt"]), list(table["completion"])
    parts = reward.components(prompts=prompts, completions=completions, answer=[golds[prompt] for prompt in prompts])
    for name, scores in parts.items():
        assert table[f"component/{name}"].astype(float).tolist() == pytest.approx(_nans(scores), nan_ok=True), name
    total = reward.total(parts)
    assert table[reward.__name__].tolist() == pytest.approx(_nans(total), nan_ok=True)
    # The unreadable gold's group moves nothing; the other group has a signal.
    unread = pd.isna(table[reward.__name__])
    assert unread.tolist() == [prompt == EXAMPLES[-1].question for prompt in prompts]
    assert (table["advantage"][unread] == 0).all()
    assert (table["advantage"][~unread] != 0).any()


def test_the_log_holds_the_mean_of_every_component(trained: tuple[GRPOTrainer, pd.DataFrame]) -> None:
    trainer, table = trained
    logs = [row for row in trainer.state.log_history if "reward" in row]
    assert [row["step"] for row in logs] == [1, 2]
    for row in logs:
        step = table[table["step"] == row["step"]]
        for name in rewards.parse(SPEC).weights:
            known = step[f"component/{name}"].astype(float).dropna()
            assert row[f"component/{name}"] == pytest.approx(known.mean()), name
        assert row["unscorable"] == pytest.approx(step[rewards.parse(SPEC).__name__].isna().mean())


def test_the_worker_answers_inside_the_reward_call(trained: tuple[GRPOTrainer, pd.DataFrame]) -> None:
    assert symbolic.said == [status for *_, status in SYMBOLIC] * 2


def _nans(scores: rewards.reward.Scores) -> list[float]:
    return [float("nan") if score is None else score for score in scores]
