"""A process that replays a sweep's journal into MLflow while the sweep runs.

    python -m sweeper.track.replay EXPERIMENT FOLDER

FOLDER is the sweep's. Standard input is a pipe from the parent: a line means that something asks
for an answer now, its end that the parent is done, or dead. Standard output carries answers, one JSON
object per line: {"ready": true} when no other process replays the journal any more; {"asked": N, "value": ...}
or {"asked": N, "error": ...} for the event N that asks; {"away": ...} and {"back": ...} when the store
goes and comes; {"refused": ...} for an event that it will not have; {"error": ...} where nothing can be
told at all.

How far the journal is replayed stands in a file beside it, so that a later process goes on from there; it
waits until an earlier one, whose parent was killed, has ended.
"""

from __future__ import annotations

import contextlib
import functools
import json
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import filelock

from ..errors import TrackingError
from ..records import TRACKED, EpochEvent, TrialResult
from ..system.files import write_atomically
from ..system.journal import Journal
from ..system.wording import first_line, without_secrets
from .connection import Rejected, RunDeleted
from .runs import Runs

JOURNAL, POSITION, LOCK = TRACKED, "tracking.json", "tracking.lock"
GATHERED = ("trial_started", "epoch_ended", "trial_ended")  # written together with what follows
WAITS = 1.0  # seconds that an event may wait for others
RETRY = 2.0  # seconds between two attempts at a store that is away


_T = TypeVar("_T")


class Parent:
    """The other end of the two pipes."""

    def __init__(self) -> None:
        self.gone = False
        self._nudged = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def wait(self, seconds: float) -> None:
        """Until it asks for something, or is gone, or time is over."""
        self._nudged.wait(seconds)
        self._nudged.clear()

    def tell(self, **fact: Any) -> None:
        try:
            print(json.dumps(fact), flush=True)
        except BrokenPipeError:  # nobody reads any more
            self.gone = True

    def _listen(self) -> None:
        for _ in sys.stdin:
            self._nudged.set()
        self.gone = True
        self._nudged.set()


class Replay:
    """Carries a journal's events to the runs, in order, each until it is there."""

    def __init__(self, experiment: str, folder: Path, parent: Parent) -> None:
        self.parent = parent
        self._new_runs = functools.partial(Runs, experiment, folder)
        self.runs, self._anew = self._new_runs(), False
        self._position = folder / POSITION
        self.journal = Journal(folder / JOURNAL)
        with contextlib.suppress(FileNotFoundError):
            self._go_on_at(self._position.read_text(errors="replace"))

    def _go_on_at(self, noted: str) -> None:
        try:
            at = json.loads(noted)
            read, run = int(at["read"]), str(at["run"])
        except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError):
            self.parent.tell(
                refused=f"{self._position}: was altered since it was written; MLflow is asked again what it knows"
            )
            return
        if self.journal.ends_at(read):
            self.journal.read, self.runs.parent = read, run

    def run(self) -> None:
        """Until the parent is gone and all is told.

        Raises:
            TrackingError: the store cannot be reached, and nobody waits for it any more.
        """
        self._until_reached(self.runs.connect)
        try:
            self._until_reached(self.runs.check)
        except RunDeleted as error:
            self._begin_anew(error)
        over = False
        while not over:
            over = self.parent.gone  # asked before the journal is read, so that nothing comes after
            try:
                self._tell_news()
            except RunDeleted as error:
                self._begin_anew(error)
                over = False
            if not over:
                self.parent.wait(WAITS)
        # Nothing is open unless the parent died.
        self._until_reached(lambda: self.runs.abandoned("KILLED", time.time()))

    def _tell_news(self) -> None:
        for event in self.journal.read_new():
            self._tell(event)
        self._flush()
        self.runs.look_for_existing = False
        self._note_position()

    def _begin_anew(self, gone: RunDeleted) -> None:
        """A person has removed what MLflow had of this sweep; its journal still has it all."""
        if self._anew:
            raise Rejected(str(gone) or "MLflow could not log the sweep's beginning")
        self._anew = True
        if str(gone):
            self.parent.tell(refused=f"{gone}; the whole sweep is logged to a new run")
        self.journal.read, self.runs = 0, self._new_runs()
        self._until_reached(self.runs.connect)

    def _tell(self, event: dict[str, Any]) -> None:
        asked = event.pop("asks", None)
        if event["what"] not in GATHERED:
            self._flush()
        try:
            value = self._until_reached(lambda: guarded(dispatch, self.runs, **event))
        except RunDeleted:
            raise
        except (Rejected, UnexpectedError) as error:
            self._until_reached(self.runs.check)  # is it because all of the sweep was removed?
            self.parent.tell(**({"refused": str(error)} if asked is None else {"asked": asked, "error": str(error)}))
        else:
            if asked is not None:
                self._note_position()
                self.parent.tell(asked=asked, value=value)

    def _note_position(self) -> None:
        self.journal.fsync()  # else the note might outlive what it is about
        write_atomically(self._position, json.dumps({"read": self.journal.read, "run": self.runs.parent}))

    def _flush(self) -> None:
        while True:
            try:
                return self._until_reached(self.runs.flush)
            except Rejected as error:
                self._until_reached(self.runs.check)
                self.parent.tell(refused=str(error))

    def _until_reached(self, attempt: Callable[[], _T]) -> _T:
        """Try until the store answers, or nobody waits for it any more."""
        away = False
        while True:
            try:
                value = attempt()
            except Rejected:
                raise
            except TrackingError as error:
                if not away:
                    self.parent.tell(away=str(error))
                if self.parent.gone:
                    raise
                away = self.runs.look_for_existing = True  # what did not answer may have been done
                time.sleep(RETRY)
            else:
                if away:
                    self.parent.tell(back=True)
                return value


class UnexpectedError(Exception):
    """A bug, or an answer of the store that nobody expected."""


def guarded(function: Callable[..., _T], *arguments: Any, **options: Any) -> _T:
    """The outermost frame of one event: what goes wrong with it is said, recorded, and no reason to stop."""
    try:
        return function(*arguments, **options)
    except TrackingError:
        raise
    except Exception as error:  # noqa: BLE001 - recorded, not hidden: see above
        print(without_secrets(traceback.format_exc()), file=sys.stderr)
        what = options.get("what", "this sweep")
        raise UnexpectedError(f"MLflow has not logged {what}: {first_line(error)}") from None


def dispatch(runs: Runs, what: str, **facts: Any) -> Any:
    """Pass one event of the journal on to the runs."""
    match what:
        case "epoch_ended":
            return runs.epoch_ended(EpochEvent(**facts["event"]))
        case "trial_ended":
            return runs.trial_ended(TrialResult(**facts["result"]), facts["plots"], facts["when"])
        case _:
            return getattr(runs, what)(**facts)


def main(experiment: str, folder: str) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's to act upon
    parent = Parent()
    try:
        with filelock.FileLock(Path(folder) / LOCK):
            parent.tell(ready=True)
            guarded(Replay(experiment, Path(folder), parent).run)
    except (Rejected, UnexpectedError) as error:
        parent.tell(error=str(error))
        return 1
    except TrackingError:
        return 1  # said already; the journal keeps what is left
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
