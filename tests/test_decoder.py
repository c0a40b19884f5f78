"""Decoders do what their equations say; writing, searching and training share one step."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf

from sweeper.data import cards
from sweeper.data.prepare import prepare
from sweeper.declared.parameters import complete
from sweeper.layers.attention import LuongAttention
from sweeper.learners import build_learner
from sweeper.learners.build import _places
from sweeper.learners.sequences import SequenceLearner
from sweeper.models import Sizes, build_encoder_decoder
from sweeper.models.beam import search
from sweeper.models.decoder import Memory
from sweeper.models.encoder_decoder import forcing
from sweeper.models.optimizers import build_optimizer
from sweeper.records import BOUNDARY, UNKNOWN, TrialOrder

DECODERS = ("initial_state", "repeat", "feedback", "start_token")
SYMBOLS, TIME, LONGEST = 5, 6, 4
SMALL = {"units": 4, "embedding_units": 3, "dropout": 0.0, "embedding_dropout": 0.0, "attention": "none"}


def built(kernel="keras", scale=1.0, longest=LONGEST, **values):
    """An untrained model whose scores differ enough to tell symbols apart."""
    configuration = complete("seq2seq", {**SMALL, **values})
    model = build_encoder_decoder(configuration, Sizes(9, SYMBOLS, seed=3, kernel=kernel, longest=longest))
    generator = np.random.default_rng(5)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(0, scale, variable.shape))
    return model


@pytest.fixture
def sources(rng):
    lengths = np.array([TIME, 3, 1])
    return tf.constant(rng.integers(1, 9, (3, TIME)) * (np.arange(TIME) < lengths[:, None]), tf.int32)


@pytest.fixture
def targets(rng):
    labels = rng.integers(1, SYMBOLS, (3, LONGEST))
    lengths = np.array([4, 2, 1])
    labels[np.arange(3), lengths - 1] = BOUNDARY
    return tf.constant(labels, tf.int32), tf.constant(np.arange(LONGEST) < lengths[:, None])


def one_by_one(model, sources, labels):
    """Logits of a true target by single steps."""
    memory = Memory(**model.encoder(sources))
    context, states = model.decoder.begin(memory)
    fed, previous, found = tf.zeros_like(context), tf.zeros([len(sources)], tf.int32), []
    for t in range(labels.shape[1]):
        logits, _, states, fed = model.decoder.step(previous, states, fed, memory, context)
        found.append(logits)
        previous = labels[:, t]
    return tf.stack(found, axis=1)


ARCHITECTURES = [
    *({"decoder": decoder, "cell": cell} for decoder in DECODERS for cell in ("simple_rnn", "gru", "lstm")),
    *({"context": context, "cell": cell, "direction": "forward"} for context in ("projected_last", "projected_all") for cell in ("gru", "lstm")),
    *({"attention": score, "fusion": fusion} for score, fusion in zip(("dot", "general", "concat"), ("add", "concat", "mlp"), strict=True)),
    *({"attention": "general", "input_feeding": "yes", "decoder": decoder} for decoder in DECODERS),
    {"depth": 2, "attention": "dot"},
]  # fmt: skip


@pytest.mark.parametrize("kernel", ["keras", "packed"])
@pytest.mark.parametrize("values", ARCHITECTURES, ids=lambda values: "-".join(map(str, values.values())))
def test_a_whole_target_is_scored_as_step_by_step(values, kernel, sources, targets):
    model, (labels, real) = built(kernel, **values), targets
    whole = model(sources, labels, real)["logits"]
    steps = one_by_one(model, sources, labels)
    assert np.abs(tf.where(real[:, :, None], whole - steps, 0.0)).max() < 1e-5


@pytest.mark.parametrize("values", ARCHITECTURES, ids=lambda values: "-".join(map(str, values.values())))
def test_what_is_written_is_the_most_probable_symbol_after_those_before_it(values, sources):
    model = built(**values)
    written = model.write(sources).symbols
    logits = one_by_one(model, sources, written)
    best = tf.argmax(model.decoder.possible(logits), axis=-1, output_type=tf.int32).numpy()
    for row, chosen in zip(written.numpy(), best, strict=True):
        end = np.argmax(np.append(row, BOUNDARY) == BOUNDARY)
        assert row[: end + 1].tolist() == chosen[: end + 1].tolist()
        assert not row[end:].any()


@pytest.mark.parametrize("values", ARCHITECTURES, ids=lambda values: "-".join(map(str, values.values())))
def test_a_beam_of_one_is_greedy(values, sources):
    model = built(**values)
    memory = Memory(**model.encoder(sources))
    greedy = model.write(sources).symbols.numpy()
    searched = search(model.decoder, memory, LONGEST, 1, 0.7).numpy()
    assert np.array_equal(searched[:, : greedy.shape[1]], greedy)
    assert not searched[:, greedy.shape[1] :].any()


@pytest.mark.parametrize("width", [1, 3])
def test_what_is_unknown_is_never_written(width, sources):
    model = built()
    model.decoder.head.bias.assign([0, 100.0, 0, 0, 0])
    written = search(model.decoder, Memory(**model.encoder(sources)), LONGEST, width, 0.7).numpy()
    assert UNKNOWN not in written
    assert UNKNOWN not in model.write(sources).symbols.numpy()


@pytest.mark.parametrize("longest", [2, 3])
@pytest.mark.parametrize(
    "values",
    [*({"decoder": decoder} for decoder in DECODERS), {"input_feeding": "yes"}, {"depth": 2, "cell": "lstm"}],
    ids=str,
)
def test_a_beam_as_wide_as_the_symbols_finds_what_trying_everything_finds(values, longest, rng):
    """Of two symbols; of three, where beams are reordered before they are read, as wide as there are beginnings."""
    model = built(longest=longest, attention="general", **values)
    model.decoder.head.kernel.assign(model.decoder.head.kernel * 2)
    model.decoder.head.bias.assign([1.5, 0, 0, 0, 0])  # some end at once
    sources = tf.constant(rng.integers(1, 9, (40, TIME)), tf.int32)
    memory = Memory(**model.encoder(sources))
    written = [symbol for symbol in range(SYMBOLS) if symbol != UNKNOWN]
    every = itertools.product(written, repeat=longest)
    candidates = [one for one in every if not any(one[one.index(BOUNDARY) :] if BOUNDARY in one else ())]
    lengths = np.array([one.index(BOUNDARY) + 1 if BOUNDARY in one else longest for one in candidates])[:, None]
    scores = []
    for candidate, length in zip(candidates, lengths[:, 0], strict=True):
        labels = tf.constant([candidate] * 40, tf.int32)
        each = tf.nn.log_softmax(one_by_one(model, sources, labels))
        scores.append(tf.gather(each, labels, batch_dims=2).numpy()[:, :length].sum(axis=1))
    for penalty in (0.0, 1.0):
        best = np.argmax(np.array(scores) / lengths**penalty, axis=0)
        found = search(model.decoder, memory, longest, SYMBOLS ** (longest - 1), penalty).numpy()
        assert [tuple(row) for row in found] == [candidates[place] for place in best]


@pytest.mark.parametrize("decoder", DECODERS)
def test_each_decoder_knows_what_its_equation_says_and_no_more(decoder, sources, targets):
    model, (labels, real) = built(decoder=decoder), targets
    other = tf.where(labels == BOUNDARY, labels, labels % (SYMBOLS - 1) + 1)  # other symbols, ends where they were
    one, two = (model(sources, some, real)["logits"].numpy() for some in (labels, other))
    assert np.array_equal(one[:, 0], two[:, 0]), "the first symbol depends on nothing before it"
    assert np.array_equal(one, two) == (decoder in ("initial_state", "repeat"))
    memory = Memory(**model.encoder(sources))
    _, states = model.decoder.begin(memory)
    begins_with_context = decoder in ("initial_state", "start_token")
    assert np.array_equal(states[0], memory.last) == begins_with_context
    assert bool(tf.reduce_any(states[0] != 0)) == begins_with_context


@pytest.mark.parametrize("decoder", DECODERS)
def test_one_step_of_a_simple_rnn_by_hand(decoder, sources):
    model = built(decoder=decoder, cell="simple_rnn", direction="forward")
    memory, decoding = Memory(**model.encoder(sources)), model.decoder
    state, previous = np.full((3, 4), 0.3, np.float32), np.array([2, 0, 4])
    kernel, recurrent, bias = (weight.numpy() for weight in decoding.recurrent[0].cell.weights)
    c = memory.last.numpy()
    y = decoding.embedding.weights[0].numpy()[previous] if decoding.embedding is not None else None
    inputs = {"initial_state": [np.zeros((3, 1))], "repeat": [c], "feedback": [c, y], "start_token": [y]}[decoder]
    h = np.tanh(np.concatenate(inputs, axis=1) @ kernel + state @ recurrent + bias)
    of_symbols, bias = (weight.numpy() for weight in decoding.head.weights)
    logits, _, after, _ = decoding.step(tf.constant(previous), [tf.constant(state)], None, memory, memory.last)
    assert np.abs(logits - (h @ of_symbols + bias)).max() < 1e-5
    assert np.abs(after[0] - h).max() < 1e-6


def test_input_feeding_hands_the_attentional_state_to_the_next_step(sources):
    """Luong et al. 2015, section 3.3, by hand: what symbols are scored from stands beside the next step's embedding."""
    values = {"cell": "simple_rnn", "direction": "forward", "attention": "dot", "input_feeding": "yes"}
    model = built(decoder="start_token", fusion="concat", scale=0.5, **values)
    memory, decoder = Memory(**model.encoder(sources)), model.decoder
    context, states = decoder.begin(memory)
    kernel, recurrent, bias = weights(decoder.recurrent[0].cell)
    [fuse], (of_symbols, of_bias), [rows] = map(weights, (decoder.fusion.inner, decoder.head, decoder.embedding))
    encoded, real = memory.states.numpy(), sources.numpy() != 0
    h, fed = context.numpy(), np.zeros((3, 4), np.float32)
    given = states, decoder.nothing(context)
    for previous in ([0, 0, 0], [2, 0, 4], [3, 3, 1]):
        h = np.tanh(np.concatenate([rows[previous], fed], axis=1) @ kernel + h @ recurrent + bias)
        scores = np.where(real, np.exp(np.einsum("bf,btf->bt", h, encoded)), 0.0)
        attended = np.einsum("bt,btf->bf", scores / scores.sum(1, keepdims=True), encoded)
        fed = np.tanh(np.concatenate([attended, h], axis=1) @ fuse)
        logits, _, *given = decoder.step(tf.constant(previous), *given, memory, context)
        assert np.abs(logits - (fed @ of_symbols + of_bias)).max() < 1e-5


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_each_context_by_hand(cell, sources):
    """The context is the last state, a transform of it, or the mean of the transformed states of real tokens."""
    real = (sources.numpy() != 0)[:, :, None]
    for context in ("last", "projected_last", "projected_all"):
        model = built(context=context, cell=cell, direction="forward", decoder="start_token")
        memory = Memory(**model.encoder(sources))
        found, states = model.decoder.begin(memory)
        last = memory.last.numpy()[:, :4]
        if context == "last":
            assert np.array_equal(found, last)
            assert np.array_equal(states[0], memory.last), "with an LSTM's cell state"
            continue
        kernel, bias = (weight.numpy() for weight in model.decoder.projection.weights)
        of_states = np.tanh(memory.states.numpy() @ kernel + bias)
        mean = (of_states * real).sum(1) / real.sum(1)
        wanted = np.tanh(last @ kernel + bias) if context == "projected_last" else mean
        assert np.abs(found - wanted).max() < 1e-6
        assert np.array_equal(states[0][:, :4], found)
        if cell == "lstm":
            kernel, bias = (weight.numpy() for weight in model.decoder.cell_projection.weights)
            assert np.abs(states[0][:, 4:] - (wanted @ kernel + bias)).max() < 1e-6


def weights(layer):
    return [weight.numpy() for weight in layer.weights]


@pytest.mark.parametrize("fusion", ["add", "concat", "mlp"])
def test_attention_that_looks_at_one_place_fuses_its_state(fusion, sources, targets):
    """Scores so far apart that all weight is on the best place: what is fused is exactly the encoder's state there."""
    model, (labels, real) = built(attention="general", fusion=fusion, scale=0.5), targets
    decoder = model.decoder
    decoder.attention.general.assign(1e6 * decoder.attention.general.numpy())
    memory, looked = Memory(**model.encoder(sources)), model(sources, labels, real)
    assert np.allclose(looked["attention"].numpy().max(-1), 1, atol=1e-6)
    places = looked["attention"].numpy().argmax(-1)
    assert np.take_along_axis(sources.numpy(), places, axis=1).all(), "which is never padding, however low its score"
    attended = np.take_along_axis(memory.states.numpy(), places[:, :, None], axis=1)

    seen = []
    decoder.fusion.call = lambda h, a, call=decoder.fusion.call: seen.append((h.numpy(), a.numpy())) or call(h, a)
    logits = model(sources, labels, real)["logits"].numpy()
    [(h, a)] = seen
    assert np.abs(a - attended)[real.numpy()].max() < 1e-5
    W, *bias = weights(decoder.fusion.inner)
    both = np.concatenate([attended, h], axis=-1)
    fused = {
        "add": lambda: h + attended @ W,
        "concat": lambda: np.tanh(both @ W),  # Luong et al. 2015, eq. 5
        "mlp": lambda: (
            np.tanh(both @ W + bias[0]) @ weights(decoder.fusion.outer)[0] + weights(decoder.fusion.outer)[1]
        ),
    }[fusion]()
    of_symbols, bias = weights(decoder.head)
    assert np.abs(logits - (fused @ of_symbols + bias))[real.numpy()].max() < 1e-4


def test_a_masked_place_has_no_weight_however_low_the_scores_of_the_others():
    query, states = tf.constant([[[1e3]]]), tf.constant([[[-1e3], [-2e3], [0.0]]])
    _, found = LuongAttention("dot")(query, states, mask=tf.constant([[True, True, False]]))
    assert found.numpy().tolist() == [[[1.0, 0.0, 0.0]]]


def test_padding_of_the_source_is_never_attended_to(sources, targets):
    model, (labels, real) = built(attention="general"), targets
    attention = model(sources, labels, real)["attention"].numpy()
    assert attention.shape == (3, LONGEST, TIME)
    assert not attention.transpose(0, 2, 1)[sources == 0].any()
    assert np.allclose(attention.sum(-1), 1)
    longer = tf.pad(sources, [[0, 0], [0, 4]])
    assert np.abs(model(longer, labels, real)["logits"] - model(sources, labels, real)["logits"]).max() < 1e-5


def test_nothing_is_written_beyond_the_longest(sources):
    model = built()
    model.decoder.head.bias.assign([-100.0, 0, 0, 0, 0])  # it never ends
    assert model.write(sources).symbols.shape == (3, LONGEST)


@pytest.mark.parametrize(
    "values", [{}, {"attention": "general", "input_feeding": "yes"}, {"decoder": "feedback"}], ids=str
)
def test_scheduled_sampling_goes_from_the_true_symbols_to_the_models_own(values, sources, targets):
    model, (labels, real) = built(teacher_forcing="linear", **values), targets
    always = model(sources, labels, real)["logits"]
    model.decoder.forcing.assign(1.0)
    shown = model(sources, labels, real, training=True)["logits"]
    assert np.abs(tf.where(real[:, :, None], shown - always, 0.0)).max() < 1e-5
    model.decoder.forcing.assign(0.0)
    sampled = model(sources, labels, real, training=True)["logits"]
    own = model.decoder.choose(sampled)
    assert np.abs(one_by_one(model, sources, own) - sampled).max() < 1e-5
    for shown_to_itself, written in zip(own.numpy(), model.write(sources).symbols.numpy(), strict=True):
        end = np.argmax(np.append(written, BOUNDARY) == BOUNDARY)
        assert shown_to_itself[:end].tolist() == written[:end].tolist(), "as it writes"
    assert np.abs(sampled - always).max() > 1e-3
    assert np.abs(model(sources, labels, real)["logits"] - always).max() < 1e-6, "for training only"


def test_a_share_of_the_symbols_that_are_shown_is_true_each_by_chance(monkeypatch):
    model, seen = built(teacher_forcing="linear"), []
    model.decoder.head.bias.assign([0, 0, 0, 0, 1e6])  # it would always write 4
    model.decoder.forcing.assign(0.3)
    step = model.decoder.step
    monkeypatch.setattr(
        model.decoder, "step", lambda previous, *others: seen.append(previous) or step(previous, *others)
    )
    labels = tf.fill([500, LONGEST], 2)
    model(tf.ones([500, 2], tf.int32), labels, labels > 0, training=True)
    first, *later = np.array(seen)
    assert (first == BOUNDARY).all()
    assert set(np.unique(later)) == {2, 4}
    assert np.allclose(np.mean(np.array(later) == 2, axis=1), 0.3, atol=0.08), "at every step"
    assert 0 < np.mean(np.equal(*later[:2])) < 1, "not a whole target alike"


def test_the_share_of_true_symbols_falls_as_the_paper_has_it():
    def shares(kind, decay):
        return [forcing({"teacher_forcing": kind, "forcing_decay": decay}, epochs) for epochs in (0, 1, 2, 20)]

    assert shares("linear", 0.25) == [1, 0.75, 0.5, 0]
    assert np.allclose(shares("exponential", 0.1), [1, 0.9, 0.81, 0.9**20])
    k = 5.0
    assert np.allclose(shares("inverse_sigmoid", 1 / k), [k / (k + np.exp(i / k)) for i in (0, 1, 2, 20)])
    assert shares("inverse_sigmoid", 0.999)[0] == pytest.approx(1 / 1.999)
    assert forcing({"teacher_forcing": "inverse_sigmoid", "forcing_decay": 0.999}, 5_000) == 0
    assert forcing({}, 7) == 1


def test_a_learner_of_a_configuration_forces_as_it_says(spelled_card, tmp_path):
    prepared = prepare(cards.load_card(str(spelled_card)), [("characters", True)])
    values = {"units": 4, "embedding_units": 4, "teacher_forcing": "exponential", "forcing_decay": 0.2}
    configuration = complete("seq2seq", values, prepared.meta.traits)
    order = TrialOrder(0, "seq2seq", configuration, str(prepared.folder), str(tmp_path), 0, 1)
    learner = build_learner(order, prepared, 10, "keras")
    learner.progress.epoch = 2
    learner.begin_epoch()
    assert float(learner.model.decoder.forcing) == pytest.approx(0.64)


def test_one_hot_symbols_are_read_as_rows_of_the_kernel(sources, targets):
    model, (labels, real) = built(input="one_hot"), targets
    assert "embedding" not in " ".join(variable.path for variable in model.decoder.variables)
    steps = one_by_one(model, sources, labels)
    whole = model(sources, labels, real)["logits"]
    assert np.abs(tf.where(real[:, :, None], whole - steps, 0.0)).max() < 1e-5


@pytest.mark.parametrize(
    "values", [{}, {"attention": "general", "input_feeding": "yes"}, {"attention": "dot", "cell": "gru"}], ids=str
)
def test_half_precision_scores_and_writes(values, sources, targets):
    model, (labels, real) = built(precision="mixed", teacher_forcing="linear", **values), targets
    assert model(sources, labels, real)["logits"].dtype == tf.float32
    assert model(sources, labels, real, training=True)["logits"].dtype == tf.float32
    assert model.write(sources).symbols.shape[0] == 3
    assert model.search(sources, 2, 0.5).shape == (3, LONGEST)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("decoder", "attention", "direction", "learned"),
    [
        ("start_token", "general", 1, True),
        ("start_token", "general", -1, True),
        ("initial_state", "none", 1, False),
        ("initial_state", "none", -1, False),
        ("start_token", "none", 1, False),
    ],
    ids=["copied", "reversed", "not copied", "not reversed", "not copied by feedback"],
)
def test_attention_copies_and_reverses_twenty_symbols_and_a_first_state_alone_does_not(
    decoder, attention, direction, learned, rng
):
    """At equal size, of a sequence of 20 symbols."""
    values = {"decoder": decoder, "attention": attention, "cell": "gru", "units": 32, "embedding_units": 16}
    configuration = complete("seq2seq", {**SMALL, **values, "learning_rate": 0.006, "batch_size": 64})
    model = build_encoder_decoder(configuration, Sizes(12, 12, seed=1, kernel="packed", longest=21))
    fitting = SequenceLearner(model, build_optimizer(configuration, 1_500))
    everything = np.ones((64, 21), np.float32) / 21

    def batch(count):
        ids = rng.integers(2, 12, (count, 20)).astype(np.int32)
        return ids, np.concatenate([ids[:, ::direction], np.zeros((count, 1), np.int32)], axis=1)

    def right():
        ids, labels = batch(200)
        found = fitting.answer(ids).numpy()
        return np.mean([np.array_equal(one[:20], other[:20]) for one, other in zip(found, labels, strict=True)])

    for step in range(900):
        fitting.step(*batch(64), everything)
        if learned and step % 100 == 99 and right() >= 0.99:
            return
    assert not learned
    assert right() < 0.1


def test_an_epoch_shows_the_decoder_its_share_of_true_symbols():
    configuration = complete("seq2seq", SMALL)
    model = build_encoder_decoder(configuration, Sizes(12, 12, seed=1, kernel="keras", longest=21))
    writing = SequenceLearner(model, build_optimizer(configuration, 10), forcing_rate=lambda epochs: 1 - epochs / 4)
    for epochs, share in ((0, 1.0), (3, 0.25)):
        writing.progress.epoch = epochs
        writing.begin_epoch()
        assert float(model.decoder.forcing) == share


def test_a_shared_embedding_reads_a_symbol_as_the_same_word(sources, targets):
    labels, _ = targets
    places = np.array([9, 1, 4, 10, 3], np.int32)  # <stop> and symbol 3 are not read
    configuration = complete("seq2seq", {**SMALL, "target_embedding": "shared"})
    model = build_encoder_decoder(configuration, Sizes(9, SYMBOLS, seed=3, longest=LONGEST, places=places))
    table = model.encoder.get_layer("embedding").embeddings
    assert table.shape == (11, 3)
    assert sum(variable is table for variable in model.trainable_variables) == 1
    assert not any("target_embedding" in variable.path for variable in model.variables)
    context = tf.zeros((3, 4))
    shown = model.decoder._inputs(context, labels).numpy()
    assert np.allclose(shown, table.numpy()[places[labels.numpy()]])
    logits, real = model(sources, *targets)["logits"].numpy(), targets[1].numpy()
    assert np.allclose(logits[real], one_by_one(model, sources, labels).numpy()[real], atol=1e-5)


@pytest.mark.parametrize("target_embedding", ["separate", "shared"])
def test_what_is_written_is_read_by_an_embedding_beside_pretrained_vectors_too(rng, targets, target_embedding):
    values = {"units": 4, "attention": "none", "input": "pretrained", "target_embedding": target_embedding}
    vectors = rng.normal(size=(9, 7)).astype(np.float32)
    places = np.array([9, 1, 4, 10, 3], np.int32) if target_embedding == "shared" else None
    sizes = Sizes(9, SYMBOLS, vectors=vectors, seed=3, longest=LONGEST, places=places)
    model = build_encoder_decoder(complete("seq2seq", values), sizes)
    labels, _ = targets
    shown = model.decoder._inputs(tf.zeros((3, 4)), labels)
    if places is None:
        assert shown.shape[-1] == 64
        assert np.allclose(shown, model.decoder.embedding.embeddings.numpy()[labels.numpy()])
    else:
        assert np.allclose(shown.numpy()[labels == 2], vectors[4])


def test_rows_of_a_shared_embedding_are_those_of_the_words_and_then_new_ones():
    assert _places(["", "<unk>", "a", "b"], ["<stop>", "<unk>", "b", "z", "a"]).tolist() == [4, 1, 3, 5, 2]
