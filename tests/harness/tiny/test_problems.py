"""The embedded family: right solutions, splits that share nothing, text the tokenizer can write."""

import itertools
import random
import re
from fractions import Fraction
from pathlib import Path

import pytest

from harness.tiny.corpus import Habits, careless_steps, completion, rows
from harness.tiny.problems import LARGEST, Problem, evaluate, in_range, problems, split_of, write_split
from harness.tiny.templates import NAMES, OBJECTS, SEEN, UNSEEN
from rewards import verify


def some(split: str, count: int, seed: int = 0, difficulty: int = 3) -> list[Problem]:
    return list(itertools.islice(problems(split, seed, difficulty), count))  # type: ignore[arg-type]


def masked(question: str) -> str:
    """The question with every name and object replaced: what is left is template, numbers and distractor."""
    return re.sub("|".join(rf"\b{word}\b" for word in NAMES + OBJECTS), "_", question)


def test_several_dozen_templates_of_two_to_five_steps() -> None:
    assert len(SEEN) >= 36
    assert len(UNSEEN) >= 8
    assert {template.step_count for template in SEEN} == {2, 3, 4, 5}
    assert len({template.name for template in SEEN + UNSEEN}) == len(SEEN + UNSEEN)


def test_no_evaluation_problem_occurs_in_train_with_names_masked() -> None:
    train = {masked(problem.question) for problem in some("train", 8000)}
    for split in ("dev", "test", "unseen"):
        shared = train & {masked(problem.question) for problem in some(split, 1500)}
        assert not shared, f"{split} shares {next(iter(shared))}"


def test_keys_belong_to_one_split_and_unseen_templates_to_none() -> None:
    for split in ("train", "dev", "test"):
        assert {split_of(problem.key) for problem in some(split, 300)} == {split}
    seen = {template.name for template in SEEN}
    assert not seen & {problem.template for problem in some("unseen", 300)}


def test_solutions_are_right_and_the_verifier_says_so() -> None:
    for problem in some("train", 500):
        for expression, result in problem.steps:
            assert evaluate(expression) == result
            assert in_range(Fraction(result))
        assert verify(problem.chain, problem.solution).correct
        assert problem.solution.endswith(f"#### {problem.results[-1]}")
        assert all(f"<<{e.replace(' ', '')}={r}>>{r}" in problem.solution for e, r in problem.steps)


def test_equal_seeds_give_equal_streams_and_others_do_not() -> None:
    assert some("train", 50, seed=1) == some("train", 50, seed=1)
    assert some("train", 50, seed=1) != some("train", 50, seed=2)


@pytest.mark.parametrize(("difficulty", "most", "distractors"), [(1, 2, 0.0), (2, 4, 0.25), (3, 5, 0.5)])
def test_difficulty_sets_steps_and_distractors(difficulty: int, most: int, distractors: float) -> None:
    drawn = some("train", 1500, difficulty=difficulty)
    assert max(len(problem.steps) for problem in drawn) == most
    share = sum(problem.distractor is not None for problem in drawn) / len(drawn)
    assert abs(share - distractors) < 0.05


def test_unknown_difficulty_is_refused() -> None:
    with pytest.raises(ValueError, match="difficulty is 1, 2 or 3"):
        next(problems("train", 0, 4))


def test_a_distractor_number_is_in_the_question_and_not_needed() -> None:
    for problem in (p for p in some("train", 400) if p.distractor is not None):
        assert re.search(rf"\b{problem.distractor}\b", problem.question)
        assert problem.distractor not in problem.numbers


def test_careless_chains_are_wrong_and_stay_writable() -> None:
    rng = random.Random(0)
    drawn = some("train", 500)
    chains = [careless_steps(problem, rng) for problem in drawn]
    wrong = sum(chain[-1][1] != problem.results[-1] for chain, problem in zip(chains, drawn, strict=True))
    assert wrong >= 0.98 * len(drawn)
    assert all(1 <= result <= LARGEST for chain in chains for _, result in chain)


def test_habits_set_the_shares_of_manners() -> None:
    rng = random.Random(0)
    habits = Habits(plain=0.5, direct=0.2, careless=0.0)
    drawn = some("train", 2000)
    texts = [completion(problem, habits, rng) for problem in drawn]
    assert abs(sum(text.startswith("The answer is") for text in texts) / 2000 - 0.5) < 0.04
    assert abs(sum(text.startswith("####") for text in texts) / 2000 - 0.2) < 0.04
    assert all(verify(text, problem.solution).correct for text, problem in zip(texts, drawn, strict=True))


def test_corpus_never_holds_an_evaluation_question() -> None:
    held_out = {masked(p.question) for split in ("dev", "test") for p in some(split, 1500, difficulty=2)}
    trained = {masked(row["question"]) for row in rows(0, 4000, Habits(0.3, 0.1, 0.5), 2, drills=0.2)}
    assert not trained & held_out


def test_written_split_has_distinct_questions(tmp_path: Path) -> None:
    write_split(tmp_path / "dev.jsonl", "dev", 120, 5, 2)
    lines = (tmp_path / "dev.jsonl").read_text().splitlines()
    assert len(set(lines)) == 120
