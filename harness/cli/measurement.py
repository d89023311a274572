"""What the flags of `harness eval` ask for: checked all at once, then resolved into a run and its engine."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from evals.data import Dataset, Item
    from evals.engines import Engine, Sampling
    from evals.prompts import Style
    from evals.run import Run
    from harness.config import ModelConfig

ENGINES = ("transformers", "vllm", "server")
SPLITS = ("test", "train", "dev")
CHECKS = ("", "lm-eval")
# The embedded base was trained on bare questions and answers in at most this many tokens.
TINY_STYLE = "bare"
TINY_TOKENS = 40


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
    limit: int | None
    out: Path | None
    seed: int
    max_new_tokens: int | None
    batch_size: int
    check: str


@dataclass(frozen=True)
class Parity:
    """What lm-eval's own filters say of the same completions."""

    agrees: bool
    lines: list[str]
    counts: dict[str, int]


@dataclass(frozen=True)
class Measurement:
    """A run, ready to be finished, and what to say of it."""

    title: str
    run: "Run"
    style: "Style"
    notes: list[str]
    engine: Callable[[], "Engine"]

    def report(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Every metric, what was asked, tokens and seconds; ready for JSON."""
        from evals.metrics import summary

        return {
            **summary(rows),
            "generated_tokens": sum(row["tokens"] for row in rows),
            "seconds": round(self.run.seconds(), 3),
            "notes": self.notes,
            "request": self.run.request,
        }

    def write(self, report: dict[str, Any]) -> None:
        """Writes `summary.json` and `summary.md` beside the items."""
        from evals.markdown import page

        request = report["request"]
        about = {
            **{f"{group} {key}": value for group, part in request.items() for key, value in part.items()},
            "seconds": report["seconds"],
        }
        _replace(self.run.folder / "summary.json", json.dumps(report, indent=1) + "\n")
        _replace(self.run.folder / "summary.md", page(self.title, about, report))

    def parity(self, rows: Sequence[dict[str, Any]]) -> Parity:
        """Grades the rows with lm-eval; raises `ParityError` where it is not installed."""
        from evals.parity import check

        found = check(rows, self.style.filters)
        counts = {"n": found.n, "strict": found.strict[1], "flexible": found.flexible[1]}
        return Parity(found.agrees, found.lines(), {**counts, "disagreements": len(found.disagreements)})


def checked(flags: Flags) -> Flags:
    """The flags, if they go together; raises `BadEvaluation` with all problems at once."""
    problems = [
        f"{name} {value}: give {', '.join(choice for choice in choices if choice)}"
        for name, value, choices in (
            ("--engine", flags.engine, ENGINES),
            ("--split", flags.split, SPLITS),
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
    if not 0 < flags.top_p <= 1:
        problems.append(f"--top-p {flags.top_p}: give more than 0 and at most 1")
    if flags.check == "lm-eval" and find_spec("lm_eval") is None:
        problems.append("--check lm-eval: lm-eval is not installed: pip install 'reward-harness[lm-eval]'")
    if problems:
        raise BadEvaluation("\n".join(problems))
    return flags


def prepared(flags: Flags, console: "Console") -> Measurement:
    """Resolves data, style and model, renders every prompt and says what `eval.json` will hold."""
    from evals.data import read
    from evals.engines import Sampling
    from evals.run import Run
    from harness import sources
    from harness.cli.request import base_progress, slug

    name, split, file = data_file(flags)
    dataset = read(file)
    items = dataset.items[: flags.limit]
    if set(dataset.unreadable).issuperset(item.id for item in items):
        raise BadEvaluation(f"{file}: no gold of the first {len(items)} is one number; give a larger --limit")
    style = chosen_style(flags, file)
    with base_progress(console) as progress:
        weights = sources.model(flags.model, "default", progress)
    tokens = flags.max_new_tokens or (TINY_TOKENS if flags.model == "tiny" else style.max_new_tokens)
    sampling = Sampling(tokens, flags.temperature, flags.seed, flags.top_p, style.stop)
    rendered = Rendered(weights.path, style, items)
    context = rendered.context(tokens)
    facts, engine = engine_of(flags, weights, rendered.tokenizer, context)
    request = {
        "model": {"name": weights.name, "fingerprint": weights.fingerprint},
        "data": {"name": name, "split": split, "sha256": dataset.sha256, "items": len(items)},
        "prompt": {"style": style.name, "digest": style.digest, "template": rendered.template},
        "sampling": {"samples": flags.samples, **sampled(sampling)},
        "engine": {"name": flags.engine, **facts},
    }
    title = f"{weights.name} on {slug([name, split])}, style {style.name}, {told_sampling(flags)}, {len(items)} items"
    folder = flags.out or Path("results") / "eval" / folder_name(request)
    run = Run(folder, request, rendered.prompted, sampling, flags.samples, style.filters)
    return Measurement(title, run, style, notes_of(dataset), engine)


def data_file(flags: Flags) -> tuple[str, str, Path]:
    """Name of the data set and of the split, and its file. Raises `SourceError` or `BadEvaluation`."""
    from harness import sources

    name = flags.data or ("tiny" if flags.model == "tiny" else "gsm8k")
    path = flags.data_path or (Path(name) if Path(name).exists() and name not in sources.EMBEDDED_DATA else None)
    if path is None:
        found = getattr(sources.data(name, []), flags.split)
        if found is None:
            raise BadEvaluation(f"--split {flags.split}: {name} has none; give test or train")
        return name, flags.split, Path(found)
    file = path / f"{flags.split}.jsonl" if path.is_dir() else path
    if not file.is_file():
        raise BadEvaluation(f"{file}: no such file; --data-path takes JSON lines, or a folder with {flags.split}.jsonl")
    if flags.data and not Path(flags.data).exists():
        return flags.data, file.stem, file
    return path.resolve().name if path.is_dir() else file.stem, file.stem, file


def chosen_style(flags: Flags, file: Path) -> "Style":
    """The prompt style. lm-eval's `gsm8k` draws its worked examples from the train.jsonl beside the data."""
    from evals.data import load
    from evals.prompts import Style, get

    name = flags.style or (TINY_STYLE if flags.model == "tiny" else "think")
    if name == TINY_STYLE:
        return Style(TINY_STYLE, chat=True)
    train = file.parent / "train.jsonl"
    shots = [(item.question, item.gold) for item in load(train)] if name == "gsm8k" and train.is_file() else None
    return get(name, shots)


class Rendered:
    """The prompts as token ids, each rendered and tokenised once."""

    def __init__(self, folder: str, style: "Style", items: "Sequence[Item]") -> None:
        from transformers import AutoTokenizer

        from evals.evaluation import Prompted
        from harness import chat

        self.folder = Path(folder)
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self.template = chat.template_hash(self.tokenizer) if style.chat else None
        self.prompted = [Prompted(item, self._ids(style.prompt(item.question, i))) for i, item in enumerate(items)]

    def _ids(self, prompt: Any) -> list[int]:
        from harness import chat

        if isinstance(prompt, str):
            ids: list[int] = self.tokenizer(prompt)["input_ids"]
            return ids
        return chat.encode(self.tokenizer, prompt)

    def context(self, new_tokens: int) -> int:
        """Tokens of the longest prompt and its completion; raises `BadEvaluation` where the model has fewer."""
        needed = max(len(each.prompt) for each in self.prompted) + new_tokens
        config = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
        limit = config.get("max_position_embeddings")
        if isinstance(limit, int) and needed > limit:
            raise BadEvaluation(
                f"the longest prompt and {new_tokens} new tokens take {needed} positions and the model has {limit}; "
                "give a smaller --max-new-tokens or a --style with shorter prompts"
            )
        return needed


def engine_of(
    flags: Flags, weights: "ModelConfig", tokenizer: Any, context: int
) -> "tuple[dict[str, str], Callable[[], Engine]]":
    """What `eval.json` says of the engine, and how to load it. Raises `EngineError` where it cannot be had."""
    if flags.engine == "server":
        from evals.engines import server

        url = flags.base_url.rstrip("/")
        name = server.served(url, flags.model)
        return server.facts(url, name), lambda: server.ServerEngine(url, name, concurrency=flags.batch_size)
    from harness.weights import placement

    device, dtype = placement()
    kind = str(dtype).removeprefix("torch.")
    if flags.engine == "vllm":
        from evals.engines import vllm

        return vllm.facts(kind, device), lambda: vllm.VllmEngine(weights.path, context, kind)
    from evals.engines import transformers

    def load() -> "Engine":
        from transformers import AutoModelForCausalLM
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        model = AutoModelForCausalLM.from_pretrained(weights.path, dtype=dtype, use_safetensors=True).to(device)
        return transformers.TransformersEngine(model, tokenizer, flags.batch_size)

    return transformers.facts(kind, device, flags.batch_size), load


def sampled(sampling: "Sampling") -> dict[str, Any]:
    return {**vars(sampling), "stop": list(sampling.stop)}


def told_sampling(flags: Flags) -> str:
    if flags.temperature == 0:
        return "greedy"
    return f"{flags.samples} samples at temperature {flags.temperature:g}"


def notes_of(dataset: "Dataset") -> list[str]:
    return [f"{dataset.split}: {note}" for note in dataset.notes()]


def folder_name(request: dict[str, Any]) -> str:
    """Model, data and style for people, and a digest of all that was asked, so that equal commands meet in a folder."""
    from harness.cli.request import slug

    digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:8]
    parts = [request["model"]["name"], request["data"]["name"], request["data"]["split"], request["prompt"]["style"]]
    return f"{slug(parts)}-{digest}"


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
