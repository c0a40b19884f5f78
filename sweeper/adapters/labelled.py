"""Labelled tables: csv, tsv, jsonl, parquet; or a folder of texts for each class."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ..errors import DataError, listed, unknown
from ..records import LabelledText, TokenKind
from ..wording import first_line
from .documents import Document, one_line_end

if TYPE_CHECKING:
    import pyarrow.parquet

ROW = tuple[int, Mapping[str, Any]]
JSON_LINES = (".jsonl", ".ndjson")


@dataclass(frozen=True)
class Options:
    """What a card may say.

    Args:
        text: column of the text.
        label: column of the label; "" for texts without one. For layout "folders" both are
            unused: a file is a text and the name of its folder its label.
        where: only rows whose columns have these values.
        names: label in the file to label in the task; where given, others are errors.
        layout: "table", or "folders" for a folder a class.
        skip_lines: line numbers, from 1, that are neither header nor data.
        quotes: "double" where a cell in double quotes may hold separators and line breaks, "none" where a quote is a
            character like others; "auto" is "double", but refuses what looks like the other in a file with tabs.
        separator: between columns, where the file's ending does not say it.
        encoding: encodings to try, in order.
        target_tokens: for generation, what is written one at a time.
    """

    text: str = "text"
    label: str = "label"
    where: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    layout: Literal["table", "folders"] = "table"
    skip_lines: tuple[int, ...] = ()
    quotes: Literal["auto", "double", "none"] = "auto"
    separator: str | None = None
    encoding: tuple[str, ...] = ("utf-8",)
    target_tokens: TokenKind = "characters"


def read(document: Document, options: Options) -> Iterator[LabelledText]:
    """Yield the labelled texts of one file, in order.

    Raises:
        DataError: a missing column, an empty or unnamed label, a cell that is no text,
            or a file that is not of its format.
    """
    if options.layout == "folders":
        if "/" in document.folder:
            raise DataError(
                f"{document.name}: lies deeper than the folders of the classes, in {document.folder!r}; give each class one folder with its texts in it"
            )
        if not document.folder:
            raise DataError(f"{document.name}: lies beside the folders of the classes; move it into one, or away")
        text = one_line_end(document.text(options.encoding)).strip()
        yield LabelledText(text, _named(options, document.folder, document.name))
        return
    for line, row in _rows(document, options):
        place = f"{document.name}:{line}"
        _check_columns(_read_columns(options), row, place)
        if any(_plain(row[column]) != value for column, value in options.where.items()):
            continue
        if not options.label:
            yield LabelledText(_cell(row[options.text], options.text, place), "")
            continue
        label = _cell(row[options.label], options.label, place).strip()
        if not label:
            raise DataError(f"{place}: the label in column {options.label!r} is empty; give it one or remove the row")
        yield LabelledText(_cell(row[options.text], options.text, place), _named(options, label, place))


def columns(document: Document, encodings: tuple[str, ...]) -> list[str]:
    """The names of a table's columns; of JSON lines those of the first object.

    Raises:
        DataError: as `read`.
    """
    ending = document.path.suffix.lower()
    if ending == ".parquet":
        with _opened(document) as table:
            return list(table.schema_arrow.names)
    if ending in JSON_LINES:
        return next((list(row) for _, row in _jsonl(document, Options(encoding=encodings))), [])
    rows = _lines_of_cells(document, Options(encoding=encodings), _separator(ending))
    return next((cells for _, cells in rows), [])


def _read_columns(options: Options) -> tuple[str, ...]:
    """The columns of which something is asked."""
    return (options.text, options.label or options.text, *options.where)


def _check_columns(wanted: Iterable[str], known: Iterable[str], place: str) -> None:
    for column in wanted:
        if column not in known:
            raise DataError(f"{place}: {unknown('column', column, known)}")


def _named(options: Options, label: str, place: str) -> str:
    if not options.names:
        return label
    if label not in options.names:
        raise DataError(f"{place}: label {label!r} has no name in the card; named: {listed(options.names)}")
    return options.names[label]


def _cell(value: Any, column: str, place: str) -> str:
    """A cell as text; whole numbers in JSON and Parquet are labels too."""
    text = _plain(value)
    if text is None:
        found = "nothing" if value is None else repr(value)
        raise DataError(f"{place}: column {column!r} must hold text, found {found}")
    if "\0" in text:
        raise DataError(f"{place}: column {column!r} holds a NUL character; remove it")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise DataError(f"{place}: column {column!r} holds half of a surrogate pair; write the whole character")
    return one_line_end(text)


def _plain(value: Any) -> str | None:
    """A value as a card would write it; None for what is no text and no number."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() else repr(value)
    return None


def _rows(document: Document, options: Options) -> Iterator[ROW]:
    ending = document.path.suffix.lower()
    if ending == ".parquet":
        return _parquet(document, options)
    if ending in JSON_LINES:
        return _jsonl(document, options)
    return _delimited(document, options, options.separator or _separator(ending))


def _separator(ending: str) -> str:
    return "\t" if ending in (".tsv", ".tab") else ","


def _delimited(document: Document, options: Options, separator: str) -> Iterator[ROW]:
    header: list[str] | None = None
    for line, cells in _lines_of_cells(document, options, separator):
        if header is None:
            header = _header(document, cells, line, options)
        elif len(cells) != len(header):
            raise DataError(
                f"{document.name}:{line}: expected {len(header)} columns ({listed(header)}), found {len(cells)}"
            )
        else:
            yield line, dict(zip(header, cells, strict=True))
    if header is None:
        raise DataError(
            f"{document.name}: is empty; expected a header line with the columns {options.text!r} and {options.label!r}"
        )


def _lines_of_cells(document: Document, options: Options, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with the numbers of the lines where they begin; a quoted cell may have several lines."""
    csv.field_size_limit(2**31 - 1)  # a text may be longer than the module's default of 128 KiB
    text = io.StringIO(document.text(options.encoding), newline="")
    dialect: dict[str, Any] = {"delimiter": separator, "strict": True}
    if options.quotes == "none":
        dialect["quoting"] = csv.QUOTE_NONE
    reader = csv.reader(text, **dialect)
    start = 1
    try:
        for cells in reader:
            line, start = start, reader.line_num + 1
            if separator == "\t" and options.quotes == "auto" and any("\t" in cell and "\n" in cell for cell in cells):
                raise DataError(
                    f'{document.name}:{line}: a cell in double quotes holds a tab and a line break; if quotes are part of the texts, declare quotes = "none" in a card\'s [adapter], else quotes = "double"'
                )
            if cells and line not in options.skip_lines:
                yield line, cells
    except csv.Error as error:
        raise DataError(
            f'{document.name}:{start}: {error}; a quoted cell that begins here is never closed, or a quote is not doubled; if quotes are part of the texts, declare quotes = "none" in a card\'s [adapter]'
        ) from None


def _header(document: Document, cells: list[str], line: int, options: Options) -> list[str]:
    """The names of the columns; other columns than those that are read may have one name."""
    wanted = _read_columns(options)
    _check_columns(wanted, cells, f"{document.name}:{line}")
    repeated = sorted({column for column in wanted if cells.count(column) > 1})
    if repeated:
        raise DataError(f"{document.name}:{line}: the header names {listed(map(repr, repeated))} more than once")
    return cells


def _jsonl(document: Document, options: Options) -> Iterator[ROW]:
    for number, line in document.lines(options.encoding):
        if number in options.skip_lines or not line.strip():
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
            raise DataError(f"{document.name}:{number}: expected one JSON object a line, found {type(row).__name__}")
        yield number, row


class _Repeated(Exception):
    """A name that an object has twice."""


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Repeated(listed(sorted({repr(name) for name, _ in pairs if [n for n, _ in pairs].count(name) > 1})))
    return found


def _parquet(document: Document, options: Options) -> Iterator[ROW]:
    with _opened(document) as table:
        _header(document, table.schema_arrow.names, 1, options)
        rows = (row for batch in table.iter_batches() for row in batch.to_pylist())
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
