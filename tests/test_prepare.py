"""Preparation: once for each (data, card, token options); whole or not at all; statistics from training only."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.adapters import schemes
from sweeper.data import cards
from sweeper.data.examples import split_long
from sweeper.data.prepare import _digest, prepare
from sweeper.data.store import open_encoded
from sweeper.data.vectors import open_vectors
from sweeper.errors import DataError
from sweeper.records import TaggedSentence

from .conftest import card_text, write


def load(path):
    return cards.load_card(str(path))


def table(tmp_path, rows, task="text", name="t"):
    write(tmp_path / f"{name}.csv", "review,verdict\n" + "".join(f'"{text}",{label}\n' for text, label in rows))
    return load(write(tmp_path / f"{name}.toml", card_text(f"{name}.csv", task=task)))


def test_a_second_preparation_reads_nothing_again(reviews_card):
    said: list[str] = []
    first = prepare(load(reviews_card), say=said.append)
    before = {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")}
    again = prepare(load(reviews_card), say=said.append)
    assert {path: path.stat().st_mtime_ns for path in again.folder.rglob("*")} == before
    assert said == ["encoding 120 examples as lower-case words"]


def test_other_data_another_card_or_other_options_are_prepared_anew(tmp_path, reviews_card):
    first = prepare(load(reviews_card))
    seeded = write(tmp_path / "data" / "seeded.toml", reviews_card.read_text() + "[split]\nseed = 1\n")
    assert prepare(load(seeded)).folder != first.folder
    (tmp_path / "data" / "reviews.csv").write_text((tmp_path / "data" / "reviews.csv").read_text() + "one more,good\n")
    assert prepare(load(reviews_card)).folder != first.folder
    assert prepare(load(reviews_card), encodings=[("characters", False)]).folder.joinpath("characters-cased").is_dir()


def test_an_altered_file_is_noticed_said_and_rebuilt(reviews_card):
    said: list[str] = []
    folder = prepare(load(reviews_card)).folder
    whole = (folder / "words-lower" / "ids.npy").read_bytes()
    (folder / "words-lower" / "ids.npy").write_bytes(whole[:-4])
    prepare(load(reviews_card), say=said.append)
    assert "ids.npy altered or removed since it was written; preparing again" in said[0]
    assert (folder / "words-lower" / "ids.npy").read_bytes() == whole


@pytest.mark.parametrize(
    "alter",
    [lambda text: text.replace("bad", "dab"), lambda text: "[]", lambda text: text[:50]],
    ids=["labels", "a list", "cut"],
)
def test_altered_facts_are_noticed_too(reviews_card, alter):
    said: list[str] = []
    first = prepare(load(reviews_card))
    meta = first.folder / "meta.json"
    meta.write_text(alter(meta.read_text()))
    assert prepare(load(reviews_card), say=said.append).meta == first.meta
    assert "meta.json altered or removed since it was written; preparing again" in said[0]


@pytest.mark.parametrize("below", [".", "words-lower"])
def test_what_was_removed_in_part_is_made_again(reviews_card, below):
    first = prepare(load(reviews_card))
    (first.folder / below / "meta.json").unlink()
    again = prepare(load(reviews_card))
    assert again.meta == first.meta
    assert (first.folder / "words-lower" / "meta.json").is_file()


def test_the_vocabulary_comes_from_the_training_split_only(tmp_path):
    rows = [(f"shared w{number}", "xy"[number % 2]) for number in range(60)]
    prepared = prepare(table(tmp_path, rows))
    encoded = open_encoded(prepared, "words", True)
    trained = {word for text in prepared.examples("train")["text"] for word in text.split()}
    assert set(encoded.vocabulary[2:]) == trained
    tested = prepared.rows("test")
    ids = encoded.ids[encoded.offsets[tested.start] : encoded.offsets[tested.stop]]
    assert set(ids.tolist()) == {1, encoded.vocabulary.index("shared")}, "a word seen in test only is <unk>"


def test_the_most_frequent_word_comes_first(tmp_path):
    rows = [(f"often often rare{number}", "xy"[number % 2]) for number in range(30)]
    assert open_encoded(prepare(table(tmp_path, rows)), "words", True).vocabulary[:3] == ["", "<unk>", "often"]


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([("a", "x")] * 4, "has 4 examples; at least 10 are needed"),
        ([(f"a{n}", "x") for n in range(20)], "every example has the label 'x'"),
        ([("  ", "xy"[n % 2]) for n in range(20)], "every text is empty"),
        ([], "holds no examples"),
    ],
)
def test_data_that_teach_nothing_are_refused(tmp_path, rows, complaint):
    with pytest.raises(DataError, match=complaint):
        prepare(table(tmp_path, rows))
    assert not list((tmp_path / "cache").rglob("meta.json")), "nothing half-written"


def test_pairs_of_which_none_is_left_to_train_on_are_refused_for_that(tmp_path):
    write(tmp_path / "a.tsv", "".join(f"word{n}\tw o r d {n}\n" for n in range(20)))
    text = 'about = "x"\ntask = "seq2seq"\n[source]\nfile = { train = "a.tsv", test = "a.tsv" }\n[adapter]\nformat = "pairs"\n'
    card = cards.load_card(str(write(tmp_path / "p.toml", text)))
    with pytest.raises(DataError, match="p: of 40 examples, of which 20 equal one .* none is left for the train split"):
        prepare(card)


def test_what_is_odd_is_said(tmp_path):
    rows = [
        *((f"text {n}", ("Good", "bad", "good ", "1", "1.0")[n % 5]) for n in range(60)),
        *[("same", "bad")] * 20,
        *[("", "Good")] * 3,
    ]
    meta = prepare(table(tmp_path, rows)).meta
    said = " ".join(meta.warnings)
    assert "differ only by case, blanks or how a number is written are kept apart: '1', '1.0', 'Good', 'good'" in said
    assert "texts are empty" in said
    assert "dropped" not in said
    assert sum(meta.counts.values()) == len(rows)


def test_texts_under_several_labels_and_texts_that_are_targets_are_said(tmp_path):
    rows = [(f"text {n}", "xy"[n % 2]) for n in range(40)]
    said = prepare(table(tmp_path, [*rows, ("text 0", "y"), ("text 2 ", "y")])).meta.warnings
    assert said == ("2 texts have different labels in different rows; no model can be right about all of them",)
    (said, *_) = prepare(
        table(
            tmp_path,
            [(f"word {n}", f"Wort {n // 3 * 2}") for n in range(20)] + [(f"w {n}", f"v {n}") for n in range(9)],
        )
    ).meta.warnings
    assert said.startswith("there are 16 labels for 29 texts, so that few can be learned; where the label is a text")


@pytest.mark.parametrize(
    ("labels", "ordered", "names"),
    [
        ("12345", True, tuple("12345")),
        ("01", False, ("0", "1")),
        (["10", "9", "2"], True, ("2", "9", "10")),
        (["a", "b", "1"], False, ("1", "a", "b")),
        (["nan", "2", "1"], False, ("1", "2", "nan")),
    ],
)
def test_stars_are_numbers_in_their_order(tmp_path, labels, ordered, names):
    rows = [(f"text {n}", labels[n % len(labels)]) for n in range(60)]
    meta = prepare(table(tmp_path, rows, task="sentiment")).meta
    assert (meta.ordered, meta.labels) == (ordered, names)


def test_a_tagged_dataset_is_entities_or_tags(people_card, tmp_path):
    meta = prepare(load(people_card)).meta
    assert (meta.kind, meta.labels) == ("entities", ("O", "B-person", "I-person"))
    write(tmp_path / "p.conll", "".join(f"a{n} DET\ncat NOUN\n\n" for n in range(30)))
    card = load(write(tmp_path / "p.toml", card_text("p.conll", task="tagging", adapter='format = "columns"')))
    assert prepare(card).meta.kind == "tags"


def test_words_are_cut_into_the_pieces_that_serving_will_read(tmp_path):
    write(tmp_path / "w.txt", "".join(f"江/nr 泽民/nr 在{n}/p 中国ABC/ns\n" for n in range(30)))
    adapter = 'format = "wordtag"\npieces = true\njoined = ["nr"]\nentities = { nr = "person", ns = "place" }'
    prepared = prepare(load(write(tmp_path / "w.toml", card_text("w.txt", task="tagging", adapter=adapter))))
    first = prepared.examples().iloc[0]
    assert list(first["tokens"])[:4] == ["江", "泽", "民", "在"]
    assert list(first["tags"]) == ["B-person", "I-person", "I-person", "O", "O", "B-place", "I-place", "I-place"]


SENTENCES = st.lists(
    st.tuples(st.sampled_from("ab。，,."), st.sampled_from(["O", "B-p", "I-p"])), min_size=1, max_size=60
)


@given(SENTENCES, st.integers(1, 20))
def test_a_long_sentence_is_split_without_loss(pairs, longest):
    tags, _ = schemes.to_iob2([tag for _, tag in pairs], "iob2")
    whole = TaggedSentence(tuple(token for token, _ in pairs), tags)
    parts = list(split_long(whole, longest))
    assert tuple(token for part in parts for token in part.tokens) == whole.tokens
    ends = np.cumsum([0, *(len(part.tags) for part in parts)])
    cut = [whole.tags[start:end] for start, end in itertools.pairwise(ends)]
    assert [part.tags[1:] for part in parts] == [tags[1:] for tags in cut]
    assert [part.tags[0] for part in parts] == [tags[0].replace("I-", "B-") for tags in cut], "a rest begins anew"
    assert all(1 <= len(part.tokens) <= longest for part in parts)


def test_a_long_sentence_is_split_after_its_last_full_stop_then_comma_and_never_inside_a_span():
    def lengths(tokens, tags=None):
        return [
            len(part.tokens) for part in split_long(TaggedSentence(tuple(tokens), tuple(tags or "O" * len(tokens))), 5)
        ]

    assert lengths("ab。c，def") == [3, 5]
    assert lengths("ab，cdefg") == [3, 5]
    assert lengths("abcdefg", ["O", "O", "O", "O", "B-p", "I-p", "O"]) == [4, 3]


def test_vectors_are_aligned_with_the_vocabulary_and_missing_words_are_marked(tmp_path, reviews_card):
    path = write(tmp_path / "v.txt", "film 1 2 3\nopera 4 5 6\n")
    said: list[str] = []
    prepared = prepare(load(reviews_card), vectors=[str(path)], say=said.append)
    assert re.fullmatch(rf"{path}: 1 of the \d+ words of the training texts have a vector", said[-1])
    matrix, _ = open_vectors(prepared, "words", True, str(path))
    vocabulary = open_encoded(prepared, "words", True).vocabulary
    assert matrix[vocabulary.index("film")].tolist() == [1, 2, 3]
    assert np.isnan(matrix[vocabulary.index("dull")]).all()


def test_another_file_of_vectors_under_the_same_name_is_read_again(tmp_path, reviews_card):
    path = write(tmp_path / "v.txt", "film 1 2 3\n")
    prepare(load(reviews_card), vectors=[str(path)])
    path.write_text("film 7 8 9\n", encoding="utf-8")
    prepared = prepare(load(reviews_card), vectors=[str(path)])
    matrix, _ = open_vectors(prepared, "words", True, str(path))
    assert matrix[open_encoded(prepared, "words", True).vocabulary.index("film")].tolist() == [7, 8, 9]


def test_meta_is_plain_json(reviews_card):
    raw = json.loads((prepare(load(reviews_card)).folder / "meta.json").read_text())
    assert set(raw["checksums"]) == {"examples.parquet", "labels.npy", "label_offsets.npy"}


def test_sequences_are_symbols_of_their_own_and_end(tmp_path):
    lines = "\n".join(f"w{number % 60}\tX Y{' Z' * (number % 3)}{' Y' * (number // 60)}" for number in range(120))
    write(tmp_path / "p.tsv", f"{lines}\nw0\tQ\n")
    text = 'about = "x"\ntask = "seq2seq"\n[source]\nfile = "p.tsv"\n[adapter]\nformat = "pairs"\nsource_tokens = "characters"\ntarget_tokens = "symbols"\n'
    found = prepare(cards.load_card(str(write(tmp_path / "p.toml", text))), [("characters", True)])
    assert found.meta.labels[:2] == ("<stop>", "<unk>")
    assert {"X", "Y", "Z"} <= set(found.meta.labels) <= {"<stop>", "<unk>", "X", "Y", "Z", "Q"}
    assert set(found.meta.unseen) == {"Q"} - set(found.meta.labels)
    assert (found.meta.kind, found.meta.longest, found.meta.source_tokens) == ("sequences", 6, "characters")
    offsets, labels, examples = found.label_offsets(), found.labels(), found.examples()
    for row, target in enumerate(examples["target"]):
        ids = labels[offsets[row] : offsets[row + 1]]
        assert ids[-1] == 0
        assert 0 not in ids[:-1]
        assert found.meta.written(ids) == target
    parts = {part: set(examples["source"][found.rows(part)]) for part in ("train", "validation", "test")}
    assert (
        not parts["train"] & parts["validation"] | parts["train"] & parts["test"] | parts["validation"] & parts["test"]
    )
    groups = found.groups()
    both = np.flatnonzero(examples["source"] == "w0")
    assert len(both) == 3
    assert len(set(groups[both])) == 1
    assert len(set(groups)) == 60, "every word has several targets, and stands in one split"


def test_a_marker_that_stands_in_the_data_is_no_end(tmp_path):
    write(tmp_path / "p.tsv", "".join(f"w{n}\tA{' <stop>' * (n % 2)} B\n" for n in range(40)))
    adapter = 'format = "pairs"\nsource_tokens = "characters"\ntarget_tokens = "symbols"'
    card = write(tmp_path / "p.toml", card_text("p.tsv", task="seq2seq", adapter=adapter))
    prepared = prepare(cards.load_card(str(card)))
    offsets, labels = prepared.label_offsets(), prepared.labels()
    targets = [labels[start:end].tolist() for start, end in itertools.pairwise(offsets.tolist())]
    assert all(target[-1] == 0 and 0 not in target[:-1] for target in targets)
    assert {len(target) for target in targets} == {3, 4}


def test_a_label_that_no_training_text_has_is_said(tmp_path):
    rows = "".join(f"text {n},L{n // 2}\n" for n in range(40))
    write(tmp_path / "t.csv", f"review,verdict\n{rows}")
    meta = prepare(load(write(tmp_path / "t.toml", card_text("t.csv", task="generation"))), encodings=()).meta
    assert any("no training example has the label L" in said and "will be arbitrary" in said for said in meta.warnings)


def test_what_a_card_leaves_as_it_is_does_not_tell_its_data_from_others(reviews_card):
    one = cards.load_card(str(reviews_card))

    @dataclasses.dataclass(frozen=True)
    class Newer(type(one.options)):
        further: str = "usual"

    newer = dataclasses.replace(one, options=Newer(**vars(one.options)))
    other = dataclasses.replace(one, options=Newer(**vars(one.options), further="another"))
    assert _digest(newer) == _digest(one) != _digest(other)
