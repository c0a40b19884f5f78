"""The model builder. Its parts, not its tasks, are the unit: input, recurrent stack, attention, head."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from ..layers.attention import LuongAttention
from ..layers.crf import CRF
from ..layers.fusion import Fusion
from ..layers.ordinal import OrdinalHead
from ..records import PADDING, Configuration
from .bigrams import bigrams
from .characters import character_features
from .decoder import Decoder
from .encoder_decoder import EncoderDecoder
from .generator import Generator
from .recurrent import drop, drop_words, embed, last_state, one_hot_width, pool, recurrent_stack, seed_of


class CharacterSizes(NamedTuple):
    """How many ids a word has, its casing first, and how many different characters and casings there are."""

    width: int = 0
    alphabet: int = 0
    casings: int = 0


@dataclass(frozen=True, eq=False)
class Sizes:
    """What the data settle.

    Args:
        vocabulary: number of token ids whose vectors are learned, padding and <unk> included.
        labels: number of labels.
        vectors: float32 (at least vocabulary, width), where the configuration wants pretrained ones; see `embed`.
        seed: of weights and dropout.
        kernel: how recurrent layers are computed; see `recurrent_stack`.
        longest: the most symbols that are written, where a sequence is; its end included.
        conditions: number of labels of texts that are to be told.
        places: int32 (labels,), where the embedding is shared: each symbol's row in it, which for those that are
            read as well is that of the token.
        forbidden: bool (labels + 1, labels): see `CRF`.
        characters: where words are read by their characters.
    """

    vocabulary: int
    labels: int
    vectors: np.ndarray | None = None
    seed: int = 0
    kernel: str = "keras"
    longest: int = 0
    conditions: int = 0
    places: np.ndarray | None = None
    forbidden: np.ndarray | None = None
    characters: CharacterSizes | None = None

    @property
    def rows(self) -> int:
        """Of the embedding of what is read."""
        return self.vocabulary if self.places is None else max(self.vocabulary, int(self.places.max()) + 1)


def build_classifier(configuration: Configuration, sizes: Sizes) -> keras.Model:
    """One label a text.

    Returns:
        A model from ids, int32 (batch, time), 0 on padding, or from a list: ids, with `characters` those of the distinct words and places
        (see `character_features`), with `extra` scores, float32 (batch, labels). To a dictionary: `logits`, float (batch, labels),
        and with attention `attention`, float (batch, time): the weight of each token, 0 on padding.
    """
    with _precision(configuration):
        return _classifier(configuration, sizes)


def _classifier(configuration: Configuration, sizes: Sizes) -> keras.Model:
    inputs, mask, states, _ = _read(configuration, sizes)
    outputs = {}
    if configuration["attention"] == "none":
        summary = pool(states, mask, pooling=configuration["pooling"], direction=configuration["direction"])
    else:
        query = last_state(states, mask, configuration["direction"])
        context, weights = _attention(configuration)(ops.expand_dims(query, 1), states, mask=mask)
        summary = _attentional(sizes, query, ops.squeeze(context, 1))
        outputs["attention"] = ops.squeeze(weights, 1)
        if configuration["beside_attention"] == "poolings":
            pooled = pool(states, mask, pooling="all", direction=configuration["direction"])
            summary = keras.layers.Concatenate(name="summaries")([summary, pooled])
    # Of the summary, not of every state: as good a regulariser, and without a random number for each of them.
    summary = drop(summary, configuration["dropout"], sizes.seed, "dropout")
    if configuration["extra"] == "none":
        outputs["logits"] = _label_head(configuration, sizes)(summary)
        return keras.Model(_one_or_all(inputs), outputs, name="classifier")
    scores = keras.Input((sizes.labels,), name="scores")
    if configuration["fusion"] == "add":
        # Begins as the linear classifier that gave the scores, whose confidence it then learns to correct.
        trusted = keras.layers.Dense(
            sizes.labels, kernel_initializer="identity", use_bias=False, dtype="float32", name="trusted"
        )(scores)
        outputs["logits"] = keras.layers.Add(dtype="float32", name="fused")(
            [_label_head(configuration, sizes)(summary), trusted]
        )
    else:
        both = keras.layers.Concatenate(name="fused")([summary, scores])
        if configuration["fusion"] == "mlp":
            both = keras.layers.Dense(summary.shape[-1], activation="tanh", name="hidden")(both)
        outputs["logits"] = _label_head(configuration, sizes)(both)
    return keras.Model([*inputs, scores], outputs, name="classifier")


def _label_head(configuration: Configuration, sizes: Sizes) -> keras.layers.Layer:
    """From a summary, float (batch, features), to logits, float32 (batch, labels)."""
    head, name = (OrdinalHead, "ordinal") if configuration.get("head") == "ordinal" else (keras.layers.Dense, "softmax")
    return head(sizes.labels, kernel_regularizer=_penalty(configuration), dtype="float32", name=name)


def build_tagger(configuration: Configuration, sizes: Sizes) -> keras.Model:
    """One label a token.

    Returns:
        A model from ids, int32 (batch, time), 0 on padding, or with `characters` [ids, characters of the distinct words, places]
        (see `character_features`), to a dictionary: `logits`, float (batch, time, labels), meaningless on padding, which a layer `crf` may have to decode, and with attention
        `attention`, float (batch, time, time): row t is what token t looks at.
    """
    with _precision(configuration):
        return _tagger(configuration, sizes)


def _tagger(configuration: Configuration, sizes: Sizes) -> keras.Model:
    inputs, mask, states, _ = _read(configuration, sizes)
    outputs = {}
    if configuration["attention"] != "none":
        context, outputs["attention"] = _attention(configuration)(states, states, mask=mask)
        states = _attentional(sizes, states, context)
    states = drop(states, configuration["dropout"], sizes.seed, "dropout", masks=configuration["dropout_masks"])
    logits = keras.layers.Dense(
        sizes.labels, kernel_regularizer=_penalty(configuration), dtype="float32", name="softmax"
    )(states)
    if configuration["head"] == "crf":
        logits = CRF(sizes.labels, sizes.forbidden, dtype="float32", name="crf")(logits)
    outputs["logits"] = logits
    return keras.Model(_one_or_all(inputs), outputs, name="tagger")


def build_encoder_decoder(configuration: Configuration, sizes: Sizes) -> EncoderDecoder:
    """A sequence from a sequence."""
    with _precision(configuration):
        inputs, mask, states, last = _read(configuration, sizes)
        encoder = keras.Model(inputs[0], {"states": states, "mask": mask, "last": last}, name="encoder")
        decoder = Decoder(
            configuration,
            symbols=sizes.labels,
            width=states.shape[-1],
            seed=sizes.seed,
            kernel=sizes.kernel,
            shared=None if sizes.places is None else (encoder.get_layer("embedding"), sizes.places),
            name="decoder",
        )
        return EncoderDecoder(encoder, decoder, sizes.longest, name="encoder_decoder")


def build_generator(configuration: Configuration, sizes: Sizes) -> Generator:
    """The next symbol, from those before it."""
    with _precision(configuration):
        keras.utils.set_random_seed(sizes.seed)
        return Generator(
            configuration,
            symbols=sizes.labels,
            conditions=sizes.conditions,
            seed=sizes.seed,
            kernel=sizes.kernel,
            name="generator",
        )


@contextlib.contextmanager
def _precision(configuration: Configuration) -> Iterator[None]:
    """The dtypes of the layers that are made inside; logits are float32 in any case.

    Source: Micikevicius et al. 2018, "Mixed Precision Training".
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16" if configuration["precision"] == "mixed" else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _one_or_all(inputs: list[Any]) -> Any:
    """What a model is told of its inputs, as `Batch.inputs` will be."""
    return inputs if len(inputs) > 1 else inputs[0]


def _read(configuration: Configuration, sizes: Sizes) -> tuple[Any, Any, Any, Any]:
    """Inputs (ids int32 (batch, time), and with `characters` those of `character_features`), mask bool (batch, time), and what
    `recurrent_stack` returns."""
    keras.utils.set_random_seed(sizes.seed)
    ids = keras.Input((None,), dtype="int32", name="ids")
    inputs, mask = [ids], ops.not_equal(ids, PADDING)
    stack = {
        key: configuration[key]
        for key in ("cell", "direction", "depth", "units", "dropout", "dropout_masks", "recurrent_dropout", "l2")
        if key in configuration
    }
    x = _embedded(configuration, sizes, ids)
    if sizes.characters is not None:
        inputs.append(keras.Input((sizes.characters.width,), dtype="int32", name="word_characters"))
        inputs.append(keras.Input((None,), dtype="int32", name="places"))
        of_words = character_features(
            *inputs[1:],
            characters=configuration["characters"],
            units=configuration["character_units"],
            cell=configuration["cell"],
            alphabet=sizes.characters.alphabet,
            casings=sizes.characters.casings,
            seed=sizes.seed,
            kernel=sizes.kernel,
        )
        x = keras.layers.Concatenate(name="word_and_characters")([x, of_words])
    if configuration.get("bigrams") == "yes":
        units, rate = configuration["bigram_units"], configuration["bigram_dropout"]
        pairs = bigrams(ids, units=units, dropout=rate, seed=sizes.seed)
        x = keras.layers.Concatenate(name="token_and_bigram")([x, pairs])
    masks = configuration.get("dropout_masks", "steps")
    x = drop(x, configuration.get("input_dropout", 0.0), sizes.seed, "input_dropout", masks=masks)
    states, last = recurrent_stack(
        x,
        mask,
        **stack,
        residual=configuration.get("residual") == "yes",
        one_hot=configuration["input"] == "one_hot",
        seed=sizes.seed,
        kernel=sizes.kernel,
    )
    return inputs, mask, states, last


def _embedded(configuration: Configuration, sizes: Sizes, ids: Any) -> Any:
    """What stands for each token, float (batch, time, features); where input is one-hot, its product with the input
    weights of the first recurrent layer, looked up."""
    if configuration["input"] != "one_hot":
        return embed(
            ids,
            vocabulary=sizes.rows,
            units=configuration.get("embedding_units", 0),
            dropout=configuration["embedding_dropout"],
            vectors=sizes.vectors,
            frozen=configuration.get("vectors_training") == "frozen",
            seed=sizes.seed,
        )
    width = one_hot_width(**{name: configuration[name] for name in ("cell", "direction", "units")})
    rows = keras.layers.Embedding(
        sizes.vocabulary,
        width,
        embeddings_initializer=keras.initializers.GlorotUniform(seed=sizes.seed),
        embeddings_regularizer=_penalty(configuration),
        name="one_hot",
    )(ids)
    return drop_words(rows, configuration["embedding_dropout"], sizes.seed)


def _attention(configuration: Configuration) -> LuongAttention:
    return LuongAttention(configuration["attention"], configuration.get("attention_units", 1), name="attention")


def _attentional(sizes: Sizes, states: Any, attended: Any) -> Any:
    """Shaped as `states`, and float like them."""
    return Fusion("concat", states.shape[-1], seed_of("attentional", sizes.seed), name="attentional")(states, attended)


def _penalty(configuration: Configuration) -> Any:
    return keras.regularizers.L2(configuration["l2"]) if configuration["l2"] else None
