"""A sweep's folder: its declarations, what was asked and told, and each trial's files.

sweeps/NAME/
    sweep.json        settings, both declarations, the data's digest, the MLflow run, baselines, winner
    card.toml space.toml
    history.jsonl     one line an event, in order: a trial asked for, a trial's result
    trials/007/       events, weights, pictures
    leaderboard.csv report.html
    export/           the best model
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock

from ..errors import UsageError, unknown
from ..records import BEST, HISTORY, LAST, SWEEPS, TRACKED, TrialOrder, sweep_argument
from ..system.files import half_written, replacing_folder, write_atomically
from .history import History
from .shipped import Shipped

if TYPE_CHECKING:
    from ..data.store import Meta

FACTS = {"card", "task", "card_folder", "space", "settings", "began"}  # that every sweep.json has


class NameTaken(UsageError):
    """There is a sweep of this name."""


@dataclass
class SweepFolder:
    """The folder of one sweep."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def called(self) -> str:
        """By what a command finds it."""
        return sweep_argument(self.path)

    @property
    def stop_file(self) -> Path:
        return self.path / "stop"

    @property
    def declarations(self) -> list[Path]:
        return [self.path / "card.toml", self.path / "space.toml"]

    def trial(self, number: int) -> Path:
        return self.path / "trials" / f"{number:03d}"

    def drop_weights(self, number: int, *, state_only: bool = False) -> None:
        """Delete the state that a trial would go on from, and the weights of its best epoch."""
        for name in (LAST,) if state_only else (LAST, BEST):
            (self.trial(number) / name).unlink(missing_ok=True)

    def remove_strays(self) -> None:
        """Delete what a process that was killed had begun to write."""
        for path in self.path.glob(".export*"):
            shutil.rmtree(path, ignore_errors=True)
        for place in (self.path, *self.path.glob("trials/*")):
            for path in half_written(place):
                path.unlink(missing_ok=True)

    def has_weights(self, number: int) -> bool:
        return (self.trial(number) / BEST).exists()

    def plots(self, number: int) -> list[Path]:
        """What a trial has drawn, and the samples that it has written."""
        return sorted(path for pattern in ("*.png", "*.txt") for path in self.trial(number).glob(pattern))

    def history(self, prepared: Path | None = None) -> History:
        """What was asked and told so far; see `History.read`."""
        return History.read(self, prepared)

    def placed(self, order: TrialOrder, prepared: Path | None) -> TrialOrder:
        """An order with the paths that hold now: a sweep's folder may have moved since it was written."""
        return dataclasses.replace(
            order,
            folder=str(self.trial(order.number)),
            stop_file=str(self.stop_file),
            continues=order.continues and str(self.trial(int(Path(order.continues).name))),
            prepared=order.prepared if prepared is None else str(prepared),
        )

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other process from running this sweep; a process that dies lets go.

        Raises:
            UsageError: another one runs it.
        """
        lock = filelock.FileLock(self.path / "running.lock", timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise UsageError(
                f"--resume: {self.name} is running already, in another process; wait for it, or stop it"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def new_export(self) -> Path:
        """A free place for the exported model."""
        names = itertools.chain(["export"], (f"export-{number}" for number in itertools.count(2)))
        return next(self.path / name for name in names if not (self.path / name).exists())

    # ------------------------------------------------------------ sweep.json

    @property
    def facts(self) -> dict[str, Any]:
        try:
            facts = dict(json.loads((self.path / "sweep.json").read_text(encoding="utf-8")))
            if FACTS - facts.keys():
                raise ValueError(f"{', '.join(sorted(FACTS - facts.keys()))} is missing")
            return facts
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(
                f"{self.path / 'sweep.json'}: cannot be read: {error}; put it back from a copy, or remove the folder, or name another sweep"
            ) from None

    @property
    def run(self) -> str | None:
        """The MLflow run of the sweep, once it has one."""
        return self.facts.get("run")

    def note_run(self, run: str) -> None:
        self._note(run=run)

    def note_data(self, meta: Meta, objective: str, vectors: dict[str, str]) -> None:
        """Keep what the sweep is about.

        Args:
            vectors: fingerprints of pretrained vectors, by name.

        Raises:
            UsageError: it began with other data.
        """
        facts, digest, described = self.facts, meta.digest, meta.described
        before = facts.get("digest", digest)
        if before != digest:
            if facts.get("form") != meta.form:
                raise UsageError(
                    f"{self.name} was begun by a version of sweeper that prepared data otherwise, and its weights are of no use to this one: "
                    "go on with that version, or start a new sweep"
                )
            was = facts.get("data", "other ones")
            change = "as many, with other content" if was == described else f"{was} then, {described} now"
            raise UsageError(
                f"the data of {self.name} have changed since it began: {change} (digest {before[:16]} then, {digest[:16]} now); "
                "scores on other data do not compare: put the old data back, or start a new sweep"
            )
        for name, known in facts.get("vectors", vectors).items():
            if vectors.get(name) != known:
                raise UsageError(
                    f"the vectors {name} have changed since {self.name} began; put the old file back, or start a new sweep"
                )
        self._note(digest=digest, form=meta.form, data=described, objective=objective, vectors=vectors)

    def note_baselines(self, baselines: Sequence[dict[str, Any]]) -> None:
        self._note(baselines=list(baselines))

    def note_settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Returns those with which the sweep began."""
        begun: dict[str, Any] = self.facts.get("begun_with") or self.facts["settings"]
        self._note(settings=settings, begun_with=begun)
        return begun

    @property
    def shipped(self) -> Shipped | None:
        """The model that the sweep exported, once it has.

        Raises:
            UsageError: an earlier version noted it otherwise, or somebody altered it.
        """
        noted = self.facts.get("shipped")
        try:
            return None if noted is None else Shipped.of_note(noted)
        except (KeyError, TypeError, ValueError):
            raise UsageError(
                f"{self.path / 'sweep.json'}: what it says of the exported model was not written by this version of sweeper, or altered; use the version that wrote it, or start a new sweep"
            ) from None

    def note_shipped(self, shipped: Shipped) -> None:
        self._note(shipped=shipped.noted())

    def exported(self, trials: Sequence[int]) -> Path | None:
        """The exported folder of a trial, or of several that answer as one, if the sweep made one."""
        shipped = self.shipped
        if shipped is None or tuple(trials) != shipped.trials:
            return None
        place = self.path / shipped.export
        return place if place.is_dir() else None

    @property
    def has_begun(self) -> bool:
        """Whether anything was noted for MLflow, or of a trial, so that the sweep can be resumed."""
        return any((self.path / name).exists() for name in (TRACKED, HISTORY))

    def discard(self) -> None:
        """Remove a folder whose sweep could not even begin, so that its name is free again."""
        shutil.rmtree(self.path)

    def _note(self, **facts: Any) -> None:
        known = self.facts
        if any(known.get(name) != value for name, value in facts.items()):
            write_atomically(self.path / "sweep.json", json.dumps({**known, **facts}, indent=1, ensure_ascii=False))


def new_folder(name: str, facts: dict[str, Any], card: str, space: str) -> SweepFolder:
    """Make the folder of a new sweep.

    Args:
        facts: for sweep.json; "began" tells which sweep is the newest.
        card, space: the text of both declarations.

    Raises:
        NameTaken: there is a sweep of this name.
    """
    path = SWEEPS / name
    if SWEEPS.is_file():
        raise UsageError(f"{SWEEPS}: is a file, where the folder of all sweeps should be; move it away")
    if path.exists():
        raise _taken(path)
    declared = {"card.toml": card, "space.toml": space}
    try:
        with replacing_folder(path) as place:
            (place / "trials").mkdir()
            for file, text in declared.items():
                (place / file).write_text(text, encoding="utf-8")
            write_atomically(place / "sweep.json", json.dumps({**facts, **declared}, indent=1, ensure_ascii=False))
    except OSError:
        if path.exists():  # by now
            raise _taken(path) from None
        raise
    return SweepFolder(path)


def _taken(path: Path) -> NameTaken:
    kind, cure = ("sweep", f", or resume it with --resume {path.name}") if _is_sweep(path) else ("folder", "")
    return NameTaken(f"--name: there is a {kind} {path} already; give another name{cure}")


def _is_sweep(path: Path) -> bool:
    return (path / "sweep.json").is_file()


def free_name(name: str) -> str:
    """The name, or with a number where it is taken."""
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(one for one in names if not (SWEEPS / one).exists())


def find_folder(name: str | None) -> SweepFolder:
    """A sweep by name or path; the newest where no name is given.

    Raises:
        UsageError: there is none.
    """
    known = {path.parent.name: path.parent for path in SWEEPS.glob("[!.]*/sweep.json")}
    if name is None:
        if not known:
            raise UsageError("there is no sweep here yet; run: sweeper sweep sentiment")
        return max(map(SweepFolder, known.values()), key=lambda folder: str(folder.facts.get("began", "")))
    if name in known:
        return SweepFolder(known[name])
    if _is_sweep(Path(name)):
        return SweepFolder(Path(name))
    raise UsageError(unknown("sweep", name, known))
