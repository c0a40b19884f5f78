"""Where MLflow's store is, and its web page."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from ..errors import UsageError
from ..system.wording import without_secrets

DATABASE = "mlflow.db"


def store() -> str:
    """The tracking store: MLFLOW_TRACKING_URI, or a SQLite file in the working folder.

    The path is made whole, because MLflow keeps one open store for each address it was given.
    """
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(Path.cwd() / DATABASE).as_posix()}"


def serve(port: int) -> int:
    """Run MLflow's own web page on the loopback address until it is stopped; returns its exit code.

    Raises:
        UsageError: the port is taken, or not ours to take; or the store is a server, which has a page of its own.
    """
    if store().startswith(("http://", "https://")):
        raise UsageError(
            f"MLFLOW_TRACKING_URI: names a server, which has a page of its own: open {without_secrets(store())}"
        )
    with socket.socket() as asking:
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            asking.bind(("127.0.0.1", port))
        except OSError as error:
            raise UsageError(
                f"--port: {port} cannot be used: {error.strerror}; name another, such as {port + 1}"
            ) from None
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    # Not as an argument, which every user of the machine can read; and nothing of the working folder is imported.
    environment = {**os.environ, "MLFLOW_BACKEND_STORE_URI": store(), "PYTHONSAFEPATH": "1"}
    try:
        return subprocess.run(command, env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 0
