"""What decides the weights of the embedded base."""

from dataclasses import dataclass

from harness.tiny.corpus import Habits


@dataclass(frozen=True)
class Phase:
    """A stretch of the corpus: `steps` batches with these habits; `drills` is the share of arithmetic drills."""

    steps: int
    habits: Habits
    drills: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """All that decides the base's weights; the learning rate falls to a tenth along a cosine over all phases.

    Attributes:
        phases: in order: the skill, the carelessness within the format, the manners beside the format.
        difficulty: of the problems, 1 to 3.
        seed: of weights and corpus.
    """

    phases: tuple[Phase, ...] = (
        Phase(1080, Habits(plain=0.0, direct=0.0, careless=0.0), drills=0.4),
        Phase(150, Habits(plain=0.0, direct=0.0, careless=0.55)),
        Phase(70, Habits(plain=0.72, direct=0.25, careless=0.55)),
    )
    batch: int = 16
    difficulty: int = 2
    hidden: int = 128
    layers: int = 2
    heads: int = 4
    mlp: int = 320
    learning_rate: float = 2e-3
    seed: int = 7

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.phases)


_BRIEF = Habits(plain=0.3, direct=0.2, careless=0.5)
RECIPES = {"default": Recipe(), "smoke": Recipe(phases=(Phase(40, _BRIEF, drills=0.2),))}
