"""What a file or folder of a person's own looks like: its encoding, its columns, its parts."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..adapters import Document, tables
from ..errors import DataError, UsageError, listed
from .cards import PARTS

SEPARATORS = ";\t|,"  # that a table may have, whatever its name says


def encoding_of(path: Path, given: str | None) -> dict[str, object]:
    """For a card: what is given, or what the file's own mark says."""
    if given is None and path.is_file():
        with path.open("rb") as file:
            given = "utf-16" if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else None
    return {} if given is None else {"encoding": [given]}


def encodings(adapter: Mapping[str, Any]) -> tuple[str, ...]:
    """Those that an [adapter] table asks for."""
    return tuple(adapter.get("encoding", ("utf-8",)))


def header_of(path: Path, encoding: str | None) -> tuple[list[str], dict[str, object]]:
    """The names of a table's columns; and what parts them, for a card, where that is not what the ending says."""
    tried, document = encodings(encoding_of(path, encoding)), Document(path, str(path))
    ending, mark = path.suffix.lower(), None
    if ending not in (*tables.JSON_LINES, ".parquet"):
        first = next((line for _, line in document.lines(tried) if line.strip()), "")
        if tables.usual_separator(ending) not in first:
            mark = next((mark for mark in SEPARATORS if mark in first), None)
    header = tables.columns(document, tables.Layout(tried, mark))
    if not header:
        raise DataError(f"{path}: the file is empty; a table begins with the names of its columns")
    return header, {} if mark is None else {"separator": mark}


def refuse_what_has_no_columns(path: Path, lines: Sequence[str]) -> None:
    """A text file may be anything; of what is not columns of words and tags, say how it is read.

    Raises:
        UsageError: it is something else.
    """
    parted = not all(line.strip() for line in lines[:-1])  # into sentences, whose words may hold blanks beside tabs
    found = (line.strip().split("\t" if parted and "\t" in line else None) for line in lines)
    written = [cells for cells in found if cells and cells[0] not in ("", "-DOCSTART-")]
    if not written:
        return  # which its adapter says better
    if sum(cells[0].startswith("__label__") for cells in written) * 2 > len(written):
        raise UsageError(
            f"--data: {path.name}: lines that begin with __label__ are not read; write a table of text and label, with a line of names"
        )
    words = [word for cells in written for word in cells]
    if sum("/" in word[1:-1] for word in words) * 10 > 9 * len(words):
        raise UsageError(
            f'--data: {path.name}: words with their tags, word/TAG, are read by a card with format = "wordtag" in [adapter]; the README shows one'
        )
    (width, usual), *_ = Counter(map(len, written)).most_common(1)
    if width < 2 or 10 * usual < 9 * len(written):  # of columns all but a torn line have as many
        raise UsageError(
            f"--data: {path.name}: its lines are no words with tags. Texts to go on with, one a line: sweeper sweep generation --data {path}; pairs, source<TAB>target: sweeper sweep seq2seq --data {path}; labelled texts: a table such as .csv or .tsv"
        )


def comment_mark(lines: Sequence[str]) -> str:
    """What comment lines of a CoNLL file begin with, or "": a word may be "#" too.

    Comments stand before the first word of a sentence, and some have not as many columns as words have;
    without a blank after the mark, none may have, since "#tag" is a word too.
    """
    widths = Counter(len(line.split()) for line in lines if line.strip() and not line.startswith("#"))
    usual = max(widths, key=lambda width: widths[width], default=0)
    for mark in ("# ", "#"):
        inside, other = False, 0
        for line in lines:
            if not line.startswith(mark):
                inside = bool(line.strip())
            elif inside or (mark == "#" and len(line.split()) == usual):
                break
            else:
                other += len(line.split()) != usual
        else:
            if other:
                return mark
    return ""


def holds_parts(path: Path) -> bool:
    """Whether a folder holds one for each part, with those of the classes in them.

    Raises:
        UsageError: some of them are no parts.
    """
    folders = _folders(path)
    names = {folder.name for folder in folders}
    if "train" in names and names <= set(PARTS):
        return True
    if any(_folders(folder) and folder.name in PARTS for folder in folders):
        raise UsageError(
            f"--data: {path.name}: holds the folders {listed(sorted(names))}; parts are train, validation and test, train at least: rename what is another, or move it away"
        )
    return False  # those of the classes, or what is too deep, which is said where it is read


def _folders(path: Path) -> list[Path]:
    """The visible folders in a folder."""
    return (
        sorted(one for one in path.iterdir() if one.is_dir() and not one.name.startswith(".")) if path.is_dir() else []
    )
