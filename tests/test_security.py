"""What SECURITY.md promises and no other test shows."""

from __future__ import annotations

import ast
import ipaddress
import os
import pickle
import signal
import socket
import subprocess
import sys
from multiprocessing import forkserver
from pathlib import Path

import numpy as np
import pytest

from sweeper.cli.command_line import main
from sweeper.data import packages
from sweeper.errors import DataError
from sweeper.models import state
from sweeper.reports import report
from sweeper.system import devices
from sweeper.track.tracker import Tracker
from sweeper.workers.pool import Workers, result_of
from sweeper.workers.worker import nothing

from .conftest import card_text, write
from .test_track import DATASET, wait_for

PACKAGE = Path(__file__).parent.parent / "sweeper"
DANGEROUS = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_is_unpickled_and_no_text_is_run(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name.split(".")[0] for alias in node.names} | {
                (getattr(node, "module", "") or "").split(".")[0]
            }
            assert not names & DANGEROUS
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("eval", "exec", "compile", "os.system")
            options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert options.get("shell") != "True"
            if called == "np.load":
                assert options.get("allow_pickle") == "False"


class Trap:
    """Whoever unpickles it writes a file."""

    def __reduce__(self):
        return Path.touch, (Path("sprung"),)


def test_a_checkpoint_that_holds_objects_is_refused(tmp_path):
    np.savez(tmp_path / "trap.npz", weights=np.array([Trap()], dtype=object))
    with pytest.raises(DataError, match="allow_pickle=False"):
        state.load_arrays(tmp_path / "trap.npz")
    assert not Path("sprung").exists()


def test_nothing_of_the_working_folder_is_imported(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    for name in ("pip", "tensorflow", "mlflow", "sweeper", "json", "signal"):
        write(Path(f"{name}.py"), "import pathlib\npathlib.Path('sprung').touch()\n")
    packages.index_settings()
    devices.seen_by_tensorflow()
    (tmp_path / "s").mkdir()
    tracker = Tracker("sentiment/d", tmp_path / "s")
    tracker.sweep_started("s", {}, DATASET, [])
    tracker.abandon("KILLED")
    main(["doctor"])  # as every command does
    forkserver._forkserver._stop()  # that of an earlier test
    with Workers(1, tmp_path / "log") as workers:
        result_of(workers.submit(nothing))
    assert not Path("sprung").exists()


def test_data_that_are_a_pickle_are_refused_as_any_other_bytes(tmp_path, capfd):
    (tmp_path / "work" / "p.csv").write_bytes(pickle.dumps(Trap()))
    write(tmp_path / "work" / "p.toml", card_text("p.csv"))
    assert main(["datasets", "check", "p.toml"]) == 2
    assert "Traceback" not in capfd.readouterr().err
    assert not Path("sprung").exists()


@pytest.mark.slow
def test_the_page_of_mlflow_listens_on_the_loopback_address_only(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    page = subprocess.Popen(
        [sys.executable, "-m", "sweeper", "ui", "--port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        wait_for(lambda: listening(port))
        assert listening(port) == {"127.0.0.1"}
    finally:
        os.killpg(page.pid, signal.SIGKILL)
        page.wait()


def listening(port: int) -> set[str]:
    """The addresses on which anything listens at a port, as the kernel says."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, _, number = local.partition(":")
            if state == "0A" and int(number, 16) == port:
                words = [bytes.fromhex(address[place : place + 8])[::-1] for place in range(0, len(address), 8)]
                found.add(str(ipaddress.ip_address(b"".join(words))))
    return found


def test_text_of_a_dataset_is_escaped_in_the_report():
    import pandas as pd

    evil = "<script>alert(1)</script>"
    table = pd.DataFrame({"trial": ["0"], "cell": [evil]})
    page = report.page(evil, {"about": evil, "labels": evil}, table, [evil], [], [evil])
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)") >= 4
