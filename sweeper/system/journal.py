"""A file of JSON lines that only grows, written by one process and read by another."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError


@dataclass
class Journal:
    """Events, one per line. A last line that is not whole, because its writer was killed, was never written.

    Args:
        read: bytes up to which `news` has read.
    """

    path: Path
    read: int = 0
    _mended: bool = False

    def append(self, event: Mapping[str, Any], *, durable: bool = False) -> None:
        """Add one event.

        Args:
            durable: return only when it would survive a loss of power.
        """
        with self.path.open("ab") as file:
            if not self._mended:
                file.truncate(self._whole())
                self._mended = True
            before = file.seek(0, os.SEEK_END)
            try:
                file.write(json.dumps(event).encode() + b"\n")
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            except OSError:  # a full disk takes half a line
                with contextlib.suppress(OSError):
                    file.truncate(before)
                self._mended = False
                raise

    def read_new(self) -> Iterator[dict[str, Any]]:
        """The events that were added since the last call."""
        with contextlib.suppress(FileNotFoundError), self.path.open("rb") as file:
            file.seek(self.read)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # still being written
                self.read += len(line)
                try:
                    yield json.loads(line)
                except ValueError:
                    raise self.altered() from None

    def altered(self) -> DataError:
        """What is wrong with the line that was read last."""
        return DataError(
            f"{self.path}: the line that ends at byte {self.read} was altered since it was written; put the file back from a copy"
        )

    def ends_at(self, read: int) -> bool:
        """Whether a line ends at `read` bytes, or the file begins there: what an older reader noted may be of another file."""
        with contextlib.suppress(FileNotFoundError), self.path.open("rb") as file:
            file.seek(max(read - 1, 0))
            return read == 0 or file.read(1) == b"\n"
        return read == 0

    def fsync(self) -> None:
        """Return only when all that was appended would survive a loss of power."""
        with contextlib.suppress(FileNotFoundError), self.path.open("rb") as file:
            os.fsync(file.fileno())

    def _whole(self) -> int:
        """Bytes of the whole lines."""
        return self.path.read_bytes().rfind(b"\n") + 1
