"""What the installed packages must be: the project's own metadata, held against what is there. A leaf."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

DISTRIBUTION = "reward-harness"


def unmet() -> list[str]:
    """A line with its fix for every required package that is missing or of another version.

    A checkout that was never installed has no metadata to hold anything against: nothing is said.
    """
    try:
        declared = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return []
    return list(_unmet(declared))


def _unmet(declared: list[str]) -> Iterator[str]:
    from packaging.requirements import Requirement

    for requirement in map(Requirement, declared):
        # Extras are asked for by whoever needs them.
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        wanted = f"{requirement.name}{requirement.specifier}"
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            yield f"{requirement.name} is not installed: pip install '{wanted}'"
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            yield f"{requirement.name} {found} is installed, {wanted} is needed: pip install '{wanted}'"
