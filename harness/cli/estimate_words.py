"""An estimate in sentences."""

from collections.abc import Mapping
from typing import Any

from harness.cli.estimate_tables import device


def lines(found: Mapping[str, Any]) -> list[str]:
    """The estimate in sentences."""
    if "comparison" in found:
        return [_model_of(found), *_engine(found)]
    told = [_title(found), _fitting(found)]
    if found["bottleneck"]:
        told.append(f"A step takes {found['step_seconds']['total']:.3g} s, most of it {found['bottleneck']}.")
    if found["setup"]["objective"] in ("grpo", "ppo"):
        told += [_sync(found), *_limits(found)]
    return [*told, *_plan(found["plan"])]


def _model_of(found: Mapping[str, Any]) -> str:
    setup, model = found["setup"], found["model"]
    return f"{model['name']}, {_parameters(model['parameters'])} on {setup['gpus']} x {setup['gpu']}"


def _parameters(count: int) -> str:
    return f"{count / 1e9:.4g} B parameters" if count >= 1e9 else f"{count / 1e6:.3g} M parameters"


def _engine(found: Mapping[str, Any]) -> list[str]:
    """What the peaks of a comparison hold besides training."""
    beside = found["setup"]["rollout"] == "colocated"
    return ["The peaks of GRPO and PPO include a vLLM engine on the same GPU (--engine-share)."] if beside else []


def assumed(found: Mapping[str, Any]) -> list[str]:
    """What an estimate takes for granted; of memory alone only the first holds."""
    said: list[str] = found["assumptions"]
    return said[:1] if "comparison" in found else said


def _title(found: Mapping[str, Any]) -> str:
    setup, model = found["setup"], found["model"]
    adapter = f", rank {setup['rank']}: {model['trained'] / 1e6:.1f} M trained" if setup["method"] != "full" else ""
    reference = " with a reference model" if setup["kl"] else ""
    return (
        f"{model['name']}, {_parameters(model['parameters'])}{adapter}; {setup['method']} "
        f"{setup['objective']}{reference} on {setup['gpus']} x {setup['gpu']}, ZeRO-{setup['zero']}, "
        f"{setup['precision']}; {setup['batch']} rows of {setup['sequence']} tokens a step, "
        f"{setup['micro_batch']} a pass"
    )


def _fitting(found: Mapping[str, Any]) -> str:
    total, most = found["per_gpu_gb"]["total"], found["largest"]
    needs = f"{total:.1f} GB of a {device(found)}'s {found['gpu_gb']:.3g} ({found['usable_gb']:.3g} usable):"
    if found["fits"]:
        longest = f"rows of {most['sequence']:,} tokens, " if most["sequence"] else ""
        return f"{needs} fits. The most: {most['micro_batch']:,} rows a pass, {longest}or {_model(most['model'])}."
    engine = "" if found["engine_fits"] else ", an engine has no room for the weights and one row"
    ways = "; or ".join(found["ways"])
    way = f"Each of these alone makes it fit: {ways}; or" if ways else "No flag alone helps; take"
    return f"{needs} DOES NOT FIT{engine}. {way} {_model(most['model'])}."


def _model(name: str | None) -> str:
    return f"a model up to {name}" if name else "a smaller model than is known here"


def _sync(found: Mapping[str, Any]) -> str:
    sync, spent, rollout = found["weight_sync"], found["step_seconds"]["sync"], found["setup"]["rollout"]
    if rollout == "transformers":
        return "Weight sync: none, the trained weights sample."
    way = {"separate": "over that network", "colocated": "on the training GPUs"}[rollout]
    return (
        f"Weight sync: {sync['bytes'] / 1e9:.3g} GB, {sync['seconds']:.2f} s at {sync['gigabits']:g} Gb/s "
        f"({sync['fastest_seconds']:.2f} to {sync['slowest_seconds']:.2f}); here {spent:.2g} s a step, {way}."
    )


def _limits(found: Mapping[str, Any]) -> list[str]:
    """Where sync is the longest phase, in groups and completion lengths, and what cures it."""
    if not found["sync_share"]:
        return []
    slowest: dict[int, int] = {}
    for each in found["sync_share"]:
        if each["bottleneck"] == "sync":
            slowest[each["group"]] = max(each["completion"], slowest.get(each["group"], 0))
    if not slowest:
        return ["Sync is nowhere the longest phase, from 2 to 32 completions a prompt of 64 to 4,096 tokens."]
    lengths = {length: [group for group, own in slowest.items() if own == length] for length in slowest.values()}
    up_to = ", ".join(f"{length:,} tokens at G = {_span(groups)}" for length, groups in lengths.items())
    return [
        f"Sync is the longest phase of short completions in small groups, up to {up_to}; "
        "larger --group, --updates, --bandwidth or --rollout colocated cure it."
    ]


def _span(groups: list[int]) -> str:
    return f"{groups[0]} to {groups[-1]}" if len(groups) > 1 else f"{groups[0]}"


def _plan(plan: Mapping[str, Any]) -> list[str]:
    if plan["gpu_hours"] is None:
        return []
    cost = f", {plan['cost']:,.0f} at {plan['price']:g} an hour" if plan["cost"] is not None else ""
    runs = f"{plan['runs']} runs of " if plan["runs"] > 1 else ""
    return [
        f"{runs}{plan['steps']:,} steps: {plan['hours']:.3g} hours a run, {plan['gpu_hours']:,.4g} GPU-hours{cost}."
    ]
