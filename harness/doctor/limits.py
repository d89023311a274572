"""The limits of this machine that end runs: memory, disk, shared memory, files, cores, folders that cannot be written.

A check fails where runs cannot work, and warns where some will not; each says what changes that.
"""

import os
import resource
import shutil
import tempfile
import uuid
from pathlib import Path

from harness import cache
from harness.alignment.report import Finding, Status
from harness.estimate import machine

GB = 1e9
# A study of the embedded model takes some hundred megabytes; SmolLM2-135M with its optimiser 2.2 GB a checkpoint.
DISK_GB, LITTLE_DISK_GB = 1.0, 20.0
# torch's data loaders, NCCL, Ray and gloo share memory there; containers have 64 MB unless told otherwise.
SHARED_GB = 1.0
# A process with vLLM and several data loaders holds some hundred files open; Ray asks for 65,536 on a head node.
FILES, MANY_FILES = 1024, 4096
# Every process of torch has some threads for each core, Ray some dozens of processes.
PROCESSES, MANY_PROCESSES = 256, 2048
MOST = 65536
MEMORY_GB = 3.0


def checks(results: Path) -> list[Finding]:
    """All findings, in the order that people read them."""
    found = [cores(), memory(), shared(), files(), processes()]
    places = {"results": results, "cache": cache.root(), "hub cache": hub(), "temporary": Path(tempfile.gettempdir())}
    return [*found, *(folder(name, path) for name, path in places.items()), *locks()]


def cores() -> Finding:
    """The cores this process may use; busy-waiting threads slow runs down as soon as two share one."""
    count, here = len(os.sched_getaffinity(0)), os.cpu_count() or 1
    of = f" of {here}" if count < here else ""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > count:
        return Finding("cores", "warn", f"{count}{of}, but OMP_NUM_THREADS is {asked}: unset it, or give {count}")
    return Finding("cores", "ok", f"{count}{of}")


def memory() -> Finding:
    """What processes may use: the machine's, or less where a control group says so."""
    total = machine.memory() / GB
    if total < MEMORY_GB:
        fix = f"training the embedded model with its evaluation takes {MEMORY_GB:g} GB: give the container more"
        return Finding("memory", "warn", f"{total:.1f} GB; {fix}")
    return Finding("memory", "ok", f"{total:.1f} GB")


def shared(path: Path = Path("/dev/shm")) -> Finding:
    """/dev/shm, by which processes of one machine exchange tensors."""
    if not path.is_dir():
        return Finding("shared memory", "warn", f"there is no {path}: several processes and Ray will not start")
    free = shutil.disk_usage(path).free / GB
    if free < SHARED_GB:
        fix = "start the container with --shm-size=8g, or mount a larger tmpfs there"
        return Finding("shared memory", "warn", f"{free:.2g} GB free in {path}; {fix}")
    return Finding("shared memory", "ok", f"{free:.1f} GB free in {path}")


def files() -> Finding:
    """Files that a process may hold open."""
    return _limit("open files", resource.RLIMIT_NOFILE, FILES, MANY_FILES, "-n")


def processes() -> Finding:
    """Processes and threads of this user."""
    return _limit("processes", resource.RLIMIT_NPROC, PROCESSES, MANY_PROCESSES, "-u")


def _limit(name: str, which: int, least: int, enough: int, flag: str) -> Finding:
    soft, hard = resource.getrlimit(which)
    if soft == resource.RLIM_INFINITY:
        return Finding(name, "ok", "unlimited")
    if soft >= enough:
        return Finding(name, "ok", f"{soft:,}")
    status: Status = "warn" if soft >= least else "fail"
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    return Finding(name, status, f"{soft:,}: vLLM, Ray and many cells want more; ulimit {flag} {wanted}")


def hub() -> Path:
    """Where huggingface_hub keeps what it downloads."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub")


VARIABLES = {"cache": "HARNESS_CACHE", "hub cache": "HF_HOME", "temporary": "TMPDIR"}


def folder(name: str, path: Path) -> Finding:
    """Whether a folder can be written, or made, and has room."""
    existing = next(parent for parent in (path.absolute(), *path.absolute().parents) if parent.exists())
    elsewhere = f"set {VARIABLES[name]} to a folder elsewhere" if name in VARIABLES else "give another --results"
    problem = unwritable(existing)
    if problem:
        return Finding(name, "fail", f"{path}: {problem}; {elsewhere}, or mend it")
    free = shutil.disk_usage(existing).free / GB
    if free < LITTLE_DISK_GB:
        status: Status = "fail" if free < DISK_GB else "warn"
        return Finding(name, status, f"{path}: {free:.1f} GB free; make room, or {elsewhere}")
    return Finding(name, "ok", f"{path}: {free:.0f} GB free")


def unwritable(existing: Path) -> str | None:
    """Why nothing can be written in a folder, by trying: permissions alone do not tell of read-only mounts."""
    trial = existing / f".harness-{uuid.uuid4().hex}"
    try:
        trial.touch(exist_ok=False)
        trial.unlink()
    except OSError as error:
        return f"{existing} cannot be written ({error.strerror})" if existing.is_dir() else f"{existing} is a file"
    return None


def locks() -> list[Finding]:
    """Locks that killed compilations of torch's extensions leave behind: every later run waits for them, silently."""
    default = Path.home() / ".cache" / "torch_extensions"
    root = Path(os.environ.get("TORCH_EXTENSIONS_DIR") or default)
    left = sorted(root.glob("*/*/lock"))
    if not left:
        return []
    return [Finding("compilation", "warn", f"{left[0]} makes runs wait for it; where nothing is compiling, remove it")]
