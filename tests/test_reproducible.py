"""The same seed gives the same trials, scores and answers, bit for bit, as far as the README says."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import sweeper
from sweeper.sweeps.folders import find_folder

from .conftest import write

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tables")]
TEXTS = ["a fine and moving film", "cold , clumsy and cheap", "something else"]


def swept(card, space, name, workers, algorithm):
    """What a sweep tried, how each trial did, and what its export answers."""
    outcome = sweeper.sweep(
        dataset=str(card), space=str(space), name=name, workers=workers, algorithm=algorithm, trials=4, epochs=3, seed=11
    )  # fmt: skip
    results = find_folder(name).history().results
    tried = [(results[number].configuration, results[number].scores, results[number].best_epoch) for number in range(4)]
    answers = tf.saved_model.load(str(outcome.export)).signatures["serving_default"](text=tf.constant(TEXTS))
    return tried, answers["scores"].numpy()


@pytest.mark.parametrize("algorithm", ["random", "grid"])
def test_two_workers_do_what_one_does_with_random_and_grid_search(reviews_card, tiny_space, algorithm):
    (first, answers), (second, again) = (
        swept(reviews_card, tiny_space, f"with-{workers}", workers, algorithm) for workers in (1, 2)
    )
    assert first == second
    assert np.array_equal(answers, again)


@pytest.mark.parametrize("algorithm", ["bayesian", "hyperband"])
def test_one_worker_repeats_what_two_need_not_with_algorithms_that_learn_from_what_comes_first(
    reviews_card, tiny_space, algorithm
):
    (first, answers), (second, again) = (swept(reviews_card, tiny_space, name, 1, algorithm) for name in ("a", "b"))
    assert first == second
    assert np.array_equal(answers, again)
    tried, _ = swept(reviews_card, tiny_space, "two", 2, algorithm)
    assert tried[0] == first[0], "the known-good configuration, before anything was learnt"


def test_a_budget_ends_a_trial_by_the_clock_but_each_epoch_is_what_it_is_without_one(reviews_card, tmp_path):
    text = 'about = "x"\ntask = "sentiment"\n[parameters.units]\nfixed = 128\n[parameters.patience]\nfixed = 100\n'
    space = write(tmp_path / "patient.toml", text)
    settings = {"dataset": str(reviews_card), "space": str(space), "workers": 1, "seed": 11}
    sweeper.sweep(**settings, name="cut", budget=8, epochs=4_000)
    [cut, *_] = find_folder("cut").history().results.values()
    assert cut.state == "stopped"
    sweeper.sweep(**settings, name="whole", trials=1, epochs=cut.epochs)
    [whole] = find_folder("whole").history().results.values()
    assert (cut.configuration, cut.scores, cut.best_epoch) == (whole.configuration, whole.scores, whole.best_epoch)
