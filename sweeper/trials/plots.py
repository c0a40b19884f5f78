"""The pictures of one trial, drawn by the worker that ran it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..records import EpochEvent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MIN_NORM = 1e-20  # the norm of a gradient below which a line ends, since 0 has no logarithm
MAX_NAME = 24  # characters of a name that are drawn
USUAL_NAME, LETTER = 8, 0.14  # characters that every picture has room for, and inches that each further one takes
MAX_LABELS = 30  # beyond these a confusion picture shows the most frequent ones only


def learning_curve(events: Sequence[EpochEvent], objective: str, path: Path) -> Path:
    """Loss and the objective by epoch, as a PNG file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2))
    # By hand: matplotlib's own layout takes as long as the drawing, and every trial draws.
    figure.subplots_adjust(left=0.09, right=0.98, bottom=0.16, top=0.96, wspace=0.26)
    losses, scores = figure.subplots(1, 2)
    epochs = [event.epoch for event in events]
    for name, label in (("loss", "training"), ("val_loss", "validation")):
        losses.plot(epochs, [event.metrics[name] for event in events], marker="o", label=label)
    losses.set(xlabel="epoch", ylabel="loss (nats)")
    losses.legend(frameon=False)
    scores.plot(epochs, [event.metrics[f"val_{objective}"] for event in events], marker="o", color="tab:green")
    scores.set(xlabel="epoch", ylabel=f"validation {objective}")
    for axes in (losses, scores):
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.spines[["top", "right"]].set_visible(False)
    return _saved(figure, path)


def confusion_plot(table: np.ndarray, labels: Sequence[str], path: Path) -> Path:
    """A confusion table as a PNG file; each row is the true label, and sums to 1 where every label is shown.

    Args:
        table: int (labels, labels).
    """
    from matplotlib.figure import Figure

    shown = np.sort(np.argsort(-table.sum(1), kind="stable")[:MAX_LABELS])
    row_totals = np.maximum(table.sum(1), 1)[shown]
    table, names = table[np.ix_(shown, shown)], _drawn([labels[place] for place in shown])
    shares = table / row_totals[:, None]
    side = 2.4 + 0.34 * len(names) + _room(names)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90, **_as_they_are())
    axes.set_yticks(range(len(names)), names, **_as_they_are())
    axes.set(xlabel="predicted", ylabel="true")
    if len(names) <= 12:
        for row, column in np.ndindex(*table.shape):
            axes.text(
                column,
                row,
                f"{table[row, column]:,}",
                ha="center",
                va="center",
                fontsize=7,
                color="white" if shares[row, column] > 0.5 else "black",
            )
    figure.colorbar(picture, ax=axes, shrink=0.8, label="share of the true label")
    return _saved(figure, path)


class Alignment(NamedTuple):
    """What a decoder looked at while it wrote.

    Args:
        source, target: tokens and symbols.
        weights: float (target, source); rows sum to 1.
    """

    source: Sequence[str]
    target: Sequence[str]
    weights: np.ndarray


def attention_plot(alignments: Sequence[Alignment], path: Path) -> Path:
    """Attention of a few examples side by side as a PNG file: written symbols by row, source tokens by column."""
    from matplotlib.figure import Figure

    alignments = [one._replace(source=_drawn(one.source), target=_drawn(one.target)) for one in alignments]
    widths = [max(2, len(one.source)) for one in alignments]
    width = 1.5 + 0.32 * sum(widths) + sum(0.8 + _room(one.target) for one in alignments)
    height = 1.4 + 0.3 * max(len(one.target) for one in alignments) + max(_room(one.source) for one in alignments)
    figure = Figure(figsize=(width, height), layout="constrained")
    places = figure.subplots(1, len(alignments), squeeze=False, width_ratios=widths)[0]
    for axes, one in zip(places, alignments, strict=True):
        axes.imshow(one.weights, cmap="Greys", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(one.source)), one.source, **_as_they_are(), rotation=_turned(one.source))
        axes.set_yticks(range(len(one.target)), one.target, **_as_they_are())
        axes.xaxis.tick_top()
        axes.set_xlabel("read")
    places[0].set_ylabel("written")
    return _saved(figure, path)


def gradient_plot(lines: Mapping[str, np.ndarray], path: Path) -> Path:
    """How far gradients reach, as a PNG file.

    Args:
        lines: by name, the norm of the loss gradient so many places before the last one, float (places,).
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    for name, norms in lines.items():
        axes.plot(np.arange(len(norms)), np.where(norms > MIN_NORM, norms, np.nan), label=name)
    axes.set(xlabel="time steps before the last one", ylabel="norm of the loss gradient", yscale="log")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return _saved(figure, path)


def _drawn(names: Sequence[str]) -> list[str]:
    """Names on one line each, the longest of them cut."""
    lines = [" ".join(name.split()) for name in names]
    return [name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…" for name in lines]


def _room(names: Sequence[str]) -> float:
    """Inches that the longest name takes beyond what a usual one does."""
    return LETTER * max(0, max(map(len, names), default=0) - USUAL_NAME)


def _turned(names: Sequence[str]) -> int:
    """Long names stand upright, so that they do not run into each other."""
    return 90 if max(map(len, names), default=0) > 2 else 0


def _saved(figure: Figure, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # drawn as a box where no font of the machine has it
        figure.savefig(path, dpi=110)
    return path


def _as_they_are() -> dict[str, Any]:
    """How names from data are drawn: in any script, and never read as mathematics between dollars."""
    return {"fontfamily": _fonts(), "parse_math": False}


def _fonts() -> list[str]:
    """So that labels in any script are drawn, as far as the machine has fonts for them."""
    return [*cjk_fonts(), "DejaVu Sans"]


def cjk_fonts() -> list[str]:
    """Installed fonts with Chinese glyphs."""
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    wanted = ("Noto Sans CJK SC", "Source Han Sans SC", "PingFang SC", "Microsoft YaHei", "WenQuanYi Micro Hei")
    return [name for name in wanted if name in installed]
