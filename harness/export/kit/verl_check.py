"""Proves without a GPU what can be proven of this export in verl's own environment; exit code 1 where one fails.

.venv/bin/python check.py [--json] [--train] [-- OVERRIDE ...]
"""

# What is imported here is installed where the export goes.
# mypy: disable-error-code="import-not-found"

import asyncio
import functools
import json
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import proof


def checks(more: list[str], train: bool) -> dict[str, proof.Check]:
    export = Export(more)
    return {
        "files": proof.files,
        "versions": lambda: proof.versions(train),
        "machine": lambda: export.has_its_place(train),
        "config": export.composes,
        "objective": export.is_known,
        "data": export.loads,
        "prompts": export.renders,
        "reward": export.scores,
    }


class Export:
    """This folder, as verl reads it with further overrides."""

    def __init__(self, more: list[str]) -> None:
        self.overrides = [*proof.lines("overrides.txt"), *more]

    @functools.cached_property
    def config(self) -> Any:
        import verl
        from hydra import compose, initialize_config_dir

        with initialize_config_dir(str(Path(verl.__file__).parent / "trainer" / "config"), version_base=None):
            return compose("ppo_trainer", self.overrides)

    @functools.cached_property
    def tokenizer(self) -> Any:
        from verl.utils import hf_tokenizer

        return hf_tokenizer(self.config.actor_rollout_ref.model.tokenizer_path)

    @functools.cached_property
    def train(self) -> Any:
        return self._dataset("train", is_train=True)

    @functools.cached_property
    def test(self) -> Any:
        return self._dataset("val", is_train=False)

    def _dataset(self, split: str, is_train: bool) -> Any:
        from verl.trainer.ppo.utils import create_rl_dataset

        data = self.config.data
        return create_rl_dataset(
            data[f"{split}_files"], data, self.tokenizer, None, is_train, data[f"{split}_max_samples"]
        )

    def composes(self) -> str:
        """verl's schema knows every override, and its own validation passes."""
        from omegaconf import OmegaConf
        from verl.trainer.ppo.utils import need_critic, need_reference_policy
        from verl.utils.config import omega_conf_to_dataclass, validate_config

        config = self.config.copy()
        rank, apart = config.actor_rollout_ref.model.lora_rank, ""
        if rank and find_spec("vllm") is None:
            # verl asks vLLM which ranks it has.
            config.actor_rollout_ref.model.lora_rank, apart = 0, f"; LoRA rank {rank} was not asked of vLLM"
        OmegaConf.resolve(config)
        validate_config(config, need_reference_policy(config), need_critic(config))
        for part in (config.algorithm, config.actor_rollout_ref.rollout, config.actor_rollout_ref.actor.optim):
            omega_conf_to_dataclass(part)
        return f"{len(self.overrides)} overrides compose and pass validate_config{apart}"

    def has_its_place(self, train: bool) -> str:
        config = self.config
        return str(proof.machine(train, config.actor_rollout_ref.model.path, config.trainer.n_gpus_per_node))

    def is_known(self) -> str:
        """verl has the estimator, the loss, and a gradient for them."""
        import torch
        from verl.trainer.ppo import core_algos
        from verl.utils.config import omega_conf_to_dataclass

        actor = omega_conf_to_dataclass(self.config.actor_rollout_ref.actor)
        estimator, mode = self.config.algorithm.adv_estimator, actor.policy_loss.loss_mode
        core_algos.get_adv_estimator_fn(estimator)
        log_probs = torch.full((2, 3), -1.0, requires_grad=True)
        loss, _ = core_algos.get_policy_loss_fn(mode)(
            old_log_prob=torch.full((2, 3), -1.0),
            log_prob=log_probs,
            advantages=torch.tensor([[1.0], [-1.0]]).expand(2, 3),
            response_mask=torch.ones(2, 3),
            loss_agg_mode=actor.loss_agg_mode,
            config=actor,
        )
        (gradient,) = torch.autograd.grad(loss, log_probs)
        if not (gradient[0] < 0).all() or not (gradient[1] > 0).all():
            raise proof.Failed(f"the loss does not raise what is better: gradient {gradient.tolist()}")
        return f"{estimator}, {mode}, {actor.loss_agg_mode}"

    def loads(self) -> str:
        """verl's dataset class reads both files, row for row."""
        told = proof.manifest()["data"]
        for name, found in (("train", self.train), ("test", self.test)):
            if len(found) != told[name]["rows"]:
                raise proof.Failed(f"{name}: {len(found)} rows, exported were {told[name]['rows']}")
            golds = (found[index]["reward_model"]["ground_truth"] for index in range(len(found)))
            if proof.digest(golds) != told[name]["golds"]:
                raise proof.Failed(f"{name}: the golds are not those of the data")
        return f"{type(self.train).__name__}: {len(self.train)} to train on, {len(self.test)} to measure on"

    def renders(self) -> str:
        """verl's agent loop gives the model the ids of every prompt that harness would give it."""
        told = proof.manifest()["data"]
        for name, found in (("train", self.train), ("test", self.test)):
            if proof.digest(self._ids(found)) != told[name]["prompt_ids"]:
                raise proof.Failed(f"{name}: the token ids of the prompts are not those of harness")
        longest = max(map(len, self._ids(self.train)))
        if longest > self.config.data.max_prompt_length:
            raise proof.Failed(f"a prompt has {longest} tokens, data.max_prompt_length is less and would cut it")
        return f"the token ids of all {len(self.train) + len(self.test)} prompts are those of harness"

    def _ids(self, dataset: Any) -> Iterator[list[int]]:
        from omegaconf import OmegaConf
        from verl.utils.tokenizer.continuous_token_wiring import create_continuous_token_builder

        told = OmegaConf.to_container(self.config.data.apply_chat_template_kwargs)
        # Of the model's family depends how a conversation would go on; the model may not be here, its config is.
        kind = json.loads((proof.HERE / "tokenizer" / "config.json").read_text(encoding="utf-8")).get("model_type")
        builder = create_continuous_token_builder(self.tokenizer, hf_model_type=kind, chat_template_kwargs=told)
        return (builder.build_initial_tokens(dataset[index]["raw_prompt"]) for index in range(len(dataset)))

    def scores(self) -> str:
        """verl's loader and reward manager score completions as the registry did."""
        return asyncio.run(self._scores())

    async def _scores(self) -> str:
        from verl.trainer.ppo.reward import load_reward_manager

        # A manager belongs to the event loop that it was made in.
        manager, rows = load_reward_manager(self.config, self.tokenizer), proof.expected()
        for row in rows:
            ids = self.tokenizer(row["completion"], add_special_tokens=False)["input_ids"]
            found = await manager.run_single(self._proto(row, ids))
            grades = {**proof.numbers(row["grades"]), "acc": float(row["correct"]), "status": row["status"]}
            proof.same(found["reward_extra_info"], row, grades)
            punished = found["reward_extra_info"].get("overlong_reward", 0.0)
            proof.same({"reward": float(found["reward_score"] - punished)}, row, {"reward": grades["score"]})
        lengths = proof.manifest()["overlong"]
        for length in lengths:
            found = await manager.run_single(self._proto(rows[0], [0] * length["tokens"]))
            told = {"punishment": float(found["reward_extra_info"]["overlong_reward"])}
            row = {"index": 0, "kind": f"{length['tokens']} tokens"}
            proof.same(told, row, {"punishment": length["punishment"]})
        more = f", {len(lengths)} lengths" if lengths else ""
        return f"{type(manager).__name__}: {len(rows)} completions{more} as in the registry"

    def _proto(self, row: dict[str, Any], ids: list[int]) -> Any:
        """A completion of a row as the manager's worker hands it over; a completion ends with its end token."""
        import numpy as np
        import torch
        from verl import DataProto

        response = torch.tensor([ids or [self.tokenizer.eos_token_id]])
        source = self.train[row["index"]]
        columns = {name: source[name] for name in ("data_source", "reward_model", "extra_info")}
        return DataProto.from_dict(
            tensors={
                "prompts": torch.tensor([row["prompt_ids"]]),
                "responses": response,
                "attention_mask": torch.ones_like(response),
            },
            non_tensors={name: np.array([value], dtype=object) for name, value in columns.items()},
        )


if __name__ == "__main__":
    sys.exit(proof.main(__doc__.splitlines()[0], checks))
