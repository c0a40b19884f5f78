"""From a card to integer arrays on disk: once for each (data, card, token options), then memory-mapped.

A prepared folder, named by the digest of data and card:

    meta.json                 labels, counts, what was dropped, checksums
    examples.parquet          text and label, or tokens and tags; training rows first
    labels.npy                int32: one a row, or one a token
    WORDS-lower/              one folder for each token options
        vocabulary.json       all training tokens, most frequent first, after `tokens.RESERVED`
        ids.npy offsets.npy   int32 ids of all rows end to end; row i is ids[offsets[i]:offsets[i+1]]
        VECTORS.npy           float32 (vocabulary, width); a row of NaN for a word without a vector
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .. import adapters
from ..adapters import schemes
from ..errors import DataError, DeclarationError, listed
from ..parameters import Facts
from ..records import TaggedSentence
from . import cards, sources, splits
from .cards import PARTS, VECTORS, Card

if TYPE_CHECKING:
    from .tokens import TokenOptions

FORMAT = 1  # raise it when prepared folders of old can no longer be read
CHUNK = 4_096  # examples tokenised at a time
FEWEST = 10  # examples, below which no split has a meaning
SENTENCE_ENDS, CLAUSE_ENDS = frozenset("。！？!?.；;…"), frozenset("，,、：:")


@dataclass(frozen=True)
class Meta:
    """What the preparation found.

    Args:
        kind: "labels", "entities" or "tags".
        ordered: labels are numbers in an order (stars).
        counts: examples by split.
        dropped: examples left out because another split has an equal one.
        repaired: tag transitions that the scheme forbids.
        cut: sentences that were too long and were split.
        empty: examples without text.
        warnings: for a person.
    """

    name: str
    task: str
    digest: str
    labels: tuple[str, ...]
    kind: str
    ordered: bool
    counts: dict[str, int]
    dropped: int = 0
    repaired: int = 0
    cut: int = 0
    empty: int = 0
    warnings: tuple[str, ...] = ()
    licence: str = ""
    language: str = ""
    checksums: dict[str, str] = field(default_factory=dict)

    @property
    def facts(self) -> Facts:
        return Facts(ordered=self.ordered)


@dataclass(frozen=True)
class Prepared:
    """A prepared dataset on disk."""

    folder: Path
    meta: Meta

    def rows(self, part: str) -> slice:
        """The rows of one split."""
        start = sum(self.meta.counts[name] for name in PARTS[: PARTS.index(part)])
        return slice(start, start + self.meta.counts[part])

    def examples(self, part: str | None = None) -> pd.DataFrame:
        """The table of examples, of one split or of all."""
        table = pd.read_parquet(self.folder / "examples.parquet")
        return table if part is None else table.iloc[self.rows(part)].reset_index(drop=True)

    def labels(self) -> np.ndarray:
        """int32: label ids, one a row, or one a token end to end."""
        return np.load(self.folder / "labels.npy", mmap_mode="r", allow_pickle=False)


@dataclass(frozen=True)
class Encoded:
    """The arrays of one choice of token options; ids are those of the whole vocabulary.

    Args:
        ids: int32 (all tokens of all rows,), memory-mapped.
        offsets: int64 (rows + 1,).
        vocabulary: token by id.
    """

    ids: np.ndarray
    offsets: np.ndarray
    vocabulary: list[str]


def open_prepared(folder: Path) -> Prepared:
    """A prepared folder that is known to be whole."""
    raw = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    return Prepared(folder, Meta(**{**raw, "labels": tuple(raw["labels"]), "warnings": tuple(raw["warnings"])}))


def open_encoded(prepared: Prepared, tokens: str, lowercase: bool) -> Encoded:
    """The arrays of one choice of token options."""
    folder = prepared.folder / _key(tokens, lowercase)
    return Encoded(
        ids=np.load(folder / "ids.npy", mmap_mode="r", allow_pickle=False),
        offsets=np.load(folder / "offsets.npy", allow_pickle=False),
        vocabulary=json.loads((folder / "vocabulary.json").read_text(encoding="utf-8")),
    )


def open_vectors(prepared: Prepared, tokens: str, lowercase: bool, vectors: str) -> np.ndarray:
    """float32 (vocabulary, width), a row of NaN for a word without a vector."""
    path = prepared.folder / _key(tokens, lowercase) / f"{_vectors_key(vectors)}.npy"
    return np.load(path, mmap_mode="r", allow_pickle=False)


def prepare(
    card: Card,
    encodings: Iterable[tuple[str, bool]] = (("words", True),),
    vectors: Iterable[str] = (),
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
) -> Prepared:
    """Read, split and encode a dataset, or find that this was done before.

    Args:
        encodings: (tokens, lowercase) pairs that will be asked for.
        vectors: names or paths of pretrained vectors that will be asked for.
        say: receives lines for a person.

    Raises:
        DeclarationError, DataError, SourceError: see `sources` and `adapters`.
    """
    digest = _digest(card)
    folder = sources.cache_folder() / "prepared" / f"{card.name}-{digest[:16]}"
    if not _is_whole(folder, say):
        _write_whole(folder, lambda place: _write_examples(card, digest, place))
    prepared = open_prepared(folder)
    for tokens, lowercase in encodings:
        place = folder / _key(tokens, lowercase)
        if not _is_whole(place, say):
            say(f"encoding {sum(prepared.meta.counts.values()):,} examples as {'lower-case ' * lowercase}{tokens}")
            _write_whole(place, lambda where, t=tokens, low=lowercase: _write_encoding(prepared, t, low, where))
        for name in vectors:
            target = place / f"{_vectors_key(name)}.npy"
            if not target.is_file():
                _write_vectors(name, open_encoded(prepared, tokens, lowercase).vocabulary, target)
    return prepared


def _key(tokens: str, lowercase: bool) -> str:
    return f"{tokens}-{'lower' if lowercase else 'cased'}"


def _vectors_key(name: str) -> str:
    return "vectors-" + hashlib.sha256(name.encode()).hexdigest()[:16]


def _digest(card: Card) -> str:
    described = (FORMAT, card.task, card.adapter, asdict(card.options), asdict(card.split), sources.fingerprint(card))
    return hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode()).hexdigest()


# ---------------------------------------------------------------- whole or not at all


def _is_whole(folder: Path, say: Callable[[str], None]) -> bool:
    """Whether the folder is there and every file is what was written."""
    try:
        sums = json.loads((folder / "meta.json").read_text(encoding="utf-8"))["checksums"]
    except FileNotFoundError:
        return False
    except (ValueError, KeyError):
        sums = {"meta.json": ""}
    altered = [name for name, expected in sums.items() if not (folder / name).is_file() or sources.sha256(folder / name) != expected]
    if altered:
        say(f"{folder}: {listed(altered)} altered since it was written; preparing again")
        shutil.rmtree(folder)
    return not altered


def _write_whole(folder: Path, write: Callable[[Path], dict[str, Any]]) -> None:
    """Let `write` fill a new folder and return its meta data, then put it in place in one step."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        meta = write(place)
        meta["checksums"] = {path.name: sources.sha256(path) for path in sorted(place.iterdir())}
        (place / "meta.json").write_text(json.dumps(meta, ensure_ascii=False, indent=1), encoding="utf-8")
        place.chmod(0o755)
        try:
            place.rename(folder)
        except OSError:  # another sweep has put an equal one there in the meantime
            if not (folder / "meta.json").is_file():
                raise
    finally:
        shutil.rmtree(place, ignore_errors=True)


# ---------------------------------------------------------------- examples


def read_examples(card: Card) -> tuple[pd.DataFrame, dict[str, int]]:
    """All examples of a card as a table: `text, label` or `tokens, tags`, and `split` as given.

    Returns:
        The table, and counts of `repaired` transitions and `cut` sentences.

    Raises:
        DataError: a file that is not what its card says, or has no example.
    """
    rows: list[dict[str, Any]] = []
    counts = {"repaired": 0, "cut": 0}
    with sources.opened(card) as documents:
        for document in documents:
            examples = list(adapters.ADAPTERS[card.adapter].read(document, card.options))
            if not examples and len(documents) <= len(PARTS):
                raise DataError(f"{document.name}: holds no examples{' that the card selects' if document.path.stat().st_size else '; the file is empty'}")
            if examples and isinstance(examples[0], TaggedSentence):
                examples = _spans_in_one_scheme(examples, card, document.name, counts)
            rows.extend({**example._asdict(), "split": document.part} for example in examples)
    table = pd.DataFrame(rows)
    wanted = "tokens" if card.task == "tagging" else "text"
    if wanted not in table.columns:
        raise DeclarationError(f"{card.name}: the task {card.task!r} needs examples with {wanted}, which the format {card.adapter!r} does not yield")
    return table, counts


def _spans_in_one_scheme(sentences: list[Any], card: Card, place: str, counts: dict[str, int]) -> list[Any]:
    scheme = getattr(card.options, "scheme", "none")
    if scheme == "auto":
        scheme = schemes.infer_scheme({tag for sentence in sentences for tag in sentence.tags})
        if scheme == "iob2" and schemes.looks_like_iob1(sentence.tags for sentence in sentences):
            scheme = "iob1"
    if getattr(card.options, "pieces", False):
        sentences = _in_pieces(sentences)
    written = []
    for sentence in sentences:
        tags, repaired = schemes.to_iob2(sentence.tags, scheme, place)
        counts["repaired"] += repaired
        short = list(split_long(TaggedSentence(sentence.tokens, tags), card.options.longest))
        counts["cut"] += len(short) > 1
        written.extend(short)
    return written


def _in_pieces(sentences: list[TaggedSentence]) -> list[TaggedSentence]:
    """Cut every word as the tokeniser cuts raw text."""
    import tensorflow as tf

    from .tokens import TokenOptions, tokenize

    words = sorted({token for sentence in sentences for token in sentence.tokens})
    cut = tokenize(tf.constant(words), TokenOptions("words", lowercase=False)).to_list()
    pieces = {word: tuple(piece.decode("utf-8") for piece in found) for word, found in zip(words, cut, strict=True)}
    return [
        TaggedSentence(
            tuple(piece for token in sentence.tokens for piece in pieces[token]),
            tuple(tag for token, first in zip(sentence.tokens, sentence.tags, strict=True) for tag in schemes.spread(first, len(pieces[token]))),
        )
        for sentence in sentences
    ]


def split_long(sentence: TaggedSentence, longest: int) -> Iterator[TaggedSentence]:
    """Cut a sentence of more than `longest` tokens: after the last sentence end that fits, else the last
    comma, else the last place outside a span; nothing is lost, and no span is cut unless it alone is too long."""
    tokens, tags = sentence
    while len(tokens) > longest:
        places = [i for i in range(longest, 0, -1) if not tags[i].startswith("I-")]
        ends = [i for i in places if tokens[i - 1] in SENTENCE_ENDS] or [i for i in places if tokens[i - 1] in CLAUSE_ENDS]
        cut = next(iter(ends or places), longest)
        yield TaggedSentence(tokens[:cut], tags[:cut])
        tokens, tags = tokens[cut:], tags[cut:]
    yield TaggedSentence(tokens, tags)


def _write_examples(card: Card, digest: str, place: Path) -> dict[str, Any]:
    if card.task == VECTORS:
        raise DataError(f"{card.name}: holds word vectors, not examples; name it as the parameter 'vectors' of a search space")
    table, counts = read_examples(card)
    tagging = card.task == "tagging"
    key = table["tokens"].map("\x1f".join) if tagging else table["text"].str.strip()
    names = _label_names(card, table)
    divided = splits.divide(table, card.split, None if tagging else table["label"], key)
    examples = divided.examples
    sizes = {part: int((examples["split"] == part).sum()) for part in PARTS}
    warnings = _warnings(card, table, examples, sizes, divided.dropped, counts)

    ids = {label: number for number, label in enumerate(names)}
    flat = examples["tags"].explode() if tagging else examples["label"]
    np.save(place / "labels.npy", flat.map(ids).to_numpy(np.int32))
    examples.drop(columns="split").to_parquet(place / "examples.parquet", index=False)
    spans = tagging and all(name == schemes.OUTSIDE or name[:2] in ("B-", "I-") for name in names)
    meta = Meta(
        name=card.name,
        task=card.task,
        digest=digest,
        labels=names,
        kind="entities" if spans else "tags" if tagging else "labels",
        ordered=card.task == "sentiment" and _are_stars(names),
        counts=sizes,
        dropped=divided.dropped,
        repaired=counts["repaired"],
        cut=counts["cut"],
        empty=0 if tagging else int((examples["text"].str.strip() == "").sum()),
        warnings=tuple(warnings),
        licence=card.licence,
        language=card.language,
    )
    return asdict(meta)


def _label_names(card: Card, table: pd.DataFrame) -> tuple[str, ...]:
    """The labels in order: numbers by value, words by name, O first."""
    found = set(table["tags"].explode()) if card.task == "tagging" else set(table["label"])
    if len(table) < FEWEST:
        raise DataError(f"{card.name}: has {len(table)} examples; at least {FEWEST} are needed to train, choose and test")
    if len(found) < 2:
        raise DataError(f"{card.name}: every example has the label {next(iter(found))!r}; a classifier needs at least two labels")
    if card.task != "tagging" and not table["text"].str.strip().any():
        raise DataError(f"{card.name}: every text is empty; is the text column the right one?")
    if all(_number(label) is not None for label in found):
        return tuple(sorted(found, key=float))
    return tuple(sorted(found, key=lambda label: (label != schemes.OUTSIDE, label)))


def _number(label: str) -> float | None:
    try:
        return float(label)
    except ValueError:
        return None


def _are_stars(names: Sequence[str]) -> bool:
    """Numbers in an order: three to eleven of them, none negative."""
    numbers = [_number(name) for name in names]
    return 3 <= len(names) <= 11 and all(number is not None and 0 <= number <= 10 for number in numbers)


def _warnings(card: Card, table: pd.DataFrame, examples: pd.DataFrame, sizes: dict[str, int], dropped: int, counts: dict[str, int]) -> Iterator[str]:
    for part in PARTS:
        if not sizes[part]:
            raise DataError(f"{card.name}: no example is left for the {part} split of {len(table)}; give it a larger share in [split], or more data")
    if dropped:
        yield f"{dropped:,} examples equal one of another split and were dropped from the earlier of the two (training first)"
    if counts["repaired"]:
        yield f"{counts['repaired']:,} tags follow one that their scheme forbids and were read as the official scorers read them"
    if counts["cut"]:
        yield f"{counts['cut']:,} sentences are longer than {card.options.longest} tokens and were split at sentence ends"
    if card.task == "tagging":
        return
    empty = int((examples["text"].str.strip() == "").sum())
    if empty:
        yield f"{empty:,} texts are empty"
    trained = set(examples.loc[examples["split"] == "train", "label"])
    unseen = sorted(set(examples["label"]) - trained)
    if unseen:
        yield f"no training example has the label {listed(unseen)}; every such test example will count as wrong"
    folded = Counter(" ".join(str(label).lower().split()) for label in set(examples["label"]))
    alike = sorted(label for label in set(examples["label"]) if folded[" ".join(label.lower().split())] > 1)
    if alike:
        yield f"labels that differ only by case or blanks are kept apart: {listed(map(repr, alike))}"


# ---------------------------------------------------------------- arrays


def _write_encoding(prepared: Prepared, tokens: str, lowercase: bool, place: Path) -> dict[str, Any]:
    import tensorflow as tf

    from .tokens import RESERVED, TokenOptions, lookup_table

    options = TokenOptions(tokens, lowercase)
    examples = prepared.examples()
    frequencies: Counter[bytes] = Counter()
    lengths: list[np.ndarray] = []
    words: list[np.ndarray] = []
    training = prepared.meta.counts["train"]
    for start, chunk in _chunks(examples):
        flat, counts = _tokens(chunk, options)
        inside = counts[: max(0, training - start)].sum()
        frequencies.update(flat[:inside].tolist())
        lengths.append(counts)
        words.append(flat)
    frequencies.pop(b"", None)
    ranked = sorted(frequencies, key=lambda word: (-frequencies[word], word))
    vocabulary = [*RESERVED, *(word.decode("utf-8") for word in ranked if word.decode("utf-8") not in RESERVED)]
    table = lookup_table(vocabulary)
    np.save(place / "ids.npy", np.concatenate([table.lookup(tf.constant(chunk)).numpy() for chunk in words]).astype(np.int32))
    np.save(place / "offsets.npy", np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64))
    (place / "vocabulary.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    return {"options": asdict(options), "vocabulary": len(vocabulary)}


def _chunks(examples: pd.DataFrame) -> Iterator[tuple[int, pd.DataFrame]]:
    for start in range(0, len(examples), CHUNK):
        yield start, examples.iloc[start : start + CHUNK]


def _tokens(examples: pd.DataFrame, options: TokenOptions) -> tuple[np.ndarray, np.ndarray]:
    """All tokens of some examples end to end, as bytes, and how many each has."""
    import tensorflow as tf

    from .tokens import lowered, tokenize

    if "tokens" in examples.columns:
        counts = examples["tokens"].map(len).to_numpy(np.int64)
        return lowered(tf.constant(examples["tokens"].explode().tolist()), options).numpy(), counts
    ragged = tokenize(tf.constant(examples["text"].tolist()), options)
    return ragged.flat_values.numpy(), ragged.row_lengths().numpy()


def _write_vectors(name: str, vocabulary: list[str], target: Path) -> None:
    found, width = load_vectors(name, set(vocabulary))
    matrix = np.full((len(vocabulary), width), np.nan, np.float32)
    for row, word in enumerate(vocabulary):
        if word in found:
            matrix[row] = found[word]
    with tempfile.NamedTemporaryFile(dir=target.parent, suffix=".npy", delete=False) as file:
        np.save(file, matrix)
    os.replace(file.name, target)


def load_vectors(name: str, wanted: set[str]) -> tuple[dict[str, np.ndarray], int]:
    """Vectors by word, float32 (width,), and the width.

    Args:
        name: a declared dataset of vectors, or a path to a word2vec or GloVe text file.
    """
    path = Path(name)
    if path.is_file() and path.suffix != ".toml":
        documents = [adapters.Document(path, name)]
        return adapters.vectors.load(documents, adapters.vectors.Options(), wanted)
    card = cards.load_card(name)
    if card.task != VECTORS:
        raise DeclarationError(f"{name}: is a dataset for {card.task}, not of word vectors")
    with sources.opened(card) as documents:
        return adapters.vectors.load(documents, card.options, wanted)


