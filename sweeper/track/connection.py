"""Reaching MLflow's store, and turning its errors into ours."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

from ..data.downloads import cache_folder
from ..errors import TrackingError
from ..system.wording import without_secrets
from .store import DATABASE, store

ARTIFACTS = "mlartifacts"
DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""MLflow's own settings, where the user has not chosen: say early that a server is away, and print no log."""


TRANSIENT_CODES = (
    "INTERNAL_ERROR",
    "TEMPORARILY_UNAVAILABLE",
    "REQUEST_LIMIT_EXCEEDED",
    "DEADLINE_EXCEEDED",
    "UNAUTHENTICATED",  # as when a token has expired, which a person may renew
    "CUSTOMER_UNAUTHORIZED",
)
"""What MLflow says when the same may be possible later."""

TRANSIENT_STATUSES = (401, 408, 425, 429)  # answers of the kind 4xx that may be others later


class Rejected(TrackingError):
    """The store is there and will not have this; asking again would not help."""


class RunDeleted(Rejected):
    """What the store had of a sweep was removed."""


class Connection:
    """MLflow's store, once it is reached.

    Args:
        experiment: its name, TASK/DATASET.

    Attributes:
        uri: where the store is.
        client: MLflow's own.
        experiment: the id of the experiment.
    """

    def __init__(self, experiment: str) -> None:
        self._name = experiment

    def connect(self) -> None:
        """Reach the store and find the experiment, or make both."""
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)
        warnings.filterwarnings("ignore", module="mlflow")
        for name in ("mlflow", "alembic", "sqlalchemy", "urllib3"):
            logging.getLogger(name).setLevel(logging.ERROR)
        import mlflow

        self.uri = store()
        with self.reached(), self._creation_lock():
            mlflow.set_tracking_uri(self.uri)
            self.client = mlflow.MlflowClient(self.uri)
            self.experiment = self._find_or_create(self._name)

    def _find_or_create(self, name: str) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is not None and found.lifecycle_stage != "active":
            raise Rejected(
                f"the MLflow experiment {name!r} was deleted; restore it (mlflow experiments restore -x {found.experiment_id}) or remove it for good (mlflow gc)"
            )
        if found is not None:
            return str(found.experiment_id)
        place = (Path(ARTIFACTS).resolve() / name).as_uri() if self.local else None
        return str(self.client.create_experiment(name, artifact_location=place))

    @property
    def local(self) -> bool:
        return self.uri.startswith("sqlite:")

    def _creation_lock(self) -> contextlib.AbstractContextManager[Any]:
        """MLflow creates the tables of a SQLite file without a lock; two sweeps that begin at once need one."""
        if not self.local:
            return contextlib.nullcontext()
        locks = cache_folder() / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        return filelock.FileLock(locks / f"{hashlib.sha256(self.uri.encode()).hexdigest()[:16]}.lock")

    @contextlib.contextmanager
    def reached(self) -> Iterator[None]:
        """Turn MLflow's errors into ours, without credentials."""
        import mlflow.exceptions
        import requests
        import sqlalchemy.exc

        try:
            yield
        except ImportError as error:  # a store may need a driver that MLflow does not bring
            raise Rejected(
                f"MLflow at {without_secrets(self.uri)}: needs the Python package {error.name}, which is not installed"
            ) from None
        except (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError) as error:
            raise Rejected(f"MLflow at {without_secrets(self.uri)}: {error.filename}: {error.strerror}") from None
        except (
            mlflow.exceptions.MlflowException,
            requests.RequestException,
            sqlalchemy.exc.SQLAlchemyError,
            OSError,
        ) as error:
            kind = TrackingError if _is_transient(error) else Rejected
            reason = (without_secrets(str(error)).splitlines() or [type(error).__name__])[0][:300]
            raise kind(
                f"MLflow at {without_secrets(self.uri)}: {reason}; is the store there? MLFLOW_TRACKING_URI names it, and unset means {DATABASE} in the working folder"
            ) from None


def _is_transient(error: Exception) -> bool:
    """Whether the store may take the same later: it does not answer, or not as it should."""
    code = getattr(error, "error_code", None)
    if code is not None:
        return code in TRANSIENT_CODES
    response = getattr(error, "response", None)  # of a server that keeps artifacts; one with an error is no truth
    return response is None or not 400 <= response.status_code < 500 or response.status_code in TRANSIENT_STATUSES
