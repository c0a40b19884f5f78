"""word/TAG text: blanks between the words of a sentence, one sentence per line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..errors import DataError
from ..records import TaggedSentence
from .documents import Document


@dataclass(frozen=True)
class Options:
    """What a card may say.

    Args:
        separator: between a word and its tag; the last one in a word counts.
        entities: tag to entity type. Where given, each word with such a tag is an
            entity and every other word is outside; where not, tags are as they stand.
        joined: adjacent words with these tags are one entity, as family and given name
            in Chinese corpora.
        pieces: cut each word as the tokeniser would cut it in raw text, such as Han
            characters one by one, so that training reads what serving will read.
        longest: sentences of more tokens are split at sentence ends, then at commas, never inside an entity.
        encoding: encodings to try, in order.
    """

    separator: str = "/"
    entities: dict[str, str] = field(default_factory=dict)
    joined: tuple[str, ...] = ()
    pieces: bool = False
    longest: int = 250
    encoding: tuple[str, ...] = ("utf-8",)


def read(document: Document, options: Options) -> Iterator[TaggedSentence]:
    """Yield the sentences of one file, in order; entities in IOB2.

    Raises:
        DataError: a word has no tag.
    """
    for number, line in document.lines(options.encoding):
        words, tags = [], []
        for item in line.split():
            word, separator, tag = item.rpartition(options.separator)
            if not separator or not word or not tag:
                raise DataError(f"{document.name}:{number}: expected word{options.separator}TAG, found {item[:40]!r}")
            words.append(word)
            tags.append(tag)
        if words:
            yield TaggedSentence(tuple(words), _entities(tags, options) if options.entities else tuple(tags))


def _entities(tags: list[str], options: Options) -> tuple[str, ...]:
    written = []
    before = ""
    for tag in tags:
        kind = options.entities.get(tag)
        inside = tag == before and tag in options.joined
        written.append(f"{'I' if inside else 'B'}-{kind}" if kind else "O")
        before = tag
    return tuple(written)
