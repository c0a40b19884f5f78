"""Vectors from the training texts: words in the same company are alike, and nothing but training texts is read."""

from __future__ import annotations

import numpy as np
import pytest

from sweeper.cli.command_line import main
from sweeper.data import cards, in_domain
from sweeper.data.in_domain import SPREAD, learned_vectors
from sweeper.data.linear import TokenIds
from sweeper.data.prepare import prepare
from sweeper.data.pretrained import vectors_fingerprint
from sweeper.data.store import open_encoded
from sweeper.data.vectors import open_vectors, vector_names, vectors_file
from sweeper.errors import DeclarationError

from .conftest import card_text, reviews, write

TOPICS = 4


def some_texts(rng, words=40, count=300):
    """Texts of one topic each; word w belongs to the topic w % TOPICS. Ids begin at 2."""
    lines = [rng.choice(np.arange(topic, words, TOPICS), 12) + 2 for topic in rng.integers(0, TOPICS, count)]
    return TokenIds(np.concatenate(lines).astype(np.int32), np.cumsum([0, *map(len, lines)]))


def test_words_of_one_topic_are_more_alike_than_words_of_two(rng):
    vectors = learned_vectors(some_texts(rng), 42, width=6)[2:]
    alike = np.corrcoef(vectors)
    same = np.equal.outer(np.arange(40) % TOPICS, np.arange(40) % TOPICS)
    assert alike[same].min() > alike[~same].max()
    assert np.isclose(vectors.std(), SPREAD, rtol=0.01)


def test_words_in_no_company_have_no_vector(rng):
    texts = some_texts(rng)
    alone = TokenIds(np.append(texts.ids, [42]).astype(np.int32), np.append(texts.offsets, len(texts.ids) + 1))
    vectors = learned_vectors(alone, 50, width=6)
    assert np.isnan(vectors[[0, 1, 42, 49]]).all()
    assert np.isfinite(vectors[2:42]).all()


def test_neighbours_in_different_texts_are_no_company():
    texts = TokenIds(np.array([2, 3, 4, 5], np.int32), np.array([0, 2, 4]))
    counts = in_domain._cooccurrences(texts, 6).toarray()
    assert sorted(zip(*np.nonzero(counts), strict=True)) == [(2, 3), (3, 2), (4, 5), (5, 4)]


def test_few_words_give_narrow_vectors_and_one_alone_none(rng):
    vectors = learned_vectors(some_texts(rng), 42)
    assert vectors.shape == (42, 39)
    assert np.isfinite(vectors[2:]).all()
    assert np.isnan(learned_vectors(TokenIds(np.array([2], np.int32), np.array([0, 1])), 3)).all()


def test_texts_without_labels_that_a_card_names_are_read_too(tmp_path, reviews_card):
    told = cards.load_card(str(reviews_card))
    write(reviews_card.parent / "more.txt", "film Zebra moving\n\n" * 60 + "a moving film\n" * 60)
    text = reviews_card.read_text() + '\n[unlabelled]\nfile = "more.txt"\n'
    more = cards.load_card(str(write(reviews_card.parent / "more.toml", text)))
    found = [prepare(card, vectors=["in_domain"], say=lambda line: None) for card in (told, more)]
    assert found[0].meta.digest != found[1].meta.digest
    vocabularies = [open_encoded(one, "words", lowercase=True).vocabulary for one in found]
    assert vocabularies[0] == vocabularies[1], "made of training texts alone"
    assert "zebra" not in vocabularies[0]
    assert [open_vectors(each, "words", lowercase=True, vectors="in_domain")[1] for each in found] == [[], ["zebra"]]
    one, other = (np.asarray(open_vectors(each, "words", lowercase=True, vectors="in_domain")[0]) for each in found)
    near = [vocabularies[0].index(word) for word in ("moving", "film")]
    alike = [np.dot(*(vectors[row] / np.linalg.norm(vectors[row]) for row in near)) for vectors in (one, other)]
    assert not np.isclose(*alike, atol=0.01), "the company of words is another"
    write(reviews_card.parent / "more.txt", "something else\n")
    assert prepare(more, say=lambda line: None).meta.digest != found[1].meta.digest


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('file = { train = "more.txt" }', "unlabelled.file: must not name parts of a split"),
        ('file = "a.txt"\nbeside = "b.txt"', "unlabelled.beside: has no meaning here"),
        ("", "needs exactly one of file, url, pypi, huggingface, found none; or the dataset whose texts they are"),
        ('dataset = "imbd"', r"wrong.toml:\d+: unlabelled.dataset: no dataset is called 'imbd'. Did you mean 'imdb'?"),
        ('dataset = "gone.toml"', r"gone.toml: no such file; a path is relative to this card"),
        ('dataset = "more.txt"', "must be a name or a .toml file, found 'more.txt'; lines of texts are a file = ..."),
        ('dataset = "texts/"', "must be a name or a .toml file, found 'texts/'; lines of texts are a file = ..."),
        ('dataset = "imdb"\nfile = "more.txt"', "unlabelled.file: no key is called 'file'"),
        ('dataset = "turkish-pos"', "unlabelled.dataset: must be one of texts .*; 'turkish-pos' is for tagging"),
    ],
)
def test_a_mistake_in_the_table_of_unlabelled_texts_is_named(reviews_card, table, said):
    write(reviews_card.parent / "more.txt", "a text\n")
    write(reviews_card.parent / "texts" / "1.txt", "a text\n")
    wrong = write(reviews_card.parent / "wrong.toml", f"{reviews_card.read_text()}\n[unlabelled]\n{table}\n")
    with pytest.raises(DeclarationError, match=said):
        cards.load_card(str(wrong))


def test_a_dataset_is_not_its_own_source_of_more_texts(reviews_card):
    path = reviews_card.parent / "own.toml"
    write(path, f'{reviews_card.read_text()}\n[unlabelled]\ndataset = "{path}"\n')
    with pytest.raises(DeclarationError, match="unlabelled.dataset: is this card itself"):
        cards.load_card(str(path))


def test_a_name_is_that_of_a_dataset_whatever_lies_beside_the_card(reviews_card):
    write(reviews_card.parent / "imdb" / "1.txt", "a text\n")
    text = f'{reviews_card.read_text()}\n[unlabelled]\ndataset = "imdb"\n'
    found = cards.load_card(str(write(reviews_card.parent / "more.toml", text))).unlabelled
    assert found is not None
    assert found.source.pypi


def test_no_texts_without_labels_are_as_none(reviews_card):
    write(reviews_card.parent / "more.txt", "\n")
    text = reviews_card.read_text() + '\n[unlabelled]\nfile = "more.txt"\n'
    found = [
        open_vectors(prepare(card, vectors=["in_domain"], say=lambda line: None), "words", True, "in_domain")
        for card in (
            cards.load_card(str(reviews_card)),
            cards.load_card(str(write(reviews_card.parent / "more.toml", text))),
        )
    ]
    assert np.array_equal(found[0][0], found[1][0], equal_nan=True)
    assert found[0][1] == found[1][1] == []


def test_vectors_of_one_name_in_two_folders_are_two(tmp_path, monkeypatch):
    found = set()
    for name in ("one", "other"):
        write(tmp_path / name / "v.txt", "film 1 2\n")
        monkeypatch.chdir(tmp_path / name)
        found |= {vectors_file(each) for each in vector_names("v.txt + in_domain")}
    assert len(found) == 3, "two of files, and the learned ones"


def test_they_may_be_those_of_another_dataset_whatever_their_labels(reviews_card):
    folder = reviews_card.parent
    write(folder / "others.csv", "text,kind\n" + "a moving zebra,x\na dull zebra,y\n" * 9)
    other = write(
        folder / "others.toml",
        'about = "x"\ntask = "text"\n[source]\nfile = "others.csv"\n[unlabelled]\ndataset = "more.toml"\n'
        '[adapter]\nformat = "labelled"\ntext = "text"\nlabel = "kind"\n',
    )
    text = f'{reviews_card.read_text()}\n[unlabelled]\ndataset = "{other.name}"\n'  # beside the card
    card = cards.load_card(str(write(folder / "more.toml", text)))
    prepared = prepare(card, vectors=["in_domain"], say=lambda line: None)
    assert prepared.meta.labels == prepare(cards.load_card(str(reviews_card)), say=lambda line: None).meta.labels
    assert open_vectors(prepared, "words", lowercase=True, vectors="in_domain")[1] == ["zebra"]
    write(folder / "others.csv", "text,kind\n" + "a moving horse,x\na dull horse,y\n" * 9)
    assert prepare(card, say=lambda line: None).meta.digest != prepared.meta.digest


def _labelled(texts):
    return "text,label\n" + "".join(f"{text},{'xy'[n % 2]}\n" for n, text in enumerate(texts))


def _tagged(texts):
    return "\n\n".join("\n".join(f"{word}\t{'XY'[len(word) % 2]}" for word in text.split()) for text in texts) + "\n"


@pytest.mark.parametrize(
    ("task", "adapter", "as_file"),
    [
        ("sentiment", 'format = "labelled"\ntext = "text"\nlabel = "label"', _labelled),
        ("tagging", 'format = "columns"', _tagged),
    ],
)
def test_texts_that_are_validation_or_test_data_too_are_left_out_and_counted(tmp_path, task, adapter, as_file):
    for part in ("train", "validation", "test"):
        write(tmp_path / part, as_file([f"a {part} word {n} good" for n in range(12)]))
    write(tmp_path / "more.txt", "A  test word 3 Good \n" + "a train word 3 good\na fourth thing\n" * 9)
    files = 'file = { train = "train", validation = "validation", test = "test" }'
    text = f'about = "x"\ntask = "{task}"\n[source]\n{files}\n[adapter]\n{adapter}\n[unlabelled]\nfile = "more.txt"\n'
    card, said = cards.load_card(str(write(tmp_path / "c.toml", text))), []
    prepared = prepare(card, vectors=["in_domain"], say=said.append)
    assert "note: 1 text without a label is validation or test data too; vectors are not learned from it" in said
    assert open_vectors(prepared, "words", lowercase=True, vectors="in_domain")[1] == ["fourth", "thing"]


def test_a_check_counts_them(reviews_card, capsys):
    write(reviews_card.parent / "more.txt", "one text\nanother text\n")
    text = f'{reviews_card.read_text()}\n[unlabelled]\nfile = "more.txt"\n'
    assert main(["datasets", "check", str(write(reviews_card.parent / "more.toml", text))]) == 0
    assert "unlabelled:  texts 2, held_out 0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("in_domain + in_domain", "must name each once, found 'in_domain' twice"),
        ("glove-6b-50d+in_domain", "several are written with blanks: a \\+ b"),
    ],
)
def test_a_mistake_in_the_names_of_several_is_explained(name, said):
    with pytest.raises(DeclarationError, match=said):
        vectors_fingerprint(name)


def test_vectors_stand_side_by_side_with_zeros_where_only_one_side_knows_a_word(reviews_card):
    folder = reviews_card.parent
    one = write(folder / "one.txt", "film 1 2 3\nunicorn 4 5 6\n")
    other = write(folder / "other.txt", "film 7 8\nmoving 9 10\n")
    both = f"{one} + {other}"
    prepared = prepare(cards.load_card(str(reviews_card)), vectors=[both], say=lambda line: None)
    found, others = open_vectors(prepared, "words", lowercase=True, vectors=both)
    words = [*open_encoded(prepared, "words", lowercase=True).vocabulary, *others]
    by_word = {word: row.tolist() for word, row in zip(words, found, strict=True) if not np.isnan(row).any()}
    assert by_word == {"film": [1, 2, 3, 7, 8], "moving": [0, 0, 0, 9, 10], "unicorn": [4, 5, 6, 0, 0]}
    assert np.isnan(found).all(axis=1).sum() == len(words) - 3


def test_of_more_words_than_vectors_are_made_for_the_most_frequent_have_one(rng, monkeypatch):
    texts = some_texts(rng)
    rare = TokenIds(np.where((texts.ids == 5) & (rng.random(len(texts.ids)) < 0.7), 9, texts.ids), texts.offsets)
    monkeypatch.setattr(in_domain, "WORDS", 39)
    assert np.isnan(learned_vectors(rare, 42, width=6)[:, 0]).nonzero()[0].tolist() == [0, 1, 5]


def test_a_sweep_finds_them_beside_its_vocabulary_made_of_training_texts_alone(reviews_card):
    prepared = prepare(cards.load_card(str(reviews_card)), vectors=["in_domain"], say=lambda line: None)
    vectors = np.asarray(open_vectors(prepared, "words", lowercase=True, vectors="in_domain")[0])
    vocabulary = open_encoded(prepared, "words", lowercase=True).vocabulary
    assert vectors.shape == (len(vocabulary), in_domain.WIDTH)
    assert np.isfinite(vectors).all(axis=1).sum() > 20


def test_validation_and_test_data_say_nothing_of_the_company_of_a_word(tmp_path):
    found = []
    for name, others in (("one", "film a dull"), ("other", "dull film and a joy")):
        write(tmp_path / name / "train.csv", reviews())
        for part in ("validation", "test"):
            write(
                tmp_path / name / f"{part}.csv",
                "review,verdict\n" + "".join(f"{part} {others} {n},good\n" for n in range(40)),
            )
        files = ", ".join(f'{part} = "{part}.csv"' for part in ("train", "validation", "test"))
        text = card_text("x").replace('file = "x"', f"file = {{ {files} }}")
        prepared = prepare(
            cards.load_card(str(write(tmp_path / name / "c.toml", text))), vectors=["in_domain"], say=lambda line: None
        )
        found.append(np.asarray(open_vectors(prepared, "words", lowercase=True, vectors="in_domain")[0]))
    assert np.array_equal(*found, equal_nan=True)
