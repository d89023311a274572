"""The questions in an engine's format, and the files of the tokenizer that renders them."""

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from evals.data import Item
from harness import chat
from harness.export.mapping import BadExport

# What transformers reads a tokenizer from; the configs say of which model it is and what ends a completion.
TOKENIZER = (
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "chat_template.*",
    "*.model",
    "config.json",
    "generation_config.json",
)


@dataclass(frozen=True)
class Prompt:
    """A question as it reaches the model: its conversation, the text of that, and the token ids."""

    item: Item
    messages: chat.Messages
    text: str
    ids: tuple[int, ...]


def prompts(tokenizer: Any, items: Iterable[Item], style: chat.Style) -> list[Prompt]:
    return [_prompt(tokenizer, item, chat.messages(item.question, style)) for item in items]


def _prompt(tokenizer: Any, item: Item, messages: chat.Messages) -> Prompt:
    text = chat.render(tokenizer, messages)
    return Prompt(item, messages, text, tuple(chat.tokenise(tokenizer, text)))


def template(tokenizer: Any, prompt: Prompt) -> dict[str, str]:
    """What must be told to the chat template of an engine, which renders by itself, so that the ids are ours.

    Raises `BadExport` where nothing helps: the template asks for what an engine does not tell.
    """
    for told in ({}, {"date_string": chat.DATE}):
        text = tokenizer.apply_chat_template(prompt.messages, tokenize=False, add_generation_prompt=True, **told)
        if text == prompt.text:
            return told
    raise BadExport(
        "the chat template writes what the engine would not, as today's date: write the date out in the template, "
        "or take the model with --set model=FOLDER whose template has none"
    )


def copy_tokenizer(source: Path, folder: Path) -> None:
    folder.mkdir()
    for path in sorted({path for pattern in TOKENIZER for path in source.glob(pattern)}):
        # A hub's cache holds links.
        shutil.copyfile(path.resolve(), folder / path.name)


def to_parquet(prompts: Sequence[Prompt], path: Path, name: str, split: str) -> None:
    """verl's rows: `prompt` holds messages, `reward_model.ground_truth` the gold as the data have it."""
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    rows = [
        {
            "data_source": name,
            "prompt": prompt.messages,
            "ability": "math",
            "reward_model": {"style": "rule", "ground_truth": prompt.item.gold},
            "extra_info": {"question": prompt.item.question, "index": index, "split": split, "id": prompt.item.id},
        }
        for index, prompt in enumerate(prompts)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)


def to_json_lines(prompts: Iterable[Prompt], path: Path, name: str) -> None:
    """OpenRLHF's rows: `prompt` is rendered, so that no template of the engine's has a part in it."""
    with path.open("w", encoding="utf-8") as file:
        for prompt in prompts:
            row = {
                "prompt": prompt.text,
                "answer": prompt.item.gold,
                "question": prompt.item.question,
                "id": prompt.item.id,
                "datasource": name,
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def drawn(prompts: Sequence[Prompt], count: int, seed: int) -> Iterator[Prompt]:
    """`count` prompts: the data as often as it takes, each time in another order of the seed's."""
    random = Random(seed)
    while count > 0:
        epoch = random.sample(prompts, len(prompts))
        yield from epoch[:count]
        count -= len(epoch)
