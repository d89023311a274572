"""Proves without a GPU what can be proven of this export in OpenRLHF's own environment; exit code 1 where one fails.

.venv/bin/python check.py [--json] [--train] [-- FLAG ...]
"""

# What is imported here is installed where the export goes.
# mypy: disable-error-code="import-not-found"

import asyncio
import functools
import runpy
import sys
from collections.abc import Iterator
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, patch

import proof


class Played(MetaPathFinder, Loader):
    """Imports packages that need a GPU as nothing: OpenRLHF's modules import them, no code run here uses them."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        played = name.partition(".")[0] in self.names
        return ModuleSpec(name, self, is_package=True) if played else None

    def create_module(self, spec: ModuleSpec) -> Any:
        return MagicMock()

    def exec_module(self, module: Any) -> None:
        pass


class Started(Exception):
    """The flags were parsed and accepted; Ray would be started now."""


class Engine:
    """Generates what it is told to, in the place of vLLM."""

    def __init__(self, ids: list[int]) -> None:
        self.ids = ids

    async def generate(self, prompt_ids: list[int], params: Any, multi_modal_data: Any = None) -> Any:
        made = SimpleNamespace(token_ids=self.ids, finish_reason="stop", logprobs=None)
        self.prompt_ids = prompt_ids
        return SimpleNamespace(outputs=[made])


def checks(more: list[str], train: bool) -> dict[str, proof.Check]:
    missing = [name for name in ("vllm", "deepspeed", "flash_attn") if find_spec(name) is None]
    sys.meta_path.insert(0, Played(missing))
    export = Export(more, missing)
    return {
        "files": proof.files,
        "versions": lambda: proof.versions(train),
        "machine": lambda: export.has_its_place(train),
        "flags": export.parses,
        "data": export.loads,
        "prompts": export.renders,
        "reward": export.scores,
    }


class Export:
    """This folder, as OpenRLHF reads it with further flags."""

    def __init__(self, more: list[str], missing: list[str]) -> None:
        self.flags = [word.replace(proof.FOLDER, str(proof.HERE)) for word in words()] + more
        self.missing = missing

    @functools.cached_property
    def args(self) -> Any:
        """What OpenRLHF's own entry makes of the flags, taken where it would start Ray."""
        with patch.object(sys, "argv", ["train_ppo_ray", *self.flags]), patch("ray.is_initialized", _started):
            try:
                runpy.run_module("openrlhf.cli.train_ppo_ray", run_name="__main__")
            except Started as reached:
                trace = reached.__traceback__
                while trace and trace.tb_frame.f_code.co_name != "train":
                    trace = trace.tb_next
                if trace:
                    return trace.tb_frame.f_locals["args"]
        raise proof.Failed("train_ppo_ray did not come to its start")

    @functools.cached_property
    def tokenizer(self) -> Any:
        from openrlhf.utils.utils import get_tokenizer

        try:
            return get_tokenizer(self.args.actor.model_name_or_path, None)
        except (OSError, ValueError):
            # Where the model is not to be had, its tokenizer's copy: the model's own is held to it on the cluster.
            return get_tokenizer(str(proof.HERE / "tokenizer"), None)

    @functools.cached_property
    def dataset(self) -> Any:
        from openrlhf.datasets import PromptDataset
        from openrlhf.datasets.utils import blending_datasets

        strategy = SimpleNamespace(args=self.args, print=print, is_rank_0=lambda: True)
        data = self.args.data
        rows = blending_datasets(
            data.prompt_dataset,
            data.prompt_probs,
            strategy,
            self.args.train.seed,
            max_count=data.max_samples,
            dataset_split=data.prompt_split,
        )
        return PromptDataset(rows, self.tokenizer, strategy, input_template=data.input_template)

    def has_its_place(self, train: bool) -> str:
        actor = self.args.actor
        return str(proof.machine(train, actor.model_name_or_path, actor.num_gpus_per_node))

    def parses(self) -> str:
        """OpenRLHF's parser knows every flag, its assertions hold, and it would make the run's number of steps."""
        args, rows, wanted = self.args, len(self.dataset), proof.manifest()["run"]["optimizer"]["steps"]
        a_step = args.train.batch_size // args.rollout.n_samples_per_prompt
        steps = rows // a_step * args.train.num_episodes * args.train.max_epochs
        if steps != wanted:
            raise proof.Failed(f"these flags make {steps} updates, the run has {wanted}")
        played = f"; played: {', '.join(self.missing)}" if self.missing else ""
        return f"{len(self.flags)} words parse; {args.algo.advantage.estimator}, {steps} updates{played}"

    def loads(self) -> str:
        """OpenRLHF's dataset class reads every row, prompt and label."""
        told = proof.manifest()["data"]["train"]
        if len(self.dataset) != told["rows"]:
            raise proof.Failed(f"{len(self.dataset)} rows, exported were {told['rows']}")
        if proof.digest(label for _, _, label, _ in self._rows()) != told["golds"]:
            raise proof.Failed("the labels are not the golds of the data")
        return f"{type(self.dataset).__name__}: {len(self.dataset)} prompts with labels, for all steps"

    def renders(self) -> str:
        """What OpenRLHF's rollout hands to the engine are the ids that harness would give the model."""
        if proof.digest(self._ids()) != proof.manifest()["data"]["train"]["prompt_ids"]:
            raise proof.Failed("the token ids of the prompts are not those of harness")
        longest = max(map(len, self._ids()))
        if longest > self.args.data.max_len - self.args.rollout.max_new_tokens:
            raise proof.Failed(f"a prompt has {longest} tokens, --data.max_len leaves less and would cut it")
        whose = Path(str(self.tokenizer.name_or_path)) == proof.HERE / "tokenizer"
        return f"the token ids of all {len(self.dataset)} prompts are those of harness, by " + (
            "the tokenizer's copy: the model is not here" if whose else "the model's own tokenizer"
        )

    def _ids(self) -> Iterator[list[int]]:
        for _, prompt, _, _ in self._rows():
            yield self.tokenizer(text=prompt, add_special_tokens=False)["input_ids"]

    def _rows(self) -> Iterator[Any]:
        return map(self.dataset.__getitem__, range(len(self.dataset)))

    def scores(self) -> str:
        """OpenRLHF's single-turn executor loads the reward and scores completions as the registry did."""
        from openrlhf.utils.agent import SingleTurnAgentExecutor

        executor, rows = SingleTurnAgentExecutor(self.args.reward.remote_url), proof.expected()
        for row in rows:
            found = self._scored(executor, row)
            if found["reward"] is None:
                raise proof.Failed(
                    f"question {row['index']}, {row['kind']}: the reward raised; standard error says what"
                )
            grades = proof.numbers(row["grades"])
            told = {"score": found["reward"].item(), "correct": found["scores"].item()}
            told |= {name: value.item() for name, value in found["extra_logs"].items()}
            proof.same(told, row, {**grades, "correct": float(row["correct"])})
        return f"{type(executor).__name__}: {len(rows)} completions as in the registry"

    def _scored(self, executor: Any, row: dict[str, Any]) -> dict[str, Any]:
        ids = self.tokenizer(row["completion"], add_special_tokens=False)["input_ids"]
        engine = Engine([*ids, self.tokenizer.eos_token_id])
        params = SimpleNamespace(max_tokens=self.args.rollout.max_new_tokens, logprobs=None)
        found: dict[str, Any] = asyncio.run(
            executor.execute(row["prompt"], row["gold"], params, self.args.data.max_len, self.tokenizer, engine)
        )
        if engine.prompt_ids != row["prompt_ids"]:
            raise proof.Failed(f"question {row['index']}: the engine gets other token ids than harness gives")
        return found


def words() -> list[str]:
    """The words of flags.txt; the folder is put in afterwards, for its path may hold blanks."""
    text = (proof.HERE / "flags.txt").read_text(encoding="utf-8").splitlines()
    return [word for line in text if not line.startswith("#") for word in line.split()]


def _started() -> bool:
    raise Started


if __name__ == "__main__":
    sys.exit(proof.main(__doc__.splitlines()[0], checks))
