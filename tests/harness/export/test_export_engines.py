"""Exports in the engines' own environments, made by their `setup.sh`: the checks pass, and fail where they must.

What is not run: training, which both do on GPUs only.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from exporting import exported
from smollm2 import SHARED, checkpoint, needed
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from harness import cache, chat
from harness.export import environments, openrlhf, scripts, verl_objective
from harness.export.folder import ENGINES
from harness.trainers import grpo
from harness.trainers.advantages import ESTIMATORS, Scored
from harness.training import TrainRun

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
both = pytest.mark.parametrize("engine", ENGINES)
HERE = Path(__file__).parent
Environment = Callable[[str], Path]


@pytest.fixture(scope="session")
def environment(home: Path) -> Environment:
    """An engine's environment, made once as a user would: `bash setup.sh --check-only`."""

    def made(engine: str) -> Path:
        folder = exported(home, engine, name="setup")

        def make(place: Path) -> None:
            setup = ["bash", str(folder / "setup.sh"), "--check-only"]
            subprocess.run(setup, check=True, env={**os.environ, "VENV": str(place)}, capture_output=True, text=True)

        key = cache.digest([scripts.setup(engine), environments.packages(engine)])
        return cache.stage(f"export/{engine}-{key}", make)

    return made


def python(environment: Path, *arguments: str, task: Any = None) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(environment / "bin" / "python"), *arguments],
        input=json.dumps(task),
        env={**clean, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )


def checked(environment: Path, folder: Path, *more: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code of an export's check, and its lines by name."""
    done = python(environment, str(folder / "check.py"), "--json", "--", *more)
    assert done.stdout, done.stderr[-3000:]
    return done.returncode, {one["name"]: one for one in json.loads(done.stdout)["checks"]}


RUNS = [
    pytest.param("verl", ["grpo.objective=dapo", "grpo.updates=2"], id="verl-dapo"),
    pytest.param(
        "verl",
        ["grpo.objective=rloo", "grpo.kl=0.05", "adapter.rank=8", "grpo.reward=format_answer+0.0*process"],
        id="verl-rloo, LoRA, two rewards",
    ),
    pytest.param("openrlhf", ["grpo.objective=reinforce_pp", "grpo.kl=0.001"], id="openrlhf-reinforce_pp"),
    pytest.param("openrlhf", ["grpo.objective=gspo", "grpo.updates=4", "optimizer.steps=20"], id="openrlhf-gspo"),
]


@pytest.mark.parametrize(("engine", "changes"), RUNS)
def test_every_check_passes(home: Path, environment: Environment, engine: str, changes: list[str]) -> None:
    flags = [flag for change in changes for flag in ("--set", change)]
    folder = exported(home, engine, *flags, name="-".join(changes[0].split("=")))
    code, found = checked(environment(engine), folder)
    assert {name: one["detail"] for name, one in found.items() if one["status"] != "ok"} == {}
    assert code == 0


@needed
@both
def test_a_real_tokenizer_and_the_original_gsm8k(
    home: Path, environment: Environment, engine: str, tmp_path: Path
) -> None:
    small = ["model=" + str(checkpoint()), "data=gsm8k", f"data_path={SHARED / 'data' / 'gsm8k'}", "prompt=think"]
    flags = [flag for change in small for flag in ("--set", change)]
    folder = exported(tmp_path, engine, *flags)
    code, found = checked(environment(engine), folder)
    assert {name: one["detail"] for name, one in found.items() if one["status"] != "ok"} == {}
    assert code == 0
    if engine == "verl":
        assert "7473 to train on, 1319 to measure on" in found["data"]["detail"]


def _reward(folder: Path) -> None:
    path = folder / "reward.py"
    path.write_text(path.read_text().replace("SPEC = 'format_answer'", "SPEC = 'sparse'"))


def _registry(folder: Path) -> None:
    path = folder / "package" / "rewards" / "outcome.py"
    text = path.read_text()
    assert "0.2" in text
    path.write_text(text.replace("0.2", "0.3"))


def _rows(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes every row of the training data."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    lines, table = folder / "data" / "train.jsonl", folder / "data" / "train.parquet"
    if lines.is_file():
        rows = [json.loads(line) for line in lines.read_text().splitlines()]
    else:
        rows = pq.read_table(table).to_pylist()
    for row in rows:
        change(row)
    if lines.is_file():
        lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), table)


def _questions(folder: Path) -> None:
    def change(row: dict[str, Any]) -> None:
        if isinstance(row["prompt"], str):
            row["prompt"] = row["prompt"].replace(" ", "  ", 1)
        else:
            row["prompt"][-1]["content"] = row["prompt"][-1]["content"].replace(" ", "  ", 1)

    _rows(folder, change)


def _golds(folder: Path) -> None:
    def change(row: dict[str, Any]) -> None:
        if "answer" in row:
            row["answer"] = "#### 1"
        else:
            row["reward_model"]["ground_truth"] = "#### 1"

    _rows(folder, change)


def _setting(old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = next(folder / name for name in scripts.SETTINGS.values() if (folder / name).is_file())
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return change


TAMPERED = [
    pytest.param("verl", _reward, "reward", id="verl-another reward"),
    pytest.param("verl", _questions, "prompts", id="verl-other questions"),
    pytest.param("verl", _golds, "data", id="verl-other golds"),
    pytest.param("verl", _setting("optim.lr=", "optim.learning_rate="), "config", id="verl-an unknown key"),
    pytest.param("verl", _setting("estimator=grpo", "estimator=grpoo"), "objective", id="verl-an unknown estimator"),
    pytest.param("openrlhf", _registry, "reward", id="openrlhf-another registry"),
    pytest.param("openrlhf", _questions, "prompts", id="openrlhf-other questions"),
    pytest.param("openrlhf", _golds, "data", id="openrlhf-other golds"),
    pytest.param("openrlhf", _setting("--train.seed", "--train.sed"), "flags", id="openrlhf-an unknown flag"),
    pytest.param("openrlhf", _setting("num_episodes 1", "num_episodes 2"), "flags", id="openrlhf-more steps"),
]


@pytest.mark.parametrize(("engine", "change", "line"), TAMPERED)
def test_a_check_fails_where_the_export_was_changed(
    home: Path, tmp_path: Path, environment: Environment, engine: str, change: Callable[[Path], None], line: str
) -> None:
    # Copied: datasets keeps what it has read by path.
    folder = tmp_path / "changed"
    shutil.copytree(exported(home, engine, name="setup"), folder)
    change(folder)
    code, found = checked(environment(engine), folder)
    assert code == 1
    assert found["files"]["status"] == "fail"
    assert found[line]["status"] == "fail", found


@pytest.mark.parametrize(
    ("engine", "more", "line"),
    [
        pytest.param("verl", ["data.train_batch_size=1"], "config", id="verl-smaller than a mini-batch"),
        pytest.param("openrlhf", ["--train.batch_size", "2"], "flags", id="openrlhf-other steps"),
    ],
)
def test_what_is_added_is_checked_too(
    home: Path, environment: Environment, engine: str, more: list[str], line: str
) -> None:
    code, found = checked(environment(engine), exported(home, engine, name="setup"), *more)
    assert (code, found[line]["status"], found["files"]["status"]) == (1, "fail", "ok")


@both
def test_nothing_starts_on_a_machine_that_cannot_train(home: Path, environment: Environment, engine: str) -> None:
    folder = exported(home, engine, name="setup")
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "RAY_ADDRESS")}
    done = subprocess.run(
        ["bash", str(folder / "run.sh")],
        env={**clean, "VENV": str(environment(engine)), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 1
    failed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("fail")]
    assert failed == ["versions", "machine"], done.stdout
    assert "0 GPUs are here, 1 are asked for" in done.stdout
    assert "no vllm" in done.stdout


# The gradients ---------------------------------------------------------------------------------------------------

GROUPS = [0, 0, 0, 0, 1, 1, 1, 1]
LENGTHS = [6, 3, 5, 1, 2, 6, 4, 6]
# What the objectives' tiny constants in the deviations differ by.
CLOSE = 2e-3
KL = {"grpo": 0.04, "dr_grpo": 0.1, "rloo": 0.05, "reinforce_pp": 0.02}


def batch(updated: bool) -> dict[str, Tensor]:
    """Eight completions of up to six tokens; `updated`, the policy has moved since they were sampled."""
    made = torch.Generator().manual_seed(3)
    old = -torch.rand(8, 6, generator=made) * 2 - 0.1
    moved = 0.4 * torch.randn(8, 6, generator=made) if updated else torch.zeros(8, 6)
    return {
        "rewards": torch.tensor([1.0, 0.0, 0.2, 1.0, 0.0, 0.2, 0.2, 1.0]),
        "mask": (torch.arange(6) < torch.tensor(LENGTHS).unsqueeze(1)).float(),
        "old": old,
        "current": old + moved,
        "reference": old + 0.3 * torch.randn(8, 6, generator=made),
    }


class Given(grpo.Trainer):
    """The trainer of `harness train`, with log-probabilities that are given instead of a model's."""

    current: Tensor

    def _get_per_token_logps_and_entropies(self, *_: Any, **__: Any) -> Any:
        return self.current, torch.zeros_like(self.current), None


def ours(run: TrainRun, folder: Path, changes: dict[str, Any], numbers: dict[str, Tensor]) -> list[list[float]]:
    """The gradient of TRL's own loss with our advantages, at every token's log-probability."""
    assert run.grpo is not None
    table = run.grpo.model_copy(update={"max_new_tokens": 100, "reward": "sparse", **changes})
    chosen = run.model_copy(update={"grpo": table})
    model, tokenizer = (kind.from_pretrained(run.model.path) for kind in (AutoModelForCausalLM, AutoTokenizer))
    rows = Dataset.from_list([{"prompt": chat.messages("?", "bare"), "answer": "1"}] * 8)
    trainer = Given(chosen, folder, model, train_dataset=rows, processing_class=tokenizer)
    trainer.current_gradient_accumulation_steps = trainer.args.steps_per_generation
    model.train()
    rewards, mask = numbers["rewards"].double(), numbers["mask"]
    scored = Scored(
        rewards=rewards,
        group=torch.tensor(GROUPS),
        components=rewards.unsqueeze(1),
        weights=torch.ones(1, dtype=torch.float64),
        mask=mask,
        log_ratio=numbers["old"] - numbers["reference"],
        beta=trainer.objective.beta(table.kl),
    )
    trainer.current = numbers["current"].clone().requires_grad_()
    tokens = {"prompt_ids": torch.ones(8, 1, dtype=torch.long), "prompt_mask": torch.ones(8, 1)}
    inputs = tokens | {
        "completion_ids": torch.ones(8, 6, dtype=torch.long),
        "completion_mask": mask,
        "advantages": ESTIMATORS[trainer.objective.advantage](scored).float(),
        "old_per_token_logps": numbers["old"],
        "ref_per_token_logps": numbers["reference"],
        "num_items_in_batch": mask.sum(),
    }
    loss = trainer._compute_loss(model, inputs) * trainer.args.steps_per_generation
    (found,) = torch.autograd.grad(loss, trainer.current)
    gradient: list[list[float]] = (found * mask).tolist()
    return gradient


@both
@pytest.mark.parametrize("updated", [False, True], ids=["on policy", "after updates"])
def test_the_engine_takes_the_step_that_we_take(
    home: Path, run: TrainRun, tmp_path: Path, environment: Environment, engine: str, updated: bool
) -> None:
    losses = verl_objective.LOSSES if engine == "verl" else openrlhf.LOSSES
    numbers, folders, expected = batch(updated), {}, {}
    for name in losses:
        kl = KL.get(name, 0.0)
        if (engine == "openrlhf" and name == "grpo") or (updated and name == "dr_grpo"):
            kl = 0.0
        changes = ["--set", f"grpo.objective={name}", "--set", f"grpo.kl={kl}"]
        folders[name] = exported(home, engine, *changes, name=f"gradient-{name}-{kl}")
        expected[name] = ours(run, tmp_path, {"objective": name, "kl": kl}, numbers)
    task = {
        "kit": str(folders["grpo"]),
        "folders": {name: str(folder) for name, folder in folders.items()},
        "groups": GROUPS,
        "batch": {name: values.tolist() for name, values in numbers.items()},
    }
    done = python(environment(engine), str(HERE / "engines" / f"{engine}_gradient.py"), task=task)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    tokens = sum(LENGTHS)
    if updated:
        # A translation to another objective would be seen.
        pairs = list(combinations([torch.tensor(one) for one in expected.values()], 2))
        assert min(float((one - other).norm() / one.norm()) for one, other in pairs) > 10 * CLOSE
    for name in losses:
        there, here = torch.tensor(found[name]), torch.tensor(expected[name])
        if (engine, name) == ("openrlhf", "reinforce_pp"):
            # Its variance is over n, ours over n - 1: nothing for a batch, something for these few tokens.
            here = here * (tokens / (tokens - 1)) ** 0.5
        apart = (there - here).norm() / here.norm()
        assert apart < CLOSE, f"{name}: {apart:.1e}\n{there}\n{here}"
