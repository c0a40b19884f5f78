"""Tables with named columns: csv, tsv, jsonl, parquet."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..errors import DataError, listed, unknown
from ..system.wording import first_line
from .documents import Document, one_line_end

if TYPE_CHECKING:
    import pyarrow.parquet

ROW = tuple[int, Mapping[str, Any]]
JSON_LINES = (".jsonl", ".ndjson")
SEPARATORS = ";\t|,"  # that a table may have, whatever its name says
LEAVE_OUT = 'declare missing = "leave_out" in a card\'s [adapter]'
Quotes = Literal["auto", "double", "none"]


@dataclass(frozen=True)
class Layout:
    """How a file is a table.

    Args:
        encoding: encodings to try, in order.
        separator: between columns, where the file's ending does not say it.
        quotes: "double" where a cell in double quotes may hold separators and line breaks, "none" where a quote is a
            character like others; "auto" is "double", but refuses what looks like the other in a file with tabs.
        skip_lines: line numbers, from 1, that are neither header nor data.
    """

    encoding: tuple[str, ...] = ("utf-8",)
    separator: str | None = None
    quotes: Quotes = "auto"
    skip_lines: tuple[int, ...] = ()


def columns(document: Document, layout: Layout) -> list[str]:
    """The names of a table's columns; of JSON lines those of the first object.

    Raises:
        DataError: as `rows`.
    """
    ending = document.path.suffix.lower()
    if ending == ".parquet":
        with _opened(document) as table:
            return list(table.schema_arrow.names)
    if ending in JSON_LINES:
        return next((list(row) for _, row in _jsonl(document, layout)), [])
    return next((cells for _, cells in _lines_of_cells(document, layout)), [])


def check_columns(wanted: Iterable[str], known: Iterable[str], place: str) -> None:
    """Whether a table has the wanted columns.

    Raises:
        DataError: one is not there.
    """
    for column in wanted:
        if column not in known:
            raise DataError(f"{place}: {unknown('column', column, known)}")


def cell(value: Any, column: str, place: str) -> str:
    """A cell as text; whole numbers in JSON and Parquet are labels too."""
    text = plain(value)
    if text is None:
        found = "nothing" if value is None else repr(value)[:60]
        cure = (
            "; tokens with their tags are read from a CoNLL file, one token per line" if isinstance(value, list) else ""
        )
        raise DataError(f"{place}: column {column!r} must hold text, found {found}{cure}")
    if "\0" in text:
        raise DataError(f"{place}: column {column!r} holds a NUL character; remove it")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise DataError(f"{place}: column {column!r} holds half of a surrogate pair; write the whole character")
    return one_line_end(text)


def is_nothing(value: Any) -> bool:
    """Whether JSON or Parquet has nothing in a cell."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def plain(value: Any) -> str | None:
    """A value as a card would write it; None for what is no text and no number."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() else repr(value)
    return None


def rows(
    document: Document, layout: Layout, wanted: Sequence[str], also: Iterable[str] = (), *, may_lack: bool = False
) -> Iterator[ROW]:
    """Line numbers and rows, in order.

    Args:
        wanted: columns that are asked for; others may be missing, or have one name. A JSON line that lacks one has nothing
            there.
        also: further ones, which no JSON line may lack.
        may_lack: the first JSON line may lack a wanted name too, by which it is seen else that no line has it.

    Raises:
        DataError: a missing column, a row of another length, or a file that is not of its format.
    """
    ending, every = document.path.suffix.lower(), (*wanted, *also)
    if ending == ".parquet":
        found = _parquet(document, every)
    elif ending in JSON_LINES:
        found = _jsonl(document, layout)
    else:
        found = _delimited(document, layout, every)
    for place, (line, given) in enumerate(found):
        lacks = ending in JSON_LINES and (may_lack or place > 0)
        row = {**dict.fromkeys(wanted), **given} if lacks else given
        check_columns(every, row, f"{document.name}:{line}")
        yield line, row


def _delimited(document: Document, layout: Layout, wanted: Sequence[str]) -> Iterator[ROW]:
    header: list[str] | None = None
    for line, cells in _lines_of_cells(document, layout):
        if header is None:
            header = _header(document, cells, line, wanted)
        elif len(cells) != len(header):
            raise DataError(
                f"{document.name}:{line}: expected {len(header)} columns ({listed(header)}), found {len(cells)}"
            )
        else:
            yield line, dict(zip(header, cells, strict=True))
    if header is None:
        raise DataError(
            f"{document.name}: is empty; expected a header line with the columns {' and '.join(map(repr, dict.fromkeys(wanted)))}"
        )


def usual_separator(ending: str) -> str:
    """What parts the columns of a file with this ending."""
    return "\t" if ending in (".tsv", ".tab") else ","


def _lines_of_cells(document: Document, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """Rows with the numbers of the lines where they begin; a quoted cell may have several lines."""
    separator = layout.separator or usual_separator(document.path.suffix.lower())
    csv.field_size_limit(2**31 - 1)  # a text may be longer than the module's default of 128 KiB
    text = io.StringIO(document.text(layout.encoding), newline="")
    dialect: dict[str, Any] = {"delimiter": separator, "strict": True}
    if layout.quotes == "none":
        dialect["quoting"] = csv.QUOTE_NONE
    reader = csv.reader(text, **dialect)
    start = 1
    try:
        for cells in reader:
            line, start = start, reader.line_num + 1
            if separator == "\t" and layout.quotes == "auto" and any("\t" in cell and "\n" in cell for cell in cells):
                raise DataError(
                    f'{document.name}:{line}: a cell in double quotes holds a tab and a line break; if quotes are part of the texts, declare quotes = "none" in a card\'s [adapter], else quotes = "double"'
                )
            if cells and line not in layout.skip_lines:
                yield line, cells
    except csv.Error as error:
        raise DataError(
            f'{document.name}:{start}: {error}; a quoted cell that begins here is never closed, or a quote is not doubled; if quotes are part of the texts, declare quotes = "none" in a card\'s [adapter]'
        ) from None


def _header(document: Document, cells: list[str], line: int, wanted: Sequence[str]) -> list[str]:
    """The names of the columns."""
    parted = next((mark for mark in SEPARATORS if len(cells) == 1 and mark in cells[0]), None)
    if parted is not None and cells[0] not in wanted:
        raise DataError(
            f"{document.name}:{line}: its columns seem to be separated by {parted!r}; declare separator = {json.dumps(parted)} in a card's [adapter]"
        )
    check_columns(wanted, cells, f"{document.name}:{line}")
    repeated = sorted({column for column in wanted if cells.count(column) > 1})
    if repeated:
        raise DataError(f"{document.name}:{line}: the header names {listed(map(repr, repeated))} more than once")
    return cells


def _jsonl(document: Document, layout: Layout) -> Iterator[ROW]:
    for number, line in document.lines(layout.encoding):
        if number in layout.skip_lines or not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_once_each)
        except _Repeated as error:
            raise DataError(f"{document.name}:{number}: names {error} more than once; keep one of them") from None
        except json.JSONDecodeError as error:
            raise DataError(f"{document.name}:{number}: not JSON: {error}") from None
        except (ValueError, RecursionError):  # of a number with thousands of digits, or brackets in brackets
            raise DataError(
                f"{document.name}:{number}: holds a number of too many digits, or too many brackets; is it text? Then quote it"
            ) from None
        if not isinstance(row, dict):
            raise DataError(f"{document.name}:{number}: expected one JSON object per line, found {type(row).__name__}")
        yield number, row


class _Repeated(Exception):
    """A name that an object has twice."""


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Repeated(listed(sorted({repr(name) for name, _ in pairs if [n for n, _ in pairs].count(name) > 1})))
    return found


def _parquet(document: Document, wanted: Sequence[str]) -> Iterator[ROW]:
    with _opened(document) as table:
        _header(document, table.schema_arrow.names, 1, wanted)
        batches = table.iter_batches(columns=list(dict.fromkeys(wanted)))  # others may be large, as embeddings are
        rows = (row for batch in batches for row in batch.to_pylist())
        yield from enumerate(rows, start=1)


@contextlib.contextmanager
def _opened(document: Document) -> Iterator[pyarrow.parquet.ParquetFile]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(document.path) as table:
            yield table
    except (pyarrow.ArrowException, OSError) as error:
        said = first_line(error)
        raise DataError(
            f"{document.name}: not a Parquet file, or a damaged one; put a whole one in its place: {said}"
        ) from None
