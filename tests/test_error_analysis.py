"""Which errors of a baseline are repaired, and which are made."""

from __future__ import annotations

import numpy as np
import pytest

from sweeper.data.cards import load_card
from sweeper.data.prepare import prepare
from sweeper.records import Difference, Differences
from sweeper.reports import report
from sweeper.trials.error_analysis import _Labels, differences

from .conftest import write


@pytest.fixture
def texts(tmp_path):
    rows = "".join(f"text {number},{'yes' if number % 2 else 'no'}\n" for number in range(40))
    write(tmp_path / "data" / "a.csv", f"text,label\n{rows}")
    card = 'about = "x"\ntask = "text"\n[source]\nfile = "../data/a.csv"\n[adapter]\nformat = "labelled"\ntext = "text"\nlabel = "label"\n[split]\nvalidation = 0.2\ntest = 0.2\n'
    return prepare(load_card(str(write(tmp_path / "cards" / "a.toml", card))), encodings=())


def test_errors_are_counted_apart_and_the_examples_are_where_the_two_differ(texts):
    true = np.asarray(texts.labels()[texts.rows("validation")])
    ours, theirs = true.copy(), true.copy()
    ours[[0, 1, 2]] = 1 - true[[0, 1, 2]]
    theirs[[2, 3]] = 1 - true[[2, 3]]
    found = differences(texts, _Labels(true, ours, theirs), "linear", seed=0)
    assert (found.shared, found.repaired, found.made, found.of) == (1, 1, 2, "examples")
    names, table = texts.meta.labels, texts.examples("validation")["text"]
    assert found.of_repaired == (Difference(table[3], names[true[3]], names[true[3]], names[1 - true[3]]),)
    assert [one.text for one in found.of_made] == [table[0], table[1]]
    assert str(found) == (
        "on validation data it repairs 1 of the linear baseline's 2 errors (examples), and makes 2 new ones"
    )


def test_a_token_is_shown_among_its_neighbours(tmp_path):
    sentences = [f"{word}\tX\nb\tY\n\n" for word in "the cat sat on a mat by my old door here now".split()]
    write(tmp_path / "data" / "a.conll", "".join(sentences))
    card = 'about = "x"\ntask = "tagging"\n[source]\nfile = "../data/a.conll"\n[adapter]\nformat = "columns"\n[split]\nvalidation = 0.2\ntest = 0.2\n'
    prepared = prepare(load_card(str(write(tmp_path / "cards" / "a.toml", card))), encodings=())
    words = [tokens[0] for tokens in prepared.examples("validation")["tokens"]]
    true = np.array([0, 1] * len(words))
    theirs = true.copy()
    theirs[2:4] = 1 - true[2:4]  # both tokens of the second sentence
    found = differences(prepared, _Labels(true, true, theirs), "most frequent tag", seed=0)
    assert (found.of, found.shared, found.repaired, found.made) == ("tokens", 0, 2, 0)
    assert [one.text for one in found.of_repaired] == [f"[{words[1]}] b", f"{words[1]} [b]"]


def test_the_page_escapes_examples_and_shortens_long_ones():
    long = Difference("<b>" + "x" * 400, "a", "a", "<i>")
    page = report._errors(Differences("linear", "examples", 3, 1, 0, (long,), ()))
    assert "<b>" not in page
    assert "<i>" not in page
    assert "&lt;b&gt;" + "x" * 297 + "..." in page
    assert page.endswith("<p>None.</p>")
