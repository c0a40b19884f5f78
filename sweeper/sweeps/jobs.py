"""What a sweep lets its workers do beside trials.

Each job imports what it needs where it runs, in a worker: the process of the sweep itself never imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..records import Differences, Scores, TrialOrder

if TYPE_CHECKING:
    from ..trials.bootstrap import Intervals


def choose_decoding(order: TrialOrder) -> dict[str, float]:
    """See `trials.winner`."""
    from ..trials import winner

    return winner.choose_decoding(order)


def score_test(orders: Sequence[TrialOrder]) -> tuple[Scores, Intervals | None]:
    """See `trials.winner`."""
    from ..trials import winner

    return winner.score_test(orders)


def score_validation(orders: Sequence[TrialOrder]) -> Scores:
    """See `trials.winner`."""
    from ..trials import winner

    return winner.score_validation(orders)


def compare_errors(orders: Sequence[TrialOrder]) -> Differences | None:
    """See `trials.error_analysis`."""
    from ..trials import error_analysis

    return error_analysis.compare(orders)


def export_trials(orders: Sequence[TrialOrder], folder: str, facts: Mapping[str, Any]) -> str:
    """See `serving.exports`."""
    from ..serving import exports

    return exports.export_trials(orders, folder, facts)


def draw_gradients(order: TrialOrder, folder: str) -> str:
    """See `trials.gradients`."""
    from ..trials import gradients

    return gradients.draw_gradients(order, folder)
