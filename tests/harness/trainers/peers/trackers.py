"""What three trackers were told of a run, read from their own files with their own packages: `{tracker: [row, ...]}`.

python trackers.py RUN_FOLDER TRACKIO_FOLDER
"""

import json
import sqlite3
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from wandb.proto.wandb_internal_pb2 import Record

# A .wandb file is a LevelDB log: a header, then blocks of records in parts of which these are the last.
HEADER, BLOCK, LAST_PARTS = 7, 32_768, (1, 4)


def tensorboard(folder: Path) -> list[dict[str, Any]]:
    events = EventAccumulator(str(folder))
    events.Reload()
    rows: dict[int, dict[str, Any]] = {}
    for tag in events.Tags()["scalars"]:
        for event in events.Scalars(tag):
            rows.setdefault(event.step, {"train/global_step": event.step})[tag] = event.value
    return [rows[step] for step in sorted(rows)]


def trackio(folder: Path) -> list[dict[str, Any]]:
    (database,) = folder.glob("*.db")
    rows = sqlite3.connect(database).execute("SELECT run_name, metrics FROM metrics ORDER BY id").fetchall()
    return [{"run": name, "project": database.stem, **json.loads(metrics)} for name, metrics in rows]


def wandb(folder: Path) -> list[dict[str, Any]]:
    (file,) = folder.glob("offline-run-*/*.wandb")
    found = list(records(file.read_bytes()))
    (run,) = (record.run for record in found if record.WhichOneof("record_type") == "run")
    histories = [record.history.item for record in found if record.WhichOneof("record_type") == "history"]
    return [
        {
            "run": run.display_name,
            "project": run.project,
            **{item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in history},
        }
        for history in histories
    ]


def records(data: bytes) -> Iterator[Record]:
    position, whole = HEADER, b""
    while position + 7 <= len(data):
        left = BLOCK - position % BLOCK
        if left < 7:
            position += left
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + 7])
        whole += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in LAST_PARTS:
            yield Record.FromString(whole)
            whole = b""


run, store = Path(sys.argv[1]), Path(sys.argv[2])
told = {"tensorboard": tensorboard(run / "tensorboard"), "wandb": wandb(run / "wandb"), "trackio": trackio(store)}
print(json.dumps({name: [row for row in rows if "train/reward" in row] for name, rows in told.items()}))
