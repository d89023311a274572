"""`harness pairs ROLLOUTS...`."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from harness.cli.errors import told
from harness.training import PairsConfig


def pairs(
    rollouts: Annotated[
        list[Path], typer.Argument(metavar="ROLLOUTS...", help="An items.jsonl each, or the folder that holds it.")
    ],
    out: Annotated[Path, typer.Option(help="File of the pairs, one a line; the report goes beside it as .json.")],
    policy: Annotated[
        Literal["random", "best_worst", "best_mu2sigma", "hard"], typer.Option(help="Which completions make a pair.")
    ] = "random",
    length_ratio: Annotated[
        float, typer.Option(help="Lengths of a pair differ by at most this factor; 0 keeps all.", min=0)
    ] = 0.0,
    per_prompt: Annotated[int, typer.Option(help="Most pairs of a question.", min=1)] = 4,
    reward: Annotated[str, typer.Option(help="What best_worst and best_mu2sigma go by.")] = "sparse",
    prompt: Annotated[
        Literal["bare", "think"], typer.Option(help="How the recorded prompt asks the question.")
    ] = "think",
    seed: Annotated[int, typer.Option(help="Of the draws.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="The report for machines.")] = False,
) -> None:
    """Build preference pairs from graded rollouts and look at them, as `harness train dpo` builds them.

    Policies: random (right against wrong), best_worst (by reward), best_mu2sigma (the rejected one nearest to mean - 2
    standard deviations), hard (the wrong one with the longest valid prefix). Chosen completions are always right;
    completions that could not be scored are counted and never used.

    Example: harness pairs results/eval/mine --out pairs.jsonl --policy hard --length-ratio 1.5
    """
    from rich.console import Console

    from evals.items import ItemsError
    from harness.cli.watch import waiting
    from harness.trainers.pairs import NoPairs, UnreadableReward, build, read_rollouts, write_pairs
    from rewards import RewardError

    with told(ItemsError, NoPairs, RewardError, UnreadableReward, OSError):
        config = PairsConfig(policy=policy, length_ratio=length_ratio, per_prompt=per_prompt, reward=reward)
        with waiting("scoring the rollouts", Console(stderr=True)):
            built = build(read_rollouts(rollouts), config, prompt, seed)
        write_pairs(out, built.pairs)
        report = json.dumps(built.report, indent=1)
        out.with_suffix(".json").write_text(report + "\n", encoding="utf-8")
    typer.echo(report if as_json else "\n".join([*lines(built.report), f"{out} holds the pairs"]))


def lines(report: dict[str, Any]) -> list[str]:
    """The report for people."""
    policy, reward = report["policy"], report["reward"]
    told = [
        f"{report['pairs']} pairs of {report['questions']} questions from {report['rollouts']} rollouts, "
        f"policy {policy}, reward {reward}"
    ]
    for name, label in (("left_out", "rollouts left out"), ("questions_without_pair", "questions without a pair")):
        counted = ", ".join(f"{count} {reason}" for reason, count in report[name].items())
        told += [f"  {label}: {counted}"] if counted else []
    for name, label in (("before_length_control", "before"), ("after_length_control", "after")):
        found = report[name]
        if found["pairs"]:
            told.append(
                f"  {label} length control: {found['pairs']} pairs, tokens {found['chosen_tokens']:.1f} chosen, "
                f"{found['rejected_tokens']:.1f} rejected, ratio {found['ratio']:.3f}"
            )
    if report["both_right"]:
        told.append(f"  {report['both_right']} pairs reject a right answer of lower reward")
    return told
