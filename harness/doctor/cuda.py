"""CUDA: the build of torch, the driver, and the devices that both can use together."""

import ctypes
from dataclasses import dataclass

from harness.doctor.verdict import Verdict

NEW = "pip install torch (its default build is for CUDA)"
# bfloat16 in hardware, which training and vLLM compute in.
BFLOAT16 = 8


@dataclass(frozen=True)
class Device:
    """One GPU: its memory in 1e9 bytes and its compute capability."""

    name: str
    gb: float
    capability: tuple[int, int]


@dataclass(frozen=True)
class Facts:
    """What there is.

    Attributes:
        torch: its version; None where it is not installed.
        built: the CUDA version torch was built for; None for a CPU build.
        driver: the newest CUDA version that the driver can do; None without a driver.
        devices: what torch can use; empty where the two do not fit together.
    """

    torch: str | None
    built: str | None
    driver: str | None
    devices: tuple[Device, ...]


def facts() -> Facts:
    """Asks the driver, and torch where both could work together: importing it takes seconds."""
    from harness.doctor.installed import version

    found, supported = version("torch"), driver()
    if found is None or supported is None:
        return Facts(found, None if found is None or "+cpu" in found else "unknown", supported, ())
    import torch

    devices = []
    if torch.cuda.is_available():
        properties = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
        devices = [Device(each.name, each.total_memory / 1e9, (each.major, each.minor)) for each in properties]
    return Facts(found, torch.version.cuda, supported, tuple(devices))


def driver() -> str | None:
    """The newest CUDA version of the NVIDIA driver, as 13.0, by cuDriverGetVersion; None where there is no driver."""
    try:
        library = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    found = ctypes.c_int()
    if library.cuDriverGetVersion(ctypes.byref(found)) != 0:
        return None
    return f"{found.value // 1000}.{found.value % 1000 // 10}"


def verdict(facts: Facts) -> Verdict:
    """What the facts say of training and generating on a GPU."""
    if facts.torch is None:
        return Verdict("cuda", "missing", "torch is not installed", NEW)
    if facts.driver is None:
        build = "a CPU build" if facts.built is None else "built for CUDA"
        reason = f"there is no NVIDIA driver here; torch {facts.torch} is {build}"
        return Verdict("cuda", "missing", reason, "none for a CPU; with a GPU, install NVIDIA's driver for it")
    if facts.built is None:
        reason = f"the driver supports CUDA {facts.driver}, but torch {facts.torch} is a CPU build"
        return Verdict("cuda", "refused", reason, NEW)
    if not facts.devices:
        reason = (
            f"torch {facts.torch} is built for CUDA {facts.built} and sees no device; "
            f"the driver supports CUDA {facts.driver}"
        )
        return Verdict("cuda", "refused", reason, _mend(facts))
    old = [device for device in facts.devices if device.capability[0] < BFLOAT16]
    if old:
        reason = f"{old[0].name} has compute capability {'.'.join(map(str, old[0].capability))}: no bfloat16"
        return Verdict("cuda", "refused", reason, f"take GPUs of compute capability {BFLOAT16}.0 or more")
    first, count = facts.devices[0], len(facts.devices)
    return Verdict(
        "cuda", "ok", f"{count} x {first.name}, {first.gb:.0f} GB; CUDA {facts.built}, driver {facts.driver}"
    )


def _mend(facts: Facts) -> str:
    from packaging.version import Version

    if facts.built and Version(facts.driver or "0") < Version(facts.built):
        return f"update the driver to one of CUDA {facts.built}, or install a torch built for CUDA {facts.driver}"
    return "see CUDA_VISIBLE_DEVICES, and nvidia-smi for a device that has failed"
