"""Rewards of the user's own: files, installed packages and plain functions, and how their mistakes are told."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rewards
from rewards import RewardError, plugins, registry
from rewards.function import _function

MINE = '''
from dataclasses import dataclass
import rewards
from rewards.reward import Reward

@rewards.register("mine")
@dataclass(frozen=True)
class Mine(Reward):
    """Pays `value`."""
    value: float = 1.0

    def score(self, batch):
        return {self.name: [self.value for _ in batch.completions]}
'''


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before, modules = registry.snapshot(), set(sys.modules)
    monkeypatch.setattr(plugins, "_loaded", {})
    yield
    registry.restore(before)
    _function.cache_clear()
    for name in set(sys.modules) - modules:
        if name.startswith("user_file_") or name == "own_functions":
            del sys.modules[name]


def written(folder: Path, source: str, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_text(source, encoding="utf-8")
    return path


def test_a_file_registers_and_its_reward_works_in_sums_and_pickles(tmp_path: Path) -> None:
    plugin = plugins.load(written(tmp_path, MINE))
    assert plugin.names == ("mine",) and "mine" in rewards.names()
    reward = rewards.parse("mine(value=2)+0.5*format")
    assert reward(prompts=["q"], completions=["a"]) == [2.0]
    assert pickle.loads(pickle.dumps(reward)) == reward
    assert plugins.used(reward) == (plugin,)
    assert plugins.used(rewards.get("sparse")) == ()


def test_the_content_counts_and_not_the_path(tmp_path: Path) -> None:
    first = plugins.load(written(tmp_path, MINE))
    assert plugins.load(written(tmp_path, MINE, "copy.py")) is first
    assert plugins.load(first.path, first.sha256) is first
    written(tmp_path, MINE + "# changed\n")
    with pytest.raises(RewardError, match="has changed since"):
        plugins.load(first.path, first.sha256)
    with pytest.raises(RewardError, match="two rewards are named 'mine'"):
        plugins.load(first.path)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        pytest.param("x = 1\ndef f(:\n", ":2: invalid syntax", id="syntax"),
        pytest.param("\nraise RuntimeError('a\\nb')\n", ":2: RuntimeError: a b", id="raises at import"),
        pytest.param("import sys\nsys.exit(3)\n", ":2: SystemExit: 3", id="exits"),
        pytest.param("import nowhere_to_be_found\n", ":1: ModuleNotFoundError", id="missing import"),
        pytest.param("import rewards\n@rewards.register('mine')\nclass A: pass\n",
                     ":2: reward 'mine' must be a frozen dataclass", id="not a reward"),
        pytest.param(MINE.replace('"mine"', '"sparse"').replace("Mine", "Sparse"),
                     ":6: two rewards are named 'sparse'", id="name taken, even by a class of the same name"),
        pytest.param(MINE.replace('"mine"', '"my reward"'), ":6: 'my reward' cannot name", id="no identifier"),
        pytest.param("x = 1\n", ": it registers no reward", id="nothing registered"),
        pytest.param("x = '\0'\n", ": ", id="null byte"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line_with_file_and_line(tmp_path: Path, source: str, says: str) -> None:
    path = written(tmp_path, source)
    before, modules = registry.snapshot(), set(sys.modules)
    with pytest.raises(RewardError) as caught:
        plugins.load(path)
    assert str(caught.value).startswith(f"{path}{says}") and "\n" not in str(caught.value)
    assert registry.snapshot() == before
    assert not any(name.startswith("user_file_") for name in set(sys.modules) - modules)


def test_half_a_plugin_does_not_stay(tmp_path: Path) -> None:
    with pytest.raises(RewardError, match=r"mine\.py:15: ZeroDivisionError"):
        plugins.load(written(tmp_path, MINE + "\n1 / 0\n"))
    assert "mine" not in registry.snapshot()
    assert plugins.load(written(tmp_path, MINE)).names == ("mine",)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RewardError, match=r"missing\.py: cannot read it"):
        plugins.load(tmp_path / "missing.py")
    with pytest.raises(RewardError, match="cannot read it"):
        plugins.load(tmp_path)


FUNCTIONS = """
import array

def loose(completions, **columns):
    return array.array("d", [len(text) for text in completions])

def narrow(completions, answer):
    return [None if gold == "?" else float(gold in text) for text, gold in zip(completions, answer)]

def undecided(completions, **columns):
    return [float("nan") for _ in completions]

def broken(completions, **columns):
    return columns["missing"]

def short(completions, **columns):
    return [1.0]

def word(completions, **columns):
    return "ab"

async def slow(completions, **columns):
    return [1.0, 1.0]

NUMBER = 3
"""


@pytest.fixture
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    return written(tmp_path, FUNCTIONS, "own_functions.py")


@pytest.mark.parametrize(
    ("name", "paid"),
    [
        pytest.param("loose", [2.0, 1.0], id="takes everything, returns an array"),
        pytest.param("narrow", [1.0, None], id="takes the columns it names"),
        pytest.param("undecided", [None, None], id="not a number is None"),
    ],
)
@pytest.mark.parametrize("module", ["own_functions", "own_functions.py"])
def test_a_plain_function_is_a_reward(functions: Path, module: str, name: str, paid: list[float | None]) -> None:
    reward = plugins.from_function(f"{module}:{name}")
    scores = reward(
        prompts=["q", "q"], completions=["18", "7"], completion_ids=[[1], [2]], answer=["18", "?"], trainer_state=None
    )
    assert scores == paid
    assert reward.spec == reward.__name__ == f"{module}:{name}"
    assert pickle.loads(pickle.dumps(reward)) == plugins.resolve(reward.spec) == reward


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("own_functions:broken", r"failed at .*own_functions\.py:14: KeyError: 'missing'"),
        ("own_functions:short", "returned 1 scores for 2 completions"),
        ("own_functions:word", "it returned str"),
        ("own_functions:slow", "is async"),
        ("own_functions:NUMBER", "is int, not a function"),
        ("own_functions:nothing", "has no attribute 'nothing'"),
        ("nowhere_to_be_found:f", "cannot import nowhere_to_be_found: ModuleNotFoundError"),
        ("nowhere.py:f", r"nowhere\.py: cannot read it"),
        ("own_functions", "write module:function"),
        (":f", "write module:function"),
    ],
)
def test_mistakes_of_functions_are_told(functions: Path, target: str, says: str) -> None:
    with pytest.raises(RewardError, match=says):
        plugins.from_function(target)(prompts=["q", "q"], completions=["a", "b"])


def installed(folder: Path, source: str) -> dict[str, str]:
    """Lay out what an installer leaves behind: the package's module and its metadata."""
    (folder / "their_rewards.py").write_text(source, encoding="utf-8")
    metadata = folder / "their_rewards-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: their-rewards\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[harness.rewards]\ntheirs = their_rewards\n")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(Path(rewards.__path__[0]).parent)])}


def run(code: str, environment: dict[str, str]) -> str:
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True).stdout


def test_an_installed_package_adds_rewards(tmp_path: Path) -> None:
    environment = installed(tmp_path, MINE.replace('"mine"', '"theirs"'))
    code = "import rewards; print(rewards.parse('theirs(value=3)')(prompts=['q'], completions=['a']), rewards.names())"
    said = run(code, environment)
    assert said.startswith("[3.0]") and "'theirs'" in said


def test_an_installed_package_that_fails_is_named(tmp_path: Path) -> None:
    environment = installed(tmp_path, "\n1 / 0\n")
    code = "import rewards\ntry: rewards.names()\nexcept rewards.RewardError as error: print(error)"
    said = run(code, environment)
    assert "`theirs = their_rewards`" in said and "their_rewards.py:2: ZeroDivisionError" in said
