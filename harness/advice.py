"""What people meet when a run ends, by its symptom, and the one line that says what to change. A leaf.

A library's error says what happened, seldom what to do. Errors of our own say it themselves and are left as they are.
"""

import re
import signal
from collections.abc import Iterable
from dataclasses import dataclass

SMALLER = "lower optimizer.micro_batch (of a study train.micro_batch or --jobs, of harness eval --batch-size)"
GOES_ON = "the same command goes on from the last checkpoint (harness ablate: with --retry-failed)"
HUB = "give a model or data folder on this disk, or reach the hub: HTTPS_PROXY, HF_ENDPOINT of a mirror"
OWN = ("harness", "rewards", "evals", "ablations")


@dataclass(frozen=True)
class Symptom:
    """A failure by one name, whoever reports it: what its message looks like, and what helps."""

    kind: str
    looks: re.Pattern[str]
    advice: str


def _symptom(kind: str, looks: str, advice: str) -> Symptom:
    return Symptom(kind, re.compile(looks, re.IGNORECASE), advice)


# The first that fits counts: a full /dev/shm is also a full disk, and who cannot reach the hub is refused too.
SYMPTOMS = (
    _symptom(
        "OutOfMemory",
        r"\bMemoryError\b|OutOfMemoryError|can't allocate memory|cannot allocate memory|out of memory|std::bad_alloc"
        r"|CUBLAS_STATUS_ALLOC_FAILED|no available memory for the cache blocks"
        # Of tokenizers and safetensors, which are Rust.
        r"|memory allocation of \d+ bytes failed",
        SMALLER,
    ),
    _symptom(
        "SharedMemory",
        r"bus error|SIGBUS|/dev/shm|shared memory\S* .*(no space|failed|unable)|unable to .*shared memory"
        r"|out of shared memory",
        "shared memory is too small: docker run --shm-size=8g (or --ipc=host), or mount -o remount,size=8g /dev/shm",
    ),
    _symptom(
        "NoSpace",
        r"no space left on device|disk quota exceeded|file too large|\bENOSPC\b",
        "make room where the results and the caches are (HARNESS_CACHE, HF_HOME), or give another --out (--results of "
        f"a study); {GOES_ON}",
    ),
    _symptom(
        "PortInUse",
        r"address already in use|\bEADDRINUSE\b|another process is utilizing it",
        "another process listens there: end it (ss -ltnp names it), or give another port; what a run chooses for "
        "itself it chooses again at every start",
    ),
    _symptom(
        "TooManyFiles",
        r"too many open files|received 0 items of ancdata|\bEMFILE\b",
        "raise the limit of open files where the command starts: ulimit -n 65536 (LimitNOFILE of a service)",
    ),
    _symptom(
        "HubUnreachable",
        r"connect to 'https?://\S*(huggingface|hf)|locate the files? on the hub|offline mode is enabled|name resolution"
        r"|name or service not known",
        HUB,
    ),
    _symptom(
        "PermissionDenied",
        r"permission denied|read-only file system|operation not permitted",
        "give folders you may write to: --out (--results of a study) for the records, HARNESS_CACHE and HF_HOME for "
        "the caches",
    ),
    _symptom(
        "DeadPeer",
        r"connection (was )?(reset|closed|refused|aborted)|broken pipe|socket timeout|timed out (waiting|after)"
        r"|wait timeout|ncclRemoteError|ncclSystemError|collective operation timeout|DistNetworkError"
        r"|DistBackendError|DistStoreError|failed to recv|no route to host|host is unreachable|EndOfFile",
        "the other side is gone or does not answer: what ended it is further up in log.txt or on its machine; across "
        f"machines open the firewall and name the network (NCCL_SOCKET_IFNAME, GLOO_SOCKET_IFNAME); {GOES_ON}",
    ),
    _symptom(
        "TooManyThreads",
        r"can't start new thread|thread creation failed|resource temporarily unavailable",
        "raise the limit of processes where the command starts (ulimit -u, pids of a container), or lower --jobs",
    ),
)
_BY_KIND = {symptom.kind: symptom for symptom in SYMPTOMS}


def of(text: str) -> Symptom | None:
    """The symptom that a message shows; None for any other."""
    return next((symptom for symptom in SYMPTOMS if symptom.looks.search(text)), None)


def told(error: BaseException) -> tuple[str, str] | None:
    """One name for the failure, and the first line of its message with what helps; None where nothing is known."""
    if type(error).__module__.split(".")[0] in OWN:
        return None
    # A `MemoryError` has no message at all, and of some errors the first line is not the one that says it.
    symptom = of(str(error)) or of(" ".join(kind.__name__ for kind in type(error).__mro__))
    first = next(iter(str(error).splitlines()), "") or type(error).__name__
    return (symptom.kind, f"{first}; {symptom.advice}") if symptom else None


def ended(code: int, log: Iterable[str], by_kernel: bool, which: str = "the process") -> tuple[str, str]:
    """The same of a process that could not say it itself.

    Args:
        code: its exit code, negative where a signal killed it.
        log: the last lines it printed.
        by_kernel: whether the kernel has killed a process for want of memory meanwhile.
        which: who it was.
    """
    if code == -signal.SIGKILL:
        if by_kernel:
            return "OutOfMemory", f"{which} was killed by SIGKILL because memory ran out; {SMALLER}"
        return "ProcessDied", f"{which} was killed by SIGKILL; {GOES_ON}"
    name = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    if code == -signal.SIGBUS:
        return "SharedMemory", f"{which} was {name}; {_BY_KIND['SharedMemory'].advice}"
    for line in reversed(list(log)):
        if symptom := of(line):
            return symptom.kind, f"{line.strip()}; {symptom.advice}"
    return "ProcessDied", f"{which} was {name}; {GOES_ON}" if code < 0 else f"{which} {name}"


def specific(message: str, advice: str) -> str:
    """The message with better advice in the place of its general one."""
    for symptom in SYMPTOMS:
        message = message.removesuffix(f"; {symptom.advice}")
    return f"{message}; {advice}"
