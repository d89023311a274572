"""`harness estimate`: the JSON that others read, the files of `harness train`, the tables, and bad input."""

import csv
import io
import json
from pathlib import Path
from typing import Any

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
    assert markdown.count("\n### ") == 4


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
