"""What a run needs and what would make it fit: each remedy is enough alone, the least harmful come first."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import kernel
from harness.estimate import known, largest, machine, memory, remedies, runs
from harness.estimate.hardware import ACCELERATORS, Accelerator
from harness.estimate.memory import GB
from harness.estimate.setups import BadSetup
from harness.training import Settings

SMOLLM2, QWEN = known.find("HuggingFaceTB/SmolLM2-135M"), known.find("Qwen/Qwen2.5-7B")
SFT, DPO, GRPO = {"sft": {"max_length": 1024}}, {"dpo": {}}, {"grpo": {"reward": "sparse"}}


def run(method: dict[str, Any], optimizer: dict[str, Any] | None = None, **tables: Any) -> Settings:
    sizes = {"steps": 10, "batch_size": 64, "learning_rate": 1e-5, "micro_batch": 8, **(optimizer or {})}
    return Settings.model_validate({"optimizer": sizes, **method, **tables})


def cpu(usable: float) -> Accelerator:
    """With so many GB that a run may fill."""
    return replace(ACCELERATORS["cpu"], memory_gb=(usable + 0.5) / 0.9)


def test_a_run_that_fits_has_no_remedies() -> None:
    found = remedies.need(run(SFT), SMOLLM2, cpu(64))
    assert found.fits and not found.remedies
    assert found.memory == memory.per_gpu(SMOLLM2, runs.setup_of(run(SFT), cpu(64)))


@pytest.mark.parametrize(
    ("asked", "gpu", "expected"),
    [
        pytest.param(
            run(SFT),
            cpu(12.8),
            "optimizer.micro_batch from 8 to 4 (the same updates, in more passes)",
            id="fewer rows a pass come first",
        ),
        pytest.param(
            run(SFT, {"micro_batch": 0}), cpu(12.8), "optimizer.micro_batch from 64 to 4", id="0 means all of them"
        ),
        pytest.param(
            run(SFT, shard={"processes": 2}, optimizer={"micro_batch": 1}),
            cpu(5.2),
            "shard.strategy from ddp to zero1",
            id="then ZeRO, the lowest stage that is enough",
        ),
        pytest.param(
            run(SFT, {"micro_batch": 1}), cpu(3.3), "adapter.kind to lora", id="an adapter where rows are one already"
        ),
        pytest.param(
            run({"grpo": {"reward": "sparse", "kl": 0.04}}, {"micro_batch": 1}),
            cpu(3.5),
            "grpo.kl from 0.04 to 0 (no reference model",
            id="a reference model",
        ),
        pytest.param(run(SFT, adapter={}), cpu(7.2), "sft.max_length from 1024 to ", id="shorter rows"),
        pytest.param(run(DPO, adapter={}), cpu(14.4), "dpo.max_length from 1024 to ", id="shorter pairs"),
        pytest.param(run(GRPO, adapter={}), cpu(7.2), "grpo.max_new_tokens from 256 to ", id="shorter completions"),
    ],
)
def test_a_remedy_names_the_setting_and_its_cost(asked: Settings, gpu: Accelerator, expected: str) -> None:
    found = remedies.need(asked, SMOLLM2, gpu)
    assert not found.fits
    assert any(expected in remedy.says for remedy in found.remedies), [each.says for each in found.remedies]


@pytest.mark.parametrize(
    ("asked", "gpu", "expected"),
    [
        pytest.param(
            run(SFT),
            "l40s",
            ["adapter.kind", "adapter.kind", "shard.processes", "shard.strategy", "model"],
            id="one process trains an adapter, in 4 bits, or gets company",
        ),
        pytest.param(
            run(SFT, shard={"processes": 8}),
            "l40s",
            ["shard.strategy", "adapter.kind", "adapter.kind", "model"],
            id="eight processes divide first",
        ),
        pytest.param(
            run({"grpo": {"reward": "sparse", "rollout": "vllm"}}, shard={"processes": 8, "strategy": "zero3"}),
            "a100-40gb",
            ["grpo.rollout", "grpo.rollout", "grpo.server", "model"],
            id="an engine without room",
        ),
    ],
)
def test_remedies_on_gpus(asked: Settings, gpu: str, expected: list[str]) -> None:
    found = remedies.need(asked, QWEN, ACCELERATORS[gpu])
    assert [key for remedy in found.remedies for key in remedy.change] == expected


@given(
    st.sampled_from([SFT, DPO, GRPO, {"grpo": {"reward": "sparse", "kl": 0.1, "rollout": "vllm"}}]),
    st.sampled_from([None, {"kind": "lora"}, {"kind": "qlora"}]),
    st.sampled_from([{}, {"processes": 2}, {"processes": 8, "strategy": "zero2"}]),
    st.sampled_from(["a100-40gb", "h100", "l40s", "rtx4090", "cpu"]),
    st.sampled_from([SMOLLM2, QWEN]),
)
def test_every_remedy_is_enough_alone(method: Any, adapter: Any, shard: Any, gpu: str, model: Any) -> None:
    asked = run(method, adapter=adapter, shard=shard)
    found = remedies.need(asked, model, ACCELERATORS[gpu])
    for remedy in found.remedies:
        if "model" in remedy.change:
            assert largest.fits(known.find(remedy.change["model"]), runs.setup_of(asked, ACCELERATORS[gpu]))
            continue
        after = remedies.changed(asked, remedy.change)
        assert after is not None and after != asked
        assert remedies.need(after, model, ACCELERATORS[gpu]).fits, remedy.says


def test_what_one_change_cannot_do_several_do_together_and_none_is_idle() -> None:
    asked = run(
        {"grpo": {"reward": "sparse", "kl": 0.04, "rollout": "vllm", "max_new_tokens": 1024}}, {"batch_size": 256}
    )
    gpu = ACCELERATORS["rtx4090"]
    first = remedies.need(asked, QWEN, gpu).remedies[0]
    assert first.says.startswith("together: ") and len(first.change) > 1
    for key in first.change:
        less = remedies.changed(asked, {other: value for other, value in first.change.items() if other != key})
        assert less is None or not remedies.need(less, QWEN, gpu).fits
    tokens = first.change["grpo.max_new_tokens"]
    longer = remedies.changed(asked, {**first.change, "grpo.max_new_tokens": tokens + remedies.ROUND})
    assert longer is not None and not remedies.need(longer, QWEN, gpu).fits


def test_the_mildest_is_the_largest_that_fits() -> None:
    found = remedies.need(run(SFT), SMOLLM2, cpu(12.8))
    rows = found.remedies[0].change["optimizer.micro_batch"]
    more = remedies.changed(run(SFT), {"optimizer.micro_batch": 2 * rows})
    assert more is not None and not remedies.need(more, SMOLLM2, cpu(12.8)).fits


@pytest.mark.parametrize("gpu", [cpu(64), cpu(10)], ids=["it should have fitted", "it could not"])
def test_a_run_that_ran_out_of_memory_gets_relief(gpu: Accelerator) -> None:
    before = remedies.need(run(SFT), SMOLLM2, gpu)
    found = remedies.relief(run(SFT), SMOLLM2, gpu)
    assert next(key for remedy in found for key in remedy.change) == "optimizer.micro_batch"
    for remedy in found:
        after = remedies.changed(run(SFT), remedy.change) if "model" not in remedy.change else None
        total = 0 if after is None else remedies.need(after, SMOLLM2, gpu).memory.total
        assert total <= 0.75 * min(before.memory.total, before.usable)


def test_a_base_in_4_bits_is_not_divided() -> None:
    asked = run(SFT, shard={"processes": 2, "strategy": "zero2"})
    assert remedies.changed(asked, {"adapter.kind": "qlora"}) is not None
    assert remedies.changed(asked, {"adapter.kind": "qlora", "shard.strategy": "zero3"}) is None


def test_a_need_is_a_sentence_of_its_parts() -> None:
    text = str(remedies.need(run(SFT), SMOLLM2, cpu(8.5)))
    assert text.index("activations") < text.index("optimizer") < text.index("weights")
    assert "GB at the peak" in text and "8.5 of 10 GB usable" in text


def test_a_process_reward_model_is_not_estimated() -> None:
    with pytest.raises(BadSetup, match=r"\[prm\] samples far more"):
        remedies.need(run({"prm": {}}), SMOLLM2, cpu(10))


@pytest.mark.parametrize(
    ("membership", "files", "bytes_"),
    [
        pytest.param("0::/a/b", {"a/b/memory.max": "max", "a/memory.max": "5000"}, 5000, id="a group above, version 2"),
        pytest.param("4:memory:/c\n0::/", {"memory/c/memory.limit_in_bytes": "7000"}, 7000, id="version 1"),
        pytest.param("4:memory:/c", {"memory/memory.limit_in_bytes": "8000"}, 8000, id="a container's own root"),
        pytest.param("0::/", {}, None, id="no limit: the machine's"),
        pytest.param("0::/", {"memory.max": str(1 << 62)}, None, id="a limit above the machine's"),
    ],
)
def test_memory_is_the_machines_or_what_a_control_group_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, membership: str, files: dict[str, str], bytes_: int | None
) -> None:
    lines = Path("/proc/meminfo").read_text().splitlines()
    total = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal"))
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    (tmp_path / "membership").write_text(membership)
    monkeypatch.setattr(kernel, "MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(kernel, "CGROUPS", tmp_path)
    assert machine.memory() == pytest.approx(bytes_ or total, rel=0.01)
    assert machine.cpu(2).memory_gb == pytest.approx((bytes_ or total) / 2 / GB, rel=0.01)


@pytest.mark.parametrize(
    ("says", "visible", "expected"),
    [
        pytest.param("81559\n81559\n", None, 81559 * 2**20 / GB, id="two of a kind"),
        pytest.param("81559\n24564\n", "0,1", 24564 * 2**20 / GB, id="the smallest of them"),
        pytest.param("81559\n", "", None, id="none for this process"),
        pytest.param("[N/A]\n", None, None, id="memory shared with the machine"),
    ],
)
def test_the_device_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, visible: str | None, expected: float | None
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\nprintf '{says}'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = machine.here(2)
    assert found.is_cpu == (expected is None)
    assert found.memory_gb == pytest.approx(expected or machine.memory() / 2 / GB)
