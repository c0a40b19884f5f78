"""What the parent process knows of MLflow: a journal to write into, and a process that replays it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO, cast

from ..errors import TrackingError
from ..records import EpochEvent, TrialResult
from ..system.journal import Journal
from .replay import JOURNAL, POSITION

MAX_STARTS = 3  # times that the other process is started in a row without having told anything
PATIENCE = 60.0  # seconds that the end of a sweep waits for a store that is away
LOCKED = "database is locked"  # as SQLite says it, by another process
GONE = {"gone": True}


class Tracker:
    """The MLflow side of one sweep. Every call but those that return something is over at once.

    Args:
        experiment: its name, TASK/DATASET.
        folder: of the sweep; what an earlier process could not tell MLflow is told first.

    Attributes:
        logged_trials: those whose end is in the journal.
        begun: whether the journal has the sweep's beginning.
    """

    def __init__(self, experiment: str, folder: Path) -> None:
        self._experiment, self._folder = experiment, folder.resolve()
        self._journal = Journal(folder / JOURNAL)
        self.begun, self.logged_trials = False, set[int]()
        for event in self._journal.read_new():
            try:
                self._look_back_at(event)
            except (KeyError, TypeError):
                raise self._journal.altered() from None
        self._asked = ""  # the last event that asked
        self._begun = self._began_at = 0
        self._said: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._news: list[str] = []
        self._away: float | None = None  # since when the store does not answer
        self._reason = ""  # why it does not
        self._lost = ""  # why nothing can be told any more
        self._begin()
        try:
            self._wait_until_ready()
        except BaseException:  # interrupted: else it would hold the sweep's journal for as long as we live
            self._close(patience=0.0)
            raise

    def _look_back_at(self, event: dict[str, Any]) -> None:
        self.begun = self.begun or event["what"] == "sweep_started"
        if event["what"] == "trial_ended" and event["result"]["state"] != "interrupted":
            self.logged_trials.add(event["result"]["number"])

    def _begin(self) -> None:
        self._begun, self._began_at = self._begun + 1, self._told_up_to()
        self._away = None
        with (self._folder / "workers.log").open("ab") as log:
            self._replay = subprocess.Popen(
                [sys.executable, "-P", "-m", "sweeper.track.replay", self._experiment, str(self._folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # Ctrl-C is for the parent
            )
        self._listener = threading.Thread(target=self._listen, args=[self._replay.stdout], daemon=True)
        self._listener.start()

    def _wait_until_ready(self) -> None:
        """An earlier process may still tell what a killed parent left; it would take our events for that parent's."""
        while not self._lost:
            fact = self._said.get()
            if "ready" in fact:
                return
            self._take(fact)

    def _listen(self, output: TextIO) -> None:
        try:
            with output:
                for line in output:
                    with contextlib.suppress(ValueError):  # a line that MLflow prints
                        self._said.put(json.loads(line))
        finally:
            self._said.put(GONE)

    # ------------------------------------------------------------ the sweep

    def sweep_started(
        self, name: str, params: Mapping[str, Any], dataset: Mapping[str, str], declarations: Sequence[Path]
    ) -> str:
        """Open the parent run and return its id. See `runs.Runs`.

        Raises:
            TrackingError: the store cannot be reached, or refuses us.
        """
        files = self._inside(declarations)
        self._note("sweep_started", name=name, params=params, dataset=dataset, declarations=files, when=time.time())
        return str(self._answer(patience=0.0))

    def sweep_resumed(self, run: str) -> str:
        """Go on with the parent run of an interrupted sweep.

        Args:
            run: its id; "" where the sweep was stopped before it heard of it.

        Returns:
            Its id; a new one where a person had removed it, and all was told anew.

        Raises:
            TrackingError: the store cannot be reached, or refuses us.
        """
        self._note("sweep_resumed", run=run)
        return str(self._answer(patience=0.0))

    def sweep_ended(
        self, metrics: Mapping[str, float], tags: Mapping[str, str], files: Sequence[Path], status: str
    ) -> str:
        """Close the parent run, and wait until MLflow has all.

        Returns:
            Why it has not, as when it is away; resuming the sweep logs the rest. "" as a rule.
        """
        kept = self._inside(files)
        self._note("sweep_ended", metrics=metrics, tags=tags, files=kept, status=status, when=time.time())
        try:
            self._answer(patience=PATIENCE)
        except TrackingError as error:
            return str(error)
        finally:
            self._close()
        return ""

    def abandon(self, status: str) -> None:
        """End every run, whatever happened: none is left RUNNING.

        Args:
            status: of the parent run: FAILED, or KILLED where a person stopped it.
        """
        with contextlib.suppress(OSError):  # on a full disk; the other process then ends them as for a dead parent
            self._note("abandoned", status=status, when=time.time())
        self._close(patience=10.0)

    # ------------------------------------------------------------ trials

    def trial_started(
        self, number: int, configuration: Mapping[str, Any], seed: int, repeats: int | None = None
    ) -> None:
        facts = {"configuration": dict(configuration), "seed": seed, "repeats": repeats}
        self._note("trial_started", asks=False, number=number, **facts, when=time.time())

    def epoch_ended(self, event: EpochEvent) -> None:
        self._note("epoch_ended", asks=False, event=dataclasses.asdict(event))

    def trial_ended(self, result: TrialResult, plots: Sequence[Path]) -> None:
        kept = self._inside(plots)
        self._note("trial_ended", asks=False, result=result.as_dict(), plots=kept, when=time.time())

    def trials_settled(self, **numbers: Sequence[int]) -> None:
        """See `runs.Runs`."""
        self._note("trials_settled", asks=False, **{state: list(trials) for state, trials in numbers.items()})

    def log_model(self, export: Path, name: str) -> str:
        """Log the exported folder as a model of the parent run and register it.

        Returns:
            Its version, or "" if the store is away; it will get it when it is back.

        Raises:
            TrackingError: the store refuses it.
        """
        self._note("log_model", export=self._inside([export])[0], name=name)
        try:
            return str(self._answer(patience=PATIENCE))
        except TrackingError:
            if self._away is None:
                raise
            return ""

    # ------------------------------------------------------------ the other process

    def messages(self) -> Iterator[str]:
        """Lines for a person: that the store went away, came back, or refused something."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._take(self._said.get_nowait())
        while self._news:
            yield self._news.pop(0)

    def _note(self, what: str, *, asks: bool = True, **facts: Any) -> None:
        event = {"what": what, **facts}
        if asks:
            self._asked = event["asks"] = uuid.uuid4().hex  # answers to an earlier process must not be taken for ours
        self._journal.append(event, durable=asks)
        if asks:
            self._nudge()

    def _inside(self, paths: Sequence[Path]) -> list[str]:
        """As the journal has them: relative to the sweep's folder, which may move."""
        return [path.resolve().relative_to(self._folder).as_posix() for path in paths]

    def _nudge(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # it has died, which `_take` will hear, or is closed
            self._stdin.write("\n")
            self._stdin.flush()

    @property
    def _stdin(self) -> TextIO:
        assert self._replay.stdin is not None
        return cast(TextIO, self._replay.stdin)

    def _answer(self, patience: float) -> Any:
        """What the last event that asked is answered with.

        Args:
            patience: seconds to wait for a store that is away; one that is only locked is there, and worth `PATIENCE`.
        """
        began = time.monotonic()
        while not self._lost:
            left = None
            if self._away is not None:
                waits = PATIENCE if LOCKED in self._reason else patience
                left = max(0.0, max(began, self._away) + waits - time.monotonic())
            try:
                fact = self._said.get(timeout=left)
            except queue.Empty:
                break
            if fact.get("asked") == self._asked and "value" in fact:
                return fact["value"]
            if fact.get("asked") == self._asked:
                raise TrackingError(fact["error"])
            self._take(fact)
        raise TrackingError(self._lost or self._reason)

    def _take(self, fact: dict[str, Any]) -> None:
        if "away" in fact:
            self._away, self._reason = time.monotonic(), fact["away"]
            self._news.append(f"{self._reason}; the search goes on, and what MLflow misses is logged when it is back")
        elif "back" in fact:
            self._away = None
            self._news.append("MLflow is back")
        elif "refused" in fact:
            self._news.append(fact["refused"])
        elif "error" in fact and "asked" not in fact:
            self._lose(fact["error"])
        elif "gone" in fact and not self._lost:
            self._begin_again()

    def _begin_again(self) -> None:
        """Let another process go on where the last one stood."""
        if self._told_up_to() > self._began_at:
            self._begun = 0
        if self._begun == MAX_STARTS:
            self._lose("the process that writes to MLflow died; see workers.log in the sweep's folder")
            return
        self._close()
        self._begin()
        self._nudge()

    def _told_up_to(self) -> int:
        """Bytes of the journal that MLflow has been told."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, ArithmeticError, RecursionError):
            return int(json.loads((self._folder / POSITION).read_text())["read"])
        return 0

    def _lose(self, why: str) -> None:
        self._lost = why
        self._news.append(why)

    def _close(self, patience: float | None = None) -> None:
        """Let the other process end, when it has told what it can; wait for it, but no longer than that."""
        with contextlib.suppress(OSError):
            self._stdin.close()
        if self._away is not None:
            self._replay.terminate()  # it may hang on the store; what it has not told stays in the journal
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._replay.wait(patience)
