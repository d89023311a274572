"""The cross-check against lm-eval itself: prompts, filters and metric, and its own generation on the same model."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from real import lines, pairs
from smollm2 import checkpoint, needed
from test_prompts import QUESTIONS, REAL
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from benchmarks.overlay import overlay
from evals import parity, prompts
from evals.gsm8k import FILTERS, flexible_extract, strict_match
from evals.parity import Disagreement, Parity, ParityError
from evals.prompts import FORMS
from evals.prompts.lm_eval import NAMES

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).parent / "peers" / "with_lm_eval.py"
MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")

# What stands in for the `A: ` of the stored solutions, so that each task's strict-match finds something.
MARKS = {
    "gsm8k": "#### ",
    "gsm8k_cot": "The answer is ",
    "gsm8k_cot_zeroshot": "The answer is ",
    "gsm8k_cot_llama": "The final answer is ",
}


@pytest.fixture(scope="session")
def lm_eval() -> Callable[..., Any]:
    """Runs the script with lm-eval's packages laid over this environment and returns what it prints."""

    def run(do: str, **task: Any) -> Any:
        done = subprocess.run(
            # -P: the script's own folder must not come before lm-eval's packages.
            [sys.executable, "-P", str(SCRIPT)],
            input=json.dumps({"do": do, **task}),
            env={**os.environ, "PYTHONPATH": f"{overlay('lm_eval')}{os.pathsep}{ROOT}", "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


def untidy(place: int, text: str, mark: str) -> str:
    """The solution with the task's mark, in turn plain and in the ways in which the filters differ from each other."""
    start, _, answer = text.rpartition("\nA: ")
    forms = (
        f"{start}\n{mark}{answer}.",
        f"{start}\n{mark}${answer}.",
        f"{start}\n{mark}{answer}.\n{mark}7.",
        f"{start}\n{mark}7.\nNo.\n{mark}{answer}.00 eggs",
    )
    # Not by place alone, which would give each model a form of its own.
    return forms[(place + place // len(MODELS)) % len(forms)]


def graded(place: int, question: str, gold: str, completion: str, filters: str) -> dict[str, Any]:
    return {
        "id": str(place),
        "question": question,
        "gold": gold,
        "completion": completion,
        "strict": strict_match(completion, gold, filters),
        "flexible": flexible_extract(completion, gold, filters),
    }


@pytest.mark.slow
def test_lm_eval_asks_the_same(lm_eval: Callable[..., Any]) -> None:
    train, questions = pairs("train.jsonl"), pairs("test.jsonl")[:QUESTIONS]
    styles = [{"name": name, "form": form} for name in NAMES for form in FORMS]
    theirs = lm_eval("requests", styles=styles, train=train, questions=questions)
    for options, requests in zip(styles, theirs, strict=True):
        style = prompts.get(options["name"], train, options["form"])
        asked = [style.prompt(question, place) for place, (question, _) in enumerate(questions)]
        told = [request["prompt"] for request in requests]
        if style.chat:
            rendered = {"tokenize": False, "add_generation_prompt": True}
            assert told == [json.dumps([turns, rendered]) for turns in asked], options
        else:
            assert told == asked, options
            assert hashlib.sha256(json.dumps(told).encode()).hexdigest() == REAL[style.name]
        for request in requests:
            assert (tuple(request["stop"]), request["max_new_tokens"]) == (style.stop, style.max_new_tokens), options


def tokenizer_folder(folder: Path, begins: bool, template: str) -> Path:
    """A tokenizer of words; `begins` says whether it puts its BOS before every text."""
    vocabulary = {"<s>": 0, "<pad>": 1, "<unk>": 2, "user": 3, "assistant": 4, "Q": 5, ":": 6, "A": 7}
    words = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    if begins:
        words.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    known = {"bos_token": "<s>", "pad_token": "<pad>", "unk_token": "<unk>", "chat_template": template}
    PreTrainedTokenizerFast(tokenizer_object=words, **known).save_pretrained(folder)
    return folder


TURNS = "{% for turn in messages %}{{ turn.role }} : {{ turn.content }} {% endfor %}assistant :"


@pytest.mark.slow
def test_lm_eval_reads_the_same_tokens(lm_eval: Callable[..., Any], tmp_path: Path) -> None:
    folders = {
        tokenizer_folder(tmp_path / "the tokenizer writes BOS, its template does not", True, TURNS): 1,
        tokenizer_folder(tmp_path / "both write it, it stands once", True, "{{ bos_token }} " + TURNS): 1,
        tokenizer_folder(tmp_path / "nobody writes it", False, TURNS): 0,
    }
    styles = [prompts.get(name, form=form) for name in ("gsm8k_cot", "gsm8k_cot_zeroshot") for form in FORMS]
    asked = [style.prompt("Why?") for style in styles]
    theirs = lm_eval("tokens", tokenizers=[str(folder) for folder in folders], prompts=asked)
    for (folder, bos), expected in zip(folders.items(), theirs, strict=True):
        tokenizer = AutoTokenizer.from_pretrained(folder)
        ours = [prompts.encode(tokenizer, style, prompt) for style, prompt in zip(styles, asked, strict=True)]
        assert ours == expected, folder.name
        assert {ids.count(tokenizer.bos_token_id) for ids in ours} == {bos}, folder.name


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_lm_eval_grades_stored_solutions_the_same(
    lm_eval: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    solutions = [
        (row["question"], row["ground_truth"].replace("\nA: ", "\n#### "), row[model]["solution"])
        for row in lines("example_model_solutions.jsonl")
        for model in MODELS
    ]
    evaluations = [("gsm8k", solutions)]
    part = len(solutions) // len(MARKS)
    for start, (filters, mark) in zip(range(0, len(solutions), part), MARKS.items(), strict=True):
        texts = enumerate(solutions[start : start + part])
        evaluations.append(
            (filters, [(asked, gold, untidy(place, text, mark)) for place, (asked, gold, text) in texts])
        )
    rows = [
        (filters, [graded(place, *solution, filters) for place, solution in enumerate(texts)])
        for filters, texts in evaluations
    ]
    found = lm_eval("check", evaluations=rows)
    for (filters, texts), theirs in zip(evaluations, found, strict=True):
        with capsys.disabled():
            print(f"\n{filters}: strict {theirs['strict']}, flexible {theirs['flexible']} of {theirs['n']}")
        assert theirs["n"] == len(texts)
        assert theirs["disagreements"] == []
        assert theirs["strict"][0] == theirs["strict"][1] and theirs["flexible"][0] == theirs["flexible"][1]
    # Neither all right nor all wrong, so that agreeing means something; a first match is not the last number.
    assert [theirs["n"] for theirs in found] == [5276, *[1319] * 4]
    assert all(100 < theirs[name][1] < 400 for theirs in found[1:] for name in ("strict", "flexible"))
    assert all(theirs["strict"] != theirs["flexible"] for theirs in found[1:4])


@pytest.mark.slow
def test_a_wrong_grade_of_ours_is_found(lm_eval: Callable[..., Any]) -> None:
    rows = [graded(place, "How many?", "#### 4", text, "gsm8k") for place, text in enumerate(["#### 4", "#### 5", "4"])]
    rows[1]["strict"], rows[2]["flexible"] = True, False
    found = lm_eval("check", evaluations=[("gsm8k", rows)])[0]
    assert (found["strict"], found["flexible"]) == ([2, 1], [1, 2])
    assert [(d["id"], d["filter"], d["ours"], d["theirs"]) for d in found["disagreements"]] == [
        ("1", "strict", True, False),
        ("2", "flexible", False, True),
    ]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@needed
def test_lm_eval_generates_the_same(lm_eval: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    model, train, questions = checkpoint(), pairs("train.jsonl"), pairs("test.jsonl")[:4]
    style, asked = {"name": "gsm8k", "form": "none"}, {"batch_size": 4, "max_new_tokens": 64}
    rows = _evaluated(model, prompts.get("gsm8k", train), questions, asked["max_new_tokens"])
    found = lm_eval("rerun", rows=rows, style=style, train=train, model=str(model), asked=asked)
    with capsys.disabled():
        print("\n" + "\n".join(found["lines"]))
    assert found["disagreements"] == []
    assert found["identical"] >= 3


def _evaluated(
    model: Path, style: prompts.Style, questions: list[tuple[str, str]], max_new_tokens: int
) -> list[dict[str, Any]]:
    """Rows of our own engine, greedy, in float32."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from evals.data import Item
    from evals.engines import Sampling
    from evals.engines.transformers import TransformersEngine
    from evals.evaluation import Prompted, ordered, stream

    tokenizer = AutoTokenizer.from_pretrained(model)
    engine = TransformersEngine(AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32), tokenizer)
    items = [Item(str(place), question, gold) for place, (question, gold) in enumerate(questions)]
    asked = [
        Prompted(item, tokenizer(style.prompt(item.question, place))["input_ids"]) for place, item in enumerate(items)
    ]
    sampling = Sampling(max_new_tokens, temperature=0.0, stop=style.stop)
    return ordered([row for batch in stream(engine, asked, sampling, filters=style.filters) for row in batch], items)


def test_without_lm_eval_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    monkeypatch.setitem(sys.modules, "lm_eval.tasks", None)
    rows = [graded(0, "How many?", "#### 4", "#### 4", "gsm8k")]
    with pytest.raises(ParityError, match=r"needs lm_eval.*: pip install 'reward-harness\[lm-eval\]'") as told:
        parity.check(rows, "gsm8k")
    assert len(str(told.value).splitlines()) == 1


def test_nothing_to_check_is_refused() -> None:
    with pytest.raises(ParityError, match="no completions"):
        parity.check([], "gsm8k")


def test_only_lm_evals_own_styles_can_be_run_by_it() -> None:
    with pytest.raises(ParityError, match="think: lm-eval has no such task"):
        parity.rerun([graded(0, "How many?", "#### 4", "#### 4", "gsm8k")], prompts.get("think"), "model")


def test_what_a_parity_tells() -> None:
    differ = tuple(Disagreement(str(place), 0, "strict", True, False) for place in range(12))
    found = Parity(20, (12, 0), (7, 7), differ, identical=19)
    assert not found.agrees
    assert Parity(20, (12, 12), (7, 7), ()).agrees
    said = found.lines()
    assert said[:4] == [
        "lm-eval's strict-match: 0 of 20 correct, ours 12",
        "lm-eval's flexible-extract: 7 of 20 correct, ours 7",
        "lm-eval's own generation: 19 of 20 completions identical to ours",
        "12 of 40 grades differ",
    ]
    assert len(said) == 14


def test_every_task_is_marked() -> None:
    assert set(MARKS) == set(FILTERS)
