"""Training: it learns, it stops, it keeps its best epoch, and it goes on exactly where it stood."""

from __future__ import annotations

import gc

import keras
import numpy as np
import pytest

from sweeper.data import cards
from sweeper.data.batches import load_split
from sweeper.data.prepare import prepare
from sweeper.declared.parameters import complete
from sweeper.errors import TrialError
from sweeper.learners.base import parameter_count, release_memory
from sweeper.learners.labels import LabelLearner
from sweeper.learners.training import Epoch, fit
from sweeper.models import Sizes, kernels
from sweeper.models.optimizers import build_optimizer
from sweeper.tasks import TASKS

QUICK = {
    "units": 6,
    "embedding_units": 5,
    "batch_size": 16,
    "learning_rate": 0.02,
    "embedding_dropout": 0.0,
    "dropout": 0.3,
}


def ready(card, **values):
    """Splits, an untrained model, and how to score it."""
    prepared = prepare(cards.load_card(str(card)))
    task = TASKS[prepared.meta.task]
    configuration = complete(prepared.meta.task, {**QUICK, **values})
    training, validation = (load_split(prepared, part, configuration) for part in ("train", "validation"))
    sizes = Sizes(training.vocabulary, len(prepared.meta.labels), seed=5, kernel=kernels.choose(configuration))
    fitting = LabelLearner(
        task.build(configuration, sizes),
        build_optimizer(configuration, 50),
        sequence_labels=training.sequence_labels,
        smoothing=configuration.get("label_smoothing", 0.0),
    )

    def score(predictions):
        return task.scores(prepared.meta, validation.truth(), predictions.answers)

    def run(epochs, ended=lambda epoch: False, patience=50):
        seen: list[Epoch] = []
        ending = fit(
            fitting, training, validation, epochs=epochs, batch_size=16, patience=patience, seed=5, objective=task.objective(prepared.meta),
            score=score, ended=lambda epoch: seen.append(epoch) or ended(epoch),
        )  # fmt: skip
        return ending, seen

    return fitting, run, validation


KINDS = [("reviews_card", {}), ("people_card", {}), ("people_card", {"head": "crf"})]


@pytest.mark.parametrize(("which", "values"), KINDS)
def test_a_model_learns_what_can_be_learned(which, values, request):
    _, run, _ = ready(request.getfixturevalue(which), **values)
    ending, epochs = run(12)
    assert ending == "done"
    assert max(next(iter(epoch.scores.values())) for epoch in epochs) == 1.0
    assert epochs[-1].loss < epochs[0].loss / 4


@pytest.mark.parametrize(("which", "values"), KINDS)
def test_the_loss_of_two_batches_is_that_of_both_as_one(which, values, request):
    fitting, _, validation = ready(
        request.getfixturevalue(which), **values, dropout=0.0, optimizer="sgd", learning_rate=1e-7
    )
    order = np.argsort(validation.lengths)
    losses = [float(fitting.step(*validation.batch(rows)[:3])) for rows in (order[:4], order[-4:])]
    assert losses[0] != losses[1]
    together = float(fitting.step(*validation.batch(np.concatenate([order[:4], order[-4:]]))[:3]))
    assert together == pytest.approx(np.mean(losses), rel=1e-4)


@pytest.mark.parametrize(("which", "attention"), [("reviews_card", "none"), ("people_card", "general")])
def test_mixed_precision_learns_too_and_keeps_its_weights_whole(which, attention, request):
    fitting, run, _ = ready(request.getfixturevalue(which), precision="mixed", attention=attention)
    _, epochs = run(12)
    assert max(next(iter(epoch.scores.values())) for epoch in epochs) > 0.8
    assert epochs[-1].loss < epochs[0].loss / 4
    cell = fitting.model.get_layer("both_0").forward_layer.cell
    assert cell.compute_dtype == "float16"
    assert {weight.dtype for weight in fitting.model.trainable_variables} == {"float32"}
    assert fitting.answer(np.array([[1]], np.int32)).dtype == "float32"
    after, _, _ = ready(request.getfixturevalue(which))
    assert after.model.get_layer("softmax").compute_dtype == "float32"
    assert {layer.compute_dtype for layer in after.model.layers} <= {"float32", "int32"}, "it is this model's alone"


@pytest.mark.parametrize("precision", ["float32", "mixed"])
def test_scored_weights_are_the_running_average_and_training_goes_on_with_its_own(reviews_card, precision):
    fitting, _, validation = ready(reviews_card, averaging=0.3, precision=precision, learning_rate=0.01)
    batch, seen = validation.batch(np.arange(8)), []
    wanted = np.nan
    for step, momentum in enumerate([0, 1 / 10, 2 / 11, 3 / 12, *[0.3] * 3]):  # not more than asked for
        fitting.step(batch.inputs, batch.labels, batch.weights)
        seen.append(fitting.model.get_layer("softmax").kernel.numpy())
        wanted = seen[step] if not step else momentum * wanted + (1 - momentum) * seen[step]
    with fitting.averaged():
        assert np.allclose(fitting.model.get_layer("softmax").kernel.numpy(), wanted, atol=1e-6)
    assert (fitting.model.get_layer("softmax").kernel.numpy() == seen[-1]).all()
    kept = [value for value in fitting.values().values() if value.shape == wanted.shape]
    assert any(np.allclose(value, wanted, atol=1e-6) for value in kept)


def test_smoothing_spreads_a_share_of_the_truth_while_training_alone(reviews_card):
    plain, _, validation = ready(reviews_card, dropout=0.0)
    smooth, _, _ = ready(reviews_card, dropout=0.0, label_smoothing=0.2)
    batch = validation.batch(np.arange(8))
    given = batch.inputs, batch.labels, batch.weights
    log_odds = np.asarray(keras.ops.log_softmax(plain.answer(batch.inputs)))
    true = log_odds[np.arange(8), batch.labels]
    assert np.isclose(smooth.evaluate(*given)[0], plain.evaluate(*given)[0])
    assert np.isclose(smooth.step(*given), -(0.8 * true + 0.2 * log_odds.mean(axis=1)).mean(), rtol=1e-4)


def test_it_stops_when_nothing_improves_and_not_before(reviews_card):
    _, run, _ = ready(reviews_card)
    _, epochs = run(40, patience=3)
    last_gain = max(epoch.number for epoch in epochs if epoch.improved)
    assert len(epochs) == last_gain + 3 < 40


def test_each_epoch_is_begun_with_how_many_there_were(reviews_card):
    fitting, run, _ = ready(reviews_card)
    seen = []
    fitting.begin_epoch = lambda: seen.append(fitting.progress.epoch)
    run(3)
    assert seen == [0, 1, 2]


def test_it_stops_when_told_and_says_so(reviews_card):
    _, run, _ = ready(reviews_card)
    ending, epochs = run(9, ended=lambda epoch: epoch.number == 2)
    assert (ending, len(epochs)) == ("stopped", 2)


def test_told_to_stop_where_it_would_have_ended_it_is_done(reviews_card):
    _, run, _ = ready(reviews_card)
    _, epochs = run(40, patience=3)
    _, again, _ = ready(reviews_card)
    assert again(40, patience=3, ended=lambda epoch: epoch.number == len(epochs))[0] == "done"
    _, last, _ = ready(reviews_card)
    assert last(2, ended=lambda epoch: epoch.number == 2)[0] == "done"


@pytest.mark.parametrize(
    "how",
    [
        {"averaging": 0.9, "warm_up": 0.1},
        {"optimizer": "sgd"},
        {"precision": "mixed"},
        {"optimizer": "nadam", "precision": "mixed"},
    ],
)
def test_a_fit_that_is_resumed_equals_one_that_was_never_interrupted(reviews_card, tmp_path, how):
    whole, run_whole, _ = ready(reviews_card, **how)
    run_whole(4)
    first, run_first, _ = ready(reviews_card, **how)
    run_first(2)
    first.save(tmp_path / "last.npz")
    second, run_second, _ = ready(reviews_card, **how)
    second.restore(tmp_path / "last.npz")
    _, epochs = run_second(4)
    assert [epoch.number for epoch in epochs] == [3, 4]
    for ours, theirs in zip(second.model.get_weights(), whole.model.get_weights(), strict=True):
        assert (ours == theirs).all()


def test_the_same_seed_gives_the_same_scores(reviews_card):
    losses = [[epoch.loss for epoch in ready(reviews_card)[1](2)[1]] for _ in range(2)]
    assert losses[0] == losses[1]


def test_a_loss_that_is_no_number_fails_the_trial_and_says_when(reviews_card):
    fitting, run, _ = ready(reviews_card)
    fitting.model.get_layer("softmax").bias.assign(np.full(2, np.nan))
    with pytest.raises(TrialError, match="diverged: the loss is nan in epoch 1"):
        run(2)


def test_predictions_keep_the_order_of_the_split(people_card):
    fitting, run, validation = ready(people_card)
    run(6)
    together = fitting.predict(validation).answers.labels
    alone = [
        fitting.answer(validation.batch(np.array([row])).ids).numpy()[0].argmax(-1) for row in range(len(validation))
    ]
    assert together.tolist() == np.concatenate(alone).tolist()


def test_parameters_are_weights_and_nothing_else(reviews_card):
    fitting, _, validation = ready(reviews_card, cell="gru", direction="forward", pooling="max")
    embedding, gru, dense = validation.vocabulary * 5, 3 * 6 * (5 + 6) + 2 * 3 * 6, 6 * 2 + 2
    assert parameter_count(fitting.model) == embedding + gru + dense


def test_a_finished_fit_leaves_no_graph_behind(reviews_card):
    """TensorFlow keeps every custom gradient, and our kernels and Keras's optimizers have some."""

    def graphs():
        release_memory()
        return sum(type(thing).__name__ == "FuncGraph" for thing in gc.get_objects())

    ready(reviews_card)[1](1)
    before = graphs()
    for _ in range(2):
        ready(reviews_card)[1](1)
    assert graphs() <= before


def test_while_the_score_does_not_move_the_loss_says_which_epoch_is_better(reviews_card):
    fitting, _, validation = ready(reviews_card, learning_rate=0.001)
    split = load_split(prepare(cards.load_card(str(reviews_card))), "train", complete("sentiment", QUICK))
    seen: list[Epoch] = []
    fit(
        fitting, split, validation, epochs=6, batch_size=16, patience=2, seed=5, objective="exact_match",
        score=lambda predictions: {"exact_match": 0.0}, ended=lambda epoch: bool(seen.append(epoch)),
    )  # fmt: skip
    losses = [epoch.validation.loss for epoch in seen]
    assert losses == sorted(losses, reverse=True), "this model learns"
    assert [epoch.improved for epoch in seen] == [True] * 6
    assert fitting.progress.best_epoch == 6
