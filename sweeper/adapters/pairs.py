"""Pairs of texts: `source<TAB>target` on each line, two columns of a table, or two files whose lines belong together."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ..errors import DataError
from ..records import TextPair, TokenKind
from . import tables
from .documents import Document
from .tables import LEAVE_OUT


@dataclass(frozen=True)
class Options:
    """What a card may say.

    Args:
        source, target: columns of a table with a line of names (csv, tsv, jsonl, parquet); "" where nothing has a name.
        columns: where nothing has a name and lines have more than two cells, the places of source and target, from 0.
        quotes: in a table, see `tables.Layout`.
        separator: between cells; a tab in lines without names, and in tables what the file's ending says.
        source_tokens, target_tokens: what is read and what is written, one at a time: see `records.TokenKind`.
        longest: pairs whose target has more symbols are left out, counted and said.
        missing: whether a pair with an empty half is refused, or left out, counted and said.
        encoding: encodings to try, in order.
    """

    source: str = ""
    target: str = ""
    columns: tuple[int, ...] = ()
    quotes: tables.Quotes = "auto"
    separator: str | None = None
    source_tokens: TokenKind = "words"
    target_tokens: TokenKind = "words"
    longest: int = 256
    missing: Literal["refuse", "leave_out"] = "refuse"
    encoding: tuple[str, ...] = ("utf-8",)


def mistakes(options: Options) -> Iterator[tuple[str, str]]:
    """See `Adapter`."""
    if bool(options.source) != bool(options.target) or (options.source and options.source == options.target):
        yield (
            "target",
            f"source and target must name two columns, found {options.source!r} and {options.target!r}; leave both out where lines are pairs",
        )
    if options.columns and (len(set(options.columns)) != 2 or len(options.columns) != 2 or min(options.columns) < 0):
        yield "columns", f"must be two places, counted from 0, such as [0, 1], found {list(options.columns)}"
    if options.columns and options.source:
        yield "columns", "has no meaning where source and target are named; leave it out"
    if options.source and options.separator is not None and len(options.separator) != 1:
        yield "separator", f"must be one character, found {options.separator!r}"


def read(document: Document, options: Options) -> Iterator[TextPair]:
    """Yield the pairs in order; a line that is blank on both sides is left out.

    Raises:
        DataError: a line without its other half, or an empty half; of a table as `tables.rows`.
    """
    for number, *halves in _halves(document, options):
        empty = [half for half, text in zip(("source", "target"), halves, strict=True) if not _is_visible(text)]
        if empty and options.missing == "refuse":
            file = document.beside if document.beside is not None and empty == ["target"] else document
            raise DataError(
                f"{file.name}:{number}: the {empty[0]} is empty; write it, or remove the pair, or {LEAVE_OUT}"
            )
        if not empty:
            yield TextPair(*halves)


def left_out(document: Document, options: Options) -> int:
    """How many pairs `read` leaves out because a half is empty."""
    if options.missing == "refuse":
        return 0
    return sum(not all(map(_is_visible, halves)) for _, *halves in _halves(document, options))


def _halves(document: Document, options: Options) -> Iterator[tuple[int, str, str]]:
    """Line numbers and both texts, stripped."""
    if document.beside is not None:
        yield from _aligned(document, document.beside, options)
    elif options.source:
        named = (options.source, options.target)
        layout = tables.Layout(options.encoding, options.separator, options.quotes)
        for number, row in tables.rows(document, layout, named, may_lack=options.missing == "leave_out"):
            lacks = [tables.is_nothing(row[name]) for name in named]
            source, target = (
                "" if nothing else tables.cell(row[name], name, f"{document.name}:{number}").strip()
                for name, nothing in zip(named, lacks, strict=True)
            )
            if source or target or any(lacks):  # else it is as a blank line
                yield number, source, target
    else:
        yield from _lines(document, options)


def _lines(document: Document, options: Options) -> Iterator[tuple[int, str, str]]:
    separator = options.separator or "\t"
    for number, line in document.lines(options.encoding):
        if not line.strip():
            continue
        cells = line.split(separator)
        if not options.columns and len(cells) != 2:
            more = "; say which two they are in a card's [adapter]: columns = [0, 1]" if len(cells) > 2 else ""
            raise DataError(
                f"{document.name}:{number}: expected a source and a target separated by {separator!r}, found {len(cells)} cell{'s' * (len(cells) != 1)}{more}"
            )
        source, target = options.columns or (0, 1)
        if max(source, target) >= len(cells):
            raise DataError(
                f"{document.name}:{number}: expected cells {source} and {target}, counted from 0 and separated by {separator!r}, found {len(cells)} cell{'s' * (len(cells) != 1)}"
            )
        yield number, cells[source].strip(), cells[target].strip()


def _aligned(document: Document, beside: Document, options: Options) -> Iterator[tuple[int, str, str]]:
    sides = [_stripped(one, options) for one in (document, beside)]
    if any(any(side[min(map(len, sides)) :]) for side in sides):  # only blank lines may follow the shorter one's end
        raise DataError(
            f"{document.name}: has {len(sides[0]):,} lines and {beside.name} has {len(sides[1]):,}; line by line they must belong together"
        )
    for number, (source, target) in enumerate(zip(*sides, strict=False), start=1):
        if source or target:
            yield number, source, target


def _stripped(document: Document, options: Options) -> list[str]:
    """Lines; what follows the last line end is none."""
    found = [line.strip() for _, line in document.lines(options.encoding)]
    return found[:-1] if found and not found[-1] else found


def _is_visible(text: str) -> bool:
    """Whether anything but blanks, control and format characters is in it, which are no part of any token."""
    return any(unicodedata.category(one) not in ("Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cs") for one in text)
