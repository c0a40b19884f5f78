"""From an order to a learner: the model of one configuration, sized by its data, with what trains it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ..adapters import schemes
from ..data.batches import Split, load_split, reads_characters
from ..data.characters import KINDS, WIDTH
from ..data.store import Prepared, open_characters, open_prepared
from ..data.texts import Texts, load_texts
from ..data.vocabulary import read_vocabulary
from ..errors import TrialError
from ..models import CharacterSizes, EncoderDecoder, Generator, Sizes, kernels, state
from ..models.encoder_decoder import forcing
from ..models.optimizers import build_optimizer
from ..records import BEST, TrialOrder
from ..tasks import TASKS
from .base import Learner
from .labels import LabelLearner
from .language_model import LanguageModelLearner
from .sequences import SequenceLearner

DECODING = "decoding.json"


def load(order: TrialOrder, prepared: Prepared, part: str) -> Split | Texts:
    """One split of the data, as the order's configuration reads it."""
    loaded = load_texts if prepared.meta.kind == "texts" else load_split
    return loaded(prepared, part, order.configuration)


def build_learner(order: TrialOrder, prepared: Prepared, steps: int | None, kernel: str) -> Learner[Any]:
    """The untrained model of an order and its optimizer.

    Args:
        steps: of the optimizer, in all epochs; None where it is not to be trained, and needs no memory for that.

    Raises:
        TrialError: the configuration cannot be built.
    """
    frozen = order.configuration.get("vectors_training") == "frozen"
    if frozen and order.configuration.get("target_embedding") == "shared":
        raise TrialError(
            'vectors_training = "frozen" would keep every written symbol without a vector as it was drawn, in an embedding that is shared; train them, or give what is written its own: target_embedding = "separate"'
        )
    try:
        model = TASKS[order.task].build(order.configuration, sizes(order, prepared, kernel))
    except ValueError as error:
        raise TrialError(f"cannot be built: {error}") from error
    optimizer = keras.optimizers.SGD(0.0) if steps is None else build_optimizer(order.configuration, steps)
    smoothing = order.configuration.get("label_smoothing", 0.0)
    if isinstance(model, Generator):
        return LanguageModelLearner(model, optimizer)
    if isinstance(model, EncoderDecoder):
        return SequenceLearner(model, optimizer, smoothing, partial(forcing, order.configuration))
    return LabelLearner(model, optimizer, sequence_labels=prepared.meta.kind != "labels", smoothing=smoothing)


def sizes(order: TrialOrder, prepared: Prepared, kernel: str) -> Sizes:
    """What the data settle for this configuration's model."""
    configuration, meta = order.configuration, prepared.meta
    labels = min(len(meta.labels), configuration["max_vocabulary"]) if meta.writes else len(meta.labels)
    read = None if meta.kind == "texts" else read_vocabulary(prepared, configuration)
    shared = configuration.get("target_embedding") == "shared"
    return Sizes(
        vocabulary=read.learned if read else 0,
        labels=labels,
        vectors=read.vectors if read else None,
        seed=order.seed,
        kernel=kernel,
        longest=meta.longest,
        conditions=len(meta.conditions),
        places=_places(read.words, meta.labels[:labels]) if read and shared else None,
        characters=_character_sizes(prepared) if reads_characters(configuration) else None,
        forbidden=np.array(schemes.never_follows(meta.labels)) if meta.kind == "entities" else None,
    )


def _character_sizes(prepared: Prepared) -> CharacterSizes:
    return CharacterSizes(WIDTH, len(open_characters(prepared).alphabet), KINDS)


def _places(read: Sequence[str], written: Sequence[str]) -> np.ndarray:
    """The row of each symbol in an embedding of what is read, rows of its own following for those that are not."""
    rows = {token: row for row, token in enumerate(read)}
    return np.array([rows.setdefault(symbol, len(rows)) for symbol in written], np.int32)


def vocabulary(order: TrialOrder, prepared: Prepared) -> list[str]:
    """The tokens that this configuration reads, by id; [] where nothing is read but what is written."""
    if prepared.meta.kind == "texts":
        return []
    return read_vocabulary(prepared, order.configuration).words


def as_served(order: TrialOrder, prepared: Prepared, learner: Learner[Any]) -> Learner[Any]:
    """The same model as an export has it."""
    served = _to_serve(order, prepared)
    state.into_model(served.model, state.of_model(learner.model))
    return served


def _to_serve(order: TrialOrder, prepared: Prepared) -> Learner[Any]:
    """A model of stock layers in float32 that runs on any machine, not trained."""
    plain = dataclasses.replace(order, configuration={**order.configuration, "precision": "float32"})
    return build_learner(plain, prepared, None, kernels.PORTABLE)


def trained(order: TrialOrder) -> tuple[Prepared, Learner[Any]]:
    """The model of a finished trial, as an export has it, with the weights of its best epoch."""
    prepared = open_prepared(Path(order.prepared))
    learner = _to_serve(order, prepared)
    state.into_model(learner.model, state.load_arrays(Path(order.folder) / BEST))
    for name, value in decoding(order).items():
        setattr(learner.model, name, value)
    return prepared, learner


def decoding(order: TrialOrder) -> dict[str, float]:
    """What `winner.choose_decoding` chose: `beam_width` and `length_penalty`; {} where it was not asked."""
    chosen = Path(order.folder) / DECODING
    return dict(json.loads(chosen.read_text(encoding="utf-8"))) if chosen.exists() else {}
