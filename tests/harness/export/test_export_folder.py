"""An export's folder: what lies in it, that it is what the run means, and that its scripts do what they say."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from exporting import RECIPE, export, exported, manifest, values
from templated import CLOCK, GEMMA, LLAMA

from evals.data import load
from harness import chat
from harness.export import environments, pins, scripts
from harness.export.folder import ENGINES
from rewards.adapters import openrlhf as openrlhf_adapter
from rewards.adapters import verl as verl_adapter

ROOT = Path(__file__).parents[3]
both = pytest.mark.parametrize("engine", ENGINES)


@pytest.fixture(scope="module")
def folders(home: Path) -> dict[str, Path]:
    return {engine: exported(home, engine) for engine in ENGINES}


@both
def test_a_folder_holds_what_a_cluster_needs(folders: dict[str, Path], engine: str) -> None:
    folder, files = folders[engine], manifest(folders[engine])["files"]
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there == {*files, "manifest.json"}
    for name, sha256 in files.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256
    settings = scripts.SETTINGS[engine]
    for name in ("run.sh", "setup.sh", "check.py", "proof.py", "reward.py", "README.md", "expected.jsonl", settings):
        assert name in files
    carried = {name.removeprefix("package/") for name in files if name.startswith("package/")}
    assert "rewards/worker.py" in carried
    assert not any(name.startswith(("rewards/audit", "rewards/regression")) for name in carried)


@both
def test_the_same_run_is_the_same_folder(home: Path, folders: dict[str, Path], engine: str) -> None:
    before = manifest(folders[engine])
    (folders[engine] / ".venv").mkdir()
    assert exported(home, engine) == folders[engine]
    assert manifest(folders[engine]) == before
    assert (folders[engine] / ".venv").is_dir(), "what running it has left stays"
    (folders[engine] / ".venv").rmdir()


@both
def test_another_run_or_another_folder_is_not_written_over(home: Path, folders: dict[str, Path], engine: str) -> None:
    other = export(home, engine, "--out", str(folders[engine]), "--set", "seed=5")
    assert (other.exit_code, "another run" in other.stderr) == (2, True)
    strange = export(home, engine, "--out", str(home / "data"))
    assert (strange.exit_code, "is not an export" in strange.stderr) == (2, True)


def test_verls_rows_are_the_conversations_of_training(home: Path, folders: dict[str, Path]) -> None:
    import pyarrow.parquet as pq

    rows = pq.read_table(folders["verl"] / "data" / "train.parquet").to_pylist()
    items = load(home / "data" / "train.jsonl")
    assert [row["prompt"] for row in rows] == [chat.messages(item.question, "bare") for item in items]
    assert [row["reward_model"]["ground_truth"] for row in rows] == [item.gold for item in items]
    assert [row["extra_info"]["question"] for row in rows] == [item.question for item in items]
    assert len(pq.read_table(folders["verl"] / "data" / "test.parquet")) == 12


def test_openrlhfs_rows_are_rendered_and_as_many_as_the_steps_need(home: Path, folders: dict[str, Path]) -> None:
    from harness.tiny import tokenizer

    rows = [json.loads(line) for line in (folders["openrlhf"] / "data" / "train.jsonl").read_text().splitlines()]
    assert len(rows) == 8 * 16 // 4
    tokens = tokenizer.build()
    for row in rows:
        assert row["prompt"] == chat.render(tokens, chat.messages(row["question"], "bare"))
    twice = exported(home, "openrlhf", "--set", "optimizer.steps=20", name="twice")
    drawn = [json.loads(line)["id"] for line in (twice / "data" / "train.jsonl").read_text().splitlines()]
    assert len(drawn) == 80
    assert sorted(drawn[:40]) == sorted(drawn[40:]) == sorted(set(drawn)), "each pass takes every question once"
    assert drawn[:40] != drawn[40:]


def test_expected_scores_tell_kinds_of_completions_apart(folders: dict[str, Path]) -> None:
    rows = [json.loads(line) for line in (folders["verl"] / "expected.jsonl").read_text().splitlines()]
    scores = {row["kind"]: row["grades"]["score"] for row in rows if row["index"] == 0}
    assert scores["right"] == 1.0
    assert scores["wrong"] < scores["right"]
    assert len(set(scores.values())) >= 3
    for row in rows:
        told = verl_adapter.compute_score("", row["completion"], row["gold"], {"question": row["question"]})
        assert told["score"] == (row["grades"]["score"] or 0.0)


def run_reward(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Runs code that has loaded the folder's reward.py as `module`, in a process that has no project on its path."""
    load = (
        "import importlib.util as u; s = u.spec_from_file_location('r', 'reward.py'); "
        "module = u.module_from_spec(s); s.loader.exec_module(module); "
    )
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-P", "-c", load + code], cwd=folder, env=clean, capture_output=True, text=True
    )


def test_the_reward_is_the_folders_own_copy_and_math_works_from_it(folders: dict[str, Path]) -> None:
    code = (
        "import rewards; print(rewards.__file__); "
        "print(module.compute_score('', '<think>1</think>#### 18', '18')['score']); "
        r"print(rewards.verify(r'\boxed{\frac{\sqrt2}{2}}', r'\frac{1}{\sqrt{2}}', 'math').status)"
    )
    done = run_reward(folders["verl"], code)
    assert done.returncode == 0, done.stderr
    where, score, status = done.stdout.split()
    assert Path(where).is_relative_to(folders["verl"])
    assert (score, status) == ("1.0", "correct"), "symbolic equality needs the worker process to find the copy"


PLUGIN = """
from dataclasses import dataclass
import rewards
from rewards.reward import Reward

@rewards.register("short")
@dataclass(frozen=True)
class Short(Reward):
    \"\"\"1 for at most 40 characters, range [0, 1].\"\"\"
    kind = "length"
    bounds = (0.0, 1.0)
    def score(self, batch):
        return {"short": [float(len(text) <= 40) for text in batch.texts]}
"""


@both
def test_a_plugin_goes_along_and_no_other_file_takes_its_place(home: Path, engine: str) -> None:
    (home / "mine.py").write_text(PLUGIN)
    recipe = {**RECIPE, "plugins": [str(home / "mine.py")], "grpo": {**RECIPE["grpo"], "reward": "sparse+0.5*short"}}
    folder = exported(home, engine, name="plugin", recipe=recipe)
    code = {
        "verl": "print(module.compute_score('', '#### 18', '18')['score'])",
        "openrlhf": "print(module.reward_func(['?#### 18'], ['?'], ['18'])['rewards'].item())",
    }[engine]
    done = run_reward(folder, code)
    assert done.stdout.split() == ["1.5"], done.stderr
    (copy,) = (folder / "plugins").iterdir()
    copy.write_text(PLUGIN.replace("<= 40", "<= 400"))
    assert "the plugin has changed" in run_reward(folder, code).stderr


def test_a_reward_of_an_installed_package_cannot_go_along(home: Path) -> None:
    from harness.export.mapping import BadExport
    from harness.export.source import check_carried
    from rewards import Reward

    parts = {"__module__": "elsewhere.rewards", "name": "foreign", "score": lambda self, batch: {}}
    foreign = dataclass(frozen=True)(type("Foreign", (Reward,), parts))()
    with pytest.raises(BadExport, match="installed package elsewhere"):
        check_carried(foreign)


@both
def test_scripts_are_sound_shell(folders: dict[str, Path], engine: str) -> None:
    for name in ("run.sh", "setup.sh"):
        subprocess.run(["bash", "-n", str(folders[engine] / name)], check=True)
        if shutil.which("shellcheck"):
            subprocess.run(["shellcheck", str(folders[engine] / name)], check=True)


def pretend(folder: Path, exit_code: int) -> Path:
    """An environment whose Python writes down what it is called with, and fails the check where told to."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(
        "#!/usr/bin/env bash\n"
        f"printf '%s\\n' \"$@\" >>'{folder}/called'\n"
        f"case $1 in *check.py) exit {exit_code} ;; esac\n"
    )
    python.chmod(0o755)
    return folder


@both
def test_run_hands_every_setting_over_with_the_folders_place(
    folders: dict[str, Path], engine: str, tmp_path: Path
) -> None:
    moved = tmp_path / "a b & c"
    shutil.copytree(folders[engine], moved)
    environment = pretend(tmp_path / "venv", 0)
    more = "trainer.nnodes=2" if engine == "verl" else "--train.seed"
    done = subprocess.run(["bash", str(moved / "run.sh"), more], env={**os.environ, "VENV": str(environment)})
    assert done.returncode == 0
    called = (environment / "called").read_text().splitlines()
    assert called[:4] == [str(moved / "check.py"), "--train", "--", more], "checked first, with what was added"
    assert called[4:6] == ["-m", scripts.MODULES[engine]]
    assert called[-1] == more
    lines = (moved / scripts.SETTINGS[engine]).read_text().splitlines()[1:]
    words = lines if engine == "verl" else [word for line in lines for word in line.split()]
    assert called[6:-1] == [word.replace("{folder}", str(moved)) for word in words]


@both
def test_run_stops_where_the_check_fails_or_nothing_is_set_up(
    folders: dict[str, Path], engine: str, tmp_path: Path
) -> None:
    environment = pretend(tmp_path / "venv", 1)
    run = ["bash", str(folders[engine] / "run.sh")]
    assert subprocess.run(run, env={**os.environ, "VENV": str(environment)}).returncode == 1
    assert "-m" not in (environment / "called").read_text().splitlines(), "no training was started"
    bare = subprocess.run(run, env={**os.environ, "VENV": str(tmp_path / "none")}, capture_output=True, text=True)
    assert (bare.returncode, "run 'bash setup.sh'" in bare.stderr) == (2, True)


@both
def test_setup_says_what_is_wrong(folders: dict[str, Path], engine: str, tmp_path: Path) -> None:
    setup = ["bash", str(folders[engine] / "setup.sh")]
    done = subprocess.run([*setup, "--gpu"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "usage: bash setup.sh [--check-only]\n")
    old = tmp_path / "python"
    old.write_text("#!/usr/bin/env bash\nexit 1\n")
    old.chmod(0o755)
    done = subprocess.run(setup, env={**os.environ, "PYTHON": str(old)}, capture_output=True, text=True)
    assert (done.returncode, "is not Python 3.11 or newer" in done.stderr) == (2, True)


def test_a_template_that_says_the_day_is_told_the_day_of_training(tmp_path: Path) -> None:
    import templated
    from exporting import make_home

    folder = exported(make_home(tmp_path, templated.build(LLAMA)), "verl")
    assert values(folder)["+data.apply_chat_template_kwargs.date_string"] == chat.DATE
    (tmp_path / "clock").mkdir()
    clock = make_home(tmp_path / "clock", templated.build(CLOCK))
    refused = export(clock, "verl")
    assert (refused.exit_code, "write the date out" in refused.stderr) == (2, True)
    assert exported(clock, "openrlhf").is_dir(), "its prompts are rendered already"


def test_a_template_that_cannot_render_the_style_is_refused(tmp_path: Path) -> None:
    import templated
    from exporting import make_home

    done = export(make_home(tmp_path, templated.build(GEMMA)), "verl", "--set", "prompt=think")
    assert done.exit_code == 2
    assert "system" in done.stderr
    assert "Traceback" not in done.stderr


@both
def test_the_readme_has_every_pin_and_setting(folders: dict[str, Path], engine: str) -> None:
    text = (folders[engine] / "README.md").read_text()
    told, pinned = manifest(folders[engine]), pins.PINS[engine]
    assert pinned.requirement in text
    for name, (version, source) in pinned.exact.items():
        assert f"| `{name}=={version}` | {source} |" in text
    for setting in told["settings"]:
        assert f"`{setting['theirs']}` | `{setting['value']}`" in text
    for sentence in (*told["differs"], *told["left_out"]):
        assert sentence in text
    assert "## Untested without GPUs" in text


@both
def test_the_checks_environment_agrees_with_the_lists_of_the_other_tests(engine: str) -> None:
    listed = dict(line.split("==") for line in environments.packages(engine))
    name, version = pins.PINS[engine].distribution
    assert listed[name] == version
    peers = (ROOT / "constraints" / "peers" / f"{engine}.txt").read_text().splitlines()
    wanted = dict(line.split("==") for line in peers if line and not line.startswith("#"))
    assert {package: listed.get(package) for package in wanted} == wanted


def test_the_kit_stands_alone() -> None:
    import ast

    for path in (ROOT / "harness" / "export" / "kit").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            named += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in named} & {"harness", "evals", "rewards", "ablations"}


def test_openrlhfs_adapter_reads_rendered_prompts(folders: dict[str, Path]) -> None:
    row = json.loads((folders["openrlhf"] / "expected.jsonl").read_text().splitlines()[0])
    assert openrlhf_adapter.response_of(row["prompt"] + row["completion"], row["prompt"]) == row["completion"]
