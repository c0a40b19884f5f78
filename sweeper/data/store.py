"""Prepared datasets on disk: what they hold, and how they are read and written whole.

A prepared folder, named by the digest of data and card:

    meta.json                 labels, counts, warnings, checksums
    examples.parquet          text and label, tokens and tags, or source and target; training rows first
    labels.npy                int32: of all rows end to end; row i's are labels[label_offsets[i]:label_offsets[i+1]]
    label_offsets.npy         int64 (rows + 1,)
    groups.npy                int64 (rows,): for sequences, rows of one number have the same source
    conditions.npy            int32 (rows,): for texts, the label by its place in `Meta.conditions`
    WORDS-lower/              one folder for each token options
        vocabulary.json       all training tokens, most frequent first, after `tokens.RESERVED`
        ids.npy offsets.npy   int32 ids of all rows end to end; row i is ids[offsets[i]:offsets[i+1]]
        unseen.json           tokens that the vocabulary lacks, as a rule those of the other splits: their id is <unk>'s
        unseen.npy            int64 (such tokens of all rows, 2): the place in ids, and in unseen.json
        VECTORS.npz           `vectors`, float32 (vocabulary and further words, width), a row of NaN for a word without
            a vector; and `words`, the further ones, which training lacks, as JSON in UTF-8
    characters/               how words are written; see `characters`
        alphabet.json         characters of the training words, most frequent first, after `tokens.RESERVED`
        ids.npy               int32 (distinct words, characters.WIDTH); the first is padding
        places.npy            int32: for all words of all rows end to end, their case kept, which of these
    linear-WEIGHTING/         a linear classifier over the n-grams of words-lower: the fields of `Linear`, and
        scores.npy            float32 (rows, labels): what it says of each row; of training rows one that has not seen them
"""

from __future__ import annotations

import functools
import itertools
import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..declared.parameters import DataTraits
from ..errors import DiskFull, SourceError, listed
from ..records import BOUNDARY
from ..system.files import replacing_folder, verified, with_checksum
from .downloads import sha256
from .linear import Linear, TokenIds
from .source_spec import SPLITS

CHARACTERS = "characters"
SYMBOLS = ("<stop>", "<unk>")
"""The first symbols of sequences: what ends them, and what stands for rare ones."""


@dataclass(frozen=True)
class Meta:
    """What the preparation found.

    Args:
        labels: names by label id; of sequences and texts the symbols that may be written, see `SYMBOLS`.
        unseen: symbols that no training target has, whose ids come after those of `labels`: targets of other splits have
            them, and nothing writes them.
        kind: "labels", "entities", "tags", "sequences" (for sources), or "texts" (for themselves).
        ordered: labels are numbers in an order (stars).
        counts: examples by split.
        longest: the most symbols of a training target, its end included.
        source_tokens, target_tokens: what is read, where no configuration says it, and what is written.
        conditions: the labels of texts; () where they have none.
        has_words: tokens that get labels, or texts that get one, are words of several characters.
        unlabelled: the texts without labels that vectors may be learned from too, and their licence, in words.
        form: `prepare.FORMAT` when they were prepared.
        warnings: for a person.
    """

    name: str
    task: str
    digest: str
    labels: tuple[str, ...]
    kind: str
    ordered: bool
    counts: dict[str, int]
    unseen: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    licence: str = ""
    language: str = ""
    longest: int = 0
    source_tokens: str = "words"
    target_tokens: str = ""
    conditions: tuple[str, ...] = ()
    has_words: bool = False
    unlabelled: str = ""
    form: int = 0
    checksums: dict[str, str] = field(default_factory=dict)

    def written(self, symbols: Iterable[int]) -> str:
        """Symbols, to the first `<stop>`, as text."""
        return self.separator.join(
            self._names[symbol] for symbol in itertools.takewhile(lambda symbol: symbol != BOUNDARY, symbols)
        )

    @functools.cached_property
    def _names(self) -> tuple[str, ...]:
        return (*self.labels, *self.unseen)

    @property
    def writes(self) -> bool:
        """Whether symbols are written, and no names given."""
        return self.kind in ("sequences", "texts")

    @property
    def described(self) -> str:
        """How many examples and labels there are, in words."""
        examples = ", ".join(f"{count:,} {part}" for part, count in self.counts.items())
        return f"{examples} examples, {len(self.labels):,} labels or symbols"

    @property
    def separator(self) -> str:
        """What stands between two symbols."""
        return "" if self.target_tokens == "characters" else " "

    @property
    def written_tokens(self) -> str:
        """`TokenOptions.tokens` of what is written: texts keep their blanks and line ends."""
        verbatim = self.kind == "texts" and self.target_tokens == "characters"
        return "verbatim" if verbatim else self.target_tokens

    @property
    def traits(self) -> DataTraits:
        return DataTraits(ordered=self.ordered, labelled=bool(self.conditions), has_words=self.has_words)


@dataclass(frozen=True)
class Prepared:
    """A prepared dataset on disk."""

    folder: Path
    meta: Meta

    def rows(self, part: str) -> slice:
        """The rows of one split."""
        start = sum(self.meta.counts[name] for name in SPLITS[: SPLITS.index(part)])
        return slice(start, start + self.meta.counts[part])

    def examples(self, part: str | None = None) -> pd.DataFrame:
        """The table of examples, of one split or of all."""
        table = pd.read_parquet(existing(self.folder / "examples.parquet"))
        return table if part is None else table.iloc[self.rows(part)].reset_index(drop=True)

    def labels(self) -> np.ndarray:
        """int32: label ids, of all rows end to end."""
        return _mapped(self.folder / "labels.npy")

    def label_offsets(self) -> np.ndarray:
        """int64 (rows + 1,): row i has the labels from place [i] to place [i + 1]."""
        return _mapped(self.folder / "label_offsets.npy")

    def conditions(self) -> np.ndarray:
        """int32 (rows,): labels of texts, by their place in `Meta.conditions`."""
        return _mapped(self.folder / "conditions.npy")

    def groups(self) -> np.ndarray:
        """int64 (rows,): rows of one number have the same source."""
        return _mapped(self.folder / "groups.npy")


@dataclass(frozen=True)
class Encoded:
    """The arrays of one choice of token options; ids are those of the whole vocabulary.

    Args:
        ids: int32 (all tokens of all rows,), memory-mapped.
        offsets: int64 (rows + 1,).
        vocabulary: token by id.
        unseen: int64 (tokens, 2): the places in `ids` of tokens that training lacks, and in `unseen_words`.
    """

    ids: np.ndarray
    offsets: np.ndarray
    vocabulary: list[str]
    unseen: np.ndarray
    unseen_words: list[str]


def open_prepared(folder: Path) -> Prepared:
    """A prepared folder that is known to be whole."""
    raw = verified(existing(folder / "meta.json").read_text(encoding="utf-8"))
    return Prepared(
        folder, Meta(**{**raw, **{name: tuple(raw[name]) for name in ("labels", "unseen", "warnings", "conditions")}})
    )


def open_encoded(prepared: Prepared, tokens: str, lowercase: bool) -> Encoded:
    """The arrays of one choice of token options."""
    folder = prepared.folder / encoding_key(tokens, lowercase)
    return Encoded(
        ids=_mapped(folder / "ids.npy"),
        offsets=np.load(existing(folder / "offsets.npy"), allow_pickle=False),
        vocabulary=_words(folder / "vocabulary.json"),
        unseen=_mapped(folder / "unseen.npy"),
        unseen_words=_words(folder / "unseen.json"),
    )


@dataclass(frozen=True)
class WordCharacters:
    """How the words of all rows are written; see the head of this module."""

    ids: np.ndarray
    places: np.ndarray
    alphabet: list[str]


def open_characters(prepared: Prepared) -> WordCharacters:
    folder = prepared.folder / CHARACTERS
    return WordCharacters(_mapped(folder / "ids.npy"), _mapped(folder / "places.npy"), _words(folder / "alphabet.json"))


def has_linear(prepared: Prepared, weighting: str) -> bool:
    """Whether a linear classifier was fitted beside the data."""
    return (prepared.folder / linear_key(weighting) / "meta.json").is_file()


def open_linear(prepared: Prepared, weighting: str) -> Linear:
    """The linear classifier of the training texts."""
    folder = prepared.folder / linear_key(weighting)
    return Linear(weighting, *(_mapped(folder / f"{name}.npy") for name in Linear._fields[1:]))


def open_linear_scores(prepared: Prepared, weighting: str) -> np.ndarray:
    """float32 (rows, labels): log odds; see `linear`."""
    return _mapped(prepared.folder / linear_key(weighting) / "scores.npy")


def read_texts(prepared: Prepared, part: str, encoding: tuple[str, bool] = ("words", True)) -> TokenIds:
    """The texts of one split, whole, as lower-case words or in another encoding."""
    encoded, rows = open_encoded(prepared, *encoding), prepared.rows(part)
    offsets = encoded.offsets[rows.start : rows.stop + 1]
    return TokenIds(encoded.ids[offsets[0] : offsets[-1]], offsets - offsets[0])


def _mapped(path: Path) -> np.ndarray:
    array: np.ndarray = np.load(existing(path), mmap_mode="r", allow_pickle=False)
    return array


def _words(path: Path) -> list[str]:
    return list(json.loads(existing(path).read_text(encoding="utf-8")))


def existing(path: Path) -> Path:
    """Prepared data were whole when they were opened; another program may have cleared the cache since."""
    if not path.is_file():
        raise SourceError(f"{path}: was removed while it was used; it is made again by: sweeper sweep --resume")
    return path


def encoding_key(tokens: str, lowercase: bool) -> str:
    return f"{tokens}-{'lower' if lowercase else 'cased'}"


def linear_key(weighting: str) -> str:
    return f"linear-{weighting}"


# ---------------------------------------------------------------- whole or not at all


def is_intact(folder: Path, say: Callable[[str], None]) -> bool:
    """Whether the folder is there and every file is what was written."""
    try:
        sums = verified((folder / "meta.json").read_text(encoding="utf-8"))["checksums"]
    except FileNotFoundError:
        if not folder.exists():
            return False
        if (folder / "meta.json").is_file():  # another sweep has put it there just now
            return is_intact(folder, say)
        sums = {"meta.json": ""}  # it lacks what is written last, and stands in the way of a whole one
    except ValueError:
        sums = {"meta.json": ""}
    altered = [
        name for name, expected in sums.items() if not (folder / name).is_file() or sha256(folder / name) != expected
    ]
    if altered:
        say(f"{folder}: {listed(altered)} altered or removed since it was written; preparing again")
        shutil.rmtree(folder)
    return not altered


def no_space(path: Path, error: OSError) -> DiskFull:
    """Why something of the cache could not be written."""
    return DiskFull(
        f"{path}: cannot be written: {error}; free some space there, or name another folder in SWEEPER_CACHE"
    )


def write_whole(folder: Path, write: Callable[[Path], dict[str, Any]]) -> None:
    """Let `write` fill a new folder and return its meta data, then put it in place in one step."""
    try:
        with replacing_folder(folder) as place:
            meta = write(place)
            meta["checksums"] = {path.name: sha256(path) for path in sorted(place.iterdir())}
            (place / "meta.json").write_text(with_checksum(meta), encoding="utf-8")
    except OSError as error:
        if not (folder / "meta.json").is_file():  # else another sweep has put an equal one there in the meantime
            raise no_space(folder, error) from None
