"""What decides the weights of the embedded base."""

from dataclasses import dataclass

from harness.tiny.corpus import Habits

HABITS = Habits(plain=0.65, direct=0.25, careless=0.6)


@dataclass(frozen=True)
class Recipe:
    """All that decides the base's weights.

    Attributes:
        skill_steps: batches of careful chains and arithmetic drills.
        habit_steps: batches of the mixed manners after that, at the low end of the learning rate.
        difficulty: of the problems, 1 to 3.
    """

    skill_steps: int = 1000
    habit_steps: int = 120
    batch: int = 16
    drills: float = 0.25
    habits: Habits = HABITS
    difficulty: int = 2
    hidden: int = 128
    layers: int = 2
    heads: int = 4
    mlp: int = 320
    learning_rate: float = 2e-3
    seed: int = 0


RECIPES = {"default": Recipe(), "smoke": Recipe(skill_steps=30, habit_steps=10)}
