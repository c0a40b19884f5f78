"""Labelled tables: csv, tsv, jsonl, parquet; or a folder of texts for each class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import DataError, listed
from ..records import LabelledText, TokenKind
from . import tables
from .documents import Document, one_line_end
from .tables import LEAVE_OUT, cell, is_nothing, plain


@dataclass(frozen=True)
class Options:
    """What a card may say.

    Args:
        text: column of the text.
        label: column of the label; "" for texts without one. For layout "folders" both are
            unused: a file is a text and the name of its folder its label.
        where: only rows whose columns have these values.
        names: label in the file to label in the task; where given, others are errors.
        layout: "table", or "folders" for one folder per class.
        missing: whether rows without a text or a label are refused, or left out, counted and said.
        skip_lines: line numbers, from 1, that are neither header nor data.
        quotes, separator, encoding: see `tables.Layout`.
        target_tokens: for generation, what is written one at a time.
    """

    text: str = "text"
    label: str = "label"
    where: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    layout: Literal["table", "folders"] = "table"
    missing: Literal["refuse", "leave_out"] = "refuse"
    skip_lines: tuple[int, ...] = ()
    quotes: tables.Quotes = "auto"
    separator: str | None = None
    encoding: tuple[str, ...] = ("utf-8",)
    target_tokens: TokenKind = "characters"


def mistakes(options: Options) -> Iterator[tuple[str, str]]:
    """See `Adapter`."""
    if options.layout == "folders":
        for key in ("where", "skip_lines", "missing"):
            if getattr(options, key) not in ({}, (), "refuse"):
                yield key, "has no meaning for one folder per class; leave it out"
    elif not options.text:
        yield "text", "must name a column, found ''"
    elif options.text == options.label:
        yield "label", f"must be another column than the text, found {options.label!r} for both"
    if "" in options.names.values():
        yield "names", "must give each label some name, found an empty one"
    if options.separator is not None and len(options.separator) != 1:
        yield "separator", f"must be one character, found {options.separator!r}"


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
            raise DataError(
                f"{document.name}: lies beside the folders of the classes, if there are such; move it into one, or away"
            )
        text = one_line_end(document.text(options.encoding)).strip()
        yield LabelledText(text, _named(options, document.folder, document.name))
        return
    for line, row in _selected(document, options):
        place = f"{document.name}:{line}"
        if options.missing == "leave_out" and _lacks(row, options):
            continue
        if not options.label:
            yield LabelledText(_written(row, options.text, place), "")
            continue
        label = _written(row, options.label, place).strip()
        if not label:
            raise DataError(
                f"{place}: the label in column {options.label!r} is empty; give it one or remove the row, or {LEAVE_OUT}"
            )
        yield LabelledText(_written(row, options.text, place), _named(options, label, place))


def left_out(document: Document, options: Options) -> int:
    """How many rows `read` leaves out because they lack a text or a label."""
    if options.layout == "folders" or options.missing == "refuse":
        return 0
    return sum(_lacks(row, options) for _, row in _selected(document, options))


def _selected(document: Document, options: Options) -> Iterator[tables.ROW]:
    """The rows that are asked for."""
    layout = tables.Layout(options.encoding, options.separator, options.quotes, options.skip_lines)
    may_lack = options.missing == "leave_out"
    for line, row in tables.rows(document, layout, _asked(options), options.where, may_lack=may_lack):
        if all(plain(row[column]) == value for column, value in options.where.items()):
            yield line, row


def _asked(options: Options) -> list[str]:
    """The columns in which a row must hold something."""
    return [column for column in (options.text, options.label) if column]


def _lacks(row: Mapping[str, Any], options: Options) -> bool:
    """Whether a row has no text, or no label where it should."""
    asked = (row[column] for column in _asked(options))
    return any(is_nothing(value) or (isinstance(value, str) and not value.strip()) for value in asked)


def _written(row: Mapping[str, Any], column: str, place: str) -> str:
    if is_nothing(row[column]):
        raise DataError(f"{place}: column {column!r} must hold text, found nothing; write it, or {LEAVE_OUT}")
    return cell(row[column], column, place)


def _named(options: Options, label: str, place: str) -> str:
    if not options.names:
        return label
    if label not in options.names:
        rows = ", or select rows with where" if options.layout == "table" else ""
        raise DataError(
            f"{place}: label {label!r} has no name in the card; named: {listed(options.names)}; add it to names in [adapter]{rows}"
        )
    return options.names[label]
