"""What the flags of `harness eval` ask for, resolved into a run and its engine."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import whole
from harness.cli.flags import RUN, BadEvaluation, Flags, default_style
from harness.cli.watch import waiting

if TYPE_CHECKING:
    from rich.console import Console

    from evals.data import Dataset, Item
    from evals.engines import Engine, Sampling
    from evals.parity import Parity
    from evals.prompts import Style
    from evals.run import Run
    from harness.config import ModelConfig

# The embedded base was trained on answers of at most this many tokens.
TINY_TOKENS = 40


@dataclass(frozen=True)
class Measurement:
    """A run, ready to be finished, and what to say of it."""

    title: str
    run: "Run"
    style: "Style"
    notes: list[str]
    engine: Callable[[], "Engine"]
    rerun: Callable[[Sequence[dict[str, Any]]], "Parity"]

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
        from harness.cli import rerank

        request = report["request"]
        about = {
            **{f"{group} {key}": value for group, part in request.items() for key, value in part.items()},
            "seconds": report["seconds"],
            **({"notes": "; ".join(report["notes"])} if report["notes"] else {}),
        }
        whole.write(self.run.folder / "summary.json", json.dumps(report, indent=1) + "\n")
        reranked = rerank.page(report["rerank"]) if "rerank" in report else ""
        whole.write(self.run.folder / "summary.md", page(self.title, about, report) + reranked)

    def parity(self, rows: Sequence[dict[str, Any]], kind: str, console: "Console") -> "Parity":
        """Grades the rows with lm-eval, or has it run the model itself; raises `ParityError` where it cannot."""
        from evals.parity import check

        if kind == RUN:
            with waiting("lm-eval runs the model itself", console):
                return self.rerun(rows)
        with waiting("lm-eval grades the completions", console) as told:
            return check(rows, self.style.filters, lambda done: told(done, len(rows)))


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
    with base_progress(console) if flags.model == "tiny" else waiting("reading the model", console) as progress:
        weights = sources.model(flags.model, "default", progress, style.chat)
    tokens = flags.max_new_tokens or (TINY_TOKENS if flags.model == "tiny" else style.max_new_tokens)
    sampling = Sampling(tokens, flags.temperature, flags.seed, flags.top_p, style.stop)
    with waiting("rendering the prompts", console):
        rendered = Rendered(weights.path, style, items)
        doubts = template_doubts(Path(weights.path), rendered.tokenizer, style)
        context = rendered.context(tokens)
        facts, engine = engine_of(flags, weights, rendered.tokenizer, context)
    if doubts and not flags.any_template:
        raise BadEvaluation("\n".join([*doubts, "to measure all the same, which will be recorded, add --any-template"]))
    request = {
        "model": {"name": weights.name, "fingerprint": weights.fingerprint},
        "data": {"name": name, "split": split, "sha256": dataset.sha256, "items": len(items)},
        "prompt": {"style": style.name, "chat": style.form, "digest": style.digest, "template": rendered.template}
        | ({"doubts": doubts} if doubts else {}),
        "sampling": {"samples": flags.samples, **sampled(sampling)},
        "engine": {"name": flags.engine, **facts},
    }
    asked = f"{style.name}, chat {flags.chat}" if flags.chat else style.name
    title = f"{weights.name} on {slug([name, split])}, style {asked}, {told_sampling(flags)}, {len(items)} items"
    folder = flags.out or Path("results") / "eval" / folder_name(request)
    run = Run(folder, request, rendered.prompted, sampling, flags.samples, style.filters)

    def rerun(rows: Sequence[dict[str, Any]]) -> "Parity":
        from evals import parity

        return parity.rerun(rows, style, weights.path, flags.batch_size, facts["dtype"], tokens)

    return Measurement(title, run, style, notes_of(dataset), engine, rerun)


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
    from evals.prompts import FORMS, get

    name = flags.style or default_style(flags)
    train = file.parent / "train.jsonl"
    shots = [(item.question, item.gold) for item in load(train)] if name == "gsm8k" and train.is_file() else None
    return get(name, shots, next((form for form in FORMS if form == flags.chat), None))


class Rendered:
    """The prompts as token ids, each rendered and tokenised once."""

    def __init__(self, folder: str, style: "Style", items: "Sequence[Item]") -> None:
        from transformers import AutoTokenizer

        from evals.evaluation import Prompted
        from evals.prompts import encode
        from harness import chat

        self.folder = Path(folder)
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self.template = chat.template_hash(self.tokenizer) if style.chat else None
        self.prompted = [
            Prompted(item, encode(self.tokenizer, style, style.prompt(item.question, place)))
            for place, item in enumerate(items)
        ]

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


def template_doubts(folder: Path, tokenizer: Any, style: "Style") -> list[str]:
    """Why the model may not see what it was trained on: its template, or that it was trained with another one.

    lm-eval's styles and templates of the user's own are no style of training, so for them the template alone counts.
    """
    from harness import alignment, chat

    if not style.chat:
        return []
    trained, own = chat.trained_with(folder), next((name for name in chat.STYLES if name == style.name), None)
    doubts = []
    try:
        chat.check_trained(folder, tokenizer, own or (trained.prompt if trained else ""))
        if own:
            alignment.require(tokenizer, own, alignment.stop_tokens(folder))
    except (chat.OtherTemplate, alignment.Misaligned) as error:
        doubts = str(error).splitlines()
    return doubts


def engine_of(
    flags: Flags, weights: "ModelConfig", tokenizer: Any, context: int
) -> "tuple[dict[str, str], Callable[[], Engine]]":
    """What `eval.json` says of the engine, and how to load it. Raises `EngineError` where it cannot be had."""
    if flags.engine == "server":
        from evals.engines import server

        url = flags.base_url.rstrip("/")
        name = server.served(url, flags.model)
        return server.facts(url, name), lambda: server.ServerEngine(url, name, concurrency=flags.batch_size)
    from harness.weights import model as load_model
    from harness.weights import placement

    device, dtype = placement()
    kind = str(dtype).removeprefix("torch.")
    if flags.engine == "vllm":
        from evals.engines import vllm

        return vllm.facts(kind, device), lambda: vllm.VllmEngine(weights.path, context, kind)
    from evals.engines import transformers

    def load() -> "Engine":
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        return transformers.TransformersEngine(load_model(weights.path), tokenizer, flags.batch_size)

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
