"""CoNLL columns: one token per line, a blank line between sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ..errors import DataError
from ..records import TaggedSentence
from .documents import Document

BLANKS = " \t"


@dataclass(frozen=True)
class Options:
    """What a card may say.

    Args:
        token: column of the word, counted from 0; negative counts from the end.
        tag: column of its tag, likewise.
        scheme: how spans are tagged; "auto" looks at the tags, "none" leaves them as they are.
        comment: lines that begin so are skipped.
        separator: between columns; where it is not given a tab in a line that has one, else any number of blanks.
        skip: lines that begin with this cell are skipped, such as -DOCSTART-.
        longest: sentences of more tokens are split at sentence ends, then at commas, never inside a span.
        encoding: encodings to try, in order.
    """

    token: int = 0
    tag: int = -1
    scheme: Literal["auto", "iob1", "iob2", "bioes", "bmes", "none"] = "auto"
    comment: str = ""
    separator: str | None = None
    skip: str = "-DOCSTART-"
    longest: int = 250
    encoding: tuple[str, ...] = ("utf-8",)


def read(document: Document, options: Options) -> Iterator[TaggedSentence]:
    """Yield the sentences of one file, in order.

    Raises:
        DataError: a line lacks one of the two columns; or one of them is counted from the end, and a line has not as
            many columns as the first.
    """
    words: list[str] = []
    tags: list[str] = []
    width = 0
    for number, line in document.lines(options.encoding):
        if options.comment and line.startswith(options.comment):
            continue
        cells = _cells(line, options.separator)
        if not line.strip():
            if words:
                yield TaggedSentence(tuple(words), tuple(tags))
            words, tags = [], []
            continue
        if cells[0].strip() == options.skip:
            continue
        try:
            word, tag = cells[options.token].strip(), cells[options.tag].strip()
        except IndexError:
            raise DataError(_too_few(document, number, options, cells, line)) from None
        if len(cells) < 2 and options.token != options.tag:
            raise DataError(_too_few(document, number, options, cells, line))
        width = width or len(cells)
        if len(cells) != width and min(options.token, options.tag) < 0:
            raise DataError(
                f"{document.name}:{number}: found {len(cells)} columns where the lines before have {width}, so that what is counted from the end may be another: {line[:60]!r}; give each line as many, or count the columns from 0 in [adapter], such as token = 0 and tag = {width - 1}"
            )
        if not word or not tag:
            raise DataError(f"{document.name}:{number}: the {'word' if not word else 'tag'} is empty: {line[:60]!r}")
        words.append(word)
        tags.append(tag)
    if words:  # the last sentence often has no blank line after it
        yield TaggedSentence(tuple(words), tuple(tags))


def _cells(line: str, separator: str | None) -> list[str]:
    """The columns of a line. A word may hold what is no plain blank, and where tabs part the columns blanks as well."""
    inside = line.strip(BLANKS)
    if separator is None and "\t" in inside:
        separator = "\t"  # of the whole line, whose first or last cell may be empty: that is for the caller to say
    return line.split(separator) if separator else [cell for cell in inside.split(" ") if cell]


def _too_few(document: Document, number: int, options: Options, cells: list[str], line: str) -> str:
    return (
        f"{document.name}:{number}: expected a word in column {options.token} and a tag in column {options.tag}, "
        f"found {len(cells)} column(s): {line[:60]!r}"
    )
