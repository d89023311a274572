"""Running checks and telling them: one line each, `--json` for machines, exit code 1 where one failed."""

import argparse
import contextlib
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FOLDER = "{folder}"

Check = Callable[[], str]


class Failed(Exception):
    """A check does not hold; the message says what and how."""


def main(about: str, checks: Callable[[list[str], bool], dict[str, Check]]) -> int:
    """Runs all checks, also where one has failed.

    Args:
        checks: makes them, for the arguments after `--` and whether this machine shall train.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument("--train", action="store_true", help="as run.sh asks: this machine shall train")
    parser.add_argument("arguments", nargs="*", help="after --: what run.sh is called with")
    asked = parser.parse_args()
    results = []
    for name, check in checks(asked.arguments, asked.train).items():
        started = time.monotonic()
        told = _outcome(check)
        results.append({"name": name, **told, "seconds": round(time.monotonic() - started, 1)})
        if not asked.json:
            print(f"{told['status']:4}  {name:9}  {told['detail']}", flush=True)
    if asked.json:
        print(json.dumps({"folder": str(HERE), "checks": results}, indent=1))
    return int(any(result["status"] != "ok" for result in results))


def _outcome(check: Check) -> dict[str, str]:
    # Frameworks print what they like: standard output is for the verdicts alone.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            return {"status": "ok", "detail": check()}
        except Failed as error:
            return {"status": "fail", "detail": str(error)}
        except (Exception, SystemExit) as error:
            words = " ".join(f"{type(error).__name__}: {error}".split())
            return {"status": "fail", "detail": words[:500]}


def manifest() -> dict[str, Any]:
    told: dict[str, Any] = json.loads((HERE / "manifest.json").read_text(encoding="utf-8"))
    return told


def expected() -> list[dict[str, Any]]:
    lines = (HERE / "expected.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def lines(file: str) -> list[str]:
    """The lines of a settings file that say something, with this folder in its place."""
    found = (HERE / file).read_text(encoding="utf-8").splitlines()
    return [line.replace(FOLDER, str(HERE)) for line in found if line.strip() and not line.startswith("#")]


def files() -> str:
    """Every file is the one that was exported."""
    recorded = manifest()["files"]
    changed = [name for name, sha256 in recorded.items() if _sha256(HERE / name) != sha256]
    if changed:
        shown = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
        raise Failed(f"{shown}: not as exported; export again, and give other settings to run.sh as arguments")
    return f"{len(recorded)} files are those that were exported"


def _sha256(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def versions(train: bool) -> str:
    """The engine is the pinned one; what its metadata demands beside it is told, and to `train` demanded."""
    pins = manifest()["pins"]
    name, wanted = pins["engine"]
    found = installed(name)
    if found != wanted:
        raise Failed(f"{name} {wanted} is needed, here is {found or 'none'}: run setup.sh")
    others = {one: installed(one) for one in pins["exact"]}
    apart = [
        f"{one} {there} instead of {pins['exact'][one][0]}" if there else f"no {one}"
        for one, there in others.items()
        if there is None or there.partition("+")[0] != pins["exact"][one][0]
    ]
    if apart and train:
        raise Failed(f"{', '.join(apart)}: to train run setup.sh without --check-only")
    return f"{name} {found}" + (f"; enough to check, not to train: {', '.join(apart)}" if apart else "")


def machine(train: bool, model: str, gpus: int) -> str:
    """To `train`, this machine has the GPUs and the model; of a Ray cluster, Ray knows the GPUs."""
    import torch

    here, away = torch.cuda.device_count(), os.environ.get("RAY_ADDRESS")
    if train and Path(model).is_absolute() and not Path(model).is_dir():
        raise Failed(f"{model}: no such folder; say where the model is by an argument of run.sh")
    if train and not away and here < gpus:
        raise Failed(f"{here} GPUs are here, {gpus} are asked for; export again with --gpus, or set RAY_ADDRESS")
    return f"the GPUs of the cluster at {away}" if away else f"{here} GPUs here, {gpus} to train"


def installed(distribution: str) -> str | None:
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(distribution)
    return None


def digest(values: Iterable[Any]) -> str:
    """SHA-256 over values, one line of JSON each: the token ids of prompts, or golds."""
    hashed = hashlib.sha256()
    for value in values:
        hashed.update(json.dumps(value).encode() + b"\n")
    return hashed.hexdigest()


def numbers(grades: dict[str, float | None]) -> dict[str, float]:
    """The registry's grades as an engine has to hold them: what is not scorable is 0.0, and `unscorable` 1.0."""
    return {**{name: value or 0.0 for name, value in grades.items()}, "unscorable": float(None in grades.values())}


def same(told: dict[str, Any], row: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raises `Failed` where what an engine holds for a row is not what is wanted; numbers passed through float32."""
    for name, value in wanted.items():
        there = told.get(name)
        close = isinstance(there, float | int) and isinstance(value, float) and abs(there - value) < 1e-5
        if not close and there != value:
            kind = f"question {row['index']}, {row['kind']}"
            raise Failed(f"{kind}: {name} is {there} here, {value} in the registry")
