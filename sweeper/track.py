"""Results to MLflow runs: one parent run a sweep, one nested run a trial. The only importer of mlflow."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import socket
import subprocess
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import filelock

from .data.downloads import cache_folder
from .errors import TrackingError, UsageError
from .records import EpochEvent, TrialResult

DATABASE = "mlflow.db"
ARTIFACTS = "mlartifacts"
STATUS = {"done": "FINISHED", "stopped": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
SOURCE = {"mlflow.source.type": "LOCAL", "mlflow.source.name": "sweeper"}
WAITS = 1.0  # seconds that an epoch's metrics may wait for others
LONGEST_PARAM = 500  # characters; stores refuse longer ones
DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""MLflow's own settings, where the user has not chosen: say early that a server is away, and print no log."""


def store() -> str:
    """The tracking store: MLFLOW_TRACKING_URI, or a SQLite file in the working folder.

    The path is made whole, because MLflow keeps one open store for each address it was given.
    """
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(Path.cwd() / DATABASE).as_posix()}"


def without_secrets(text: str) -> str:
    """`text` with the user and password of any address in it left out."""
    return re.sub(r"(\w+://)[^/@\s]*@", r"\1", text)


Measured = tuple[str, float, int, float]
"""A metric's name and value, its epoch, and when it was, in seconds since 1970."""


@dataclass
class _Waiting:
    """What is not yet written of one trial, and since when it waits."""

    since: float
    params: dict[str, Any] = field(default_factory=dict)
    metrics: list[Measured] = field(default_factory=list)


def _now(values: Mapping[str, float]) -> list[Measured]:
    return [(name, value, 0, time.time()) for name, value in values.items()]


class Tracker:
    """The MLflow side of one sweep.

    Args:
        experiment: its name, TASK/DATASET.

    Raises:
        TrackingError: the store cannot be reached or refuses us.
    """

    def __init__(self, experiment: str) -> None:
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)
        warnings.filterwarnings("ignore", module="mlflow")
        for name in ("mlflow", "alembic", "sqlalchemy"):
            logging.getLogger(name).setLevel(logging.ERROR)
        import mlflow

        self.uri = store()
        self._runs: dict[int, str] = {}
        self._waiting: dict[int, _Waiting] = {}
        self.parent = ""
        with self._reached(), self._alone():
            mlflow.set_tracking_uri(self.uri)
            self._client = mlflow.MlflowClient(self.uri)
            self._experiment = self._find_or_create(experiment)

    def _find_or_create(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None and found.lifecycle_stage != "active":
            raise TrackingError(
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

        try:
            yield
        except (
            mlflow.exceptions.MlflowException,
            requests.RequestException,
            sqlalchemy.exc.SQLAlchemyError,
            OSError,
        ) as error:
            reason = (without_secrets(str(error)).splitlines() or [type(error).__name__])[0][:300]
            raise TrackingError(
                f"MLflow at {without_secrets(self.uri)}: {reason}; is the store there? MLFLOW_TRACKING_URI names it, and unset means {DATABASE} in the working folder"
            ) from None

    # ------------------------------------------------------------ the sweep

    def sweep_started(
        self, name: str, params: Mapping[str, Any], dataset: Mapping[str, str], declarations: list[Path]
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
            self.parent = self._client.create_run(self._experiment, tags=tags, run_name=name).info.run_id
            self._log(self.parent, params=params)
            inputs = [DatasetInput(Dataset(**dataset), [InputTag("mlflow.data.context", "training")])]
            self._client.log_inputs(self.parent, inputs)
            for path in declarations:
                self._client.log_artifact(self.parent, str(path))
        return self.parent

    def sweep_taken_up(self, run: str) -> None:
        """Go on with the parent run of an interrupted sweep; its unfinished trials are KILLED, as they will run anew."""
        with self._reached():
            self.parent = run
            self._client.set_tag(run, "sweeper.resumed", "yes")
            self._client.update_run(run, status="RUNNING")
            for child in self._children("attributes.status = 'RUNNING'"):
                self._client.set_terminated(child, "KILLED")

    def sweep_ended(
        self, metrics: Mapping[str, float], tags: Mapping[str, str], files: list[Path], status: str
    ) -> None:
        """Close the parent run.

        Args:
            status: FINISHED, FAILED or KILLED.
        """
        with self._reached():
            self._log(self.parent, _now(metrics), tags=tags)
            for path in files:
                self._client.log_artifact(self.parent, str(path))
            self._client.set_terminated(self.parent, status)

    # ------------------------------------------------------------ trials

    def trial_started(self, number: int, configuration: Mapping[str, Any], seed: int) -> str:
        """Open a nested run."""
        with self._reached():
            tags = {"sweeper.kind": "trial", "sweeper.trial": str(number), "mlflow.parentRunId": self.parent, **SOURCE}
            run = self._client.create_run(self._experiment, tags=tags, run_name=f"trial-{number:03d}")
            self._runs[number] = run.info.run_id
            self._waiting[number] = _Waiting(time.monotonic(), {**configuration, "seed": seed})
        return str(run.info.run_id)

    def epoch_ended(self, event: EpochEvent) -> None:
        """Note the metrics of an epoch; `flush` writes them."""
        waiting = self._waiting.setdefault(event.trial, _Waiting(time.monotonic()))
        waiting.metrics += [(name, value, event.epoch, event.time) for name, value in event.metrics.items()]

    def flush(self, older_than: float = WAITS) -> None:
        """Write what has waited for so many seconds: short trials then cost few requests, and long ones are seen live."""
        for number, waiting in list(self._waiting.items()):
            if time.monotonic() - waiting.since >= older_than:
                with self._reached():
                    self._log(self._runs[number], waiting.metrics, waiting.params)
                del self._waiting[number]

    def trial_ended(self, result: TrialResult, pictures: list[Path]) -> None:
        """Close a nested run with its status; the best epoch's scores are its last ones."""
        with self._reached():
            run = self._runs[result.number]
            costs = {
                "best_epoch": result.best_epoch,
                "parameters": result.parameters,
                "latency_ms": result.latency_ms,
                "trial_seconds": result.seconds,
                "truncated": result.truncated,
            }
            best = {f"best_val_{name}": value for name, value in result.scores.items()}
            found = {**best, **costs} if result.counts else {"trial_seconds": result.seconds}
            waiting = self._waiting.pop(result.number, _Waiting(0.0))
            kernel = {"kernel": result.kernel} if result.kernel else {}
            tags = {"sweeper.state": result.state}
            if result.error:
                tags["sweeper.error"] = result.error[:5_000]
            self._log(run, waiting.metrics + _now(found), {**waiting.params, **kernel}, tags)
            if result.trace:
                self._client.log_text(run, result.trace, "traceback.txt")
            for path in pictures:
                self._client.log_artifact(run, str(path), "plots")
            self._client.set_terminated(run, STATUS[result.state])
            del self._runs[result.number]

    def trials_pruned(self, numbers: Sequence[int]) -> None:
        """Mark finished trials with which the search did not go on."""
        with self._reached():
            for number in numbers:
                self._client.set_tag(self._children(f"tags.`sweeper.trial` = '{number}'")[0], "sweeper.state", "pruned")

    def abandon(self, status: str) -> None:
        """End every run, whatever happened: none is left RUNNING.

        Args:
            status: of the parent run: FAILED, or KILLED where a person stopped it.
        """
        with contextlib.suppress(TrackingError), self._reached():
            self.flush(0.0)
            for run in self._runs.values():
                self._client.set_terminated(run, "KILLED")
            self._runs.clear()
            if self.parent:
                self._client.set_terminated(self.parent, status)

    def _children(self, condition: str) -> list[str]:
        """Ids of this sweep's trial runs, the newest first."""
        asked = f"tags.mlflow.parentRunId = '{self.parent}' and {condition}"
        return [run.info.run_id for run in self._client.search_runs([self._experiment], asked)]

    # ------------------------------------------------------------ the best

    def log_model(self, export: Path, name: str) -> str:
        """Log the exported folder as a model of the parent run and register it.

        Returns:
            The registered version.
        """
        import mlflow
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, DataType, Schema

        signature = ModelSignature(inputs=Schema([ColSpec(DataType.string, "text")]))
        # Outputs differ by task, so the signature leaves them open.
        with self._reached(), _quietly(), mlflow.start_run(run_id=self.parent):
            logged = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(Path(__file__).with_name("served.py")),
                artifacts={"saved_model": str(export)},
                signature=signature,
                pip_requirements=[
                    f"tensorflow=={metadata.version('tensorflow')}",
                    f"mlflow=={metadata.version('mlflow')}",
                    "pandas",
                ],
                registered_model_name=name,
            )
        return str(logged.registered_model_version)

    def _log(
        self,
        run: str,
        metrics: Sequence[Measured] = (),
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        self._client.log_batch(
            run,
            metrics=[Metric(name, float(value), int(1_000 * when), step) for name, value, step, when in metrics],
            params=[Param(name, str(value)[:LONGEST_PARAM]) for name, value in (params or {}).items()],
            tags=[RunTag(name, str(value)) for name, value in (tags or {}).items()],
        )


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """MLflow prints lines of its own while it logs a model."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield


def _commit() -> dict[str, str]:
    """The git commit of the working folder, as a tag, where there is one."""
    with contextlib.suppress(OSError):
        asked = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
        if asked.returncode == 0:
            return {"mlflow.source.git.commit": asked.stdout.strip()}
    return {}


def serve(port: int) -> int:
    """Run MLflow's own web page on the loopback address until it is stopped; returns its exit code.

    Raises:
        UsageError: the port is taken, or not ours to take.
    """
    import sys

    with socket.socket() as asking:
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            asking.bind(("127.0.0.1", port))
        except OSError as error:
            raise UsageError(
                f"--port: {port} cannot be used: {error.strerror}; name another, such as {port + 1}"
            ) from None
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        store(),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    try:
        return subprocess.run(command, check=False).returncode
    except KeyboardInterrupt:
        return 0
