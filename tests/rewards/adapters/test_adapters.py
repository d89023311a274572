"""Every adapter's shape, names and numbers, against the reward asked directly; no framework is needed but torch."""

import pickle
import subprocess
import sys
from typing import Any

import pytest
from graded import EXAMPLES, SCORABLE, SPEC, components, filled

import rewards
from rewards.adapters import lm_eval, openrlhf, single, verifiers, verl

MODULES = ("single", "verl", "openrlhf", "verifiers", "lm_eval")
FRAMEWORKS = ("torch", "transformers", "trl", "verl", "openrlhf", "verifiers", "lm_eval", "ray", "sympy", "numpy")
PARTS = components(SPEC, EXAMPLES)
TOTAL = rewards.parse(SPEC).total(PARTS)


def test_the_examples_hold_every_kind_of_grade() -> None:
    assert TOTAL == [1.0, 0.75, 0.25, 0.0, None, None, None, None]


@pytest.mark.parametrize("module", MODULES)
def test_importing_an_adapter_imports_no_framework(module: str) -> None:
    code = f"import sys, rewards.adapters.{module}; print(*sorted(set({FRAMEWORKS!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def called(reward: Any) -> tuple[rewards.reward.Scores, dict[str, float], dict[str, Any]]:
    """A reward called as TRL does: its scores, what it logged as metrics and as columns."""
    metrics: dict[str, float] = {}
    columns: dict[str, Any] = {}
    scores = reward(
        prompts=[example.question for example in EXAMPLES],
        completions=[example.completion for example in EXAMPLES],
        completion_ids=[[1]] * len(EXAMPLES),
        answer=[example.gold for example in EXAMPLES],
        trainer_state=None,
        log_metric=metrics.__setitem__,
        log_extra=columns.__setitem__,
    )
    return scores, metrics, columns


def test_trl_scores_are_the_rewards_and_every_component_is_logged() -> None:
    scores, metrics, columns = called(rewards.parse(SPEC))
    assert scores == TOTAL
    assert columns == {f"component/{name}": values for name, values in PARTS.items()}
    assert metrics.pop("unscorable") == 0.5
    for name, values in PARTS.items():
        known = [value for value in values if value is not None]
        assert metrics.pop(f"component/{name}") == pytest.approx(sum(known) / len(known))
    assert metrics == {}


def test_trl_leaves_out_the_mean_of_a_component_nobody_could_score() -> None:
    unread = [example for example in EXAMPLES if example.gold == "because"]
    metrics: dict[str, float] = {}
    rewards.parse("sparse")(
        prompts=[example.question for example in unread],
        completions=[example.completion for example in unread],
        answer=[example.gold for example in unread],
        log_metric=metrics.__setitem__,
        log_extra=lambda column, values: None,
    )
    assert metrics == {"unscorable": 1.0}


def test_trl_pickles_it() -> None:
    one = rewards.parse(SPEC)
    assert pickle.loads(pickle.dumps(one)) == one
    assert called(pickle.loads(pickle.dumps(one)))[0] == TOTAL


def test_verl_gives_numbers_and_the_verdict() -> None:
    for i, example in enumerate(EXAMPLES):
        info = {"question": example.question, "split": "train", "index": 0}
        found = verl.compute_score("openai/gsm8k", example.completion, example.gold, info, spec=SPEC)
        verdict = rewards.verify(example.completion, example.gold)
        assert found.pop("status") == verdict.status
        assert found.pop("pred") == (verdict.answer or "")
        assert found.pop("acc") == float(verdict.correct)
        assert found.pop("unscorable") == float(i >= SCORABLE)
        assert found.pop("score") == filled(TOTAL)[i]
        assert found == {f"component/{name}": filled(values)[i] for name, values in PARTS.items()}


def test_a_metric_without_a_score_is_no_silent_zero() -> None:
    found = verl.compute_score("gsm8k", "#### 1", "no number", spec="0.5*format+0.0*sparse")
    assert (found["score"], found["component/sparse"], found["unscorable"]) == (0.0, 0.0, 1.0)
    found = verl.compute_score("gsm8k", "<think>x</think>#### 1", "no number", spec="0.5*format+0.0*sparse")
    assert (found["score"], found["component/sparse"], found["unscorable"]) == (0.5, 0.0, 1.0)


@pytest.mark.parametrize("extra", [None, {}, {"index": 3}], ids=["none", "empty", "no question"])
def test_verl_needs_no_extra_info_and_ignores_what_it_does_not_know(extra: Any) -> None:
    found = verl.compute_score("gsm8k", "#### 18", 18, extra, reward_router_address="x", reward_model_tokenizer=None)
    assert (found["score"], found["status"]) == (0.8, "correct")


PROMPT = "<|im_start|>user\n" + "What is 3 + 4, said the 12 hens? " * 3 + "<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize(
    ("query", "response"),
    [
        (PROMPT + "#### 7", "#### 7"),
        (PROMPT + "#### 7<|im_end|>", "#### 7"),
        (PROMPT + "#### 7<|end|>", "#### 7"),
        (PROMPT + "#### 7<\uff5cend\u2581of\u2581sentence\uff5c>", "#### 7"),
        (PROMPT + "5 <|x|> 6 <7>", "5 <|x|> 6 <7>"),
        (PROMPT[30:] + "#### 7", "#### 7"),
        (" " + PROMPT + "#### 7", "#### 7"),
        (PROMPT, ""),
        ("What is 3 + 4? #### 7", None),
        ("", None),
    ],
    ids=["plain", "ended", "ended otherwise", "wide bars", "kept", "cut in front", "a space", "empty", "other", "none"],
)
def test_openrlhf_takes_the_prompt_off_the_query(query: str, response: str | None) -> None:
    assert openrlhf.response_of(query, PROMPT) == response


def test_openrlhf_gives_tensors_and_counts_what_it_could_not_score() -> None:
    prompts = [f"{example.question}\n" for example in EXAMPLES]
    queries = [prompt + example.completion for prompt, example in zip(prompts, EXAMPLES, strict=True)]
    found = openrlhf.reward(SPEC)(queries, prompts, [example.gold for example in EXAMPLES], images=None)
    assert found["rewards"].tolist() == filled(TOTAL)
    assert found["scores"].tolist() == [1.0, 1.0] + [0.0] * 6
    assert found["extra_logs"].pop("unscorable").tolist() == [float(total is None) for total in TOTAL]
    # OpenRLHF has the prompt alone, which here is the bare question.
    for name, values in PARTS.items():
        assert found["extra_logs"].pop(f"component/{name}").tolist() == filled(values)
    assert found["extra_logs"] == {}


def test_openrlhf_does_not_grade_a_query_without_its_prompt() -> None:
    found = openrlhf.reward_func(["Add 11 and 7. #### 18"], ["What is the sum, please?"], ["18"])
    assert found["rewards"].tolist() == found["scores"].tolist() == [0.0]
    assert found["extra_logs"]["unscorable"].tolist() == [1.0]


@pytest.mark.parametrize(
    "load",
    [
        single.load,
        openrlhf.reward,
        verifiers.hooks,
        lambda spec: verl.compute_score("gsm8k", "#### 1", "1", spec=spec),
    ],
    ids=["single", "openrlhf", "verifiers", "verl"],
)
def test_a_reward_that_needs_more_than_text_is_refused_at_once(load: Any) -> None:
    with pytest.raises(rewards.RewardError, match=r"length_linear cannot score one completion at a time: .*tokens"):
        load("length_linear")


# `prm` cannot be loaded by its name alone: it needs a model.
@pytest.mark.parametrize("name", sorted({*rewards.names()} - {"prm"}))
def test_every_registered_reward_either_scores_text_alone_or_says_what_it_lacks(name: str) -> None:
    completion = "<think>9*2=18</think>\n#### 18"
    try:
        found = single.numbers(single.grade(single.load(name), completion, "18", prompt="2 eggs at 9?"))
    except rewards.RewardError as error:
        assert "tokens" in str(error)
    else:
        assert {"score", "unscorable"} < found.keys()
        assert found["unscorable"] == 0.0


@pytest.mark.parametrize("load", [single.load, openrlhf.reward, verifiers.hooks])
def test_a_misspelt_reward_is_refused_at_once(load: Any) -> None:
    with pytest.raises(rewards.UnknownReward, match="did you mean sparse"):
        load("sprase")


def test_lm_eval_verdicts_are_the_gold_or_say_why_not() -> None:
    docs = [{"question": example.question, "answer": example.gold} for example in EXAMPLES]
    said = lm_eval.verdicts([[example.completion, "#### 18"] for example in EXAMPLES], docs)
    gold = EXAMPLES[0].gold
    assert [first for first, _ in said] == [gold, gold, "[wrong]", "[ambiguous]"] + ["[unparseable_gold]"] * 4
    assert [second for _, second in said] == [gold] * 4 + ["[unparseable_gold]"] * 4


def test_the_lm_eval_task_is_shipped() -> None:
    text = (lm_eval.TASKS / "gsm8k_verified.yaml").read_text(encoding="utf-8")
    assert "filter_fn: !function rewards.adapters.lm_eval.verdicts" in text
