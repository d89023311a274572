"""CUDA's verdict on every way in which torch, driver and devices can stand to each other."""

import pytest

from harness.doctor.cuda import Device, Facts, driver, facts, verdict

H100 = Device("NVIDIA H100", 85.0, (9, 0))


@pytest.mark.parametrize(
    ("found", "status", "says"),
    [
        pytest.param(Facts(None, None, "13.0", ()), "missing", "torch is not installed", id="no torch"),
        pytest.param(Facts("2.13.0+cpu", None, None, ()), "missing", "is a CPU build", id="a CPU machine"),
        pytest.param(
            Facts("2.13.0", "13.0", None, ()), "missing", "built for CUDA", id="no driver, as on a login node"
        ),
        pytest.param(
            Facts("2.13.0+cpu", None, "13.0", ()), "refused", "supports CUDA 13.0, but torch", id="a GPU left unused"
        ),
        pytest.param(
            Facts("2.13.0", "13.0", "12.2", ()), "refused", "update the driver to one of CUDA 13.0", id="an old driver"
        ),
        pytest.param(
            Facts("2.13.0", "12.8", "13.0", ()), "refused", "CUDA_VISIBLE_DEVICES", id="devices hidden or failed"
        ),
        pytest.param(
            Facts("2.13.0", "12.8", "13.0", (Device("Tesla T4", 15.8, (7, 5)),)),
            "refused",
            "Tesla T4 has compute capability 7.5: no bfloat16",
            id="too old for bfloat16",
        ),
        pytest.param(Facts("2.13.0", "12.8", "13.0", (H100, H100)), "ok", "2 x NVIDIA H100, 85 GB", id="two that work"),
    ],
)
def test_verdict(found: Facts, status: str, says: str) -> None:
    told = verdict(found)
    assert told.status == status
    assert says in told.line
    assert bool(told.fix) == (status != "ok")


def test_this_machine_is_told_as_torch_sees_it() -> None:
    import torch

    found = facts()
    assert bool(found.devices) == torch.cuda.is_available()
    if driver() is None:
        assert verdict(found).status == "missing"
