"""Where MLflow's store is, and its web page."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from ..errors import UsageError

DATABASE = "mlflow.db"


def store() -> str:
    """The tracking store: MLFLOW_TRACKING_URI, or a SQLite file in the working folder.

    The path is made whole, because MLflow keeps one open store for each address it was given.
    """
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(Path.cwd() / DATABASE).as_posix()}"


def serve(port: int) -> int:
    """Run MLflow's own web page on the loopback address until it is stopped; returns its exit code.

    Raises:
        UsageError: the port is taken, or not ours to take.
    """
    with socket.socket() as asking:
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            asking.bind(("127.0.0.1", port))
        except OSError as error:
            raise UsageError(
                f"--port: {port} cannot be used: {error.strerror}; name another, such as {port + 1}"
            ) from None
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store()]
    try:
        return subprocess.run(
            [*command, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"], check=False
        ).returncode
    except KeyboardInterrupt:
        return 0
