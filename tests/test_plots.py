"""Pictures: names from data are drawn whatever they hold."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes

from sweeper.data import cards
from sweeper.data.prepare import prepare
from sweeper.declared.parameters import complete
from sweeper.learners import build_learner, load
from sweeper.records import TrialOrder
from sweeper.trials import artifacts, plots
from sweeper.trials.plots import Alignment, attention_plot, confusion_plot

image = Axes.imshow
ODD = ["$x_", r"$\frac$", "\x1b", "好 坏", "👍", "a\nb"]


@pytest.mark.filterwarnings("error")
def test_odd_names_are_drawn_as_they_are(tmp_path):
    confusion = confusion_plot(np.eye(6, dtype=int), ODD, tmp_path / "confusion.png")
    alignment = attention_plot([Alignment(ODD, ODD, np.eye(6))], tmp_path / "alignment.png")
    assert confusion.read_bytes()[:4] == alignment.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("letter", ["W", "好", "\U000dc04f"])
def test_long_names_are_cut_and_leave_room_for_what_they_name(monkeypatch, tmp_path, letter):
    drawn, names = figures(monkeypatch), [letter * length for length in (300, 23, 1)]
    confusion_plot(np.eye(2, dtype=int), names[:2], tmp_path / "confusion.png")
    attention_plot(
        [Alignment(names, names[:1], np.eye(1, 3)), Alignment(names[:1], names, np.eye(3, 1))], tmp_path / "a.png"
    )
    cut = [letter * 23 + "…", letter * 23, letter]
    assert [tick.get_text() for tick in drawn[0].axes[0].get_yticklabels()] == cut[:2]
    assert [tick.get_text() for tick in drawn[1].axes[0].get_xticklabels()] == cut
    assert [tick.get_text() for tick in drawn[1].axes[1].get_yticklabels()] == cut


def figures(monkeypatch):
    """What is drawn from now on."""
    drawn, saved = [], plots._saved
    monkeypatch.setattr(plots, "_saved", lambda figure, path: drawn.append(figure) or saved(figure, path))
    return drawn


def test_an_alignment_has_what_is_read_across_and_what_is_written_down(monkeypatch, tmp_path):
    drawn, weights = figures(monkeypatch), np.array([[0.1, 0.2, 0.7], [0.0, 1.0, 0.0]])
    attention_plot([Alignment(["a", "b", "c"], ["X", "Y"], weights)], tmp_path / "a.png")
    [axes] = drawn[0].axes
    assert np.array_equal(axes.images[0].get_array(), weights)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["a", "b", "c"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["X", "Y"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("read", "written")


def test_gradients_are_drawn_by_the_step_on_a_logarithmic_scale(monkeypatch, tmp_path):
    drawn, norms = figures(monkeypatch), {"gru": np.array([1.0, 0.5, 0.0]), "plain": np.array([1.0, 1e-6])}
    plots.gradient_plot(norms, tmp_path / "g.png")
    [axes] = drawn[0].axes
    assert axes.get_yscale() == "log"
    assert {line.get_label(): line.get_xdata().tolist() for line in axes.lines} == {"gru": [0, 1, 2], "plain": [0, 1]}
    assert axes.lines[0].get_ydata()[:2].tolist() == [1.0, 0.5]
    assert np.isnan(axes.lines[0].get_ydata()[2]), "0 has no logarithm"


def test_shares_are_of_all_examples_of_a_label_also_where_some_labels_are_not_shown(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "MAX_LABELS", 2)
    monkeypatch.setattr(Axes, "imshow", lambda axes, shares, **_: drawn.append(shares) or image(axes, shares))
    confusion_plot(np.array([[6, 0, 6], [0, 8, 0], [1, 0, 2]]), ["a", "b", "c"], tmp_path / "c.png")
    assert drawn[0].tolist() == [[0.5, 0.0], [0.0, 1.0]]


def test_of_long_pairs_the_beginning_is_drawn(spelled_card, tmp_path, monkeypatch):
    prepared = prepare(cards.load_card(str(spelled_card)), [("characters", True)])
    values = {"units": 4, "embedding_units": 4, "attention": "dot", "decoder": "start_token"}
    configuration = complete("seq2seq", values, prepared.meta.traits)
    order = TrialOrder(0, "seq2seq", configuration, str(prepared.folder), str(tmp_path), 0, 1)
    learner, split = build_learner(order, prepared, 1, "keras"), load(order, prepared, "validation")
    whole = list(artifacts._alignments(order, prepared, learner, split))
    monkeypatch.setattr(artifacts, "MAX_DRAWN", 2)
    for one, short in zip(whole, artifacts._alignments(order, prepared, learner, split), strict=True):
        assert len(one.source) == 4
        assert (short.source, short.target) == (one.source[:2], one.target[:2])
        assert np.array_equal(short.weights, one.weights[: len(short.target), :2])
