"""Published packages as sources of data: found through the user's own index settings, downloaded, read as archives.

Nothing of a package is run or installed, and none of its dependencies comes along.
"""

from __future__ import annotations

import ast
import contextlib
import logging
import os
import re
import shutil
import ssl
import subprocess
import sys
import tarfile
import urllib.parse
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..errors import SourceError, listed
from ..system.wording import first_line, without_secrets
from .downloads import Downloader, copy_local, download, kept, place

if TYPE_CHECKING:
    from unearth.fetchers import PyPIClient

CHUNK = 1 << 20
ARCHIVES = (".whl", ".zip", ".gz", ".tgz", ".bz2", ".xz")


@dataclass(frozen=True)
class IndexSettings:
    """The user's own package index settings, as pip would read them."""

    indexes: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()
    certificate: str | None = None
    proxy: str | None = None


def index_settings() -> IndexSettings:
    """From pip's configuration files and PIP_* variables; pip itself is asked, so that we need not know where they lie."""
    asked = subprocess.run(
        [sys.executable, "-P", "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    found: dict[str, str] = {}
    for line in asked.stdout.splitlines():
        key, _, value = line.partition("=")
        with contextlib.suppress(ValueError, SyntaxError):
            section, _, name = key.strip().rpartition(".")
            if section in (":env:", "global", "download", "install") and (name not in found or section == ":env:"):
                found[name] = str(ast.literal_eval(value.strip()))
    for name, value in os.environ.items():  # where pip is not installed
        if name.startswith("PIP_"):
            found[name[4:].lower().replace("_", "-")] = value
    indexes = (*found.get("index-url", "").split(), *found.get("extra-index-url", "").split())
    if not found.get("index-url"):
        indexes = (_default_index(), *indexes)
    return IndexSettings(
        indexes=() if found.get("no-index", "").lower() in ("1", "true", "yes", "on") else indexes,
        links=tuple(found.get("find-links", "").split()),
        trusted=tuple(found.get("trusted-host", "").split()),
        certificate=found.get("cert") or None,
        proxy=found.get("proxy") or None,
    )


def _default_index() -> str:
    """The public index, as the finder library knows it."""
    from unearth import PackageFinder

    return str(PackageFinder().sources[0]["url"])


def fetch_package(requirement: str, members: Sequence[str], checksum: str) -> Path:
    """The archive of `name==version` in the cache: a source distribution if the members lie in one, else a wheel.

    Raises:
        SourceError: not found, not fetched, or not what was declared.
    """
    for path in place(checksum).glob("*"):
        if path.suffix in ARCHIVES and kept(path, checksum):
            return path
    import httpx2
    from unearth import PackageFinder
    from unearth.errors import UnpackError

    settings = index_settings()
    logging.getLogger("unearth").setLevel(logging.ERROR)
    wants_wheel = not _lie_in_source_distribution(requirement, members)
    with _session(settings) as session:
        finder = PackageFinder(
            session=cast(Any, session),
            index_urls=settings.indexes,
            find_links=settings.links,
            trusted_hosts=settings.trusted,
            ignore_compatibility=True,
        )
        try:
            links = [package.link for package in finder.find_matches(requirement, allow_yanked=True) if package.link]
        except (httpx2.HTTPError, httpx2.InvalidURL, UnpackError, OSError) as error:
            raise SourceError(
                f"{requirement}: no answer from {_places(settings)}: {first_line(error)}; connect to the network once, then it is cached"
            ) from None
        fitting = [link for link in links if link.is_wheel == wants_wheel]
        # There may be one a platform, and one of each kind of archive.
        fitting.sort(key=lambda link: checksum not in (link.hash, (link.hashes or {}).get("sha256")))
        if not fitting:
            raise SourceError(
                f"{requirement}: no {'wheel' if wants_wheel else 'source distribution'} of it was found in {_places(settings)}; "
                "is the network there, and does your pip configuration name an index that has it?"
            )
        return download(fitting[0].url_without_fragment, checksum, fitting[0].filename, _through(session))


def _session(settings: IndexSettings) -> PyPIClient:
    """What finds and what downloads: one set of certificates, credentials, trusted hosts and proxy."""
    from unearth.auth import MultiDomainBasicAuth
    from unearth.fetchers import PyPIClient

    session = PyPIClient(
        verify=ssl.create_default_context(cafile=settings.certificate) if settings.certificate else True,
        trusted_hosts=settings.trusted,
        proxy=settings.proxy,
        follow_redirects=True,
    )
    session.auth = MultiDomainBasicAuth(prompting=False, index_urls=settings.indexes)
    return session


def _through(session: PyPIClient) -> Downloader:
    """Download with a session of ours, and show how far it is."""
    import httpx2
    from tqdm import tqdm

    def fetch(url: str, output_file: Any, pooch: Any) -> None:
        if urllib.parse.urlparse(url).scheme == "file":
            copy_local(url, output_file, pooch)
            return
        try:
            with (
                session.get_stream(url, headers={"Accept-Encoding": "identity"}) as answer,
                Path(output_file).open("wb") as file,
                tqdm(
                    total=int(answer.headers.get("content-length", 0)) or None,
                    unit="B",
                    unit_scale=True,
                    disable=not sys.stderr.isatty(),
                ) as shown,
            ):
                answer.raise_for_status()
                for chunk in answer.iter_raw(CHUNK):
                    file.write(chunk)
                    shown.update(len(chunk))
        except httpx2.HTTPError as error:
            raise OSError(f"{type(error).__name__}: {error}") from None

    return fetch


def _places(settings: IndexSettings) -> str:
    """Where archives are looked for, without credentials."""
    return listed(without_secrets(url) for url in (*settings.indexes, *settings.links)) or "no index"


def _lie_in_source_distribution(requirement: str, members: Sequence[str]) -> bool:
    name, _, version = requirement.partition("==")
    root = re.sub(r"[-_.]+", "-", members[0].split("/")[0]).lower()
    return root == re.sub(r"[-_.]+", "-", f"{name}-{version}").lower()


@contextlib.contextmanager
def opened_archive(archive: Path) -> Iterator[tuple[list[str], Callable[[str, Path], None]]]:
    """The names of an archive's plain files, and a function that copies one of them to a path."""
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as zipped:

            def copy_zipped(name: str, target: Path) -> None:
                with zipped.open(name) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file, CHUNK)

            yield [item.filename for item in zipped.infolist() if not item.is_dir()], copy_zipped
    else:
        with tarfile.open(archive) as tarred:

            def copy_tarred(name: str, target: Path) -> None:
                source = tarred.extractfile(name)
                assert source is not None, "only plain files are listed"
                with source, target.open("wb") as file:
                    shutil.copyfileobj(source, file, CHUNK)

            yield [item.name for item in tarred if item.isfile()], copy_tarred
