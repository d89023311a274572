"""Bad input ends in one line that says the fix and exit code 2; a traceback means a defect of ours."""

import contextlib
from collections.abc import Iterator

import typer

BAD_INPUT = 2


@contextlib.contextmanager
def told(*kinds: type[Exception]) -> Iterator[None]:
    """Turns the named exceptions into their message on stderr and exit code 2."""
    try:
        yield
    except kinds as error:
        for line in str(error).strip().splitlines() or [type(error).__name__]:
            typer.echo(f"error: {line}", err=True)
        raise typer.Exit(BAD_INPUT) from error
