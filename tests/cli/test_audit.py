"""`harness audit`: exit codes, outputs and bad input, through the command."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from harness.cli.audit import audit

app = typer.Typer(rich_markup_mode=None)
app.command()(audit)

PLUGIN = """
from dataclasses import dataclass

import rewards


@rewards.register("{name}")
@dataclass(frozen=True)
class Mine(rewards.Reward):
    \"\"\"{name}.\"\"\"

    def score(self, batch):
        return {{self.name: [float({score}) for text, gold in zip(batch.texts, batch.golds)]}}
"""


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def few(*arguments: str | Path) -> Result:
    return run("--items", "6", *arguments)


def rows(path: Path, *answers: str) -> Path:
    lines = [{"question": f"What is {n} and 1?", "answer": answer} for n, answer in enumerate(answers, 5)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_sound_reward_passes_with_a_closing_line() -> None:
    done = few("format_answer")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1] == (
        "pass: format_answer: no gold-blind attack beats an honest answer and no law is broken"
    )


def test_a_bad_reward_fails_with_its_worst_completion_quoted() -> None:
    done = few("step_sum")
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1].startswith("fail: step_sum: beaten by 'chain of true steps'")
    assert "14 + 9 = 23\\n23 + 14 = 37" in done.stdout
    assert "beats honest" in done.stdout
    assert "scale_rewards: +2.47 (group)" in done.stdout


def test_json_is_all_of_stdout() -> None:
    done = few("contains", "--json")
    found = json.loads(done.stdout)
    assert done.exit_code == 1
    assert (found["reward"], found["verdict"], found["items"]) == ("contains", "fail", 6)
    assert {"attack", "family", "verdict", "share", "example"} <= found["findings"][0].keys()


def test_a_sum_with_parameters() -> None:
    found = json.loads(few("format_answer(format=0.1) + 0.25*length_soft(max_tokens=64)", "--json").stdout)
    assert found["reward"] == "format_answer(format=0.1)+0.25*length_soft(max_tokens=64)"
    assert (found["verdict"], found["limit"]) == ("pass", 64)


@pytest.mark.parametrize(
    ("score", "exit_code"),
    [("rewards.verify(text, gold).correct", 0), ("'answer' in text or '####' in text", 1), ("1 / len(text)", 1)],
    ids=["sound", "pays the marker", "raises on the empty completion"],
)
def test_a_plugin(tmp_path: Path, score: str, exit_code: int, request: pytest.FixtureRequest) -> None:
    name = f"audited_{request.node.callspec.id.replace(' ', '_')}"
    file = tmp_path / "mine.py"
    file.write_text(PLUGIN.format(name=name, score=score))
    done = few(name, "--plugin", file)
    assert done.exit_code == exit_code, done.output
    assert done.stdout.splitlines()[-1].startswith(f"{'fail' if exit_code else 'pass'}: {name}: ")


def test_a_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "audited_module.py").write_text(
        "def shape(completions, **_):\n    return ['####' in c for c in completions]\n"
    )
    monkeypatch.chdir(tmp_path)
    found = json.loads(few("audited_module:shape", "--json").stdout)
    assert (found["reward"], found["verdict"], found["sees_gold"]) == ("audited_module:shape", "fail", False)


def test_a_data_file_in_the_form_of_gsm8k(tmp_path: Path) -> None:
    file = rows(tmp_path / "data.jsonl", "5+1=<<5+1=6>>6\n#### 6", "6+1=<<6+1=7>>7\n#### 7", "no number", "#### 1,018")
    done = run("sparse", "--data", file, "--json")
    assert json.loads(done.stdout)["items"] == 3
    assert "1 of 4 golds" in done.stderr.replace("\n", " ")


def test_the_page_is_written(tmp_path: Path) -> None:
    page = tmp_path / "audit.html"
    assert few("format_only", "--html", page).exit_code == 1
    assert page.read_text().startswith("<!doctype html>")


def test_a_baseline_is_written_and_held(tmp_path: Path) -> None:
    file = tmp_path / "accepted.json"
    assert few("format_only", "--baseline", file, "--update-baseline").exit_code == 0
    done = few("format_only", "--baseline", file)
    assert done.exit_code == 0
    assert "accepted by the baseline" in done.stdout.splitlines()[-1]
    # Other rewards are not covered by it, and are added beside it.
    assert few("contains", "--baseline", file).exit_code == 1
    assert few("contains", "--baseline", file, "--update-baseline").exit_code == 0
    assert set(json.loads(file.read_text())) == {"format_only", "contains"}


def test_tokens_are_counted_by_a_given_tokenizer(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokens = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokens.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokens.save(str(tmp_path / "tokenizer.json"))
    level = {}
    for name, flags in {"pieces": [], "given": ["--tokenizer", tmp_path]}.items():
        level[name] = json.loads(few("length_linear(max_tokens=100)", "--json", *flags).stdout)["anchors"]["right"]
    # Without spaces between tags and digits there are fewer words than pieces.
    assert level["given"] > level["pieces"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["formt_answer"], "did you mean format_answer"),
        (["format_answer(fromat=1)"], "no parameter fromat"),
        (["sparse+"], "cannot read reward"),
        (["sparse", "--data", "nowhere.jsonl"], "nowhere.jsonl: cannot be read"),
        (["sparse", "--plugin", "nowhere.py"], "nowhere.py"),
        (["nowhere:function"], "nowhere"),
        (["sparse", "--update-baseline"], "--update-baseline needs --baseline"),
        (["sparse", "--baseline", "nowhere.json"], "write it with --update-baseline"),
        (["sparse", "--tokenizer", "nowhere.json"], "cannot be read as a tokenizer.json"),
        (["sparse", "--html", "nowhere/page.html"], "nowhere/page.html: cannot be written"),
        (["sparse", "--items", "1"], "--items"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*(["--items", "4"] if "--items" not in arguments else []), *arguments)
    assert done.exit_code == 2
    assert says in done.stderr
    assert "Traceback" not in done.output
    assert done.stdout == ""


def test_data_with_one_gold_is_refused(tmp_path: Path) -> None:
    done = run("sparse", "--data", rows(tmp_path / "data.jsonl", "#### 6", "#### 6"))
    assert done.exit_code == 2
    assert "two problems with different" in done.stderr


def test_rules_of_credit_fail_and_survive_by_name() -> None:
    done = run("process", "--credit", "sum_to_go,among_correct", "--items", "4")
    assert done.exit_code == 1
    last = done.stdout.splitlines()[-1]
    assert last.startswith("fail: sparse with 0.5*process by sum_to_go, among_correct: beaten by 'sum_to_go: ")
    assert last.endswith("rules that survive: among_correct")
    assert "per token beside right ones at" in done.stdout


def test_the_weight_of_a_rule_and_the_outcome_beside_it() -> None:
    done = run("process", "--credit", "delta", "--weight", "0", "--outcome", "format_answer", "--items", "4", "--json")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["verdict"], found["rules"]) == (0, "pass", ["delta"])
    assert found["reward"] == "format_answer with 0*process by delta"


def test_a_page_of_credit_has_no_laws(tmp_path: Path) -> None:
    file = tmp_path / "credit.html"
    run("process", "--credit", "sum_to_go", "--items", "2", "--html", file)
    text = file.read_text()
    assert "sum_to_go: long chain of true steps" in text and "Expected and honest are pay per token" in text
    assert "<h2>Laws</h2>" not in text


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        pytest.param(("sparse", "--credit", "min"), "name a scorer, as in 'process'", id="no steps"),
        pytest.param(("process", "--credit", "max"), "there are sum_to_go, min,", id="no such rule"),
        pytest.param(("process", "--credit", "prime"), "no rule 'prime' for scores of steps", id="reads tokens"),
        pytest.param(("process", "--outcome", "sparse"), "with --credit RULE", id="outcome without rules"),
        pytest.param(("process", "--weight", "1"), "with --credit RULE", id="weight without rules"),
        pytest.param(("process", "--credit", "min", "--outcome", "none"), "none", id="no such outcome"),
        pytest.param(("process", "--credit", "min", "--tokenizer", "x"), "does not go with --credit", id="tokenizer"),
    ],
)
def test_flags_of_credit_that_do_not_go_together_are_told(arguments: tuple[str, ...], fix: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert fix in done.stderr and len(done.stderr.strip().splitlines()) == 1
