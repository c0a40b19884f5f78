"""The tokens that a configuration reads; a word that training texts lack is read by its vector, where it has one."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from sweeper.data import cards, pretrained
from sweeper.data.batches import load_split
from sweeper.data.prepare import prepare
from sweeper.data.vocabulary import read_vocabulary
from sweeper.declared.parameters import complete
from sweeper.errors import DataError
from sweeper.learners import sizes, trained
from sweeper.models import state
from sweeper.models.recurrent import PRETRAINED_ONLY
from sweeper.records import BEST, UNKNOWN, TrialOrder
from sweeper.serving import answer, exports
from sweeper.tasks import TASKS
from sweeper.trials.gradients import reach
from sweeper.trials.trial import run_trial

from .conftest import card_text, write

VECTORS = "grand 9 8\ngood 1 2\nShoddy 5 5\nshoddy 7 6\n<unk> 3 3\nbad 3 4\nn9 2 2\nelsewhere 4 4\n"
SMALL = {"units": 4, "batch_size": 16, "learning_rate": 0.02, "input": "pretrained"}


@pytest.fixture
def ready(tmp_path):
    """Prepared reviews whose validation texts say "grand", "shoddy" and "strange", as training texts never do; and
    the path of vectors, which know two of these."""
    training = "".join(f"a good film n{n},good\na bad film n{n},bad\n" for n in range(30))
    others = "a grand film,good\na shoddy film,bad\na strange film,bad\n"
    for part, rows in (("train", training), ("validation", others), ("test", others.replace(" film", " one"))):
        write(tmp_path / f"{part}.csv", f"review,verdict\n{rows}")
    text = card_text("x", task="sentiment").replace(
        'file = "x"', 'file = { train = "train.csv", validation = "validation.csv", test = "test.csv" }'
    )
    card, path = write(tmp_path / "reviews.toml", text), str(write(tmp_path / "v.txt", VECTORS))
    return prepare(cards.load_card(str(card)), vectors=[path]), path


def configured(vectors, **values):
    return complete("sentiment", {**SMALL, "vectors": vectors, **values})


def read(prepared, configuration, part="validation"):
    """Each text as the words that are read."""
    words = read_vocabulary(prepared, configuration).words
    split = load_split(prepared, part, configuration)
    return [[words[number] for number in split.batch(np.array([row])).ids[0]] for row in range(len(split))]


def test_words_that_only_the_vectors_know_are_read_and_others_are_unknown(ready):
    prepared, vectors = ready
    by_vectors = read(prepared, configured(vectors))
    assert by_vectors == [["a", "grand", "film"], ["a", "shoddy", "film"], ["a", "<unk>", "film"]]
    learned = complete("sentiment", {**SMALL, "input": "learned"})
    assert read(prepared, learned) == [["a", "<unk>", "film"]] * 3


def test_a_word_too_rare_for_the_vocabulary_is_read_by_its_vector(ready):
    prepared, vectors = ready
    found = read(prepared, configured(vectors, max_vocabulary=10), "train")
    ends = {words[3] for words in found}
    assert ends == {"n0", "n1", "n10", "n11", "n9", "<unk>"}, "four fit in; n9 is known to the vectors"


def test_every_word_has_its_own_vector(ready):
    prepared, vectors = ready
    for most in (10, 12, 20_000):
        vocabulary = read_vocabulary(prepared, configured(vectors, max_vocabulary=most))
        rows = dict(zip(vocabulary.words, vocabulary.vectors.tolist(), strict=True))
        assert (rows["grand"], rows["shoddy"], rows["elsewhere"], rows["good"]) == ([9, 8], [7, 6], [4, 4], [1, 2])
        assert len(set(vocabulary.words)) == len(vocabulary.words)
        assert {"Shoddy", "n3"}.isdisjoint(vocabulary.words[vocabulary.learned :]), "what is lower-case has no capitals"


def test_only_so_many_words_are_taken_from_vectors_the_first_ones(ready, monkeypatch):
    prepared, vectors = ready
    monkeypatch.setattr(pretrained, "MAX_FURTHER", 2)
    write(Path(vectors), f"Film 1 1\n{VECTORS}")
    prepare(cards.load_card(str(Path(vectors).with_name("reviews.toml"))), vectors=[vectors])
    words = read_vocabulary(prepared, configured(vectors)).words
    assert words[-2:] == ["grand", "shoddy"], "and none that lower-case texts do not have"


@pytest.mark.parametrize(
    ("tokens", "further"), [("words", ["film", "的", "grand"]), ("characters", ["的"])], ids=["words", "characters"]
)
def test_words_that_no_text_has_as_one_token_are_left_alone(tmp_path, tokens, further):
    path = write(tmp_path / "v.txt", "film 1 1\n电影 2 2\n的 3 3\nGrand 4 4\ngrand 5 5\n")
    occurs = partial(pretrained._occurs, False, tokens, True)
    assert pretrained._rows(str(path), ["", "<unk>"], occurs)[1] == further
    assert "电影" in pretrained._rows(str(path), ["", "<unk>"], partial(pretrained._occurs, True, tokens, True))[1]


def test_a_trial_is_not_answered_for_with_other_vectors(ready, tmp_path):
    prepared, vectors = ready
    order = TrialOrder(0, "sentiment", configured(vectors), str(prepared.folder), str(tmp_path / "trial"), 3, 1)
    assert run_trial(order).counts
    write(Path(vectors), VECTORS.replace("grand 9 8", "grand 8 9"))
    prepare(cards.load_card(str(Path(vectors).with_name("reviews.toml"))), vectors=[vectors])
    with pytest.raises(DataError, match="the vectors of words have changed since this trial was trained"):
        trained(order)


def test_what_training_never_reads_stays_as_it_is_and_is_not_kept_with_the_trial(ready, tmp_path):
    prepared, vectors = ready
    order = TrialOrder(0, "sentiment", configured(vectors), str(prepared.folder), str(tmp_path / "trial"), 3, 2)
    assert run_trial(order).counts
    model = trained(order)[1].model
    vocabulary = read_vocabulary(prepared, order.configuration)
    further = model.get_layer(PRETRAINED_ONLY).embeddings.numpy()
    assert (further == vocabulary.vectors[vocabulary.learned :]).all()
    good = vocabulary.words.index("good")
    assert (model.get_layer("embedding").embeddings.numpy()[good] != vocabulary.vectors[good]).all()
    kept = [array.shape for name, array in state.load_arrays(tmp_path / "trial" / BEST).items() if "model" in name]
    assert further.shape not in kept
    assert len(kept) == len(model.variables) - 1


def test_an_export_reads_them_too(ready, tmp_path):
    prepared, vectors = ready
    order = TrialOrder(0, "sentiment", configured(vectors), str(prepared.folder), str(tmp_path / "trial"), 3, 2)
    assert run_trial(order).counts
    answers = answer.load(exports.export_trials([order], str(tmp_path / "out"), {}))
    scores = {
        word: one["scores"] for word, one in zip(WORDS, answers([f"a {word} film" for word in WORDS]), strict=True)
    }
    assert scores["strange"] == scores["peculiar"], "both are unknown"
    assert len({tuple(one) for one in scores.values()}) == len(WORDS) - 1
    _, learner = trained(order)
    split = load_split(prepared, "validation", order.configuration)
    logits = np.asarray(learner.answer(split.batch(np.arange(3)).inputs))
    exact = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert np.allclose(exact, [scores[word] for word in ("grand", "shoddy", "strange")], atol=1e-5)


WORDS = ("grand", "shoddy", "elsewhere", "good", "strange", "peculiar")


def test_an_unknown_word_is_read_as_a_dropped_one(ready):
    prepared, vectors = ready
    order = TrialOrder(0, "sentiment", configured(vectors), str(prepared.folder), "", 3, 2)
    model = TASKS["sentiment"].build(order.configuration, sizes(order, prepared, "keras"))
    table = model.get_layer("embedding").embeddings.numpy()
    assert not table[UNKNOWN].any()
    assert np.abs(table[UNKNOWN + 1 :]).sum(1).all()


def test_gradients_reach_words_that_only_the_vectors_know(ready, tmp_path):
    prepared, vectors = ready
    order = TrialOrder(0, "sentiment", configured(vectors), str(prepared.folder), str(tmp_path / "trial"), 3, 1)
    assert run_trial(order).counts
    assert (reach(order) > 0).all()
