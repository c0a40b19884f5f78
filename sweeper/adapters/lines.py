"""Plain lines: one text per line; with a label for each file, a labelled dataset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..errors import DataError, listed
from ..records import LabelledText, TokenKind
from .documents import Document


@dataclass(frozen=True)
class Options:
    """What a card may say.

    Args:
        labels: file name to label. Where none is given every text has the label "",
            which only tasks without labels can use.
        join: so many lines make one text, for a book, say; blank ones are then kept.
        target_tokens: for generation, what is written one at a time.
        encoding: encodings to try, in order.
    """

    labels: dict[str, str] = field(default_factory=dict)
    join: int = 1
    target_tokens: TokenKind = "characters"
    encoding: tuple[str, ...] = ("utf-8",)


def mistakes(options: Options) -> Iterator[tuple[str, str]]:
    """See `Adapter`."""
    if options.join < 1:
        yield "join", f"must be 1 or more, found {options.join}"


def read(document: Document, options: Options) -> Iterator[LabelledText]:
    """Yield each line that is not blank, or so many lines as `join` says, in order.

    Raises:
        DataError: labels are declared, but none for this file.
    """
    if options.labels and document.path.name not in options.labels:
        raise DataError(f"{document.name}: the card's labels name {listed(options.labels)}, but not this file")
    label = options.labels.get(document.path.name, "")
    alone = options.join == 1  # else blanks at the beginning of a line are part of the text
    lines = [line.strip() if alone else line.rstrip() for _, line in document.lines(options.encoding)]
    for start in range(0, len(lines), options.join):
        text = "\n".join(lines[start : start + options.join]).strip("\n")
        if text.strip():
            yield LabelledText(text, label)
