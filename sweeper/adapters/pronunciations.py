"""Pronouncing dictionaries as CMUdict writes them: `word P H O N E S`, further ones of a word as `word(2)`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ..errors import DataError
from ..records import TextPair, TokenKind
from .documents import Document

NUMBERED = re.compile(r"(.+)\(\d+\)")


@dataclass(frozen=True)
class Options:
    """What a card may say.

    Args:
        stress: "drop" the digits that mark the stress of vowels, or "keep" them.
        source_tokens, target_tokens: as in `pairs.Options`.
        longest: pairs whose target has more symbols are left out, counted and said.
        encoding: encodings to try, in order.
    """

    stress: Literal["drop", "keep"] = "drop"
    source_tokens: TokenKind = "characters"
    target_tokens: TokenKind = "symbols"
    longest: int = 256
    encoding: tuple[str, ...] = ("utf-8",)


def read(document: Document, options: Options) -> Iterator[TextPair]:
    """Yield each word and its phonemes, separated by blanks, in order; `#` begins a comment, `;;;` a line of comment.

    Raises:
        DataError: a word without phonemes.
    """
    for number, line in document.lines(options.encoding):
        cells = [] if line.startswith(";;;") else line.partition("#")[0].split()
        if not cells:
            continue
        word, *phonemes = cells
        if not phonemes:
            raise DataError(
                f"{document.name}:{number}: {word!r} has no phonemes; write them after it, separated by blanks"
            )
        if options.stress == "drop":
            phonemes = [phoneme.rstrip("0123456789") for phoneme in phonemes]
        numbered = NUMBERED.fullmatch(word)
        yield TextPair(numbered[1] if numbered else word, " ".join(phonemes))
