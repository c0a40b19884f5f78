"""CoNLL-U: ten tab-separated columns; parts of speech, universal or of the language.

Source: universaldependencies.org, "CoNLL-U Format".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ..errors import DataError
from ..records import TaggedSentence
from .documents import Document

COLUMNS = 10
FORM, UPOS, XPOS = 1, 3, 4


@dataclass(frozen=True)
class Options:
    """What a card may say.

    Args:
        tags: "upos" (universal) or "xpos" (the language's own).
        longest: sentences of more tokens are split at sentence ends, then at commas.
        encoding: encodings to try, in order.
    """

    tags: Literal["upos", "xpos"] = "upos"
    longest: int = 250
    encoding: tuple[str, ...] = ("utf-8",)


def read(document: Document, options: Options) -> Iterator[TaggedSentence]:
    """Yield the sentences of one file, in order.

    Multiword ranges (`3-4`) and empty nodes (`5.1`) are not words of the tree and are skipped.

    Raises:
        DataError: a line has not ten columns, or no tag of the chosen kind.
    """
    column = UPOS if options.tags == "upos" else XPOS
    words: list[str] = []
    tags: list[str] = []
    for number, line in document.lines(options.encoding):
        if line.startswith("#"):
            continue
        if not line.strip():
            if words:
                yield TaggedSentence(tuple(words), tuple(tags))
            words, tags = [], []
            continue
        cells = line.split("\t")
        if len(cells) != COLUMNS:
            raise DataError(
                f"{document.name}:{number}: expected {COLUMNS} columns separated by tabs, found {len(cells)}: {line.strip()[:60]!r}"
            )
        if re.fullmatch(r"\d+[-.]\d+", cells[0]):
            continue
        if not cells[0].isdecimal():
            raise DataError(
                f"{document.name}:{number}: the first column must be the word's number, a range such as 3-4 or an empty node such as 5.1, found {cells[0]!r}"
            )
        if not cells[FORM].strip():
            raise DataError(
                f"{document.name}:{number}: the word in the second column is empty; write it, or _ for none"
            )
        if cells[column] in ("", "_") and cells[FORM] != "_":
            raise DataError(
                f"{document.name}:{number}: {cells[FORM]!r} has no {options.tags} tag; the other kind is tags = {'xpos' if column == UPOS else 'upos'!r}"
            )
        words.append(cells[FORM])
        tags.append(cells[column])
    if words:
        yield TaggedSentence(tuple(words), tuple(tags))
