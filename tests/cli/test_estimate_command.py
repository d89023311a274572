"""`harness estimate`: the JSON that others read, the files of `harness train`, the tables, and bad input."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import article
import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from harness.cli.estimate import estimate
from harness.estimate import machine

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
app.command()(estimate)

EXAMPLES = Path(__file__).parents[2] / "examples"
PARTS = {
    "weights", "gradients", "optimizer", "reference", "critic", "reward_model", "activations", "rollout", "total",
}  # fmt: skip
SEVEN = ("--params", "7e9", "--layers", "28", "--hidden", "3584", "--gpus", "8")


def run(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == code, (done.stdout, done.stderr, done.exception)
    return done


def found(*arguments: str) -> dict[str, Any]:
    return json.loads(run(*arguments, "--json").stdout)  # type: ignore[no-any-return]


def states(estimated: dict[str, Any]) -> float:
    parts = estimated["per_gpu_gb"]
    return float(parts["total"] - parts["activations"] - parts["rollout"])


def test_json_holds_what_others_read() -> None:
    estimated = found(*SEVEN)
    assert set(estimated["per_gpu_gb"]) == PARTS
    parts = dict(estimated["per_gpu_gb"])
    assert parts.pop("total") == pytest.approx(sum(parts.values()))
    assert estimated["weight_sync"]["bytes"] == 14_000_000_000
    assert 1.1 <= estimated["weight_sync"]["seconds"] <= 2.2


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        pytest.param(("--objective", "sft"), 112, id="SFT"),
        pytest.param(("--objective", "dpo", "--zero", "1"), 52.5, id="DPO has a reference unless told otherwise"),
        pytest.param(("--objective", "dpo", "--no-kl", "--zero", "1"), 38.5, id="reference-free preferences"),
        pytest.param(("--kl", "--zero", "3"), 15.75, id="GRPO with KL"),
        pytest.param(("--objective", "ppo", "--reward-model", "--zero", "2"), 80.5, id="PPO"),
    ],
)
def test_states_of_7b(flags: tuple[str, ...], expected: float) -> None:
    assert states(found(*SEVEN, *flags)) == pytest.approx(expected)


@pytest.mark.parametrize(
    "file",
    sorted(file for file in EXAMPLES.glob("*.toml") if not file.stem.startswith("prm-")),
    ids=lambda file: file.stem,
)
def test_every_example_is_estimated(file: Path) -> None:
    # These start from a model that an earlier example leaves.
    model = ("tiny",) if file.stem in ("dpo-tiny", "grpo-calculator") else ()
    estimated = found(*model, "--config", str(file))
    assert estimated["fits"]
    assert estimated["setup"]["objective"] == file.stem.split("-")[0]
    assert estimated["plan"]["gpu_hours"] > 0


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("prm-*.toml")), ids=lambda file: file.stem)
def test_a_process_reward_model_is_not_estimated_and_says_what_bounds_it(file: Path) -> None:
    refused = run("--config", str(file), code=2).stderr
    assert "[prm] samples far more than it trains" in refused
    assert "harness estimate MODEL --objective sft" in refused


def test_a_file_is_read_as_the_run_that_it_is() -> None:
    setup = found("--config", str(EXAMPLES / "grpo-7b.toml"))["setup"]
    expected = {"gpus": 8, "zero": 3, "batch": 256, "micro_batch": 4, "accumulation": 8, "group": 8, "kl": False}
    assert {name: setup[name] for name in expected} == expected
    assert (setup["completion"], setup["rollout"], setup["precision"]) == (1024, "colocated", "mixed")
    adapted = found("--config", str(EXAMPLES / "sft-smollm2.toml"))["setup"]
    assert (adapted["method"], adapted["rank"], adapted["sequence"]) == ("lora", 16, 640)


def test_flags_go_over_the_file() -> None:
    estimated = found("--config", str(EXAMPLES / "grpo-7b.toml"), "--zero", "2", "--kl", "--gpu", "a100")
    assert (estimated["setup"]["zero"], estimated["setup"]["kl"], estimated["setup"]["gpu"]) == (2, True, "a100")
    assert estimated["per_gpu_gb"]["reference"] == pytest.approx(15.23, abs=0.01)


def test_a_run_without_shards_has_no_fp32_masters_on_a_gpu(tmp_path: Path) -> None:
    text = (EXAMPLES / "sft-7b.toml").read_text().replace('strategy = "zero3"', 'strategy = "ddp"')
    (tmp_path / "ddp.toml").write_text(text)
    assert found("--config", str(tmp_path / "ddp.toml"))["setup"]["precision"] == "bfloat16"


def test_a_cpu_has_the_memory_of_this_machine_divided_among_the_processes() -> None:
    one, two = (found("tiny", "--gpu", "cpu", "--gpus", str(count))["gpu_gb"] for count in (1, 2))
    assert one == pytest.approx(machine.memory() / 1e9)
    assert two == pytest.approx(one / 2)
    assert found("tiny", "--gpu", "cpu", "--gpu-gb", "4")["gpu_gb"] == 4


@pytest.mark.parametrize(
    ("stage", "verdict"),
    [pytest.param("3", ": fits.", id="divided by 8"), pytest.param("0", "DOES NOT FIT", id="a copy on every GPU")],
)
def test_what_people_are_told(stage: str, verdict: str) -> None:
    text = run(*SEVEN, "--zero", stage, "--steps", "100", "--price", "2").stdout
    assert verdict in text
    for heading in ("Memory of a GPU", "Time of a step", "Share of weight sync", "The same on more GPUs", "Assumed"):
        assert heading in text
    assert "█" in text


def test_an_engine_that_does_not_fit_is_said_and_has_no_time() -> None:
    text = run(*SEVEN, "--zero", "3", "--gpu-gb", "40").stdout
    assert "DOES NOT FIT, an engine has no room" in text and "Time of a step" not in text
    assert found(*SEVEN, "--zero", "3", "--gpu-gb", "40")["step_seconds"]["rollout"] is None


def test_tables_hold_the_numbers_of_the_json() -> None:
    estimated = found(*SEVEN)
    rows = list(csv.DictReader(io.StringIO(run(*SEVEN, "--format", "csv").stdout)))
    parts = {row["item"]: float(row["value"]) for row in rows if row["section"] == "per_gpu_gb"}
    assert parts == pytest.approx(estimated["per_gpu_gb"], rel=1e-5)
    markdown = run(*SEVEN, "--format", "md").stdout
    assert "| optimizer | 84 |" in markdown
    assert "| 4096 | 4,096 |" in markdown


@pytest.mark.parametrize(
    ("form", "one", "compared"),
    [
        pytest.param("md", "| optimizer | 10.5 |", "| DPO | (126.0) | **52.5** | **40.3** | **15.8** |", id="Markdown"),
        pytest.param(
            "tex",
            r"optimizer & 10.5 \\",
            r"DPO & (126.0) & \textbf{52.5} & \textbf{40.3} & \textbf{15.8} \\",
            id="LaTeX",
        ),
        pytest.param(
            "html",
            '<td class="number" data-sort="10.5">10.5</td>',
            '<td class="number best" data-sort="15.75"><strong>15.8</strong></td>',
            id="HTML",
        ),
        pytest.param("csv", "per_gpu_gb,optimizer,10.5", "comparison,DPO/zero3/states_gb,15.75", id="csv"),
        pytest.param(
            "terminal", "optimizer     10.5   ████", "DPO                   (126.0)      52.5     40.3", id="bars"
        ),
    ],
)
def test_formats(form: str, one: str, compared: str) -> None:
    assert one in run(*SEVEN, "--zero", "3", "--format", form).stdout
    assert compared in run(*SEVEN, "--compare", "--format", form).stdout


@article.needs_latex
@pytest.mark.parametrize("flags", [("--zero", "3"), ("--compare",)], ids=["one run", "every run"])
def test_the_latex_compiles(tmp_path: Path, flags: tuple[str, ...]) -> None:
    printed = run(*SEVEN, *flags, "--format", "tex").stdout
    for number, part in enumerate(printed.split("\n\n")):
        (tmp_path / str(number)).mkdir()
        article.check(article.compiled(tmp_path / str(number), part))


def test_a_page_shows_a_name_as_text(tmp_path: Path) -> None:
    folder = tmp_path / "<b>model"
    folder.mkdir()
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "num_hidden_layers": 2}
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "vocab_size": 512, **sizes}))
    page = run(str(folder), "--format", "html").stdout
    assert "<b>" not in page and "&lt;b&gt;model" in page
    assert page.startswith("<!doctype html>") and page.count("<figure") == 4


def test_every_objective_and_method_under_every_stage() -> None:
    """The 7B x 8 table, for any model; what fits is what a single estimate says."""
    estimated = found(*SEVEN, "--compare")
    assert set(estimated["per_gpu_gb"]) == PARTS
    rows = {each["run"]: each for each in estimated["comparison"]}
    assert [stage["states_gb"] for stage in rows["GRPO with KL"]["stages"]] == [126, 52.5, 40.25, 15.75]
    assert len(rows) == 11
    for row in rows.values():
        flags = ["--objective", row["objective"], "--method", row["method"], *(["--kl"] if row["kl"] else [])]
        flags += ["--reward-model"] if row["reward_model"] else []
        for stage in row["stages"][::3]:
            alone = found(*SEVEN, *flags, "--zero", str(stage["zero"]))
            assert (alone["per_gpu_gb"]["total"], alone["fits"]) == (stage["peak_gb"], stage["fits"])


def test_on_one_gpu_nothing_is_divided() -> None:
    text = run("Qwen/Qwen2.5-7B", "--compare").stdout
    assert "one GPU" in text and "ZeRO" not in text


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(SEVEN, id="states too large"),
        pytest.param((*SEVEN, "--zero", "3", "--gpu-gb", "40"), id="an engine without room"),
        pytest.param((*SEVEN, "--zero", "3", "--micro-batch", "128", "--batch", "1024"), id="passes too large"),
        pytest.param(("Qwen/Qwen2.5-7B", "--objective", "sft"), id="one GPU"),
    ],
)
def test_every_flag_that_is_offered_makes_it_fit(flags: tuple[str, ...]) -> None:
    estimated = found(*flags)
    assert not estimated["fits"] and estimated["ways"]
    for way in estimated["ways"]:
        assert found(*flags, *way.split())["fits"], way


def test_several_updates_share_a_sampling_and_its_sync() -> None:
    apart = (*SEVEN, "--zero", "3", "--rollout", "separate", "--bandwidth", "25", "--batch", "64")
    one, four = found(*apart), found(*apart, "--updates", "4")
    assert four["step_seconds"]["sync"] == pytest.approx(one["step_seconds"]["sync"] / 4)
    assert four["step_seconds"]["train"] == one["step_seconds"]["train"]
    assert one["step_seconds"]["rollout"] / 4 < four["step_seconds"]["rollout"] < one["step_seconds"]["rollout"]
    inside = (*SEVEN, "--rollout", "transformers", "--batch", "64")
    assert found(*inside, "--updates", "64")["per_gpu_gb"]["rollout"] > found(*inside)["per_gpu_gb"]["rollout"]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        pytest.param(
            ("--rollout", "separate", "--bandwidth", "25", "--batch", "128"),
            "short completions in small groups, up to 256 tokens at G = 2 to 16, 64 tokens at G = 32;",
            id="a slow link",
        ),
        pytest.param((), "Sync is nowhere the longest phase", id="an engine on the same GPUs"),
        pytest.param(("--rollout", "transformers"), "Weight sync: none", id="the trained weights"),
    ],
)
def test_when_sync_is_the_bottleneck(flags: tuple[str, ...], says: str) -> None:
    assert says in run("Qwen/Qwen2.5-7B", "--gpus", "8", "--zero", "3", *flags).stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param((), "give a model", id="nothing to estimate"),
        pytest.param(("someone/else",), "nothing is downloaded", id="a model that is not at hand"),
        pytest.param(("tiny", "--layers", "3"), "--layers goes with --params", id="sizes without parameters"),
        pytest.param((*SEVEN, "--batch", "48"), "give a multiple of --gpus 8", id="a batch that does not divide"),
        pytest.param((*SEVEN, "--group", "7"), "give a divisor of --batch", id="groups that do not divide"),
        pytest.param((*SEVEN, "--completion", "2000"), "prompt included", id="a completion longer than its row"),
        pytest.param((*SEVEN, "--objective", "sft", "--kl"), "no reference model", id="a reference for SFT"),
        pytest.param((*SEVEN, "--objective", "sft", "--reward-model"), "sft has none", id="a reward model for SFT"),
        pytest.param((*SEVEN, "--tensor-parallel", "3"), "give a divisor of --gpus", id="engines across the border"),
        pytest.param((*SEVEN, "--gpu", "h10"), "did you mean h100", id="an unknown GPU"),
        pytest.param(("--config", "none.toml"), "none.toml", id="no such file"),
    ],
)
def test_bad_input_is_one_line_with_the_fix(arguments: tuple[str, ...], says: str) -> None:
    done = run(*arguments, code=2)
    assert done.stderr.startswith("error: ") and says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_help_has_an_example() -> None:
    assert "Example: harness estimate" in run("--help").stdout
