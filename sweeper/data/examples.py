"""From a card to one table of examples: read, brought to one tagging scheme, checked, with labels in order."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from .. import adapters
from ..adapters import Document, schemes
from ..errors import DataError, DeclarationError, listed
from ..records import TaggedSentence
from ..system.quiet import without_chatter
from . import sources
from .cards import Card
from .source_spec import SPLITS
from .splits import Divided

MIN_EXAMPLES = 10  # examples, below which no split has a meaning
MIN_CHARACTERS = 2_000  # characters of training texts, below which little is learned of them but themselves
SENTENCE_ENDS, CLAUSE_ENDS = frozenset("。！？!?.；;…"), frozenset("，,、：:")


def read_examples(card: Card) -> tuple[pd.DataFrame, dict[str, int]]:
    """All examples of a card as a table: `text, label`, `tokens, tags` or `source, target`; and `split` as given.

    Returns:
        The table, and counts of `repaired` transitions, `cut` sentences and rows that were `left out`.

    Raises:
        DataError: a file that is not what its card says, or has no example.
    """
    rows: list[dict[str, Any]] = []
    counts = {"repaired": 0, "cut": 0, "left out": 0}
    with sources.opened(card) as documents:
        for document in documents:
            adapter = adapters.ADAPTERS[card.adapter]
            examples, left_out = list(adapter.read(document, card.options)), adapter.left_out(document, card.options)
            if left_out and not examples:
                raise DataError(
                    f"{document.name}: all of its {left_out:,} rows lack a text{'' if card.task == 'seq2seq' else ' or a label'}, and were left out"
                )
            counts["left out"] += left_out
            if not examples and len(documents) <= len(SPLITS):
                raise DataError(f"{document.name}: holds no examples{_why_none(document, card)}")
            if examples and isinstance(examples[0], TaggedSentence):
                examples = _spans_in_one_scheme(examples, card, document, counts)
            rows.extend({**example._asdict(), "split": document.part} for example in examples)
        if not rows:
            raise DataError(f"{card.name}: holds no examples{_why_none(documents[0], card)}")
    table = pd.DataFrame(rows)
    wanted = {"tagging": "tokens", "seq2seq": "source"}.get(card.task, "text")
    if wanted not in table.columns:
        raise DeclarationError(
            f"{card.name}: the task {card.task!r} needs examples with {wanted}, which the format {card.adapter!r} does not yield"
        )
    if len(table) < MIN_EXAMPLES:
        raise DataError(
            f"{card.name}: has {len(table)} example{'s' * (len(table) != 1)}; at least {MIN_EXAMPLES} are needed to train, choose and test"
        )
    if card.task not in ("seq2seq", "generation"):
        _check_labels(card, table)
    return table, counts


def _spans_in_one_scheme(sentences: list[Any], card: Card, document: Document, counts: dict[str, int]) -> list[Any]:
    scheme = getattr(card.options, "scheme", "none")
    if scheme == "auto":
        kinds = {tag for sentence in sentences for tag in sentence.tags}
        strangers = schemes.strangers(kinds)
        if strangers:
            place = _place_of(strangers[0], document, card)
            raise DataError(
                f'{place}: {strangers[0]!r} is no tag of a span, as the others are; correct it, or declare scheme = "none" in [adapter] if tags are no spans'
            )
        scheme = schemes.infer_scheme(kinds)
        if scheme == "iob2" and schemes.looks_like_iob1(sentence.tags for sentence in sentences):
            scheme = "iob1"
    if getattr(card.options, "pieces", False):
        sentences = _in_pieces(sentences)
    written = []
    for sentence in sentences:
        try:
            tags, repaired = schemes.to_iob2(sentence.tags, scheme)
        except schemes.OfNoScheme as error:
            raise DataError(f"{_place_of(error.tag, document, card)}: {error}") from None
        counts["repaired"] += repaired
        short = list(split_long(TaggedSentence(sentence.tokens, tags), card.options.longest))
        counts["cut"] += len(short) > 1
        written.extend(short)
    return written


def _why_none(document: Document, card: Card) -> str:
    if not document.path.stat().st_size:
        return "; the file is empty"
    return " that the card selects" if getattr(card.options, "where", None) else ", only a header or blank lines"


def _place_of(tag: str, document: Document, card: Card) -> str:
    """File and line of the first cell that holds a tag."""
    for number, line in document.lines(card.options.encoding):
        if tag in line.split():
            return f"{document.name}:{number}"
    return document.name


def _in_pieces(sentences: list[TaggedSentence]) -> list[TaggedSentence]:
    """Cut every word as the tokeniser cuts raw text."""
    words = sorted({token for sentence in sentences for token in sentence.tokens})
    with without_chatter():
        import tensorflow as tf

        from .tokens import TokenOptions, tokenize

        cut = tokenize(tf.constant(words), TokenOptions("words", lowercase=False)).to_list()
    pieces = {word: tuple(piece.decode("utf-8") for piece in found) for word, found in zip(words, cut, strict=True)}
    return [
        TaggedSentence(
            tuple(piece for token in sentence.tokens for piece in pieces[token]),
            tuple(
                tag
                for token, first in zip(sentence.tokens, sentence.tags, strict=True)
                for tag in schemes.tags_of_pieces(first, len(pieces[token]))
            ),
        )
        for sentence in sentences
    ]


def split_long(sentence: TaggedSentence, longest: int) -> Iterator[TaggedSentence]:
    """Cut a sentence of more than `longest` tokens: after the last sentence end that fits, else the last
    comma, else the last place outside a span; nothing is lost, and no span is cut unless it alone is too long: its rest
    begins anew."""
    tokens, tags = sentence
    while len(tokens) > longest:
        places = [i for i in range(longest, 0, -1) if not (schemes.is_span(tags[i]) and tags[i][0] == "I")]
        ends = [i for i in places if tokens[i - 1] in SENTENCE_ENDS] or [
            i for i in places if tokens[i - 1] in CLAUSE_ENDS
        ]
        cut = next(iter(ends or places), longest)
        yield TaggedSentence(tokens[:cut], tags[:cut])
        tokens, tags = tokens[cut:], (schemes.begun(tags[cut]), *tags[cut + 1 :])
    yield TaggedSentence(tokens, tags)


def _labels(card: Card, table: pd.DataFrame) -> set[str]:
    return set(table["tags"].explode()) if card.task == "tagging" else set(table["label"])


def _check_labels(card: Card, table: pd.DataFrame) -> None:
    """Whether there is something to tell apart."""
    found = _labels(card, table)
    if found == {""}:
        cure = 'labels = { "good.txt" = "good" }, one for each file' if card.adapter == "lines" else 'label = "COLUMN"'
        raise DataError(f"{card.name}: no example has a label; write in [adapter] {cure}")
    if len(found) < 2:
        every, needs = ("token", "a tagger") if card.task == "tagging" else ("example", "a classifier")
        what = "tag" if card.task == "tagging" else "label"
        raise DataError(
            f"{card.name}: every {every} has the {what} {next(iter(found))!r}; {needs} needs at least two {what}s"
        )
    if card.task != "tagging" and not table["text"].str.strip().any():
        raise DataError(f"{card.name}: every text is empty; is the text column the right one?")


def label_names(card: Card, table: pd.DataFrame) -> tuple[str, ...]:
    """The labels in order: numbers by value, words by name, O first."""
    found = _labels(card, table)
    if all(_number(label) is not None for label in found):
        return tuple(sorted(found, key=lambda label: (float(label), label)))
    return tuple(sorted(found, key=lambda label: (label != schemes.OUTSIDE, label)))


def _number(label: str) -> float | None:
    """Its value, where it can be put in an order with others."""
    try:
        value = float(label)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def are_stars(names: Sequence[str]) -> bool:
    """Numbers in an order, such as 1 to 5 or -1 to 1: three to eleven of them."""
    numbers = [_number(name) for name in names]
    return 3 <= len(names) <= 11 and all(number is not None and abs(number) <= 10 for number in numbers)


def warnings(card: Card, table: pd.DataFrame, divided: Divided, counts: dict[str, int]) -> Iterator[str]:
    """What a person should know of a table of examples and how it was divided."""
    yield from _of_what_was_done(card, divided.dropped, counts)
    if card.task in ("tagging", "seq2seq"):
        return
    examples = divided.examples
    empty = int((table["text"].str.strip() == "").sum())
    if empty:
        yield f"{empty:,} text{'s are' if empty > 1 else ' is'} empty"
    generated, training = card.task == "generation", examples[examples["split"] == "train"]
    unseen = sorted(set(examples["label"]) - set(training["label"]))
    if unseen:
        what = (
            "texts generated for it will be arbitrary" if generated else "every such test example will count as wrong"
        )
        yield f"no training example has the label {listed(unseen)}; {what}"
    if not generated:
        yield from _of_labels(examples)
    elif (symbols := int(training["text"].str.len().sum())) < MIN_CHARACTERS:
        yield f"the training texts have {symbols:,} characters, so few that a model memorises them instead of learning what they have in common; give more texts"


def check_sizes(card: Card, table: pd.DataFrame, divided: Divided, sizes: dict[str, int]) -> None:
    """Whether every split has examples.

    Raises:
        DataError: a split is empty.
    """
    for part in SPLITS:
        if not sizes[part]:
            equal = (
                f", of which {divided.dropped} equal one of another split and were dropped" if divided.dropped else ""
            )
            repeated = len(table) - divided.different
            if "label" in table and (table["label"].value_counts() == 1).mean() > 0.5:
                cure = f"most of the {table['label'].nunique()} labels have a single example: give each of them several"
            elif divided.dropped:
                cure = "remove the repetitions, or give more data"
            elif 2 * repeated > len(table):
                repeat = "have the source of" if card.task == "seq2seq" else "repeat"
                cure = f"{repeated} {repeat} another one, and those stay in one split: give more that differ"
            else:
                cure = "give it a larger share in [split], or more data"
            raise DataError(f"{card.name}: of {len(table)} examples{equal}, none is left for the {part} split; {cure}")


def _of_what_was_done(card: Card, dropped: int, counts: dict[str, int]) -> Iterator[str]:
    """What was left out or altered."""
    if counts["left out"]:
        several, what = counts["left out"] > 1, "one of its texts" if card.task == "seq2seq" else "a text or a label"
        yield f"{counts['left out']:,} row{'s' * several} without {what} {'were' if several else 'was'} left out"
    if dropped:
        what = "examples equal one of another split and were" if dropped > 1 else "example equals one of another split and was"  # fmt: skip
        yield f"{dropped:,} {what} dropped from the earlier of the two (training first)"
    if counts["repaired"]:
        what = "tags follow" if counts["repaired"] > 1 else "tag follows"
        yield f"{counts['repaired']:,} {what} one that the scheme does not allow before it, read as conlleval reads it"
    if counts["cut"]:
        what = "sentences are" if counts["cut"] > 1 else "sentence is"
        yield f"{counts['cut']:,} {what} longer than {card.options.longest} tokens, split at sentence ends"
    if counts.get("long"):
        what = (
            "pairs were left out, whose targets have" if counts["long"] > 1 else "pair was left out, whose target has"
        )
        yield f"{counts['long']:,} {what} more than {card.options.longest} {card.options.target_tokens}, as [adapter] longest says"


def _of_labels(examples: pd.DataFrame) -> Iterator[str]:
    """What makes the labels of texts hard to learn."""
    of_each = Counter(examples["label"])
    if 2 * len(of_each) > len(examples):
        yield f"there are {len(of_each):,} labels for {len(examples):,} texts, so that few can be learned; where the label is a text to be written, the task is seq2seq"
    unsure = int((examples.groupby(examples["text"].str.strip())["label"].nunique() > 1).sum())
    if unsure:
        yield f"{unsure:,} text{'s have' if unsure > 1 else ' has'} different labels in different rows; no model can be right about all of them"
    once = sorted(label for label, count in of_each.items() if count == 1)
    if once:
        yield f"only one example has the label {listed(once)}; it is trained on or tested, not both"
    folded = Counter(map(_folded, of_each))
    alike = sorted(label for label in of_each if folded[_folded(label)] > 1)
    if alike:
        yield f"labels that differ only by case, blanks or how a number is written are kept apart: {listed(map(repr, alike))}"


def _folded(label: str) -> str | float:
    number = _number(label)
    return " ".join(label.lower().split()) if number is None else number
