"""Results to MLflow runs: one parent run a sweep, one nested run a trial. The only importer of mlflow.

What is told twice is there once, as a replay that was cut off may begin again a few events back; but a model that was
just being registered may get a second version.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import subprocess
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import filelock

from ..data.downloads import cache_folder
from ..errors import TrackingError
from ..records import EpochEvent, TrialResult
from ..wording import without_secrets
from .exported import log_export, quietly
from .store import DATABASE, store

ARTIFACTS = "mlartifacts"
STATUS = {"done": "FINISHED", "stopped": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
SOURCE = {"mlflow.source.type": "LOCAL", "mlflow.source.name": "sweeper"}
LONGEST_PARAM = 500  # characters; stores refuse longer ones
MOST_METRICS = 900  # in one request; MLflow takes 1,000 entities
DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""MLflow's own settings, where the user has not chosen: say early that a server is away, and print no log."""

EXPORT = "sweeper.export"
"""The tag of a registered version that says which folder it is."""

Measured = tuple[str, float, int, float]
"""A metric's name and value, its epoch, and when it was, in seconds since 1970."""


class Refused(TrackingError):
    """The store is there and will not have this; asking again would not help."""


class Gone(Refused):
    """What the store had of a sweep was removed."""


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
        careful: look for a run before one is made, as what is told may have been told before.

    Every method raises TrackingError where the store cannot be reached, and `Refused` where it refuses us.
    """

    def __init__(self, experiment: str, folder: Path) -> None:
        self.experiment, self.folder = experiment, folder
        self.careful = True
        self.parent = self._begun = ""
        self._open: dict[int, str] = {}  # trials that run, and their runs
        self._waiting: dict[int, _Waiting] = {}

    def connect(self) -> None:
        """Reach the store and find the experiment, or make both."""
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)
        warnings.filterwarnings("ignore", module="mlflow")
        for name in ("mlflow", "alembic", "sqlalchemy", "urllib3"):
            logging.getLogger(name).setLevel(logging.ERROR)
        import mlflow

        self.uri = store()
        with self._reached(), self._alone():
            mlflow.set_tracking_uri(self.uri)
            self._client = mlflow.MlflowClient(self.uri)
            self._experiment = self._find_or_create(self.experiment)

    def _find_or_create(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None and found.lifecycle_stage != "active":
            raise Refused(
                f"the MLflow experiment {name!r} was deleted; restore it (mlflow experiments restore -x {found.experiment_id}) or remove it for good (mlflow gc)"
            )
        if found is not None:
            return str(found.experiment_id)
        place = (Path(ARTIFACTS).resolve() / name).as_uri() if self._local else None
        return str(self._client.create_experiment(name, artifact_location=place))

    @property
    def _local(self) -> bool:
        return self.uri.startswith("sqlite:")

    def _alone(self) -> contextlib.AbstractContextManager[Any]:
        """MLflow creates the tables of a SQLite file without a lock; two sweeps that begin at once need one."""
        if not self._local:
            return contextlib.nullcontext()
        locks = cache_folder() / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        return filelock.FileLock(locks / f"{hashlib.sha256(self.uri.encode()).hexdigest()[:16]}.lock")

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        """Turn MLflow's errors into ours, without credentials."""
        import mlflow.exceptions
        import requests
        import sqlalchemy.exc

        away = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "DEADLINE_EXCEEDED")
        try:
            yield
        except ImportError as error:  # a store may need a driver that MLflow does not bring
            raise Refused(
                f"MLflow at {without_secrets(self.uri)}: needs the Python package {error.name}, which is not installed"
            ) from None
        except (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError) as error:
            raise Refused(f"MLflow at {without_secrets(self.uri)}: {error.filename}: {error.strerror}") from None
        except (
            mlflow.exceptions.MlflowException,
            requests.RequestException,
            sqlalchemy.exc.SQLAlchemyError,
            OSError,
        ) as error:
            kind = TrackingError if getattr(error, "error_code", away[0]) in away else Refused
            reason = (without_secrets(str(error)).splitlines() or [type(error).__name__])[0][:300]
            raise kind(
                f"MLflow at {without_secrets(self.uri)}: {reason}; is the store there? MLFLOW_TRACKING_URI names it, and unset means {DATABASE} in the working folder"
            ) from None

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

        with self._reached():
            tags = {"sweeper.kind": "sweep", **SOURCE, **_commit()}
            self.parent = self._run(name, tags, when, f"attributes.run_name = '{name}'")
            self._log(self.parent, params=params)
            inputs = [DatasetInput(Dataset(**dataset), [InputTag("mlflow.data.context", "training")])]
            self._client.log_inputs(self.parent, inputs)
            self._keep(self.parent, declarations)
        self._begun = self.parent
        return self.parent

    def sweep_taken_up(self, run: str) -> str:
        """Go on with the parent run of an interrupted sweep; its unfinished trials are KILLED, as they will run anew.

        Args:
            run: its id, or "" where a parent was stopped before it heard of it.

        Returns:
            The run's id: another one than `run` where all was told anew, because a person had removed it.

        Raises:
            Gone: there is no such run any more.
        """
        with self._reached():
            self.parent = self._begun or run
            if not self.parent:
                raise Gone("")
            self._check()
            self._client.set_tag(self.parent, "sweeper.resumed", "yes")
            self._client.update_run(self.parent, status="RUNNING")
            self._end_trials(time.time())
        return self.parent

    def check(self) -> None:
        """Look whether the open run of the sweep, if there is one, still is there.

        Raises:
            Gone: it is not.
        """
        if self.parent:
            with self._reached():
                self._check()

    def _check(self) -> None:
        import mlflow.exceptions

        try:
            there = self._client.get_run(self.parent).info.lifecycle_stage == "active"
        except mlflow.exceptions.MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            there = False
        if not there:
            self._end_trials(time.time())  # those that were not removed with it
            raise Gone(f"MLflow at {without_secrets(self.uri)}: the sweep's run {self.parent} was deleted")

    def sweep_ended(
        self, metrics: Mapping[str, float], tags: Mapping[str, str], files: list[str], status: str, when: float
    ) -> None:
        """Close the parent run.

        Args:
            status: FINISHED, FAILED or KILLED.
        """
        with self._reached():
            self._log(self.parent, _at(when, metrics), tags=tags)
            self._client.set_terminated(self.parent, status, _milliseconds(when))
            self._keep(self.parent, files)
            self.parent = ""

    def abandoned(self, status: str, when: float) -> None:
        """End every run, whatever happened: none is left RUNNING.

        Args:
            status: of the parent run: FAILED, or KILLED where a person stopped it.
        """
        if not self.parent:
            return
        with self._reached():
            self._end_trials(when)
            if self._client.get_run(self.parent).info.status == "RUNNING":  # else only its files were refused
                self._client.set_terminated(self.parent, status, _milliseconds(when))
            self.parent = ""

    def _end_trials(self, when: float) -> None:
        for child in self._children("attributes.status = 'RUNNING'"):
            self._client.set_terminated(child, "KILLED", _milliseconds(when))
        self._open.clear()
        self._waiting.clear()

    # ------------------------------------------------------------ trials

    def trial_started(self, number: int, configuration: Mapping[str, Any], seed: int, when: float) -> None:
        """Open a nested run."""
        with self._reached():
            tags = {"sweeper.kind": "trial", "sweeper.trial": str(number), "mlflow.parentRunId": self.parent, **SOURCE}
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
                with self._reached():
                    self._log(self._running(number), waiting.metrics, waiting.params)
            except Refused:
                del self._waiting[number]
                raise
            del self._waiting[number]

    def trial_ended(self, result: TrialResult, pictures: list[str], when: float) -> None:
        """Close a nested run with its status; the best epoch's scores are its last ones."""
        with self._reached():
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
                self._client.log_text(run, result.trace, "traceback.txt")
            self._client.set_terminated(run, STATUS[result.state], _milliseconds(when))
            self._keep(run, pictures, "plots")
            self._waiting.pop(result.number, None)
            self._open.pop(result.number, None)

    def trials_settled(self, pruned: Sequence[int], done: Sequence[int]) -> None:
        """Mark finished trials with which the search did not go on, and those with which it did after all."""
        with self._reached():
            for state, numbers in (("pruned", pruned), ("done", done)):
                for number in numbers:
                    self._client.set_tag(self._child(number), "sweeper.state", state)

    def _running(self, number: int) -> str:
        """The run of a trial that was started, perhaps in an earlier replay."""
        if number not in self._open:
            self._open[number] = self._child(number)
        return self._open[number]

    def _child(self, number: int) -> str:
        """The newest run of a trial.

        Raises:
            Refused: a person has removed it.
        """
        found = self._children(f"tags.`sweeper.trial` = '{number}'")
        if not found:
            raise Refused(f"MLflow at {without_secrets(self.uri)}: trial {number} has no run any more")
        return found[0]

    def _children(self, condition: str) -> list[str]:
        """Ids of this sweep's trial runs, the newest first."""
        return self._search(f"tags.mlflow.parentRunId = '{self.parent}' and {condition}")

    def _search(self, condition: str) -> list[str]:
        return [run.info.run_id for run in self._client.search_runs([self._experiment], condition)]

    def _run(self, name: str, tags: Mapping[str, str], when: float, same: str) -> str:
        """Create a run; or find it, where it may have been created before.

        Args:
            same: a condition that together with the time tells it from others.
        """
        began = _milliseconds(when)
        known = self._search(f"{same} and attributes.start_time = {began}") if self.careful else []
        created = known or [self._client.create_run(self._experiment, began, dict(tags), name).info.run_id]
        return str(created[0])

    # ------------------------------------------------------------ the best

    def log_model(self, export: str, name: str) -> str:
        """Log the exported folder as a model of the parent run and register it, unless it is registered already.

        Returns:
            The registered version.
        """
        import mlflow

        with self._reached(), quietly():
            # Looked for in any case: the process of a parent that was killed may just have told it.
            for version in self._client.search_model_versions(f"name = '{name}'"):
                if (version.run_id, version.tags.get(EXPORT)) == (self.parent, export):
                    return str(version.version)
            with mlflow.start_run(run_id=self.parent):
                model = log_export(self.folder / export)
            # The end of mlflow.start_run is not the sweep's.
            self._client.update_run(self.parent, status="RUNNING")
            return str(mlflow.register_model(model, name, tags={EXPORT: export}).version)

    def _keep(self, run: str, files: Sequence[str], place: str | None = None) -> None:
        """Log files of the sweep's folder, in an artifact folder `place`."""
        for file in files:
            self._client.log_artifact(run, str(self.folder / file), place)

    def _log(
        self,
        run: str,
        metrics: Sequence[Measured] = (),
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        measured = [Metric(name, float(value), _milliseconds(when), step) for name, value, step, when in metrics]
        for start in range(MOST_METRICS, len(measured), MOST_METRICS):
            self._client.log_batch(run, metrics=measured[start : start + MOST_METRICS])
        self._client.log_batch(
            run,
            metrics=measured[:MOST_METRICS],
            params=[Param(name, str(value)[:LONGEST_PARAM]) for name, value in (params or {}).items()],
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
