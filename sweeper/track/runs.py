"""Results to MLflow runs: one parent run per sweep, one nested run per trial. The only importer of mlflow.

What is told twice is there once, as a replay that was cut off may begin again a few events back; but a model that was
just being registered may get a second version.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..records import EpochEvent, TrialResult
from ..system.wording import without_secrets
from .connection import Connection, Rejected, RunDeleted
from .logged_model import log_export, silenced

STATUS = {"done": "FINISHED", "stopped": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
SOURCE = {"mlflow.source.type": "LOCAL", "mlflow.source.name": "sweeper"}
MAX_PARAM = 500  # characters; stores refuse longer ones
MAX_METRICS = 900  # in one request; MLflow takes 1,000 entities
EXPORT = "sweeper.export"
"""The tag of a registered version that says which folder it is."""

Measured = tuple[str, float, int, float]
"""A metric's name and value, its epoch, and when it was, in seconds since 1970."""


@dataclass
class _Waiting:
    """What is not yet written of one trial."""

    params: dict[str, Any] = field(default_factory=dict)
    metrics: list[Measured] = field(default_factory=list)


class Runs:
    """The runs of one sweep. Times are seconds since 1970, and MLflow gets those at which things happened.

    Args:
        experiment: its name, TASK/DATASET.
        folder: of the sweep; paths of files are relative to it.

    Attributes:
        parent: the sweep's run while it is open.
        look_for_existing: look for a run before one is made, as what is told may have been told before.

    Every method raises TrackingError where the store cannot be reached, and `Rejected` where it refuses us.
    """

    def __init__(self, experiment: str, folder: Path) -> None:
        self._store, self.folder = Connection(experiment), folder
        self.connect = self._store.connect
        self.look_for_existing = True
        self.parent = self._begun = ""
        self._open: dict[int, str] = {}  # trials that run, and their runs
        self._waiting: dict[int, _Waiting] = {}

    # ------------------------------------------------------------ the sweep

    def sweep_started(
        self, name: str, params: Mapping[str, Any], dataset: Mapping[str, str], declarations: list[str], when: float
    ) -> str:
        """Open the parent run.

        Args:
            dataset: name, digest, source_type, source.
            declarations: files to keep with it.

        Returns:
            The run's id.
        """
        from mlflow.entities import Dataset, DatasetInput, InputTag

        with self._store.reached():
            tags = {"sweeper.kind": "sweep", **SOURCE, **_commit()}
            self.parent = self._run(name, tags, when, f"attributes.run_name = '{name}'")
            self._log(self.parent, params=params)
            inputs = [DatasetInput(Dataset(**dataset), [InputTag("mlflow.data.context", "training")])]
            self._store.client.log_inputs(self.parent, inputs)
            self._keep(self.parent, declarations)
        self._begun = self.parent
        return self.parent

    def sweep_resumed(self, run: str) -> str:
        """Go on with the parent run of an interrupted sweep; its unfinished trials are KILLED, as they will run anew.

        Args:
            run: its id, or "" where a parent was stopped before it heard of it.

        Returns:
            The run's id: another one than `run` where all was told anew, because a person had removed it.

        Raises:
            RunDeleted: there is no such run any more.
        """
        with self._store.reached():
            self.parent = self._begun or run
            if not self.parent:
                raise RunDeleted("")
            self._check()
            self._store.client.set_tag(self.parent, "sweeper.resumed", "yes")
            self._store.client.update_run(self.parent, status="RUNNING")
            self._end_trials(time.time())
        return self.parent

    def check(self) -> None:
        """Look whether the open run of the sweep, if there is one, still is there.

        Raises:
            RunDeleted: it is not.
        """
        if self.parent:
            with self._store.reached():
                self._check()

    def _check(self) -> None:
        import mlflow.exceptions

        try:
            info = self._store.client.get_run(self.parent).info
            there = info.lifecycle_stage == "active"
            self._store.experiment = info.experiment_id  # whatever it is called by now
        except mlflow.exceptions.MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            there = False
        if not there:
            self._end_trials(time.time())  # those that were not removed with it
            raise RunDeleted(f"MLflow at {without_secrets(self._store.uri)}: the sweep's run {self.parent} was deleted")

    def sweep_ended(
        self, metrics: Mapping[str, float], tags: Mapping[str, str], files: list[str], status: str, when: float
    ) -> None:
        """Close the parent run.

        Args:
            status: FINISHED, FAILED or KILLED.
        """
        with self._store.reached():
            self._log(self.parent, _at(when, metrics), tags=tags)
            self._store.client.set_terminated(self.parent, status, _milliseconds(when))
            self._keep(self.parent, files)
            self.parent = ""

    def abandoned(self, status: str, when: float) -> None:
        """End every run, whatever happened: none is left RUNNING.

        Args:
            status: of the parent run: FAILED, or KILLED where a person stopped it.
        """
        if not self.parent:
            return
        with self._store.reached():
            self._end_trials(when)
            if self._store.client.get_run(self.parent).info.status == "RUNNING":  # else only its files were refused
                self._store.client.set_terminated(self.parent, status, _milliseconds(when))
            self.parent = ""

    def _end_trials(self, when: float) -> None:
        for child in self._children("attributes.status = 'RUNNING'"):
            self._store.client.set_terminated(child, "KILLED", _milliseconds(when))
        self._open.clear()
        self._waiting.clear()

    # ------------------------------------------------------------ trials

    def trial_started(
        self, number: int, configuration: Mapping[str, Any], seed: int, when: float, repeats: int | None = None
    ) -> None:
        """Open a nested run; `repeats` is the trial that it trains again."""
        with self._store.reached():
            tags = {"sweeper.kind": "trial", "sweeper.trial": str(number), "mlflow.parentRunId": self.parent, **SOURCE}
            if repeats is not None:
                tags["sweeper.repeat_of"] = str(repeats)
            same = f"tags.mlflow.parentRunId = '{self.parent}' and tags.`sweeper.trial` = '{number}'"
            self._open[number] = self._run(f"trial-{number:03d}", tags, when, same)
            self._waiting[number] = _Waiting({**configuration, "seed": seed})

    def epoch_ended(self, event: EpochEvent) -> None:
        """Take the metrics of an epoch; `flush` writes them."""
        waiting = self._waiting.setdefault(event.trial, _Waiting())
        waiting.metrics += [(name, value, event.epoch, event.time) for name, value in event.metrics.items()]

    def flush(self) -> None:
        """Write what waits; what is refused waits no longer."""
        for number, waiting in list(self._waiting.items()):
            try:
                with self._store.reached():
                    self._log(self._running(number), waiting.metrics, waiting.params)
            except Rejected:
                del self._waiting[number]
                raise
            del self._waiting[number]

    def trial_ended(self, result: TrialResult, plots: list[str], when: float) -> None:
        """Close a nested run with its status; the best epoch's scores are its last ones."""
        with self._store.reached():
            run = self._running(result.number)
            costs = {
                "best_epoch": result.best_epoch,
                "parameters": result.parameters,
                "latency_ms": result.latency_ms,
                "trial_seconds": result.seconds,
                "truncated": result.truncated,
            }
            best = {f"best_val_{name}": value for name, value in result.scores.items()}
            found = {**best, **costs} if result.counts else {"trial_seconds": result.seconds}
            waiting = self._waiting.get(result.number, _Waiting())
            kernel = {"kernel": result.kernel} if result.kernel else {}
            tags = {"sweeper.state": result.state}
            if result.error:
                tags["sweeper.error"] = result.error[:5_000]
            self._log(run, waiting.metrics + _at(when, found), {**waiting.params, **kernel}, tags)
            if result.trace:
                self._store.client.log_text(run, result.trace, "traceback.txt")
            self._store.client.set_terminated(run, STATUS[result.state], _milliseconds(when))
            self._keep(run, plots, "plots")
            self._waiting.pop(result.number, None)
            self._open.pop(result.number, None)

    def trials_settled(self, pruned: Sequence[int], done: Sequence[int]) -> None:
        """Mark finished trials with which the search did not go on, and those with which it did after all."""
        refused: Rejected | None = None
        for state, number in (*(("pruned", one) for one in pruned), *(("done", one) for one in done)):
            try:
                with self._store.reached():
                    self._store.client.set_tag(self._child(number), "sweeper.state", state)
            except Rejected as error:  # of one that a person has removed; the others are there
                refused = refused or error
        if refused is not None:
            raise refused

    def _running(self, number: int) -> str:
        """The run of a trial that was started, perhaps in an earlier replay."""
        if number not in self._open:
            self._open[number] = self._child(number)
        return self._open[number]

    def _child(self, number: int) -> str:
        """The newest run of a trial.

        Raises:
            Rejected: a person has removed it.
        """
        found = self._children(f"tags.`sweeper.trial` = '{number}'")
        if not found:
            raise Rejected(f"MLflow at {without_secrets(self._store.uri)}: trial {number} has no run any more")
        return found[0]

    def _children(self, condition: str) -> list[str]:
        """Ids of this sweep's trial runs, the newest first."""
        return self._search(f"tags.mlflow.parentRunId = '{self.parent}' and {condition}")

    def _search(self, condition: str) -> list[str]:
        return [run.info.run_id for run in self._store.client.search_runs([self._store.experiment], condition)]

    def _run(self, name: str, tags: Mapping[str, str], when: float, same: str) -> str:
        """Create a run; or find it, where it may have been created before.

        Args:
            same: a condition that together with the time tells it from others.
        """
        began = _milliseconds(when)
        known = self._search(f"{same} and attributes.start_time = {began}") if self.look_for_existing else []
        created = known or [self._store.client.create_run(self._store.experiment, began, dict(tags), name).info.run_id]
        return str(created[0])

    # ------------------------------------------------------------ the best

    def log_model(self, export: str, name: str) -> str:
        """Log the exported folder as a model of the parent run and register it, unless it is registered already.

        Returns:
            The registered version.
        """
        import mlflow

        with self._store.reached(), silenced():
            # Looked for in any case: the process of a parent that was killed may just have told it.
            for version in self._store.client.search_model_versions(f"name = '{name}'"):
                if (version.run_id, version.tags.get(EXPORT)) == (self.parent, export):
                    return str(version.version)
            try:
                with mlflow.start_run(run_id=self.parent):
                    model = log_export(self.folder / export)
            finally:  # the end of mlflow.start_run is not the sweep's
                self._store.client.update_run(self.parent, status="RUNNING")
            return str(mlflow.register_model(model, name, tags={EXPORT: export}).version)

    def _keep(self, run: str, files: Sequence[str], place: str | None = None) -> None:
        """Log files of the sweep's folder, in an artifact folder `place`."""
        for file in files:
            self._store.client.log_artifact(run, str(self.folder / file), place)

    def _log(
        self,
        run: str,
        metrics: Sequence[Measured] = (),
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        measured = [Metric(name, float(value), _milliseconds(when), step) for name, value, step, when in metrics]
        for start in range(MAX_METRICS, len(measured), MAX_METRICS):
            self._store.client.log_batch(run, metrics=measured[start : start + MAX_METRICS])
        self._store.client.log_batch(
            run,
            metrics=measured[:MAX_METRICS],
            params=[Param(name, str(value)[:MAX_PARAM]) for name, value in (params or {}).items()],
            tags=[RunTag(name, str(value)) for name, value in (tags or {}).items()],
        )


def _milliseconds(when: float) -> int:
    return int(1_000 * when)


def _at(when: float, values: Mapping[str, float]) -> list[Measured]:
    return [(name, value, 0, when) for name, value in values.items()]


def _commit() -> dict[str, str]:
    """The git commit of the working folder, as a tag, where there is one."""
    with contextlib.suppress(OSError):
        asked = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
        if asked.returncode == 0:
            return {"mlflow.source.git.commit": asked.stdout.strip()}
    return {}
