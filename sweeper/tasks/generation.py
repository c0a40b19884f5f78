"""Generation: texts that go on, symbol by symbol, as the training texts do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.batches import Answers
from ..data.source_spec import SPLITS
from ..data.store import Meta, Prepared
from ..records import Configuration, Scores
from .base import Baseline, Task, TrainedModel
from .ngrams import NGrams

if TYPE_CHECKING:
    import keras

    from ..models import Sizes

ORDERS = {"characters": 6, "words": 3, "symbols": 3}


class Generation(Task):
    """Every symbol told from those before it.

    Scores: `probability`, the geometric mean of the probability that each true symbol was given, which is to rise;
    and the same as the field writes it, `bits_per_character` or, of words, `perplexity`. What ends a text is a symbol
    as well.
    """

    name = "generation"
    card_summary = "takes the beginning of a text, and a label where texts have one, and goes on with it"

    def card_names(self, meta: Meta) -> dict[str, Sequence[str]]:
        return {"labels": meta.conditions, "symbols": meta.labels} if meta.conditions else {"symbols": meta.labels}

    def objective(self, meta: Meta) -> str:
        return "probability"

    def scores(self, meta: Meta, truth: Answers, predicted: Answers) -> Scores:
        """See `Task`.

        Args:
            predicted: the negative log-likelihood of every true symbol, nats.
        """
        nats = float(predicted.labels.mean(dtype=np.float64))
        if meta.target_tokens == "characters":
            return {"probability": math.exp(-nats), "bits_per_character": nats / math.log(2)}
        return {"probability": math.exp(-nats), "perplexity": math.exp(min(nats, 700.0))}

    def statistics(self, meta: Meta, truth: Answers, predicted: Answers) -> np.ndarray:
        nats = [float(one.sum(dtype=np.float64)) for one in predicted.per_example()]
        return np.stack([nats, predicted.lengths], axis=1).astype(np.float64)

    def score_of_statistics(self, meta: Meta, sums: np.ndarray) -> np.ndarray:
        return np.asarray(np.exp(-sums[..., 0] / sums[..., 1]))

    def build(self, configuration: Configuration, sizes: Sizes) -> keras.Model:
        from ..models import build_generator

        return build_generator(configuration, sizes)

    def serving(self, models: Sequence[TrainedModel], prepared: Prepared) -> Any:
        from .serving_writers import GeneratorModule

        (one,) = models
        return GeneratorModule(one.model, prepared.meta, one.configuration)

    def baselines(self, prepared: Prepared) -> list[Baseline]:
        """How frequent each symbol is, and interpolated n-grams."""
        order = ORDERS[prepared.meta.target_tokens]
        training = _texts(prepared, "train")
        grams = {name: NGrams(training, size, len(prepared.meta.labels)) for name, size in
                 (("frequencies", 1), (f"{order}-gram", order))}  # fmt: skip
        texts = {part: _texts(prepared, part) for part in SPLITS[1:]}
        truth = {part: Answers.of(texts[part]) for part in texts}
        return [
            self.baseline(
                prepared,
                name,
                truth,
                {part: Answers.of([known.negative_log_likelihood(text) for text in texts[part]]) for part in texts},
            )
            for name, known in grams.items()
        ]


GENERATION = Generation()


def _texts(prepared: Prepared, part: str) -> list[np.ndarray]:
    """int32 (symbols,) of each text, what ends it included."""
    offsets, rows, symbols = prepared.label_offsets(), prepared.rows(part), prepared.labels()
    return [np.asarray(symbols[offsets[row] : offsets[row + 1]]) for row in range(rows.start, rows.stop)]
