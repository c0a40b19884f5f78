"""What a person sees while a sweep runs: a live board on a terminal, plain lines elsewhere. All on standard error."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..records import EpochEvent, TrialOrder, TrialResult
from ..system.quiet import silence_output
from ..system.wording import visible

PLAIN_WIDTH = 160  # columns, where no terminal says
SMALL = 0.001  # below which four decimals say too little
BRIEF = {
    "cell": "{}", "direction": "{}", "depth": "x{}", "units": "{}", "attention": "{} attention", "pooling": "{}",
    "input": "{}", "characters": "characters {}", "bigrams": "bigrams", "extra": "{}", "head": "{}",
}  # fmt: skip
"""The parameters that the line of a running trial names, and how."""


class _Console(Console):
    """Falls silent when nobody reads it any more; the sweep goes on."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        silence_output()


def console(*, stderr: bool = True) -> Console:
    """Where lines for a person go."""
    found = _Console(stderr=stderr, highlight=False, soft_wrap=True)
    return found if found.is_terminal else _Console(stderr=stderr, highlight=False, soft_wrap=True, width=PLAIN_WIDTH)


@dataclass
class Board:
    """The state of a sweep, as it is shown.

    Args:
        objective: the score that counts, such as "accuracy".
        deadline: when the budget ends, seconds since the epoch; None for no budget.
        most: the most trials; None for no limit.
        baseline: the strongest baseline's validation score, once it is known.
        scores: the best of each trial so far, and minus its loss, those left out that failed, were interrupted, or train one again.
        best: the trial with the highest of these; None for none.
        done, repeated: trials that count, those apart that train another one's configuration again.
    """

    objective: str
    deadline: float | None
    most: int | None
    baseline: float | None = None
    scores: dict[int, tuple[float, float]] = field(default_factory=dict)
    best: int | None = None
    done: int = 0
    repeated: int = 0
    failed: int = 0
    running: dict[int, TrialOrder] = field(default_factory=dict)
    epochs: dict[int, EpochEvent] = field(default_factory=dict)

    def began(self, order: TrialOrder) -> None:
        self.running[order.number] = order

    def epoch(self, event: EpochEvent) -> None:
        self.epochs[event.trial] = event
        order = self.running.get(event.trial)
        if order is None or order.repeats is None:
            found = event.metrics[f"val_{self.objective}"], -event.metrics["val_loss"]
            self._note_score(event.trial, max(found, self.scores.get(event.trial, found)))

    def ended(self, result: TrialResult) -> None:
        order = self.running.pop(result.number, None)
        again = order is not None and order.repeats is not None
        self.repeated += result.counts and again
        self.done += result.counts and not again
        self.failed += result.state == "failed"
        if not again:
            found = (result.scores[self.objective], -result.scores["loss"]) if result.counts else None
            self._note_score(result.number, found)

    def _note_score(self, trial: int, found: tuple[float, float] | None) -> None:
        """Keep a trial's score, and which is the best, without a look at all others each time: sweeps may be long."""
        lowered = trial == self.best and (found is None or found < self.scores[trial])
        if found is None:
            self.scores.pop(trial, None)
        else:
            self.scores[trial] = found
        if lowered:
            self.best = max(self.scores, key=self._rank, default=None)
        elif found is not None and (self.best is None or self._rank(trial) > self._rank(self.best)):
            self.best = trial

    def _rank(self, trial: int) -> tuple[tuple[float, float], int]:
        """Greater for the better of two trials; of equals for the earlier one."""
        return self.scores[trial], -trial

    def headline(self) -> str:
        parts = [
            f"{self.done} done{f' of {self.most}' if self.most else ''}",
            *([f"{self.repeated} repeated"] if self.repeated else []),
            f"{len(self.running)} running",
            f"{self.failed} failed",
        ]
        if self.best is not None:
            parts.append(f"best {self.objective} {self.scores[self.best][0]:.4f} (trial {self.best})")
        if self.baseline is not None:
            parts.append(f"baseline {self.baseline:.4f}")
        if self.deadline is not None:
            parts.append(f"{clock(max(self.deadline - time.time(), 0))} left")
        return " · ".join(parts)

    def __rich__(self) -> Group:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for name in ("trial", "epoch", "loss", f"val {self.objective}", "tokens/s", "configuration"):
            table.add_column(name, overflow="ellipsis", no_wrap=True)
        for number, order in self.running.items():
            table.add_row(*_cells(number, order, self.epochs.get(number), self.objective))
        return Group(Text(self.headline(), style="bold"), table)


def _cells(number: int, order: TrialOrder, event: EpochEvent | None, objective: str) -> Iterable[str]:
    measured = ("-", "-", "-", "-")
    if event is not None:
        metrics = event.metrics
        measured = (
            f"{event.epoch}/{order.epochs}",
            f"{metrics['loss']:.3f}",
            f"{metrics[f'val_{objective}']:.4f}",
            f"{metrics['tokens_per_second']:,.0f}",
        )
    repeat = "" if order.repeats is None else f"repeat of {order.repeats}: "
    return (str(number), *measured, f"{repeat}{brief(order.configuration)}")


def brief(configuration: Mapping[str, Any]) -> str:
    """The choices of a configuration that tell most, such as "lstm both x2 64 dot attention learned crf"."""
    chosen = ((form, configuration.get(name)) for name, form in BRIEF.items())
    return " ".join(form.format(value) for form, value in chosen if value not in (None, "none", "no"))


def clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class Screen:
    """Shows a board: live on a terminal, a line an event elsewhere. A context manager."""

    def __init__(self, board: Board, on: Console | None = None) -> None:
        self.board = board
        self.console = on or console()
        self._live = (
            Live(board, console=self.console, refresh_per_second=4, transient=True)
            if self.console.is_terminal
            else None
        )

    def __enter__(self) -> Screen:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def say(self, line: str) -> None:
        """A line that stays."""
        self.console.print(visible(line), markup=False)

    def began(self, order: TrialOrder) -> None:
        self.board.began(order)
        repeat = "" if order.repeats is None else f"repeat of trial {order.repeats} with seed {order.seed}: "
        self._plain(f"trial {order.number}: {repeat}{brief(order.configuration)}")

    def epoch(self, event: EpochEvent) -> None:
        self.board.epoch(event)
        metrics, objective = event.metrics, self.board.objective
        self._plain(
            f"trial {event.trial}: epoch {event.epoch}: loss {metrics['loss']:.3f}, val {objective} {metrics[f'val_{objective}']:.4f}, "
            f"{metrics['tokens_per_second']:,.0f} tokens/s"
        )

    def ended(self, result: TrialResult) -> None:
        self.board.ended(result)
        if not result.counts:
            self.say(f"trial {result.number}: {result.state}{f': {result.error}' if result.error else ''}")
        if result.note:
            self.say(f"trial {result.number}: {result.note}")
        self._plain(self.board.headline())

    def _plain(self, line: str) -> None:
        if not self._live:
            self.say(line)


def leaderboard_table(table: Any, columns: Sequence[str], width: int) -> Table:
    """A leaderboard for the terminal.

    Args:
        table: as `report.leaderboard` gives it, or some of its rows.
        columns: the most telling first; those that no longer fit into `width` are left out.
    """
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    used = 0
    kept: list[list[str]] = []
    for name in columns:
        cells = [_shown(value) for value in table[name]]
        used += max(map(len, (*cells, *name.split("_")))) + 3
        if used > width:
            break
        kept.append(cells)
        shown.add_column(name.replace("_", "\n"))  # else other cells are broken for the sake of headings
    for number, line in enumerate(zip(*kept, strict=True)):
        shown.add_row(*line, style="dim" if str(table["trial"].iloc[number]).startswith("baseline") else None)
    return shown


def _shown(value: Any) -> str:
    if value is None or str(value) in ("nan", "<NA>"):
        return ""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if 0 < abs(value) < SMALL else f"{value:.4f}".rstrip("0").rstrip(".")
