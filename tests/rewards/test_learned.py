"""The reward `prm` and its own family: which token judges a step, what a batch may not change, what is refused."""

import json
import math
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

import rewards
from harness import chat
from rewards import RewardError
from rewards.batch import Batch
from rewards.learned import Prm
from rewards.learned.families import Solution
from rewards.learned.loading import load
from rewards.segments import segments
from tests.rewards import tiny_prms

QUESTION = "2 eggs at 9?"
TEXT = "2*9=18\nso 18+1=19\n#### 19"


@pytest.fixture(scope="module")
def random_prm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights: every score depends on all that stands before it."""
    folder = tiny_prms.save(tmp_path_factory.mktemp("prm") / "random", "steps", tiny_prms.characters())
    return recorded(folder)


def recorded(folder: Path, family: str = "steps") -> Path:
    (folder / "prm.json").write_text(json.dumps({"family": family}))
    return folder


def reads(folder: Path, good: str) -> Path:
    """A model that finds a step good with P = 0.9 where its last token is the character `good`, else with P = 0.1."""
    tokenizer = tiny_prms.characters()
    weight = torch.zeros(2, tiny_prms.WIDTH)
    own = tokenizer.convert_tokens_to_ids(good) % tiny_prms.WIDTH
    # The norm makes a unit vector of width 16 one of length 4.
    weight[1, own] = 2 * math.log(9) / 4
    head = {"score.weight": weight, "score.bias": torch.tensor([0.0, -math.log(9)])}
    return recorded(tiny_prms.save(folder, "steps", tokenizer, head))


def scores(folder: Path, *texts: str, ids: list[list[int]] | None = None) -> list[list[float | None]]:
    batch = Batch([QUESTION] * len(texts), texts, ids, {})
    return [[span.score for span in spans] for spans in Prm(str(folder)).spans(batch)]


def test_a_step_is_judged_by_its_last_token(tmp_path: Path) -> None:
    folder = reads(tmp_path, "9")
    # The newline belongs to the step that it ends, so what is read is the newline: only the end of the text shows 9.
    assert scores(folder, "1\n9") == [[pytest.approx(-0.8), pytest.approx(0.8, abs=1e-4)]]
    (tmp_path / "newline").mkdir()
    newline = reads(tmp_path / "newline", "\n")
    assert scores(newline, "1\n9") == [[pytest.approx(0.8, abs=1e-4), pytest.approx(-0.8)]]


def test_spans_are_the_segments_of_the_text(random_prm: Path) -> None:
    spans = Prm(str(random_prm)).spans(Batch([QUESTION], [TEXT], None, {}))[0]
    assert [(span.start, span.end) for span in spans] == segments(TEXT)
    assert all(span.score is not None and -1 < span.score < 1 for span in spans)


def test_input_is_the_rendered_prompt_and_the_completion(random_prm: Path) -> None:
    family = load(str(random_prm))
    layout = family.layout(Solution(QUESTION, TEXT))
    prompt = chat.encode(family.tokenizer, chat.messages(QUESTION, "think"))
    assert layout.ids[: len(prompt)] == prompt
    ends = [family.tokenizer.decode(layout.ids[len(prompt) : at + 1]) for at in layout.places]
    assert ends == [TEXT[:end] for _, end in segments(TEXT)]


def test_the_prompt_style_is_that_of_the_training(random_prm: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(random_prm, tmp_path / "bare")
    chat.save_template_hash(folder, tiny_prms.characters(), "bare")
    layout = load(str(folder)).layout(Solution(QUESTION, TEXT))
    assert layout.ids[: layout.ids.index(tiny_prms.SPECIAL.index("<|assistant|>"))] == chat.tokenise(
        load(str(folder)).tokenizer, f"<|user|>{QUESTION}<|end|>"
    )


def test_what_follows_a_step_does_not_change_its_score(random_prm: Path) -> None:
    first, second = scores(random_prm, "2*9=18\n3+3=6", "2*9=18\nnothing of the kind, at all")
    assert first[0] == pytest.approx(second[0], abs=1e-6)
    assert first[1] != pytest.approx(second[1], abs=1e-3)


def test_what_precedes_a_step_changes_its_score(random_prm: Path) -> None:
    first, second = scores(random_prm, "2*9=18\n3+3=6", "2*9=19\n3+3=6")
    assert first[1] != pytest.approx(second[1], abs=1e-4)


@settings(max_examples=15, deadline=None)
@given(texts=st.lists(st.text(st.sampled_from("0123456789+-=\n,. a"), max_size=40), min_size=2, max_size=6))
def test_a_batch_scores_as_its_members_do_alone(random_prm: Path, texts: list[str]) -> None:
    together = scores(random_prm, *texts)
    for text, found in zip(texts, together, strict=True):
        assert found == pytest.approx(scores(random_prm, text)[0], abs=1e-5)


def test_ids_of_the_policy_are_read_as_they_are(tmp_path: Path) -> None:
    """The policy wrote an end token, and 'ab' in another way than the tokenizer would."""
    tokenizer = tiny_prms.characters()
    tokenizer.add_tokens(["ab"])
    folder = recorded(tiny_prms.save(tmp_path, "steps", tokenizer))
    family = load(str(folder))
    one, two = (tokenizer.convert_tokens_to_ids(list(pieces)) for pieces in (["ab", "\n", "c"], "ab\nc"))
    end = tokenizer.eos_token_id
    layouts = [family.layout(Solution("q", "ab\nc", [*ids, end])) for ids in (one, two)]
    assert [layout.ids[-len(ids) - 1 :] for layout, ids in zip(layouts, (one, two), strict=True)] == [
        [*one, end],
        [*two, end],
    ]
    assert [layouts[1].places[k] - layouts[0].places[k] for k in (0, 1)] == [1, 1]
    assert family.layout(Solution("q", "ab\nc", [0, 1, 2])) == family.layout(Solution("q", "ab\nc"))


def test_reward_is_the_aggregate_of_the_probabilities(tmp_path: Path) -> None:
    folder = reads(tmp_path, "9")
    expected = {"min": 0.1, "product": 0.09, "last": 0.9, "mean": 0.5, "prefix": 0.0}
    for rule, value in expected.items():
        reward = rewards.get("prm", model=str(folder), aggregate=rule)
        assert reward(prompts=[QUESTION], completions=["1\n9"]) == [pytest.approx(value, abs=1e-4)]
        assert reward.bounds[0] <= value <= reward.bounds[1]


def test_the_question_is_asked_for_and_the_gold_is_not(random_prm: Path) -> None:
    reward = Prm(str(random_prm))
    column = reward(prompts=["long few-shot prompt"], completions=[TEXT], question=[QUESTION], answer=["19"])
    assert column == reward(prompts=[[{"role": "user", "content": QUESTION}]], completions=[TEXT], answer=["1"])
    assert column != reward(prompts=["another"], completions=[TEXT])


def test_one_unscorable_completion_takes_its_group_along(random_prm: Path) -> None:
    """A trainer refuses a component that is None for a part of a group only."""
    found = Prm(str(random_prm))(prompts=["a", "a", "b"], completions=["1\n2", "", "3"])
    assert found[:2] == [None, None] and found[2] is not None


def test_what_exceeds_the_context_is_unknown_never_cut(tmp_path: Path) -> None:
    folder = recorded(tiny_prms.save(tmp_path, "steps", tiny_prms.characters(), max_position_embeddings=200))
    chat.save_template_hash(folder, tiny_prms.characters(), "bare")
    short, long = scores(folder, "1\n2", "1\n" + "2" * 200)
    assert None not in short and long == [None, None]


def test_loaded_once_and_carried_as_text(random_prm: Path) -> None:
    reward = rewards.parse(f'prm(model="{random_prm}",aggregate="last")')
    assert isinstance(reward, Prm) and reward.loaded() is Prm(str(random_prm)).loaded()
    assert rewards.parse(reward.spec) == reward == pickle.loads(pickle.dumps(reward))


def broken(folder: Path, how: str) -> str:
    match how:
        case "missing":
            return str(folder / "nowhere")
        case "unreadable":
            (folder / "config.json").write_text("{")
        case "unknown family":
            recorded(folder, "stepz")
        case "untold":
            (folder / "prm.json").unlink()
            config = json.loads((folder / "config.json").read_text()) | {"architectures": ["LlamaForCausalLM"]}
            (folder / "config.json").write_text(json.dumps(config))
        case "language model":
            shutil.rmtree(folder)
            recorded(tiny_prms.save(folder, "rlhflow", tiny_prms.characters()))
        case "pickled":
            (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
        case "no weights":
            save_file({"other": torch.zeros(1)}, folder / "model.safetensors", metadata={"format": "pt"})
        case "remote code":
            config = json.loads((folder / "config.json").read_text())
            config |= {"model_type": "theirs", "auto_map": {"AutoConfig": "code.Config"}}
            (folder / "config.json").write_text(json.dumps(config))
            (folder / "code.py").write_text("raise SystemExit('code of the folder was run')\n")
    return str(folder)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        pytest.param("missing", "no model there", id="no-folder"),
        pytest.param("unreadable", r"config\.json: cannot be read as JSON", id="config-is-no-json"),
        pytest.param("unknown family", "called 'stepz'; there are steps, implicit", id="unknown-family"),
        pytest.param("untold", r"LlamaForCausalLM does not tell the family; say prm\(model", id="causal-is-ambiguous"),
        pytest.param("language model", "weights lack score", id="no-head-is-never-invented"),
        pytest.param("pickled", "cannot be loaded.*safetensors", id="pickles-are-not-read"),
        pytest.param("no weights", "weights lack", id="weights-of-something-else"),
        pytest.param("remote code", "cannot be loaded", id="code-is-not-run"),
    ],
)
def test_a_folder_that_is_no_prm_is_refused(random_prm: Path, tmp_path: Path, how: str, says: str) -> None:
    folder = broken(shutil.copytree(random_prm, tmp_path / "copy"), how)
    with pytest.raises(RewardError, match=says) as caught:
        Prm(folder)(prompts=["q"], completions=["1"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        pytest.param({}, r"prm needs model: write prm\(model=", id="no-model"),
        pytest.param({"model": "x", "aggregate": "max"}, "take min, product, last, mean, prefix", id="unknown-rule"),
    ],
)
def test_bad_parameters_are_refused_before_a_model_is_loaded(parameters: dict[str, Any], says: str) -> None:
    with pytest.raises(RewardError, match=says):
        rewards.get("prm", **parameters)


def test_text_that_no_tokenizer_reads_is_scored_all_the_same(random_prm: Path) -> None:
    """A lone surrogate, which JSON can carry, in the answer and in the question."""
    (spans,) = Prm(str(random_prm)).spans(Batch(["\ud800?"], ["1 + 1 = 2\n\udfff"], None, {}))
    assert [(span.start, span.end) for span in spans] == [(0, 10), (10, 11)]
    assert all(span.score is not None for span in spans)
