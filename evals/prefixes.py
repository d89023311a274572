"""What a beginning of a solution is worth: the share of its sampled continuations that end in the right answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evals.engines import Engine, Request, Sampling, request_seed
from rewards import verify_batch


@dataclass(frozen=True)
class Prefix:
    """A completion that is broken off.

    Attributes:
        id: decides the draws, together with the seed of the sampling.
        prompt: token ids of the prompt and of the completion so far.
        text: the completion so far, to which the text of a continuation is appended.
        limit: most tokens of a continuation, where that is less than the sampling's.
    """

    id: str
    prompt: Sequence[int]
    text: str
    gold: str
    limit: int | None = None


@dataclass(frozen=True)
class Value:
    """How many continuations were right, of those that the verifier could judge; `tokens` were sampled in all."""

    right: int
    scorable: int
    tokens: int

    @property
    def share(self) -> float | None:
        """The Monte-Carlo estimate of the value, in [0, 1]; `None` where nothing could be judged."""
        return self.right / self.scorable if self.scorable else None

    @property
    def any(self) -> bool | None:
        """Whether one continuation was right, the hard label of Math-Shepherd (arXiv 2312.08935, section 3.2)."""
        return self.right > 0 if self.scorable else None


def values(
    engine: Engine,
    prefixes: Sequence[Prefix],
    sampling: Sampling,
    samples: int,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Value]:
    """The value of every prefix, from `samples` continuations each, in the order of the prefixes.

    The draws hang on the seed, the prefix's id and the sample's number alone: values do not change with what else is
    asked for, so that labelling can be broken off between two calls and taken up.

    Args:
        progress: called with the number of continuations finished so far.

    Raises:
        ValueError: two prefixes have the same id, so that they would draw alike.
    """
    if len({prefix.id for prefix in prefixes}) < len(prefixes):
        raise ValueError("prefixes with equal ids would have equal draws; give every prefix an id of its own")
    asked = [prefix for prefix in prefixes for _ in range(samples)]
    requests = [
        Request(prefix.prompt, request_seed(sampling.seed, prefix.id, sample), prefix.limit)
        for prefix in prefixes
        for sample in range(samples)
    ]
    right, scorable, tokens = ([0] * len(prefixes) for _ in range(3))
    done = 0
    for batch in engine.generate(requests, sampling) if requests else ():
        texts = [asked[completion.index].text + completion.text for completion in batch]
        verdicts = verify_batch(texts, [asked[completion.index].gold for completion in batch])
        for completion, verdict in zip(batch, verdicts, strict=True):
            place = completion.index // samples
            right[place] += verdict.correct
            scorable[place] += verdict.scorable
            tokens[place] += completion.tokens
        done += len(batch)
        progress(done)
    return [Value(*counts) for counts in zip(right, scorable, tokens, strict=True)]
