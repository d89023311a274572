"""The flags of `harness train` that say how many processes there are and where: what they change, what is refused."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from typer.testing import CliRunner

from harness.cli import app
from harness.cli.placement import Flags, placed
from harness.cli.recipe import BadRecipe
from harness.launch.placement import Host, Placement

RECIPE: dict[str, Any] = {
    "optimizer": {"steps": 2, "batch_size": 8, "learning_rate": 1e-3},
    "sft": {"max_length": 128},
}
needs_ssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh here: install openssh-client")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.toml"
    path.write_text(tomli_w.dumps(RECIPE))
    return path


def hostfile(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "hosts"
    path.write_text(text)
    return path


@pytest.fixture(autouse=True)
def no_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Outside of any job, where jobs can be submitted from."""
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sbatch").write_text("#!/bin/sh\necho refused by the test >&2\nexit 1\n")
    (tmp_path / "bin" / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]]))


@pytest.mark.parametrize(
    ("flags", "hosts", "shard"),
    [
        pytest.param({}, "", (1, "ddp"), id="nothing said"),
        pytest.param({"processes": 4}, "", (4, "ddp"), id="how many"),
        pytest.param({"processes": 2, "zero": 3}, "", (2, "zero3"), id="a ZeRO stage"),
        pytest.param({"processes": 2, "zero": 0}, "", (2, "ddp"), id="no ZeRO"),
        pytest.param({}, "localhost slots=4\n", (4, "ddp"), id="a process a slot"),
        pytest.param({"slurm": "nodes=2,gpus_per_node=2"}, "", (4, "ddp"), id="a process a GPU"),
        pytest.param({"slurm": "nodes=2"}, "", (2, "ddp"), id="a process a node"),
        pytest.param({"slurm": "nodes=2", "processes": 4}, "", (4, "ddp"), id="two processes a node"),
    ],
)
def test_flags_go_over_the_file(
    file: Path, tmp_path: Path, flags: dict[str, Any], hosts: str, shard: tuple[int, str]
) -> None:
    machines = hostfile(tmp_path, hosts) if hosts else None
    found = placed(file, [], Flags(hostfile=machines, **flags)).recipe.shard
    assert (found.processes, found.strategy) == shard


def test_a_flag_goes_over_what_the_file_and_set_say(file: Path) -> None:
    assert placed(file, ["shard.processes=4"], Flags()).recipe.shard.processes == 4
    assert placed(file, ["shard.processes=4"], Flags(processes=2)).recipe.shard.processes == 2


def test_placement_is_no_part_of_the_run(file: Path, tmp_path: Path) -> None:
    machines = hostfile(tmp_path, "# two\nlocalhost slots=2 # here\n\n")
    here = placed(file, [], Flags(processes=2))
    there = placed(file, [], Flags("accelerate", hostfile=machines))
    assert here.recipe == there.recipe
    assert there.placement == Placement("accelerate", (Host("localhost", 2),))
    assert there.job is None


@pytest.mark.parametrize(
    ("flags", "hosts", "says"),
    [
        pytest.param({"zero": 2}, "", ["zero2 divides among processes: set shard.processes"], id="zero of one"),
        pytest.param({"processes": 4}, "localhost slots=2\n", ["--processes 4: ", "2 slots; give 2"], id="slots"),
        pytest.param({}, "localhost gpus=2\n", ["hosts:1: localhost gpus=2: give `host slots=N`"], id="malformed"),
        pytest.param({}, "-oProxyCommand=x slots=2\n", ["hosts:1: -oProxy"], id="an option for ssh"),
        pytest.param({}, "localhost\nlocalhost\n", ["localhost stands there twice"], id="twice"),
        pytest.param({}, "# none\n", ["names no machine"], id="empty"),
        pytest.param({}, "192.0.2.1 slots=2\n", ["192.0.2.1 is not this one"], id="the only one is another"),
        pytest.param({}, "192.0.2.1\nlocalhost\n", ["192.0.2.1 is not this one"], marks=needs_ssh, id="another first"),
        pytest.param({"launcher": "accelerate"}, "localhost slots=2\nother\n", ["give each slots=2, or"], id="uneven"),
        pytest.param({"slurm": "nodes=2", "processes": 3}, "", ["give a multiple of the 2 nodes"], id="nodes"),
        pytest.param(
            {"slurm": "nodes=2,gpus_per_node=4", "processes": 4}, "", ["give 8, or gpus_per_node=2"], id="GPUs of nodes"
        ),
        pytest.param({"slurm": "node=2"}, "", ["slurm: node: ", "partition"], id="unknown word"),
        pytest.param(
            {"slurm": "nodes=2", "zero": 1, "processes": 3},
            "localhost slots=2\nlocalhost\n",
            ["stands there twice", "give a multiple"],
            id="all at once",
        ),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_a_line_each(
    file: Path, tmp_path: Path, flags: dict[str, Any], hosts: str, says: list[str]
) -> None:
    machines = hostfile(tmp_path, hosts) if hosts else None
    with pytest.raises(BadRecipe) as raised:
        placed(file, [], Flags(hostfile=machines, **flags))
    assert all(part in str(raised.value) for part in says), str(raised.value)


def test_fsdp_on_a_cpu_is_refused_before_anything_is_started(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    changes = ["shard.strategy=fsdp", "shard.processes=2"]
    with pytest.raises(BadRecipe, match="fsdp needs CUDA devices; on a CPU take --zero 0, 1, 2 or 3"):
        placed(file, changes, Flags())
    placed(file, changes, Flags(slurm="nodes=2,gpus_per_node=1"))


def test_without_slurm_it_says_so(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BadRecipe, match=r"--slurm: there is no Slurm here \(no sbatch\)"):
        placed(file, [], Flags(slurm="nodes=2"))


def test_a_missing_hostfile_is_a_line(file: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["train", "sft", "--config", str(file), "--hostfile", str(tmp_path / "gone")])
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        f"error: --hostfile {tmp_path / 'gone'}: No such file or directory; give a file of lines `host slots=N`"
    ]


def test_a_job_that_slurm_refuses_is_a_line_and_the_script_stays(file: Path, tmp_path: Path) -> None:
    import torch

    from harness.tiny import base, tokenizer
    from harness.tiny.problems import write_split
    from harness.tiny.recipe import Recipe

    tokens = tokenizer.build()
    torch.manual_seed(0)
    base.model(Recipe(hidden=32, mlp=64, layers=1, heads=2), tokens).save_pretrained(tmp_path / "model")
    tokens.save_pretrained(tmp_path / "model")
    for split in ("train", "test"):
        write_split(tmp_path / f"{split}.jsonl", split, 24, 0, 1)
    out = tmp_path / "run"
    sources = [f"--set=model={tmp_path}/model", f"--set=data={tmp_path}", "--set=prompt=bare"]
    done = CliRunner().invoke(
        app, ["train", "sft", "--config", str(file), "--out", str(out), "--slurm", "nodes=2", *sources]
    )
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith(f"error: --slurm: Slurm refused {out}/launch/job.sbatch: refused by the test; change")
    assert "#SBATCH --nodes=2" in (out / "launch" / "job.sbatch").read_text()
