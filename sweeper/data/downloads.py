"""The cache of downloads: fetched once, verified on every use, written whole or not at all."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import sys
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import SourceError, UsageError
from ..system.wording import first_line, without_secrets

Downloader = Callable[[str, Any, Any], None]
"""What writes an address's content to a path: (url, path, pooch)."""


def cache_folder() -> Path:
    """The user's cache folder for this program; `SWEEPER_CACHE` overrides it.

    Raises:
        UsageError: it names a file.
    """
    if os.environ.get("SWEEPER_CACHE"):
        named = Path(os.environ["SWEEPER_CACHE"]).expanduser()
        if named.is_file():
            raise UsageError(f"SWEEPER_CACHE: must name a folder, and {named} is a file")
        return named
    import platformdirs

    return Path(platformdirs.user_cache_dir("sweeper", appauthor=False))


def sha256(path: Path) -> str:
    """Of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def place(checksum: str) -> Path:
    """The folder of the one file that has this checksum."""
    return cache_folder() / "downloads" / checksum[:16]


def kept(path: Path, checksum: str) -> bool:
    """Whether a file is in the cache and still what it was; an altered one is removed, and that is said."""
    if not path.is_file():
        return False
    if sha256(path) == checksum:
        return True
    print(f"{path} was altered since it was fetched; fetching it again", file=sys.stderr)
    path.unlink()
    return False


def download(url: str, checksum: str, name: str, downloader: Downloader | None = None) -> Path:
    """One file in the cache: verified if it is there, fetched if not.

    Args:
        downloader: how to reach the address; plain HTTP or a local file by default.

    Raises:
        SourceError: no network, or another file than declared.
    """
    path = place(checksum) / name
    if kept(path, checksum):
        return path
    import pooch

    pooch.get_logger().setLevel(logging.ERROR)
    print(f"fetching {name}", file=sys.stderr)
    try:
        pooch.retrieve(
            url,
            known_hash=f"sha256:{checksum}",
            fname=name,
            path=path.parent,
            downloader=downloader or _downloader(url),
        )
    except (OSError, ValueError) as error:  # those of the network are OSErrors; an address may be no address
        other = re.search(r"[0-9a-f]{64}(?!.*[0-9a-f]{64})", str(error), re.DOTALL)
        if other and not isinstance(error, OSError):
            raise SourceError(
                f"{name}: its sha256 is {other[0]}, the card says {checksum}; it is not the file that was declared"
            ) from None
        raise SourceError(
            f"{name}: could not be fetched from {without_secrets(url)}: {first_line(error)}; is the address right? Connect to the network once, then it is cached"
        ) from None
    return path


def _downloader(url: str) -> Downloader:
    import pooch

    if urllib.parse.urlparse(url).scheme == "file":
        return copy_local
    over_http: Downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=60)
    return over_http


def copy_local(url: str, output_file: Any, _: Any) -> None:
    """An address may be a file of this machine."""
    shutil.copyfile(urllib.parse.unquote(urllib.parse.urlparse(url).path), output_file)
