"""Adapters: one file per format. Each reads a document and yields examples.

An adapter is a record of options (what a card's [adapter] table may say) and a
function `read(document, options)` that yields `LabelledText`, `TaggedSentence` or `TextPair`
and raises `DataError` with file and line. A new format is one file here, one line
in `ADAPTERS` and one row in the contract test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..records import Example
from ..registry import Registry
from . import columns, conllu, labelled, lines, pairs, pronunciations, schemes, vectors, wordtag
from .documents import Document


@dataclass(frozen=True)
class Adapter:
    """A format: its options, and how it is read.

    Args:
        options: dataclass of what a card may say; its field types are checked.
        read: from a document and options to examples, in file order.
        mistakes: what is wrong with options of the right types: a key, and what to say of it.
        left_out: how many examples of a document are not read because they are not whole, and the options say so.
    """

    options: type
    read: Callable[[Document, Any], Iterator[Example]]
    mistakes: Callable[[Any], Iterator[tuple[str, str]]] = lambda options: iter(())
    left_out: Callable[[Document, Any], int] = lambda document, options: 0


ADAPTERS: Registry[Adapter] = Registry("format")
ADAPTERS.add("labelled", Adapter(labelled.Options, labelled.read, labelled.mistakes, labelled.left_out))
ADAPTERS.add("columns", Adapter(columns.Options, columns.read))
ADAPTERS.add("conllu", Adapter(conllu.Options, conllu.read))
ADAPTERS.add("wordtag", Adapter(wordtag.Options, wordtag.read))
ADAPTERS.add("lines", Adapter(lines.Options, lines.read, lines.mistakes))
ADAPTERS.add("pairs", Adapter(pairs.Options, pairs.read, pairs.mistakes, pairs.left_out))
ADAPTERS.add("pronunciations", Adapter(pronunciations.Options, pronunciations.read))
ADAPTERS.add("vectors", Adapter(vectors.Options, vectors.read))

__all__ = ["ADAPTERS", "Adapter", "Document", "pairs", "schemes", "vectors"]
