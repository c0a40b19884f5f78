"""Files and folders that are whole or not there at all, and JSON that tells whether it was altered."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import UsageError

ABANDONED = 24 * 3600  # seconds without change after which nobody fills a folder any more, on whatever machine
SEAL = "sealed"  # the name under which a text keeps the checksum of the rest


def with_checksum(facts: Mapping[str, Any]) -> str:
    """Facts as JSON, with a checksum of themselves."""
    plain = json.loads(json.dumps(facts))
    return json.dumps({**plain, SEAL: _checksum(plain)}, ensure_ascii=False, indent=1)


def verified(text: str) -> dict[str, Any]:
    """What `with_checksum` made a text of.

    Raises:
        ValueError: the text was altered since.
    """
    facts = json.loads(text)
    if not isinstance(facts, dict) or facts.pop(SEAL, None) != _checksum(facts):
        raise ValueError("was altered since it was written")
    return facts


def _checksum(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to fill, which takes the place of `path` in one step: a reader sees the old one or the new one, never half
    of it, after a loss of power too."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def half_written(folder: Path) -> list[Path]:
    """What processes that were killed in `replacing` have left in a folder."""
    return [path for path in folder.glob(".*.*") if path.is_file() and _is_gone(path.name.rpartition(".")[2])]


def _is_gone(process: str) -> bool:
    """Whether a number is of no process that lives."""
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except (ValueError, OverflowError, OSError):  # no number at all; somebody else's
        return False
    return False


def write_atomically(path: Path, text: str) -> None:
    """See `replacing`."""
    with replacing(path) as file:
        file.write(text.encode())


@contextlib.contextmanager
def replacing_folder(target: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `target` in one step, and is removed if that fails; as are, a day later, those that
    processes which were killed have left of it.

    Raises:
        OSError: `target` is there, and is not an empty folder; whatever is raised inside.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.name}-half-written-"
    for stray in target.parent.glob(f"{glob.escape(prefix)}*"):
        with contextlib.suppress(OSError):  # somebody else was first
            if time.time() - stray.stat().st_mtime > ABANDONED:
                shutil.rmtree(stray)
    place = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    try:
        yield place
        place.chmod(0o755)  # a temporary folder is for its owner alone
        place.rename(target)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def check_free(target: Path) -> None:
    """Whether an export may be written to a folder.

    Raises:
        UsageError: an export would overwrite what is there.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"--to: {target} exists already; give a new folder, or remove it first")


def copy_whole(source: Path, target: Path) -> None:
    """Copy a folder; `target` is there when all of it is."""
    with replacing_folder(target) as place:
        shutil.copytree(source, place, dirs_exist_ok=True)
