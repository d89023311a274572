"""Objectives are exact configurations that TRL accepts and the documentation lists."""

import re
from pathlib import Path

import pytest
from trl import GRPOConfig

from harness.trainers.advantages import ESTIMATORS
from harness.trainers.objectives import UnknownObjective, names, objective

DOCUMENT = (Path(__file__).parents[3] / "docs" / "objectives.md").read_text(encoding="utf-8")
every = pytest.mark.parametrize("name", names())


def section(name: str) -> str:
    found = re.search(rf"^## `{name}`\n(.*?)(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found, f"docs/objectives.md has no section for {name}"
    return " ".join(found[1].split())


@every
def test_trl_takes_the_settings_and_we_have_the_estimator(name: str, tmp_path: Path) -> None:
    chosen = objective(name)
    assert chosen.advantage in ESTIMATORS
    arguments = GRPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, **chosen.settings)
    assert {key: getattr(arguments, key) for key in chosen.settings} == chosen.settings


@every
def test_the_document_says_what_the_code_does(name: str) -> None:
    chosen, text = objective(name), section(name)
    for key, value in chosen.settings.items():
        assert f"`{key}={value}`" in text
    assert f"`{chosen.advantage}`" in text
    assert f"KL weight {chosen.kl:g}" in text
    identifier = re.search(r"arXiv (\d{4}\.\d{5})", chosen.source)
    assert identifier
    assert identifier[1] in text


@every
@pytest.mark.parametrize(
    ("kl", "own"), [(None, True), (0.0, False), (0.3, False)], ids=["not said", "turned off", "given"]
)
def test_the_run_decides_over_the_divergence_where_it_says_so(name: str, kl: float | None, own: bool) -> None:
    chosen = objective(name)
    # The sigmoid loss is a constant where beta is 0: off means the paper's.
    expected = chosen.kl if own or (name == "online_dpo" and not kl) else kl
    assert chosen.beta(kl) == expected


@pytest.mark.parametrize(
    ("written", "meant"), [("grpoo", "grpo"), ("dr-grpo", "dr_grpo"), ("reinforce++", "reinforce_pp")]
)
def test_unknown_objective_names_the_nearest(written: str, meant: str) -> None:
    with pytest.raises(UnknownObjective, match=f"did you mean .*{meant}"):
        objective(written)
