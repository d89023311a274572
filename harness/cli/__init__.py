"""The `harness` command. Each command lives in the module of its name; heavy libraries load inside a command."""

import typer

from harness.cli.ablate import ablate
from harness.cli.audit import audit
from harness.cli.compare import compare
from harness.cli.doctor import doctor
from harness.cli.estimate import estimate
from harness.cli.eval import evaluate_command
from harness.cli.export import export
from harness.cli.pairs import pairs
from harness.cli.report import report
from harness.cli.rewards import rewards
from harness.cli.road import road
from harness.cli.train import train
from harness.cli.verify import verify

app = typer.Typer(
    name="harness",
    help="Which reward makes a language model reason better, measured: real training runs, tables with intervals.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(ablate)
app.command()(report)
app.command()(train)
app.command()(pairs)
app.command()(road)
app.command(name="eval")(evaluate_command)
app.command()(compare)
app.command()(rewards)
app.command()(audit)
app.command()(verify)
app.command()(doctor)
app.command()(estimate)
app.command()(export)


@app.callback()
def main() -> None:
    """Present so that `harness` stays a group of commands."""
