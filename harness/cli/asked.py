"""What a study is asked to be: the file of `harness ablate --config`, and the flags over it."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from harness.cli.errors import BadRequest
from harness.cli.recipe import toml_value
from harness.config import Table


def _specs(value: Any) -> Any:
    """One text names several specs, comma separated; commas inside parentheses belong to a spec."""
    import rewards

    return tuple(rewards.split(value)) if isinstance(value, str) else value


def _names(value: Any) -> Any:
    return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value


Specs = Annotated[tuple[str, ...], BeforeValidator(_specs)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]


class Asked(Table):
    """What the file may say, in the words of the flags. Paths are those of the working directory.

    Attributes:
        rewards: specs; the first is the baseline unless `baseline` names another.
        seeds: how many; by default what goes with the preset.
        start: a file of `harness train`, run once for each model; the cells start from what it makes.
        controls: adds the rewards `random` and `format_only`.
        settings: `set` in a file; values by dotted key, as `train.learning_rate`; a list of values is an axis.
        paired: values that go together, one table for each variant of the study.
    """

    name: str = ""
    rewards: Specs = ()
    objectives: Specs = ("grpo",)
    seeds: int | str | None = None
    preset: str = "quick"
    model: Names = ("tiny",)
    data: Names = ()
    data_path: str = ""
    prm: str = ""
    start: str = ""
    plugins: Names = ()
    baseline: str = ""
    controls: bool = True
    report_to: Names = ()
    settings: dict[str, Any] = Field(default_factory=dict, alias="set")
    paired: tuple[dict[str, Any], ...] = ()


def asked(file: Path | None, flags: Mapping[str, Any], changes: Sequence[str]) -> Asked:
    """The file, the flags that are given over it, and `KEY=VALUE` or `KEY=VALUE,VALUE` over its settings.

    Without a file the known controls are left out unless asked for.

    Raises:
        BadRequest: no such file, not TOML, or a change that cannot be read.
        RewardError: parentheses that do not close.
        pydantic.ValidationError: what the file cannot say.
    """
    table: dict[str, Any] = _read(file) if file else {"controls": False}
    table |= {name: value for name, value in flags.items() if value is not None}
    if changes:
        table["set"] = _flat(table.get("set", {})) | dict(_change(text) for text in changes)
    return Asked.model_validate(table)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadRequest(f"{file}: {error.strerror}; give a TOML file, as in examples/studies") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"{file}: not TOML: {error}") from error


def _flat(table: Mapping[str, Any]) -> dict[str, Any]:
    from ablations.variants import flattened

    return dict(flattened(table))


def _change(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not value or "." not in key.strip("."):
        raise BadRequest(f"--set {text}: give train.KEY=VALUE, or several values: train.learning_rate=1e-5,3e-5")
    values = [toml_value(part) for part in value.split(",")]
    return key, values if len(values) > 1 else values[0]
