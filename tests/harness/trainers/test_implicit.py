"""The implicit reward model of PRIME: its formula, what it learns, and that the policy never notices it."""

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import Accelerator  # type: ignore[import-untyped]
from peft import PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from torch.nn.functional import log_softmax
from transformers import TrainerControl, TrainerState
from transformers.modeling_outputs import CausalLMOutputWithPast

from harness import chat, weights
from harness.trainers import adapters, sharding
from harness.trainers.process.implicit import Implicit, measured
from harness.training import AdapterConfig, CreditConfig, ImplicitConfig, ShardConfig, TrainRun
from rewards.batch import Batch
from rewards.learned import Prm
from rewards.token_steps import token_steps

PAD, PLANTED, WORDS = 0, 70, range(10, 60)
Build = Callable[..., tuple[Implicit, Any]]
POLICIES = [
    pytest.param(None, id="policy trained in full: a copy of the base"),
    pytest.param("lora", id="policy is an adapter: one base for both"),
    pytest.param("dora", id="policy has magnitudes besides"),
]


def with_implicit(run: TrainRun, kind: str | None = None, **table: Any) -> TrainRun:
    assert run.grpo is not None
    credit = CreditConfig(rule="prime", scorer="implicit", implicit=ImplicitConfig(**{"learning_rate": 1e-2, **table}))
    adapter = AdapterConfig.model_validate({"kind": kind, "rank": 4}) if kind else None
    return run.model_copy(update={"grpo": run.grpo.model_copy(update={"credit": credit}), "adapter": adapter})


@pytest.fixture
def build(run: TrainRun, tmp_path: Path) -> Build:
    """The reward model of a run, and the policy of a trainer that never trains."""

    def build(kind: str | None = None, checkpointing: bool = False, **table: Any) -> tuple[Implicit, Any]:
        config = with_implicit(run, kind, **table)
        torch.manual_seed(1)
        policy = weights.model(run.model.path)
        if config.adapter:
            policy = get_peft_model(policy, adapters.peft_config(config.adapter))
            if checkpointing:
                policy.gradient_checkpointing_enable({"use_reentrant": False})
            for name, weight in policy.named_parameters():
                # As after some training: a policy that is not its base.
                if "lora_B" in name:
                    torch.nn.init.normal_(weight, std=0.5)
        policy.train()
        args = SimpleNamespace(
            output_dir=str(tmp_path / "checkpoints"), gradient_checkpointing=checkpointing, should_save=True
        )
        trainer = SimpleNamespace(
            accelerator=Accelerator(cpu=True), model=policy, args=args, add_callback=lambda callback: None
        )
        return Implicit(config, trainer), policy

    return build


def batch(*pairs: tuple[list[int], list[int]], tools: list[list[int]] | None = None) -> dict[str, torch.Tensor]:
    """Prompts padded at the left, completions at the right, as TRL lays them out."""
    left, right = (max(len(pair[side]) for pair in pairs) for side in (0, 1))
    tensors = {
        "prompt_ids": [[PAD] * (left - len(prompt)) + prompt for prompt, _ in pairs],
        "prompt_mask": [[0] * (left - len(prompt)) + [1] * len(prompt) for prompt, _ in pairs],
        "completion_ids": [completion + [PAD] * (right - len(completion)) for _, completion in pairs],
        "completion_mask": [[1] * len(completion) + [0] * (right - len(completion)) for _, completion in pairs],
        **({"tool_mask": tools} if tools else {}),
    }
    return {name: torch.tensor(rows) for name, rows in tensors.items()}


PAIRS = (([12, 13, 14], [20, 21, 22, 23]), ([15], [24, 25]), ([16, 17], [26, 27, 28]))


def planted(seed: int, size: int = 16) -> tuple[dict[str, torch.Tensor], list[bool | None]]:
    """Completions of random words; in every wrong one a place holds `PLANTED`."""
    draw = random.Random(seed)
    pairs, correct = [], list[bool | None]()
    for number in range(size):
        words = draw.choices(WORDS, k=draw.randint(5, 9))
        if number % 2:
            words[draw.randrange(len(words))] = PLANTED
        pairs.append((draw.choices(WORDS, k=draw.randint(2, 4)), words))
        correct.append(not number % 2)
    return batch(*pairs), correct


def learn(implicit: Implicit, steps: int, size: int = 16) -> list[dict[str, float | None]]:
    return [implicit.update(*planted(seed, size)) for seed in range(steps)]


def log_probabilities(model: Any, prompt: list[int], completion: list[int]) -> torch.Tensor:
    """Of one sequence, without padding."""
    with torch.no_grad():
        logits = model.eval()(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1]
    return log_softmax(logits, dim=-1).gather(1, torch.tensor(completion)[:, None])[:, 0]


@pytest.mark.parametrize("kind", POLICIES)
def test_a_token_is_worth_beta_times_its_log_ratio(
    build: Build, run: TrainRun, kind: str | None, tmp_path: Path
) -> None:
    """Against peft's own reading of what is saved, one unpadded sequence at a time."""
    implicit, _ = build(kind, beta=0.3)
    learn(implicit, 3)
    found = implicit.token_rewards(batch(*PAIRS))
    implicit.phi.save(tmp_path / "phi")
    phi = PeftModel.from_pretrained(weights.model(run.model.path), str(tmp_path / "phi"))
    base = weights.model(run.model.path)
    assert found.shape == (3, 4)
    assert found.abs().max() > 1e-3
    for row, (prompt, completion) in zip(found, PAIRS, strict=True):
        ratio = log_probabilities(phi, prompt, completion) - log_probabilities(base, prompt, completion)
        torch.testing.assert_close(row[: len(completion)], 0.3 * ratio, atol=1e-5, rtol=1e-4)
        assert not row[len(completion) :].any()


def test_two_words_by_hand(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """phi gives the word that was written 3/4 and 1/4, pi_ref 1/2: beta ln(3/2) and beta ln(1/2)."""
    implicit, _ = build(beta=2.0)
    written = torch.tensor([[[0.5, 0.5], [0.75, 0.25], [0.25, 0.75], [0.5, 0.5]]]).log()

    def answers(**inputs: Any) -> CausalLMOutputWithPast:
        reference = implicit.phi.model._adapters_disabled
        return CausalLMOutputWithPast(logits=(torch.zeros_like(written) if reference else written)[:, 1:])

    monkeypatch.setattr(implicit.phi.model, "forward", answers)
    found = implicit.token_rewards(batch(([0, 1], [0, 0])))
    assert found.tolist() == [pytest.approx([2 * math.log(1.5), 2 * math.log(0.5)])]


@pytest.mark.parametrize("kind", POLICIES)
def test_before_it_has_learnt_nothing_is_worth_anything(build: Build, kind: str | None) -> None:
    implicit, _ = build(kind)
    assert torch.equal(implicit.token_rewards(batch(*PAIRS)), torch.zeros(3, 4))


def test_what_a_tool_wrote_is_worth_nothing(build: Build) -> None:
    implicit, _ = build()
    learn(implicit, 2)
    whole = implicit.token_rewards(batch(*PAIRS))
    tools = [[1, 0, 1, 1], [0, 1, 0, 0], [1, 1, 1, 0]]
    assert torch.equal(implicit.token_rewards(batch(*PAIRS, tools=tools)), whole * torch.tensor(tools))


@pytest.mark.parametrize("kind", POLICIES)
def test_it_finds_the_word_that_makes_a_completion_wrong(build: Build, kind: str | None) -> None:
    """From outcomes alone; on completions that it has not seen."""
    implicit, _ = build(kind, beta=0.2)
    learnt = learn(implicit, 60, size=48)
    assert learnt[0]["implicit/loss"] == pytest.approx(math.log(2))
    assert learnt[0]["implicit/auc"] == 0.5
    tensors, correct = planted(seed=1000, size=64)
    found = implicit.token_rewards(tensors)
    unseen = measured(found.sum(1), torch.tensor([float(bool(right)) for right in correct]))
    assert unseen["implicit/auc"] is not None
    assert unseen["implicit/auc"] > 0.9
    bad = tensors["completion_ids"] == PLANTED
    others = tensors["completion_mask"].bool() & ~bad
    assert found[bad].mean() < found[others].mean() - 0.3
    # In most wrong completions it is the least of all words.
    least = found.masked_fill(~tensors["completion_mask"].bool(), math.inf).argmin(1)
    hits = [bad[row, least[row]].item() for row in range(1, 64, 2)]
    assert sum(hits) / len(hits) > 0.85


@pytest.mark.parametrize("kind", POLICIES)
def test_gradients_reach_the_adapter_alone_and_the_reference_stays(build: Build, kind: str | None) -> None:
    implicit, _ = build(kind)
    own = {id(each) for each in implicit.phi.parameters}
    others = [(each, each.detach().clone()) for each in implicit.phi.model.parameters() if id(each) not in own]
    before = [each.detach().clone() for each in implicit.phi.parameters]
    reference = implicit._reference(batch(*PAIRS)).clone()
    learn(implicit, 3)
    assert all(torch.equal(each, was) for each, was in others)
    assert all(each.grad is None for each, _ in others)
    assert any(not torch.equal(each, was) for each, was in zip(implicit.phi.parameters, before, strict=True))
    assert torch.equal(implicit._reference(batch(*PAIRS)), reference)
    # A word of another batch is another word: nothing is kept of the one before.
    assert not torch.equal(implicit._reference(planted(seed=5, size=3)[0])[:, :4], reference)


@pytest.mark.parametrize("kind", ["lora", "dora"])
def test_a_policy_on_the_same_base_never_notices(build: Build, kind: str) -> None:
    implicit, policy = build(kind)
    ids = torch.tensor([[12, 13, 14, 20, 21]])

    def seen() -> dict[str, Any]:
        return {
            "weights": [each.clone() for name, each in policy.named_parameters() if ".implicit." not in name],
            "trainable": [name for name, each in policy.named_parameters() if each.requires_grad],
            "logits": policy(ids).logits,
            "active": policy.active_adapter,
            "layers": [each.active_adapters for each in policy.modules() if isinstance(each, LoraLayer)],
            "training": [each.training for each in policy.modules() if not isinstance(each, torch.nn.ModuleDict)],
        }

    before = seen()
    assert implicit.phi.model is policy
    assert before["trainable"]
    assert not any(".implicit." in name for name in before["trainable"])
    learn(implicit, 3)
    assert implicit.token_rewards(batch(*PAIRS)).any()
    after = seen()
    assert all(torch.equal(*both) for both in zip(after.pop("weights"), before.pop("weights"), strict=True))
    assert torch.equal(after.pop("logits"), before.pop("logits"))
    assert after == before
    assert all(each.grad is None for each in policy.parameters())
    policy(ids).logits.sum().backward()
    assert all(each.grad is None for each in implicit.phi.parameters)
    implicit.phi.remove()
    assert not [name for name in policy.state_dict() if ".implicit." in name]
    assert list(policy.peft_config) == ["default"]
    assert [name for name, each in policy.named_parameters() if each.requires_grad] == before["trainable"]


@pytest.mark.parametrize("kind", POLICIES)
def test_random_numbers_of_the_run_are_the_same_as_without_it(build: Build, kind: str | None, run: TrainRun) -> None:
    implicit, _ = build(kind)
    state = torch.get_rng_state()
    learn(implicit, 1)
    assert torch.equal(torch.get_rng_state(), state)
    first = [each.detach().clone() for each in build(kind)[0].phi.parameters]
    torch.manual_seed(99)
    again = [each.detach().clone() for each in build(kind)[0].phi.parameters]
    assert all(torch.equal(*both) for both in zip(first, again, strict=True))


@pytest.mark.parametrize("kind", POLICIES[:2])
def test_recomputed_activations_give_the_same_gradients(build: Build, kind: str | None) -> None:
    learnt = []
    for checkpointing in (False, True):
        implicit, policy = build(kind, checkpointing)
        learn(implicit, 4)
        assert policy.is_gradient_checkpointing == (checkpointing and kind is not None)
        learnt.append([each.detach().clone() for each in implicit.phi.parameters])
    torch.testing.assert_close(*learnt, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("size", [1, 3, 7])
def test_micro_batches_add_up_to_the_batch(build: Build, size: int) -> None:
    """One gradient, whatever goes through the model at once; unknown completions are not even divided by."""
    tensors, correct = planted(seed=2)
    correct[3] = correct[4] = None
    found = []
    for micro_batch in (len(correct), size):
        implicit, _ = build()
        learn(implicit, 2)
        implicit.micro_batch = micro_batch
        stated = implicit.update(tensors, correct)
        found.append((stated, [each.detach().clone() for each in implicit.phi.parameters]))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-4)
    torch.testing.assert_close(found[0][1], found[1][1], atol=1e-4, rtol=1e-3)


def test_a_completion_that_nobody_could_judge_teaches_nothing(build: Build) -> None:
    implicit, _ = build()
    learn(implicit, 2)
    before = [each.detach().clone() for each in implicit.phi.parameters]
    tensors, correct = planted(seed=3, size=4)
    stated = implicit.update(tensors, [None] * 4)
    assert stated == {"implicit/loss": None, "implicit/accuracy": None, "implicit/auc": None}
    # As where TRL masks a completion that was cut off.
    empty = {**tensors, "completion_mask": torch.zeros_like(tensors["completion_mask"])}
    assert implicit.update(empty, correct) == stated
    assert all(torch.equal(*both) for both in zip(implicit.phi.parameters, before, strict=True))
    alone = implicit.update(tensors, [True, *[None] * 3])
    assert alone["implicit/auc"] is None
    assert alone["implicit/loss"] is not None


@pytest.mark.parametrize(
    ("scores", "labels", "expected"),
    [
        pytest.param([math.log(3), -math.log(3)], [1, 0], (math.log(4 / 3), 1.0, 1.0), id="both at odds of 3"),
        pytest.param([math.log(3), -math.log(3)], [0, 1], (math.log(4), 0.0, 0.0), id="both the wrong way round"),
        pytest.param([0.0, 0.0, 0.0], [1, 0, 0], (math.log(2), 2 / 3, 0.5), id="nothing learnt: ties count half"),
        pytest.param([1.0, 2.0, 3.0], [0, 1, math.nan], (None, 0.5, 1.0), id="an unknown one is left out"),
        pytest.param([5.0], [1], (math.log1p(math.exp(-5)), 1.0, None), id="no wrong one: no AUC"),
        pytest.param([], [], (None, None, None), id="nothing known"),
    ],
)
def test_what_is_said_of_a_batch(
    scores: list[float], labels: list[float], expected: tuple[float | None, float, float | None]
) -> None:
    found = measured(torch.tensor(scores), torch.tensor(labels))
    loss, accuracy, auc = expected
    if loss is not None or not scores:
        assert found["implicit/loss"] == (None if loss is None else pytest.approx(loss, rel=1e-6))
    assert found["implicit/accuracy"] == (None if accuracy is None else pytest.approx(accuracy))
    assert found["implicit/auc"] == auc


@pytest.mark.parametrize("kind", POLICIES[:2])
def test_what_it_knew_at_a_checkpoint_it_goes_on_with(build: Build, kind: str | None, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoints" / "checkpoint-2"
    checkpoint.mkdir(parents=True)
    whole, _ = build(kind)
    learn(whole, 2)
    whole.on_checkpoint(checkpoint)
    expected = whole.update(*planted(seed=50))
    resumed, _ = build(kind)
    args, state = SimpleNamespace(output_dir=str(checkpoint.parent)), TrainerState(global_step=2)
    resumed.on_train_begin(args, state, TrainerControl())
    assert resumed.update(*planted(seed=50)) == expected
    assert all(torch.equal(*both) for both in zip(resumed.phi.parameters, whole.phi.parameters, strict=True))


def test_at_the_end_its_folder_says_what_it_is(build: Build, run: TrainRun, tmp_path: Path) -> None:
    implicit, _ = build("lora", beta=0.25)
    learn(implicit, 1)
    args = SimpleNamespace(output_dir=str(tmp_path / "checkpoints"), should_save=True)
    implicit.on_train_end(args, TrainerState(), TrainerControl())
    folder = tmp_path / "implicit"
    assert json.loads((folder / "prm.json").read_text()) == {
        "family": "implicit",
        "base": run.model.path,
        "beta": 0.25,
        "prompt": run.prompt,
    }
    assert json.loads((folder / weights.ADAPTER).read_text())["base_model_name_or_path"] == run.model.path
    assert not [path for path in folder.iterdir() if path.suffix not in (".json", ".safetensors")]


@pytest.mark.parametrize("strategy", ["zero3", "fsdp"])
def test_divided_weights_are_refused(run: TrainRun, strategy: str) -> None:
    shard = ShardConfig.model_validate({"processes": 2, "strategy": strategy})
    with pytest.raises(sharding.NotShardable, match=r"set shard\.strategy ddp, zero1 or zero2"):
        Implicit(with_implicit(run).model_copy(update={"shard": shard}), SimpleNamespace())


def test_what_is_kept_scores_steps_as_the_sums_of_its_token_rewards(
    build: Build, run: TrainRun, tmp_path: Path
) -> None:
    """The saved adapter as reward `prm`: P(good) of a step is sigmoid of the rewards of all tokens up to its end."""
    tokenizer = weights.tokenizer(run.model.path)
    question, text = "How many apples?", "<think> 3 + 4 = 7, 7 + 2 = 9</think>\n#### 9"
    prompt = chat.encode(tokenizer, chat.messages(question, run.prompt))
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert tokenizer.decode(ids) == text
    tensors = batch((prompt, ids))
    implicit, _ = build()
    for _ in range(3):
        implicit.update(tensors, [True])
    totals = implicit.token_rewards(tensors)[0].cumsum(0)
    args = SimpleNamespace(output_dir=str(tmp_path / "checkpoints"), should_save=True)
    implicit.on_train_end(args, TrainerState(), TrainerControl())
    kept = Prm(model=str(tmp_path / "implicit"))
    spans = kept.spans(Batch([question], [text], [ids], {}))[0]
    ends = [step.last for step in token_steps(ids, tokenizer.decode, spans)]
    assert len(spans) > 1
    assert abs(totals[-1]) > 1e-3
    for span, end in zip(spans, ends, strict=True):
        assert span.score == pytest.approx(2 * float(totals[end - 1].sigmoid()) - 1, abs=1e-5)
