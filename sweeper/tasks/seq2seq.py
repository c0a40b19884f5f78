"""Sequence to sequence: pronunciations, transliterations, translations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.batches import Answers
from ..data.source_spec import SPLITS
from ..data.store import Meta, Prepared, open_encoded
from ..records import BOUNDARY, UNKNOWN, Configuration, Scores
from .base import Baseline, Task, TrainedModel

if TYPE_CHECKING:
    import keras

    from ..models import Sizes

NONE = -1  # no symbol that a target can have
NEAREST_TOGETHER = 512  # sources compared with all training sources at a time


class Seq2Seq(Task):
    """A target for each source, scored whole and by edit distance; written text also by chrF and BLEU."""

    name = "seq2seq"
    card_summary = "takes a raw source and writes its target"

    def card_names(self, meta: Meta) -> dict[str, Sequence[str]]:
        return {"symbols": meta.labels}

    def objective(self, meta: Meta) -> str:
        return "chrf" if meta.target_tokens == "words" else "exact_match"

    def scores(self, meta: Meta, truth: Answers, predicted: Answers) -> Scores:
        targets, found = _by_source(truth, predicted)
        scores = edit_scores(targets, found)
        if meta.target_tokens == "symbols":
            return scores
        words = [[meta.written(one) for one in some] for some in targets]
        texts = [meta.written(symbol for symbol in one if symbol != NONE) for one in found]
        return {**scores, **translation_scores(words, texts, "13a" if meta.target_tokens == "words" else "char")}

    def statistics(self, meta: Meta, truth: Answers, predicted: Answers) -> np.ndarray | None:
        """See `Task`; chrF is no function of sums that are kept here."""
        if self.objective(meta) != "exact_match":
            return None
        right = [written in some for some, written in zip(*_by_source(truth, predicted), strict=True)]
        return np.stack([right, np.ones(len(right))], axis=1).astype(np.float64)

    def build(self, configuration: Configuration, sizes: Sizes) -> keras.Model:
        from ..models import build_encoder_decoder

        return build_encoder_decoder(configuration, sizes)

    def serving(self, models: Sequence[TrainedModel], prepared: Prepared) -> Any:
        from .serving_writers import EncoderDecoderModule

        (one,) = models
        return EncoderDecoderModule(one.model, one.vocabulary, prepared.meta, one.configuration)

    def baselines(self, prepared: Prepared) -> list[Baseline]:
        """The source itself, and the most frequent target of the nearest training source."""
        copied = {part: _copied(prepared, part) for part in SPLITS[1:]}
        found = {"copy": copied, "nearest": _of_the_nearest(prepared)}
        truth = {part: _targets(prepared, part) for part in copied}
        return [self.baseline(prepared, name, truth, answers) for name, answers in found.items()]


SEQ2SEQ = Seq2Seq()


def _by_source(truth: Answers, predicted: Answers) -> tuple[list[list[tuple[int, ...]]], list[tuple[int, ...]]]:
    """For each source, in the order in which they come, all right targets, and what was written."""
    groups = np.arange(len(truth.lengths)) if truth.groups is None else truth.groups
    targets: dict[int, list[tuple[int, ...]]] = {}
    found: dict[int, tuple[int, ...]] = {}
    for group, target, written in zip(groups.tolist(), truth.per_example(), predicted.per_example(), strict=True):
        targets.setdefault(group, []).append(_ended(target))
        found.setdefault(group, _written(written))
    return list(targets.values()), list(found.values())


def edit_scores(targets: Sequence[Sequence[tuple[int, ...]]], written: Sequence[tuple[int, ...]]) -> Scores:
    """How many are right, and how many symbols must be edited to make them so.

    Args:
        targets: all that are right for each source; the nearest counts.

    Returns:
        `exact_match` and `sequence_error_rate`, shares of the sources; `symbol_error_rate`, edits by symbols of the targets.
    """
    from rapidfuzz.distance import Levenshtein

    wrong = edits = symbols = 0
    for some, one in zip(targets, written, strict=True):
        distance, length = min((Levenshtein.distance(target, one), len(target)) for target in some)
        wrong, edits, symbols = wrong + (distance > 0), edits + distance, symbols + length
    rate = wrong / len(written)
    return {"exact_match": 1 - rate, "sequence_error_rate": rate, "symbol_error_rate": edits / max(symbols, 1)}


def translation_scores(targets: Sequence[Sequence[str]], written: Sequence[str], tokenize: str) -> Scores:
    """chrF and BLEU of all, from 0 to 1.

    Args:
        tokenize: how BLEU cuts text, a tokenizer of sacrebleu: "13a" into words, "char" into characters.

    Sources: Popović 2015; Papineni et al. 2002, as sacrebleu computes them.
    """
    import sacrebleu

    most = max(map(len, targets))
    # A source with fewer targets than another has its first one again.
    references = [[some[place] if place < len(some) else some[0] for some in targets] for place in range(most)]
    scores = {
        "chrf": sacrebleu.corpus_chrf(written, references),
        "bleu": sacrebleu.corpus_bleu(written, references, tokenize=tokenize),
    }
    return {name: found.score / 100 for name, found in scores.items()}


def _ended(ids: np.ndarray) -> tuple[int, ...]:
    """Without what ends it."""
    return tuple(one for one in ids.tolist() if one != BOUNDARY)


def _written(ids: np.ndarray) -> tuple[int, ...]:
    """What was written, without what ends it; <unk> is never what a target has there, even where that is unknown too."""
    return tuple(NONE if one == UNKNOWN else one for one in _ended(ids))


def _copied(prepared: Prepared, part: str) -> Answers:
    """The sources themselves, cut as targets are."""
    from ..data.derived import cut
    from ..data.tokens import TokenOptions

    meta = prepared.meta
    ids = {name.encode(): number for number, name in enumerate((*meta.labels, *meta.unseen)) if number > UNKNOWN}
    symbols, lengths = cut(prepared.examples(part)["source"], TokenOptions(meta.target_tokens, lowercase=False))
    return Answers(np.array([ids.get(symbol, UNKNOWN) for symbol in symbols.tolist()], np.int32), lengths)


def _sources(prepared: Prepared, part: str) -> Iterator[np.ndarray]:
    encoded, rows = open_encoded(prepared, prepared.meta.source_tokens, lowercase=True), prepared.rows(part)
    for row in range(rows.start, rows.stop):
        yield encoded.ids[encoded.offsets[row] : encoded.offsets[row + 1]]


def _targets(prepared: Prepared, part: str) -> Answers:
    offsets, rows = prepared.label_offsets(), prepared.rows(part)
    lengths = np.diff(offsets)[rows]
    symbols = np.asarray(prepared.labels()[offsets[rows.start] : offsets[rows.stop]])
    return Answers(symbols, lengths, prepared.groups()[rows])


def _of_the_nearest(prepared: Prepared) -> dict[str, Answers]:
    """For each source the most frequent target of the training source that shares most with it, by TF-IDF of
    1- to 3-grams of tokens."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer=_one_to_three_grams, sublinear_tf=True, dtype=np.float32)
    known = vectorizer.fit_transform(list(_sources(prepared, "train")))
    targets: dict[int, Counter[tuple[int, ...]]] = {}
    groups = prepared.groups()[prepared.rows("train")].tolist()
    for group, target in zip(groups, _targets(prepared, "train").per_example(), strict=True):
        targets.setdefault(group, Counter())[tuple(target.tolist())] += 1
    found = {}
    for part in SPLITS[1:]:
        asked = vectorizer.transform(list(_sources(prepared, part)))
        nearest: list[int] = []
        for start in range(0, asked.shape[0], NEAREST_TOGETHER):
            alike = asked[start : start + NEAREST_TOGETHER] @ known.T
            nearest.extend(np.asarray(alike.argmax(axis=1)).ravel().tolist())
        chosen = (targets[groups[place]].most_common(1)[0][0] for place in nearest)
        found[part] = Answers.of([np.array(one, np.int32) for one in chosen])
    return found


def _one_to_three_grams(ids: np.ndarray) -> list[tuple[int, ...]]:
    tokens = ids.tolist()
    return [tuple(tokens[place : place + size]) for size in (1, 2, 3) for place in range(len(tokens) - size + 1)]
