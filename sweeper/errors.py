"""What can go wrong, arranged by who has to act.

SweeperError
├── UsageError          the command line, or the call, must be edited
├── DeclarationError    a file in search_spaces/ or datasets/ must be edited
├── DataError           the data on disk is not what its declaration says
├── SourceError         the data could not be fetched, is not what was published, or has gone
├── TrackingError       the MLflow store cannot be reached or refuses us
├── TrialError          this one configuration failed; the sweep goes on
├── WorkerDied          a worker process died under its work, as when memory runs out
├── WorkFailed          what a worker was told to do went wrong otherwise
├── DiskFull            the disk is full
├── SweepError          the sweep ran and produced no model
└── ExportError         the exported model does not answer as the trained one did
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SweeperError(Exception):
    """Something a person can act on; its text says where, the rule, what was found and what to write."""

    exit_code = 2


class UsageError(SweeperError):
    """The command line, or the arguments of a call from Python."""


class DeclarationError(SweeperError):
    """A search space or a dataset card is wrong."""


class DataError(SweeperError):
    """The data do not hold what their card says."""


class SourceError(SweeperError):
    """The data could not be fetched, their checksum differs, or they were removed."""


class TrackingError(SweeperError):
    """The MLflow store cannot be used."""


class TrialError(SweeperError):
    """One configuration failed; others may not."""

    exit_code = 1


class WorkerDied(SweeperError):
    """A worker process ended before its work did.

    Args:
        is_retryable: whether the same work may end well if it is tried once more.
    """

    exit_code = 1

    def __init__(self, text: str, *, is_retryable: bool = True) -> None:
        super().__init__(text)
        self.is_retryable = is_retryable


class WorkFailed(SweeperError):
    """A worker met an error that nobody foresaw; its traceback is in the worker's log."""

    exit_code = 1


class DiskFull(SweeperError):
    """The disk is full; what was written before is whole."""


class SweepError(SweeperError):
    """The sweep ended without a model."""

    exit_code = 1


class ExportError(SweeperError):
    """An exported model differs from the model that was trained."""

    exit_code = 1


def unknown(kind: str, word: str, known: Iterable[str]) -> str:
    """Say that `word` is no `kind`, with the nearest known word first."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=2, cutoff=0.5)
    hint = f" Did you mean {' or '.join(repr(name) for name in near)}?" if near else ""
    return f"no {kind} is called {word!r}.{hint} Known: {', '.join(names) or 'none'}"


def listed(words: Iterable[object], most: int = 8) -> str:
    """A short list for a message: the first `most` words, then how many more."""
    names = [str(word) for word in words]
    tail = f", and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + tail
