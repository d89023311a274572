"""The flags of `harness eval`, checked all at once."""

from dataclasses import dataclass
from pathlib import Path

ENGINES = ("transformers", "vllm", "server")
SPLITS = ("test", "train", "dev")
# With lm-eval's filters over the same completions, or also with completions of its own.
FILTERS, RUN = "lm-eval", "lm-eval-run"
CHECKS = ("", FILTERS, RUN)


class BadEvaluation(ValueError):
    """One or more flags cannot be used; each line of the message is one problem and its fix."""


@dataclass(frozen=True)
class Flags:
    """The flags, as given."""

    model: str
    data: str
    data_path: Path | None
    split: str
    engine: str
    base_url: str
    samples: int
    temperature: float
    top_p: float
    style: str
    chat: str
    limit: int | None
    out: Path | None
    seed: int
    max_new_tokens: int | None
    batch_size: int
    check: str
    any_template: bool
    rerank: str


def checked(flags: Flags) -> Flags:
    """The flags, if they go together; raises `BadEvaluation` with all problems at once."""
    from evals.prompts import FORMS
    from harness.doctor import preflight
    from harness.weights import is_adapter

    problems = [
        f"{name} {value}: give {', '.join(choice for choice in choices if choice)}"
        for name, value, choices in (
            ("--engine", flags.engine, ENGINES),
            ("--split", flags.split, SPLITS),
            ("--chat", flags.chat, ("", *FORMS)),
            ("--check", flags.check, CHECKS),
        )
        if value not in choices
    ]
    if (flags.engine == "server") != bool(flags.base_url):
        problems.append("--engine server and --base-url URL belong together, as http://127.0.0.1:8000/v1")
    elif flags.base_url and not flags.base_url.startswith(("http://", "https://")):
        problems.append(f"--base-url {flags.base_url}: give a URL, as http://127.0.0.1:8000/v1")
    if flags.samples > 1 and flags.temperature == 0:
        problems.append(f"--samples {flags.samples} at temperature 0 would all be equal; give --temperature")
    problems += rerank_problems(flags) if flags.rerank else []
    if not 0 < flags.top_p <= 1:
        problems.append(f"--top-p {flags.top_p}: give more than 0 and at most 1")
    if flags.engine == "vllm" and is_adapter(Path(flags.model)):
        problems.append(f"--engine vllm: {flags.model} is an adapter alone; give the merged weights, model/ beside it")
    problems += preflight.refused(needs(flags))
    problems += rerun_problems(flags) if flags.check == RUN else []
    if problems:
        raise BadEvaluation("\n".join(problems))
    return flags


def needs(flags: Flags) -> list[str]:
    """The capabilities that the evaluation takes; a server brings its own engine."""
    checks = ["lm-eval"] if flags.check in (FILTERS, RUN) else []
    return ["cpu", *(["vllm"] if flags.engine == "vllm" else []), *checks]


def rerank_problems(flags: Flags) -> list[str]:
    """Why a process reward model cannot choose among the samples."""
    from harness.cli.rerank import parsed
    from rewards.errors import RewardError

    problems = []
    if flags.samples == 1:
        problems.append("--rerank chooses among completions of a question: give --samples 2 or more")
    try:
        parsed(flags.rerank)
    except RewardError as error:
        problems.append(f"--rerank {flags.rerank}: {error}")
    return problems


def rerun_problems(flags: Flags) -> list[str]:
    """Why lm-eval cannot run the model itself on the same questions in the same way."""
    from evals.prompts.lm_eval import NAMES

    problems = []
    if flags.engine == "server":
        problems.append(f"--check {RUN}: loads the model itself, which a server has; take --check {FILTERS}")
    if flags.style not in NAMES:
        style = flags.style or default_style(flags)
        problems.append(f"--check {RUN}: lm-eval has no task {style}; give --style {', '.join(NAMES)}")
    if flags.temperature > 0:
        problems.append(f"--check {RUN}: lm-eval's tasks are greedy; leave --temperature out")
    return problems


def default_style(flags: Flags) -> str:
    """What the model was trained with where that is known."""
    from harness.chat import style_of

    return style_of(Path(flags.model), flags.model == "tiny")
