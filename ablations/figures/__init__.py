"""The figures of a study, as `(svg, png)` bytes that are the same whenever they are drawn from the same records.

    accuracy      accuracy on the dev split against the training step
    reward        total training reward, each reward in its own units
    components    every logged component of the rewards
    given_format  accuracy among formatted completions beside the share that is formatted
    dynamics      completion length, truncated share, entropy, KL, dead groups
    divergence    of each row: does its reward rise without its verified accuracy?
    forest        final accuracy of each row minus that of its reference, with intervals and p
    tokens        final accuracy against completion length

One module each. `draw` gives those that the records support.
"""

from ablations.figures.canvas import rendered, style
from ablations.figures.looks import Looks
from ablations.records import Study

NAMES = ("accuracy", "reward", "components", "given_format", "dynamics", "divergence", "forest", "tokens")


def draw(study: Study) -> dict[str, bytes]:
    """Return `{"accuracy.svg": bytes, "accuracy.png": bytes, ...}` in the order of `NAMES`, each as svg and png.

    A figure for which no finished cell has a record is left out, so the result is empty for a study with none.
    """
    from ablations.figures import accuracy, divergence, forest, given_format, tokens, training

    makers = (
        accuracy.accuracy, training.reward, training.components, given_format.given_format, training.dynamics,
        divergence.divergence, forest.forest, tokens.tokens,
    )  # fmt: skip
    looks = Looks.of(study)
    files: dict[str, bytes] = {}
    with style():
        for name, maker in zip(NAMES, makers, strict=True):
            figure = maker(study, looks)
            if figure is not None:
                files |= {f"{name}.{kind}": data for kind, data in rendered(figure).items()}
    return files
