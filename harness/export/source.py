"""The `rewards` package and a run's plugins, in a folder for machines that have no copy of this project."""

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import rewards
from harness.config import PluginConfig
from harness.export.mapping import BadExport

PACKAGE = "package"
# They measure rewards and load networks; nothing that scores a completion by rules imports them.
APART = ("audit", "regression")


def copy_rewards(folder: Path) -> None:
    """Writes `package/rewards`: every Python source that a reward needs to score."""
    top = Path(rewards.__file__).parent
    for source in sources():
        target = folder / PACKAGE / "rewards" / source.relative_to(top)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def sources() -> Iterator[Path]:
    top = Path(rewards.__file__).parent
    return (path for path in sorted(top.rglob("*.py")) if path.relative_to(top).parts[0] not in APART)


def copy_plugins(plugins: Sequence[PluginConfig], folder: Path) -> dict[str, str]:
    """Copies a run's plugin files and returns the SHA-256 of each, by its path in the folder.

    Raises `BadExport` where a file is not the one that was resolved any more.
    """
    found = {}
    for number, plugin in enumerate(plugins):
        source = Path(plugin.path).read_bytes()
        if hashlib.sha256(source).hexdigest() != plugin.sha256:
            raise BadExport(f"{plugin.path}: it changed while it was exported; export again")
        target = folder / "plugins" / f"{number}-{Path(plugin.path).name}"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(source)
        found[str(target.relative_to(folder))] = plugin.sha256
    return found


def check_carried(reward: rewards.Reward) -> None:
    """Raises `BadExport` where a term comes from an installed package, which does not go along."""
    carried = {plugin.module for plugin in rewards.plugins.used(reward)}
    terms = [term.reward for term in reward.terms] if isinstance(reward, rewards.Composite) else [reward]
    for term in terms:
        module = type(term).__module__
        if module.partition(".")[0] != "rewards" and module not in carried:
            raise BadExport(
                f"grpo.reward {term}: it comes from the installed package {module.partition('.')[0]}, which the "
                "folder cannot carry: give its file under plugins"
            )
