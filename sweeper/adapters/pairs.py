"""Pairs of texts: `source<TAB>target` a line, or two files whose lines belong together."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import DataError
from ..records import TextPair, TokenKind
from .documents import Document


@dataclass(frozen=True)
class Options:
    """What a card may say.

    Args:
        separator: between source and target, where they stand in one line.
        source_tokens, target_tokens: what is read and what is written, one at a time: see `records.TokenKind`.
        longest: pairs whose target has more symbols are left out, counted and said.
        encoding: encodings to try, in order.
    """

    separator: str = "\t"
    source_tokens: TokenKind = "words"
    target_tokens: TokenKind = "words"
    longest: int = 256
    encoding: tuple[str, ...] = ("utf-8",)


def read(document: Document, options: Options) -> Iterator[TextPair]:
    """Yield the pairs in order; a line that is blank on both sides is left out.

    Raises:
        DataError: a line without its other half, or an empty half.
    """
    for number, source, target in _halves(document, options):
        for half, text in (("source", source), ("target", target)):
            if not text:
                raise DataError(f"{document.name}:{number}: the {half} is empty; write it, or remove the pair")
        yield TextPair(source, target)


def _halves(document: Document, options: Options) -> Iterator[tuple[int, str, str]]:
    """Line numbers and both texts, stripped."""
    if document.beside is not None:
        yield from _aligned(document, document.beside, options)
        return
    for number, line in document.lines(options.encoding):
        if not line.strip():
            continue
        cells = line.split(options.separator)
        if len(cells) != 2:
            raise DataError(
                f"{document.name}:{number}: expected a source and a target parted by {options.separator!r}, found {len(cells)} cell{'s' * (len(cells) != 1)}"
            )
        yield number, cells[0].strip(), cells[1].strip()


def _aligned(document: Document, beside: Document, options: Options) -> Iterator[tuple[int, str, str]]:
    sides = [_without_last_blanks(one.lines(options.encoding)) for one in (document, beside)]
    if len(sides[0]) != len(sides[1]):
        raise DataError(
            f"{document.name}: has {len(sides[0]):,} lines and {beside.name} has {len(sides[1]):,}; line by line they must belong together"
        )
    for (number, source), (_, target) in zip(*sides, strict=True):
        if source or target:
            yield number, source, target


def _without_last_blanks(lines: Iterator[tuple[int, str]]) -> list[tuple[int, str]]:
    found = [(number, line.strip()) for number, line in lines]
    blanks = sum(1 for _ in itertools.takewhile(lambda row: not row[1], reversed(found)))
    return found[: len(found) - blanks]
