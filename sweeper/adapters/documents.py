"""A file to be read, and how text comes out of it."""

from __future__ import annotations

import codecs
import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError

PACKED = re.compile(rb"\x1f\x8b|PK\x03\x04|BZh[1-9]1AY&SY|\xfd7zXZ|\x28\xb5\x2f\xfd|7z\xbc\xaf")  # gzip and the like
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
MARK = "\ufeff"  # of byte order, which some programs write before a text


@dataclass(frozen=True)
class Document:
    """One file of a dataset.

    Args:
        path: where it lies now, perhaps for a moment only.
        name: what to call it in a message: its path, or its package and member.
        part: "train", "validation", "test", or "all" where the split is ours to make.
        folder: name of the folder that it was found in, for one folder per class; "" for a
            file that lies directly in the folder that a card names.
        beside: the file whose lines belong to those of this one, as translations do.
    """

    path: Path
    name: str
    part: str = "all"
    folder: str = ""
    beside: Document | None = None

    def text(self, encodings: tuple[str, ...]) -> str:
        """The whole text; a byte order mark is dropped.

        Args:
            encodings: tried one after another.

        Raises:
            DataError: the bytes are in none of them (the first encoding's complaint is shown), or one is NUL.
        """
        content = self._bytes()  # once: it may be a pipe
        self._refuse_packed(content)
        first: UnicodeDecodeError | None = None
        for encoding in encodings:
            try:
                text = content.decode(encoding).removeprefix(MARK)
                self._refuse_nul(text)
                self._refuse_halves(text)
                return text
            except UnicodeDecodeError as error:
                first = first or error
            except (LookupError, ValueError):  # some are names, but of no encoding of text
                raise DataError(
                    f'{self.name}: Python knows no encoding {encoding!r}; write for example encoding = ["{_likely(content, encodings)}"]'
                ) from None
        assert first is not None, "a card has at least one encoding"
        raise self._undecodable(content, first, encodings)

    def lines(self, encodings: tuple[str, ...]) -> Iterator[tuple[int, str]]:
        """Lines with their numbers from 1, without their ends; LF, CRLF and CR all end a line."""
        text = one_line_end(self.text(encodings))
        return enumerate(text.split("\n") if text else [], start=1)

    def streamed(self, encodings: tuple[str, ...]) -> Iterator[tuple[int, str]]:
        """As `lines`, of a file that may be larger than memory likes."""
        self._refuse_packed(self._bytes(16))
        for encoding in encodings:
            try:
                whole = not any("\0" in line for line in self._stream(encoding))
            except (UnicodeError, LookupError, OSError):
                whole = False
            if whole:
                return enumerate(self._stream(encoding), start=1)
        return self.lines(encodings)  # which says why it cannot be read

    def _stream(self, encoding: str) -> Iterator[str]:
        with self.path.open(encoding=encoding) as file:
            for number, line in enumerate(file):
                yield (line if number else line.removeprefix(MARK)).rstrip("\n")

    def _refuse_packed(self, content: bytes) -> None:
        if PACKED.match(content):
            raise DataError(f"{self.name}: is compressed, as its first bytes say; unpack it, and name what is in it")

    def _bytes(self, most: int = -1) -> bytes:
        """What the file holds, or how it begins."""
        try:
            with self.path.open("rb") as file:
                return file.read(most)
        except FileNotFoundError:
            raise DataError(f"{self.name}: no such file") from None
        except PermissionError:
            raise DataError(f"{self.name}: may not be read; change its permissions") from None

    def _refuse_nul(self, text: str) -> None:
        if "\0" in text:
            line = text.count("\n", 0, text.index("\0")) + 1
            raise DataError(f"{self.name}:{line}: holds a NUL byte; is it a text file, and is its encoding declared?")

    def _refuse_halves(self, text: str) -> None:
        """Surrogates, which no UTF-8 has, but escapes and other encodings may."""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            line = text.count("\n", 0, error.start) + 1
            raise DataError(
                f"{self.name}:{line}: holds half of a surrogate pair; is its encoding the declared one?"
            ) from None

    def _undecodable(self, content: bytes, error: UnicodeDecodeError, tried: tuple[str, ...]) -> DataError:
        line = content.count(b"\n", 0, error.start) + 1
        offset = error.start - (content.rfind(b"\n", 0, error.start) + 1)
        place = f"{self.name}:{line}: byte {content[error.start]:#04x} at offset {offset} of the line is not {error.encoding}"
        if error.encoding == "utf-8" and _is_damaged(content):
            return DataError(f"{place}, which the rest of the file is; write that line anew")
        if content[:2] in UTF_16 and "utf-16" in tried:
            return DataError(f"{place}, whose mark is at its beginning; the file was cut, or altered: write it anew")
        likely = _likely(content, tried)
        return DataError(
            f'{place}; declare the encoding in the card\'s [adapter], for example encoding = ["{likely}"], or pass --encoding {likely}, if it was written in that'
        )


def _is_damaged(content: bytes) -> bool:
    """Whether what is not ASCII is UTF-8 but for a few bytes."""
    text = content.decode("utf-8", "replace")
    strange = sum(not one.isascii() for one in text)
    return strange > 10 * text.count("\ufffd")


def _likely(content: bytes, tried: tuple[str, ...]) -> str:
    """An encoding that the bytes may be in, and in which they can be read."""
    if content[:2] in UTF_16:
        return "utf-16"
    beyond = re.findall(rb"[\x80-\xff]+", content)
    # Han characters are pairs of such bytes, and Cyrillic words consist of them; letters with accents stand alone.
    together = sum(map(len, beyond)) >= 2 * len(beyond) > 0
    for name in ["utf-8", *(["gb18030", "cp1251", "cp1252"] if together else ["cp1252", "gb18030"])]:
        with contextlib.suppress(UnicodeDecodeError):
            content.decode(name)
            if name not in tried:
                return name
    return "latin-1"


def one_line_end(text: str) -> str:
    """The text with LF where it had CRLF or CR."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
