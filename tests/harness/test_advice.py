"""What people meet, brought about for real where a test can, has one name and a line that says what to change."""

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from harness import advice, kernel
from harness.cli.errors import told
from harness.trainers.checkpoints import CheckpointFailed


def full_disk() -> None:
    with Path("/dev/full").open("w") as file:
        file.write("x" * 100_000)


def taken_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as first:
        socket.create_server(first.getsockname())


def taken_rendezvous() -> None:
    from torch.distributed import TCPStore

    with socket.create_server(("127.0.0.1", 0)) as first:
        TCPStore("127.0.0.1", first.getsockname()[1], 2, True)


def no_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(int(path.name) for path in Path("/proc/self/fd").iterdir()) + 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 4, hard))
    opened = []
    try:
        while True:
            opened.append(os.open("/dev/null", os.O_RDONLY))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for file in opened:
            os.close(file)


def nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        place = gone.getsockname()
    socket.create_connection(place)


def peer_closes() -> None:
    """The other side ends with data unread, which resets the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as ours:
        theirs, _ = server.accept()
        ours.sendall(b"hello")
        theirs.close()
        time.sleep(0.1)
        ours.recv(1)


def no_permission() -> None:
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        Path("/not-mine").write_text("x")
    finally:
        if root:
            os.seteuid(0)


def no_memory() -> None:
    bytearray(2**60)


def no_memory_of_torch() -> None:
    import torch

    torch.empty(10**16)


def no_hub() -> None:
    from huggingface_hub import snapshot_download

    with socket.create_server(("127.0.0.1", 0)) as gone:
        endpoint = "http://{}:{}".format(*gone.getsockname())
    snapshot_download("owner/name", endpoint=endpoint)


CAUSES: dict[str, tuple[Callable[[], None], str, str]] = {
    "a full disk": (full_disk, "NoSpace", "HARNESS_CACHE"),
    "a taken port": (taken_port, "PortInUse", "ss -ltnp"),
    "a taken port of a rendezvous": (taken_rendezvous, "PortInUse", "ss -ltnp"),
    "too many files": (no_files, "TooManyFiles", "ulimit -n"),
    "nobody listens": (nobody_listens, "DeadPeer", "NCCL_SOCKET_IFNAME"),
    "a peer that went": (peer_closes, "DeadPeer", "log.txt"),
    "no permission": (no_permission, "PermissionDenied", "--out"),
    "no memory": (no_memory, "OutOfMemory", "optimizer.micro_batch"),
    "no memory of torch": (no_memory_of_torch, "OutOfMemory", "optimizer.micro_batch"),
    "no hub": (no_hub, "HubUnreachable", "HF_ENDPOINT"),
}


@pytest.mark.parametrize("name", list(CAUSES))
def test_a_real_cause_has_a_name_and_a_fix(name: str) -> None:
    cause, kind, fix = CAUSES[name]
    with pytest.raises((OSError, RuntimeError, MemoryError)) as raised:
        cause()
    found = advice.told(raised.value)
    assert found is not None, repr(raised.value)
    assert found[0] == kind
    assert fix in found[1]
    assert "\n" not in found[1]


def test_better_advice_takes_the_place_of_the_general_one() -> None:
    kind, message = advice.told(MemoryError()) or ("", "")
    assert (kind, message) == ("OutOfMemory", f"MemoryError; {advice.SMALLER}")
    assert advice.specific(message, "do this") == "MemoryError; do this"


TEXTS = {
    "OutOfMemory": [
        "CUDA out of memory. Tried to allocate 3.00 GiB",
        "RuntimeError: CUBLAS_STATUS_ALLOC_FAILED",
        "memory allocation of 2162704 bytes failed",
    ],
    "SharedMemory": [
        "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that ... out of shared memory",
        "unable to allocate shared memory(shm) for file </torch_7_2>: No space left on device (28)",
        "Error while creating shared memory segment /dev/shm/nccl-Z1 (size 9637888)",
    ],
    "NoSpace": ["I/O error: No space left on device (os error 28)", "[Errno 122] Disk quota exceeded"],
    "PortInUse": ["[Errno 98] error while attempting to bind on address ('0.0.0.0', 8000): address already in use"],
    "TooManyFiles": ["OSError: [Errno 24] Too many open files", "received 0 items of ancdata"],
    "HubUnreachable": ["We couldn't connect to 'https://huggingface.co' to load the files"],
    "PermissionDenied": ["[Errno 13] Permission denied: '/data'", "[Errno 30] Read-only file system: 'x'"],
    "DeadPeer": [
        "[../gloo/transport/tcp/pair.cc:553] Connection closed by peer [10.0.0.2]:4421",
        "[Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=9, OpType=ALLREDUCE)",
        "NCCL error: ncclRemoteError: A call failed possibly due to a network error",
        "The client socket has timed out after 2000ms while trying to connect to (127.0.0.1, 1).",
    ],
    "TooManyThreads": ["can't start new thread", "libgomp: Thread creation failed: Resource temporarily unavailable"],
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in TEXTS.items() for text in texts])
def test_what_libraries_say_is_known(kind: str, text: str) -> None:
    found = advice.of(text)
    assert found is not None
    assert found.kind == kind


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(RuntimeError("shapes differ: 3 and 4"), id="a defect"),
        pytest.param(FileNotFoundError(2, "No such file or directory", "data.jsonl"), id="a missing file"),
        pytest.param(CheckpointFailed("no space left on device; make room"), id="one of ours, which says its own fix"),
    ],
)
def test_what_is_not_known_is_left_as_it_is(error: BaseException) -> None:
    assert advice.told(error) is None


BUS_ERROR = """
    import mmap, tempfile
    with tempfile.TemporaryFile() as file:
        file.truncate(8192)
        memory = mmap.mmap(file.fileno(), 8192)
        file.truncate(0)
        memory[5000] = 1
"""
THROWS = """
    import os, sys
    print("terminate called after throwing an instance of 'std::bad_alloc'", flush=True)
    os.abort()
"""


@pytest.mark.parametrize(
    ("script", "by_kernel", "kind", "says"),
    [
        pytest.param(BUS_ERROR, False, "SharedMemory", "was killed by SIGBUS; shared memory is too small", id="SIGBUS"),
        pytest.param(THROWS, False, "OutOfMemory", "std::bad_alloc'; lower", id="its log says it"),
        pytest.param("import os; os.kill(os.getpid(), 9)", False, "ProcessDied", "killed by SIGKILL; the same", id="9"),
        pytest.param(
            "import os; os.kill(os.getpid(), 9)", True, "OutOfMemory", "memory ran out; lower", id="9, kernel"
        ),
        pytest.param("import os; os.kill(os.getpid(), 11)", False, "ProcessDied", "killed by SIGSEGV", id="11"),
        pytest.param("raise SystemExit(3)", False, "ProcessDied", "the process ended with exit code 3", id="exit code"),
    ],
)
def test_a_process_that_could_not_say_it(script: str, by_kernel: bool, kind: str, says: str) -> None:
    done = subprocess.run([sys.executable, "-c", dedent(script)], capture_output=True, text=True)
    found = advice.ended(done.returncode, (done.stdout + done.stderr).splitlines(), by_kernel)
    assert found[0] == kind
    assert says in found[1]


def test_the_commands_end_with_the_line_and_not_with_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    import typer

    with pytest.raises(typer.Exit) as raised, told(ValueError):
        full_disk()
    assert raised.value.exit_code == 1
    line = capsys.readouterr().err
    assert line.startswith("error: NoSpace: [Errno 28] No space left on device; make room where")
    assert len(line.splitlines()) == 1
    with pytest.raises(ZeroDivisionError), told(ValueError):
        _ = 1 / 0


def test_the_memory_that_a_process_may_have_is_the_least_of_its_limits() -> None:
    code = "from harness import kernel; print(kernel.memory())"
    limit = 3 * 2**30
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert int(done.stdout) == min(limit, kernel.memory())


PEERS = """
    import datetime, os, signal, sys, time
    import torch, torch.distributed as dist
    from harness import advice
    rank = int(sys.argv[1])
    store = dist.FileStore(sys.argv[2], 2)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=datetime.timedelta(seconds=20))
    dist.all_reduce(torch.ones(2))
    if rank:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(1)
    try:
        dist.all_reduce(torch.ones(2))
    except Exception as error:
        print(*advice.told(error) or ("unknown", repr(error)))
"""


@pytest.mark.slow
def test_a_killed_peer_is_told_by_those_that_wait_for_it(tmp_path: Path) -> None:
    own = [sys.executable, "-c", dedent(PEERS)]
    first, second = (
        subprocess.Popen([*own, str(rank), str(tmp_path / "store")], stdout=subprocess.PIPE, text=True)
        for rank in (0, 1)
    )
    said, _ = first.communicate(timeout=120)
    assert second.wait() == -signal.SIGKILL
    assert said.startswith("DeadPeer ")
    assert "NCCL_SOCKET_IFNAME" in said
