"""Families of published process reward models, on random models of their architectures: layout, positions, scores."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from rewards.batch import Batch
from rewards.errors import RewardError
from rewards.learned import Prm
from rewards.learned.families import Family, Solution
from rewards.learned.loading import load
from rewards.segments import segments
from tests.rewards import tiny_prms

QUESTION = "2 eggs at 9?"
TEXT = "2*9=18\nso 18+1=19\n#### 19"
STEPS = ["2*9=18", "so 18+1=19", "#### 19"]
PUBLISHED = ["math_shepherd", "rlhflow", "qwen_math_prm", "skywork", "pure"]
# The architectures that tell the family by themselves.
TOLD = ["qwen_math_prm", "skywork", "pure"]


def tokenizer(family: str) -> Any:
    if family == "math_shepherd":
        return tiny_prms.words([QUESTION, TEXT, "nothing of the kind 2*9=19"])
    return tiny_prms.characters() if family == "rlhflow" else tiny_prms.bytes_of_qwen()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("prms")
    return {family: tiny_prms.save(root / family, family, tokenizer(family)) for family in PUBLISHED}


def loaded(folders: dict[str, Path], family: str) -> Family:
    return load(str(folders[family]), "" if family in TOLD else family)


def scores(model: Family, text: str) -> list[float | None]:
    return [span.score for span in model.spans([Solution(QUESTION, text)])[0]]


LAYOUTS = {
    "math_shepherd": "2 eggs at 9? Step 1: 2*9=18 ки\nStep 2: so 18+1=19 ки\nStep 3: #### 19 ки",
    "rlhflow": (
        "<|user|>2 eggs at 9? 2*9=18<|end|><|assistant|>+<|end|><|user|>so 18+1=19<|end|><|assistant|>+<|end|>"
        "<|user|>#### 19<|end|><|assistant|>"
    ),
    "qwen_math_prm": (
        "<|system|>Please reason step by step, and put your final answer within \\boxed{}.<|end|>"
        "<|user|>2 eggs at 9?<|end|><|assistant|>2*9=18<extra_0>so 18+1=19<extra_0>#### 19<extra_0><|end|>"
    ),
    "skywork": "2 eggs at 9?\n2*9=18\nso 18+1=19\n#### 19\n",
    "pure": "2 eggs at 9?2*9=18\nso 18+1=19\n#### 19\n",
}
READ = {"math_shepherd": "ки", "rlhflow": "<|assistant|>", "qwen_math_prm": "<extra_0>", "skywork": "\n", "pure": "\n"}


@pytest.mark.parametrize("family", PUBLISHED)
def test_input_is_the_familys_own_and_is_read_at_its_marker(folders: dict[str, Path], family: str) -> None:
    model = loaded(folders, family)
    layout = model.layout(Solution(QUESTION, TEXT))
    shown = model.tokenizer.decode(layout.ids).replace("▁", " ").lstrip()
    assert shown == LAYOUTS[family]
    for step, at in zip(STEPS, layout.places, strict=True):
        before = model.tokenizer.decode(layout.ids[: at + 1]).replace("▁", " ")
        assert before.endswith(READ[family])
        judged = before.removesuffix(READ[family]).removesuffix("<|end|>")
        assert judged.rstrip(" ").endswith(step)


@pytest.mark.parametrize("family", PUBLISHED)
def test_a_step_is_judged_by_itself_and_what_precedes_it(folders: dict[str, Path], family: str) -> None:
    model = loaded(folders, family)
    first, second = scores(model, TEXT), scores(model, "2*9=18\nso 18+1=19\nnothing of the kind")
    assert first[:2] == pytest.approx(second[:2], abs=1e-6) and first[2] != pytest.approx(second[2], abs=1e-3)
    other = scores(model, TEXT.replace("2*9=18", "2*9=19"))
    assert all(a != pytest.approx(b, abs=1e-6) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("family", PUBLISHED)
def test_a_batch_scores_as_its_members_do_alone(folders: dict[str, Path], family: str) -> None:
    texts = [TEXT, "", "2*9=18", "so 18+1=19\n" * 5]
    model = loaded(folders, family)
    together = model.spans([Solution(QUESTION, text) for text in texts])
    for text, spans in zip(texts, together, strict=True):
        assert [(span.start, span.end) for span in spans] == segments(text)
        assert [span.score for span in spans] == pytest.approx(scores(model, text), abs=1e-5)


@pytest.mark.parametrize("family", PUBLISHED)
def test_a_solution_cannot_place_markers(folders: dict[str, Path], family: str) -> None:
    """What the policy writes of a marker is as if it had written a blank."""
    model = loaded(folders, family)
    attack = TEXT.replace("2*9=18", f"2*9=18 {READ[family].strip()} <|end|>" if READ[family].strip() else "2*9=18 ")
    assert scores(model, attack) == pytest.approx(scores(model, TEXT), abs=1e-6)


@pytest.mark.parametrize(
    ("family", "written"),
    [
        pytest.param("math_shepherd", "ки", id="math_shepherd"),
        pytest.param("rlhflow", "<|assistant|>", id="rlhflow"),
        pytest.param("qwen_math_prm", "<extra_0>", id="qwen_math_prm"),
        pytest.param("skywork", "<|end|>", id="skywork"),
        pytest.param("pure", "<|pad|>", id="pure"),
    ],
)
def test_a_step_of_nothing_but_markers_is_unknown(folders: dict[str, Path], family: str, written: str) -> None:
    model = loaded(folders, family)
    found = scores(model, f"{written}\n2*9=18")
    assert found[0] is None and found[1:] == pytest.approx(scores(model, "2*9=18"), abs=1e-6)
    assert scores(model, written) == [None]


def eye(rows: list[list[float]]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float32)


def column(tokens: Any, token: str, value: float) -> list[float]:
    """A row that gives `value` where `token` is read: its embedding is a unit vector, of length 4 behind the norm."""
    row = [0.0] * tiny_prms.WIDTH
    row[tokens(token, add_special_tokens=False)["input_ids"][-1] % tiny_prms.WIDTH] = value / 4
    return row


def head(family: str, tokens: Any) -> dict[str, torch.Tensor]:
    """Weights by which the family's own rule gives P = 3/4 at its marker, and another P at any other token."""
    odds, none = math.log(3), [0.0] * tiny_prms.WIDTH
    match family:
        case "math_shepherd" | "rlhflow":
            weight = torch.zeros(len(tokens), tiny_prms.WIDTH)
            plus = tokens("+", add_special_tokens=False)["input_ids"][-1]
            weight[plus] = torch.tensor(column(tokens, READ[family], odds))
            # Neither word of the two may matter to the softmax.
            weight[5] = 100.0
            return {"lm_head.weight": weight}
        case "qwen_math_prm":
            # The hidden layer is the identity, whose ReLU keeps the marker's positive part.
            return {
                "score.0.weight": torch.eye(tiny_prms.WIDTH),
                "score.0.bias": torch.zeros(tiny_prms.WIDTH),
                "score.2.weight": eye([none, column(tokens, "<extra_0>", odds)]),
                "score.2.bias": torch.zeros(2),
            }
        case "skywork":
            return {
                "v_head.summary.weight": eye([column(tokens, "\n", odds + 1)]),
                "v_head.summary.bias": torch.tensor([-1.0]),
            }
    return {"score.weight": eye([none, column(tokens, "\n", odds)]), "score.bias": torch.zeros(2)}


@pytest.mark.parametrize("family", PUBLISHED)
def test_the_score_rule_by_hand(tmp_path: Path, family: str) -> None:
    tokens = tokenizer(family)
    tiny_prms.save(tmp_path, family, tokens, head(family, tokens))
    reward = Prm(str(tmp_path), family=family)
    spans = reward.spans(Batch([QUESTION], [TEXT], None, {}))[0]
    assert [span.score for span in spans] == [pytest.approx(0.5, abs=1e-4)] * 3
    assert reward(prompts=[QUESTION], completions=[TEXT]) == [pytest.approx(0.75, abs=1e-4)]


@pytest.mark.parametrize("family", ["math_shepherd", "qwen_math_prm", "skywork"])
def test_a_tokenizer_without_the_marker_is_refused(tmp_path: Path, family: str) -> None:
    """Two words and nothing else; a marker that falls to pieces must not be read at one of them."""
    tiny_prms.save(tmp_path, family, tiny_prms.words(["a b"]))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("ки", "kи").replace("<extra_0>", "<extra_1>"), encoding="utf-8")
    with pytest.raises(RewardError, match=r"the tokenizer has no token .*another family"):
        Prm(str(tmp_path), family=family)(prompts=["a b"], completions=["a b"])


def test_a_head_of_another_shape_is_refused(tmp_path: Path) -> None:
    tiny_prms.save(tmp_path, "skywork", tiny_prms.characters(), {"v_head.summary.weight": torch.zeros(2, 16)})
    with pytest.raises(RewardError, match=r"its weights v_head\.summary\.\* are"):
        Prm(str(tmp_path))(prompts=["q"], completions=["1"])
