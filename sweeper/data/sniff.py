"""What a file or folder of a person's own looks like: its encoding, its columns, its parts."""

from __future__ import annotations

import codecs
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..adapters import Document, tables
from ..errors import DataError, UsageError, listed
from .source_spec import SPLITS
from .sources import is_hidden

CALLED = {**{part: part for part in SPLITS}, "valid": "validation", "val": "validation", "dev": "validation"}
"""What the files of parts are called."""


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
            mark = next((mark for mark in tables.SEPARATORS if mark in first), None)
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
            f'--data: {path.name}: words with their tags, word/TAG, are read by a card with format = "wordtag" in [adapter], as sweeper datasets show peoples-daily shows'
        )
    (width, usual), *_ = Counter(map(len, written)).most_common(1)
    if width < 2 or 10 * usual < 9 * len(written):  # of columns all but a torn line have as many
        quoted = shlex.quote(str(path))
        raise UsageError(
            f"--data: {path.name}: its lines are no words with tags. Texts to go on with, one per line: sweeper sweep generation --data {quoted}; pairs, source<TAB>target: sweeper sweep seq2seq --data {quoted}; labelled texts: a table such as .csv or .tsv"
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


def holds_sentences(lines: Sequence[str]) -> bool:
    """Whether lines are single words between tabs, and empty lines part them."""
    cells = [cell.strip() for line in lines if line.strip() for cell in line.split("\t")]
    single = sum(" " not in cell for cell in cells)
    return not all(line.strip() for line in lines[:-1]) and 10 * single > 9 * len(cells)


def numbers_its_words(lines: Sequence[str]) -> bool:
    """Whether the first of several columns counts the words of each sentence, as CoNLL-X has it."""
    wanted, seen = 1, 0
    for line in lines:
        cells = line.split()
        if not cells:
            wanted = 1
        elif re.fullmatch(r"\d+[-.]\d+", cells[0]):  # of several words, or of none
            continue
        elif len(cells) < 3 or cells[0] != str(wanted):
            return False
        else:
            wanted, seen = wanted + 1, max(seen, wanted)
    return seen > 1


def parts_of(path: Path) -> dict[str, Path]:
    """The parts that a folder holds: folders with those of the classes in them, or files of one kind; none as a rule.

    Raises:
        UsageError: some are no parts, or files of which none is called train.
    """
    if not path.is_dir():
        return {}
    visible = _visible(path)
    folders = [one for one in visible if one.is_dir()]
    return _folders_of_parts(path, folders) if folders or not visible else _files_of_parts(path, visible)


def _visible(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if not is_hidden(one.name))


def _folders_of_parts(path: Path, folders: Sequence[Path]) -> dict[str, Path]:
    found = {folder.name: folder for folder in folders}
    if "train" in found and found.keys() <= set(SPLITS):
        return {part: found[part] for part in SPLITS if part in found}
    if any(folder.name in SPLITS and any(map(Path.is_dir, _visible(folder))) for folder in folders):
        raise UsageError(
            f"--data: {path.name}: holds the folders {listed(sorted(found))}; parts are train, validation and test, train at least: rename what is another, or move it away"
        )
    return {}  # those of the classes, or what is too deep, which is said where it is read


def _files_of_parts(path: Path, files: Sequence[Path]) -> dict[str, Path]:
    called = {CALLED.get(file.stem.lower()): file for file in files if file.stem.lower() in CALLED}
    parts = {part: called[part] for part in SPLITS if part in called}
    others = [file.name for file in files if file not in parts.values()]
    if "train" not in parts or others or len({file.suffix for file in parts.values()}) > 1:
        raise UsageError(
            f"--data: {path.name}: holds the files {listed(file.name for file in files)}, and no folders of classes; name one of them, or have files train, validation and test in it, train at least, with one ending and nothing beside them"
        )
    return parts
