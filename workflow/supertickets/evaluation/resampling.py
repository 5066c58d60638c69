"""Scores of a model on resamples of its examples, or of the documents that hold them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from supertickets.evaluation.metric import metric_of
from supertickets.seeds import generator

RESAMPLES = 2000
#: Number of resamples that are scored at once; it bounds the memory.
CHUNK = 100


@dataclass(frozen=True)
class Sampled:
    """The scores of a model on the examples and on resamples of the examples.

    Attributes:
        scores: scores of the seeds' runs, times 100, shape (seeds,).
        resampled: scores on resamples of the examples, times 100, shape (seeds, resamples); models that predicted the
            same examples have the same resamples. All are not-a-number where there is a single document.
        examples: number of examples.
        documents: number of independent documents; that of examples where each is a document of its own.
        lowest: the lowest possible score, times 100; the highest is 100.
    """

    scores: np.ndarray
    resampled: np.ndarray
    examples: int
    documents: int
    lowest: float = 0.0


def sample(
    metric: str, labels: np.ndarray, predicted: np.ndarray, stream: int = 0, documents: np.ndarray | None = None
) -> Sampled:
    """Score runs on the examples and on :data:`RESAMPLES` resamples (with replacement) of the examples.

    Args:
        metric: name of a module of :mod:`supertickets.evaluation.metrics`.
        labels: references, shape (examples,).
        predicted: class indices or values, shape (seeds, examples), or (seeds, draws, examples); scores are averaged
            over draws.
        stream: number of the random stream of the resamples; different sets of examples need different streams, so
            that their resamples are independent.
        documents: the document of each example, shape (examples,), which are then resampled whole; None where every
            example is a document of its own.
    """
    if predicted.ndim == 3:
        draws = [sample(metric, labels, predicted[:, draw], stream, documents) for draw in range(predicted.shape[1])]
        scores, resampled = (
            np.mean([getattr(draw, name) for draw in draws], axis=0) for name in ("scores", "resampled")
        )
        return replace(draws[0], scores=scores, resampled=resampled)
    scores = np.array([metric_of(metric).plain(run, labels) for run in predicted])
    count = len(labels) if documents is None else len(np.unique(documents))
    if documents is not None and count < 2:
        resampled = np.full((len(predicted), RESAMPLES), np.nan)
    else:
        parts = [
            [metric_of(metric).weighted(run, labels, counts) for run in predicted]
            for counts in _resamples(len(labels), documents, stream)
        ]
        resampled = np.concatenate(parts, axis=1)
    return Sampled(100 * scores, 100 * resampled, len(labels), count, metric_of(metric).lowest)


def _resamples(examples: int, documents: np.ndarray | None, stream: int) -> Iterator[np.ndarray]:
    """Yield how often each example is in each resample, shape (at most :data:`CHUNK`, examples).

    Of documents one fewer is drawn than there are, so that the variance over resamples is right for few of them too:
    that of as many draws is too small by a factor 1 - 1/n. Sources: Field and Welsh, Bootstrapping clustered data,
    Journal of the Royal Statistical Society B 69(3), 2007; for the number of draws Rao and Wu, Resampling Inference
    With Complex Survey Data, Journal of the American Statistical Association 83(401), 1988.
    """
    random = generator(0, f"resamples of examples {stream}")
    count, drawn = examples, examples
    of_example: slice | np.ndarray = slice(None)
    if documents is not None:
        names, of_example = np.unique(documents, return_inverse=True)
        count, drawn = len(names), len(names) - 1
    shares = np.full(count, 1 / count)
    for start in range(0, RESAMPLES, CHUNK):
        counts = random.multinomial(drawn, shares, size=min(CHUNK, RESAMPLES - start)).astype(float)
        yield counts[:, of_example]


def merged(parts: list[Sampled]) -> Sampled:
    """Average the scores on several sets of examples, weighted by their sizes."""
    sizes = [part.examples for part in parts]
    scores, resampled = (
        np.average([getattr(part, name) for part in parts], axis=0, weights=sizes) for name in ("scores", "resampled")
    )
    return Sampled(scores, resampled, sum(sizes), sum(part.documents for part in parts), parts[0].lowest)
