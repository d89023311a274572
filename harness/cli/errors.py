"""Bad input ends in one line that says the fix and exit code 2; a traceback means a defect of ours."""

import contextlib
from collections.abc import Iterator

import typer
from pydantic import ValidationError

from harness import advice

FAILED = 1
BAD_INPUT = 2


class BadRequest(ValueError):
    """One or more flags cannot be used; each line of the message is one problem and its fix."""


@contextlib.contextmanager
def told(*kinds: type[Exception]) -> Iterator[None]:
    """Turns the named exceptions, and settings that do not validate, into lines on stderr and exit code 2.

    What the machine ran out of, or does not allow, is a line with its fix as well, and exit code 1.
    """
    expected: tuple[type[Exception], ...] = (*kinds, ValidationError)
    try:
        yield
    except expected as error:
        for line in lines(error):
            typer.echo(f"error: {line}", err=True)
        raise typer.Exit(BAD_INPUT) from error
    except BrokenPipeError:
        # Whoever read the output has enough of it.
        raise
    except Exception as error:
        if (known := advice.told(error)) is None:
            raise
        typer.echo(f"error: {': '.join(known)}", err=True)
        raise typer.Exit(FAILED) from error


@contextlib.contextmanager
def noted(problems: list[str], *kinds: type[Exception]) -> Iterator[None]:
    """Adds the lines of the named exceptions to `problems`, each line once, and goes on."""
    expected: tuple[type[Exception], ...] = (*kinds, ValidationError)
    try:
        yield
    except expected as error:
        problems += [line for line in lines(error) if line not in problems]


def lines(error: Exception) -> list[str]:
    if isinstance(error, ValidationError):
        return [f"{'.'.join(map(str, e['loc']))}: {_plainly(e['type'], e['msg'])}" for e in error.errors()]
    return str(error).strip().splitlines() or [type(error).__name__]


def _plainly(kind: str, message: str) -> str:
    return "there is no such setting" if kind == "extra_forbidden" else message.removeprefix("Value error, ")
