"""Labelled tables: csv, tsv, jsonl, parquet; or a folder of texts for each class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from ..errors import DataError, listed
from ..records import LabelledText, TokenKind
from . import tables
from .documents import Document, one_line_end
from .tables import cell, plain


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
        quotes, separator, encoding: see `tables.Layout`.
        target_tokens: for generation, what is written one at a time.
    """

    text: str = "text"
    label: str = "label"
    where: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    layout: Literal["table", "folders"] = "table"
    skip_lines: tuple[int, ...] = ()
    quotes: tables.Quotes = "auto"
    separator: str | None = None
    encoding: tuple[str, ...] = ("utf-8",)
    target_tokens: TokenKind = "characters"


def mistakes(options: Options) -> Iterator[tuple[str, str]]:
    """See `Adapter`."""
    if options.layout == "folders":
        for key in ("where", "skip_lines"):
            if getattr(options, key):
                yield key, "has no meaning for a folder a class; leave it out"
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
            raise DataError(f"{document.name}: lies beside the folders of the classes; move it into one, or away")
        text = one_line_end(document.text(options.encoding)).strip()
        yield LabelledText(text, _named(options, document.folder, document.name))
        return
    layout = tables.Layout(options.encoding, options.separator, options.quotes, options.skip_lines)
    wanted = (options.text, options.label or options.text, *options.where)
    for line, row in tables.rows(document, layout, wanted):
        place = f"{document.name}:{line}"
        if any(plain(row[column]) != value for column, value in options.where.items()):
            continue
        if not options.label:
            yield LabelledText(cell(row[options.text], options.text, place), "")
            continue
        label = cell(row[options.label], options.label, place).strip()
        if not label:
            raise DataError(f"{place}: the label in column {options.label!r} is empty; give it one or remove the row")
        yield LabelledText(cell(row[options.text], options.text, place), _named(options, label, place))


def _named(options: Options, label: str, place: str) -> str:
    if not options.names:
        return label
    if label not in options.names:
        raise DataError(f"{place}: label {label!r} has no name in the card; named: {listed(options.names)}")
    return options.names[label]
