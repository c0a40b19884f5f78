"""Adapters: one contract for all, then what each format has of its own. Every complaint names its place."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.adapters import (
    ADAPTERS,
    Document,
    columns,
    conllu,
    labelled,
    lines,
    pairs,
    schemes,
    tables,
    vectors,
    wordtag,
)
from sweeper.errors import DataError
from sweeper.records import LabelledText, TaggedSentence, TextPair

UD = "1\tShe\t_\tPRON\tPRP\t_\t_\t_\t_\t_\n2-3\tdoesn't\t_\t_\t_\t_\t_\t_\t_\t_\n2\tdoes\t_\tAUX\tVBZ\t_\t_\t_\t_\t_\n3\tn't\t_\tPART\tRB\t_\t_\t_\t_\t_\n3.1\tgone\t_\tVERB\tVBN\t_\t_\t_\t_\t_\n"
CONTRACT = [  # format, file name, text, options, examples
    ("labelled", "a.csv", 'text,label\n"a, b",x\nc,y\n', {}, [LabelledText("a, b", "x"), LabelledText("c", "y")]),
    ("labelled", "a.tsv", "text\tlabel\na\tx\n", {}, [LabelledText("a", "x")]),
    (
        "labelled",
        "a.jsonl",
        '{"text": "a", "label": 4}\n\n{"text": "b", "label": "y"}\n',
        {},
        [LabelledText("a", "4"), LabelledText("b", "y")],
    ),
    (
        "columns",
        "a.conll",
        "a x O\nb y B-p\n\n\nc z O\n",
        {},
        [TaggedSentence(("a", "b"), ("O", "B-p")), TaggedSentence(("c",), ("O",))],
    ),
    ("conllu", "a.conllu", f"# c\n{UD}\n", {}, [TaggedSentence(("She", "does", "n't"), ("PRON", "AUX", "PART"))]),
    (
        "wordtag",
        "a.txt",
        "中国/ns 人/n\n\n1/2/m\n",
        {},
        [TaggedSentence(("中国", "人"), ("ns", "n")), TaggedSentence(("1/2",), ("m",))],
    ),
    ("pairs", "a.tsv", "a b\tc\n\nd\te f\n", {}, [TextPair("a b", "c"), TextPair("d", "e f")]),
    ("pairs", "a.tsv", "x\ta b\tc\ny\td\te f\tz\n", {"columns": (2, 1)}, [TextPair("c", "a b"), TextPair("e f", "d")]),
    (
        "pairs",
        "a.csv",
        'de,x,en\nc,1," a, b "\n"e f",2,d\n',
        {"source": "en", "target": "de"},
        [TextPair("a, b", "c"), TextPair("d", "e f")],
    ),
    ("pairs", "a.csv", "en,de\na,b\n,\n", {"source": "en", "target": "de"}, [TextPair("a", "b")]),
    ("pairs", "a.tsv", 'en\tde\n"a\tb\n', {"source": "en", "target": "de", "quotes": "none"}, [TextPair('"a', "b")]),
    ("pairs", "a.tsv", "shaking face\t\U0001fae8\n", {}, [TextPair("shaking face", "\U0001fae8")]),
    ("pairs", "a.jsonl", '{"en": "a", "de": 1}\n', {"source": "en", "target": "de"}, [TextPair("a", "1")]),
    (
        "pronunciations",
        "a.dict",
        ";;; of no use\nread R IY1 D\nread(2) R EH1 D # once\n",
        {},
        [TextPair("read", "R IY D"), TextPair("read", "R EH D")],
    ),
    ("lines", "a.txt", "one\n\n two \n", {}, [LabelledText("one", ""), LabelledText("two", "")]),
]


def read(form, path, **options):
    adapter = ADAPTERS[form]
    return list(adapter.read(Document(path, path.name), adapter.options(**options)))


@pytest.mark.parametrize(
    ("form", "name", "text", "options", "examples"), CONTRACT, ids=[row[0] + row[1][1:] for row in CONTRACT]
)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_contract(tmp_path, form, name, text, options, examples, ends, mark):
    path = tmp_path / name
    path.write_bytes((mark + text.replace("\n", ends)).encode("utf-8"))
    assert read(form, path, **options) == examples
    path.write_bytes(path.read_bytes().rstrip(b"\r\n"))  # the last line often has no end
    assert read(form, path, **options) == examples


@pytest.mark.parametrize(
    ("form", "name", "text", "options", "examples"), CONTRACT, ids=[row[0] + row[1][1:] for row in CONTRACT]
)
def test_undecodable_bytes_are_named_with_line_and_offset(tmp_path, form, name, text, options, examples):
    path = tmp_path / name
    path.write_bytes(text.encode("utf-8") + b"ok\nab\xffcd\n")
    line = text.count("\n") + 2
    with pytest.raises(DataError, match=rf"{name}:{line}: byte 0xff at offset 2 .*encoding = "):
        read(form, path, **options)


def test_utf_16_is_recognised_by_its_mark(tmp_path):
    (tmp_path / "a.csv").write_bytes("text,label\n好,x\n".encode("utf-16"))
    with pytest.raises(DataError, match="or pass --encoding utf-16"):
        read("labelled", tmp_path / "a.csv")


def test_a_declared_encoding_is_used_and_the_second_only_where_the_first_fails(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\n中文,x\n".encode("gb18030"))
    assert read("labelled", path, encoding=("utf-8", "gb18030")) == [LabelledText("中文", "x")]
    with pytest.raises(DataError, match="no encoding 'gbb'"):
        read("labelled", path, encoding=("gbb",))


@pytest.mark.parametrize(
    ("name", "text", "options", "complaint"),
    [
        ("a.csv", "txt,label\na,b\n", {}, r"a.csv:1: no column is called 'text'. Did you mean 'txt'"),
        ("a.csv", "text,label\na\n", {}, r"a.csv:2: expected 2 columns \(text, label\), found 1"),
        ("a.csv", "text,label\na,b,c\n", {}, r"a.csv:2: expected 2 columns"),
        ("a.csv", 'text,label\n"two\nlines",x\n"never closed,y\n', {}, r"a.csv:4: .*never closed"),
        ("a.csv", "text,label\na, \n", {}, r"a.csv:2: the label in column 'label' is empty"),
        ("a.csv", "text,text,label\na,b,c\n", {}, r"a.csv:1: the header names 'text' more than once"),
        ("a.csv", "text,label\na\0,b\n", {}, r"a.csv:2: holds a NUL byte"),
        ("a.csv", "", {}, r"a.csv: is empty"),
        (
            "a.csv",
            "text,label\na,2\n",
            {"names": {"0": "bad"}},
            r"a.csv:2: label '2' has no name in the card; named: 0",
        ),
        ("a.jsonl", "{oops\n", {}, r"a.jsonl:1: not JSON"),
        ("a.jsonl", '["text"]\n', {}, r"a.jsonl:1: expected one JSON object per line"),
        ("a.jsonl", '{"text": null, "label": "x"}\n', {}, r"a.jsonl:1: column 'text' must hold text, found nothing"),
        ("a.jsonl", '{"text": ["x"], "label": "x"}\n', {}, r"a.jsonl:1: column 'text' must hold text, found \['x'\]"),
        (
            "a.jsonl",
            '{"text": "x", "label": ' + "9" * 5_000 + "}\n",
            {},
            r"a.jsonl:1: holds a number of too many digits",
        ),
        (
            "a.jsonl",
            '{"text": "\\ud800", "label": "x"}\n',
            {},
            r"a.jsonl:1: column 'text' holds half of a surrogate pair",
        ),
        ("a.parquet", "no parquet", {}, r"a.parquet: not a Parquet file"),
        (
            "a.tsv",
            'text\tlabel\n"Good, he began\t1\nawful\t0\nhe ended so"\t1\n',
            {},
            r'a.tsv:2: a cell in double quotes holds a tab and a line break; .*quotes = "none"',
        ),
    ],
)
def test_a_bad_table_is_refused_with_its_place(tmp_path, name, text, options, complaint):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=complaint):
        read("labelled", tmp_path / name, **options)


def test_tables_are_filtered_named_and_their_strange_lines_skipped(tmp_path):
    path = tmp_path / "a.tab"
    path.write_text("Text\tKind\tFrom\nstring\td\td\n\nlong\t1\tweb\nshort\t0\tbook\n", encoding="utf-8")
    found = read(
        "labelled", path, text="Text", label="Kind", where={"From": "web"}, names={"1": "good"}, skip_lines=(2, 3)
    )
    assert found == [LabelledText("long", "good")]


def test_quotes_of_a_table_with_tabs_are_part_of_its_texts_where_a_card_says_so(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text('text\tlabel\n"Good, he began\t1\nawful\t0\nhe ended so"\t1\n', encoding="utf-8")
    assert [one.text for one in read("labelled", path, quotes="none")] == ['"Good, he began', "awful", 'he ended so"']
    assert [one.text for one in read("labelled", path, quotes="double")] == ["Good, he began\t1\nawful\t0\nhe ended so"]
    path.write_text('text\tlabel\n"two\nlines"\t1\n', encoding="utf-8")
    assert read("labelled", path) == [LabelledText("two\nlines", "1")]


def test_only_columns_that_are_read_need_a_name_of_their_own(tmp_path):
    (tmp_path / "spam.csv").write_text("v1,v2,,,\nspam,win,,,\n", encoding="utf-8")
    assert read("labelled", tmp_path / "spam.csv", text="v2", label="v1") == [LabelledText("win", "spam")]


def test_the_names_of_columns_may_have_lines(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('"your\nreview",stars\ngood,5\n', encoding="utf-8")
    assert tables.columns(Document(path, "a.csv"), tables.Layout()) == ["your\nreview", "stars"]


def test_line_ends_are_one_character_however_they_are_written(tmp_path):
    path = tmp_path / "1.txt"
    path.write_bytes(b"two\r\nlines\rmore")
    folders = labelled.Options(layout="folders")
    assert [one.text for one in labelled.read(Document(path, "1.txt", folder="x"), folders)] == ["two\nlines\nmore"]
    (tmp_path / "a.csv").write_bytes(b'text,label\r\n"two\r\nlines",x\r\n')
    assert read("labelled", tmp_path / "a.csv") == [LabelledText("two\nlines", "x")]


def test_lines_of_json_are_skipped_as_those_of_tables(tmp_path):
    (tmp_path / "a.jsonl").write_text('oops\n{"text": "a", "label": "x"}\n', encoding="utf-8")
    assert read("labelled", tmp_path / "a.jsonl", skip_lines=(1,)) == [LabelledText("a", "x")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf_8", "gb18030", "utf-16-le"])
def test_a_byte_order_mark_is_no_part_of_a_text(tmp_path, encoding):
    path = tmp_path / "a.csv"
    path.write_bytes("\ufefftext,label\n好,x\n".encode(encoding))
    assert read("labelled", path, encoding=(encoding,)) == [LabelledText("好", "x")]
    (tmp_path / "v.txt").write_bytes("\ufeff好 1 2\n".encode(encoding))
    found, _ = vectors.load([Document(tmp_path / "v.txt", "v")], vectors.Options(encoding=(encoding,)), {"好"})
    assert list(found) == ["好"]


def test_a_filter_compares_numbers_and_truth_as_a_card_writes_them(tmp_path):
    rows = '{"text": "a", "label": 1, "kept": true}\n{"text": "b", "label": 2.5, "kept": false}\n'
    (tmp_path / "a.jsonl").write_text(rows, encoding="utf-8")
    assert read("labelled", tmp_path / "a.jsonl", where={"kept": "true"}) == [LabelledText("a", "1")]
    assert read("labelled", tmp_path / "a.jsonl", where={"label": "2.5"}) == [LabelledText("b", "2.5")]


def test_parquet_is_read_in_order(tmp_path):
    pd.DataFrame({"text": ["a", "b"], "label": [1, 2]}).to_parquet(tmp_path / "a.parquet")
    assert read("labelled", tmp_path / "a.parquet") == [LabelledText("a", "1"), LabelledText("b", "2")]


def test_a_folder_a_class(tmp_path):
    path = tmp_path / "1.txt"
    path.write_text("two\nlines\n", encoding="utf-8")
    assert list(labelled.read(Document(path, "1.txt", folder="sports"), labelled.Options(layout="folders"))) == [
        LabelledText("two\nlines", "sports")
    ]
    with pytest.raises(DataError, match="README: lies beside the folders of the classes"):
        list(labelled.read(Document(path, "README"), labelled.Options(layout="folders")))


def test_a_very_long_cell_is_read(tmp_path):
    (tmp_path / "a.csv").write_text(f"text,label\n{'x' * 1_000_000},y\n", encoding="utf-8")
    assert len(read("labelled", tmp_path / "a.csv")[0].text) == 1_000_000


def test_lines_with_a_label_for_each_file(tmp_path):
    (tmp_path / "pos.txt").write_text("good\n", encoding="utf-8")
    assert read("lines", tmp_path / "pos.txt", labels={"pos.txt": "positive"}) == [LabelledText("good", "positive")]
    with pytest.raises(DataError, match="neg.txt, but not this file"):
        read("lines", tmp_path / "pos.txt", labels={"neg.txt": "negative"})


@pytest.mark.parametrize(
    ("form", "text", "options", "complaint"),
    [
        (
            "columns",
            "a O\nrejects\n",
            {},
            r"a.txt:2: expected a word in column 0 and a tag in column -1, found 1 column",
        ),
        ("columns", "a O\nb O\n", {"tag": 3}, r"a.txt:1: expected a word in column 0 and a tag in column 3, found 2"),
        ("conllu", "1\ta\tb\n", {}, r"a.txt:1: expected 10 columns separated by tabs, found 3"),
        (
            "conllu",
            "1\ta\t_\t_\tNN\t_\t_\t_\t_\t_\n",
            {},
            r"a.txt:1: 'a' has no upos tag; the other kind is tags = 'xpos'",
        ),
        ("wordtag", "a/x b\n", {}, r"a.txt:1: expected word/TAG, found 'b'"),
    ],
)
def test_tokens_without_tags_are_refused_with_their_place(tmp_path, form, text, options, complaint):
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=complaint):
        read(form, tmp_path / "a.txt", **options)


@pytest.mark.parametrize(
    ("line", "complaint"), [("Paris\tNNP\t", "the tag is empty"), ("\tNN\tX", "the word is empty")]
)
def test_an_empty_cell_at_either_end_is_still_a_cell(tmp_path, line, complaint):
    (tmp_path / "a.conll").write_text(f"a\tx\tO\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=f"a.conll:2: {complaint}"):
        read("columns", tmp_path / "a.conll")
    (tmp_path / "a.conll").write_text(" a O \t\n", encoding="utf-8")
    assert read("columns", tmp_path / "a.conll") == [TaggedSentence(("a",), ("O",))], "blanks part these"


@pytest.mark.parametrize("mark", ["-DOCSTART-", "-DOCSTART- O"])
def test_document_marks_may_have_fewer_columns(tmp_path, mark):
    (tmp_path / "a.conll").write_text(f"{mark}\n\na b c O\n", encoding="utf-8")
    assert read("columns", tmp_path / "a.conll", tag=3) == [TaggedSentence(("a",), ("O",))]


def test_columns_can_be_chosen_and_comments_and_document_marks_skipped(tmp_path):
    (tmp_path / "a.txt").write_text("# id 1\n-DOCSTART- -X- O\n\nO x a\nB-p y b\n", encoding="utf-8")
    assert read("columns", tmp_path / "a.txt", token=2, tag=0, comment="#") == [
        TaggedSentence(("a", "b"), ("O", "B-p"))
    ]


def test_the_languages_own_tags(tmp_path):
    (tmp_path / "a.conllu").write_text(UD, encoding="utf-8")
    assert read("conllu", tmp_path / "a.conllu", tags="xpos")[0].tags == ("PRP", "VBZ", "RB")


def test_family_and_given_name_are_one_entity_and_two_places_are_two(tmp_path):
    (tmp_path / "a.txt").write_text("江/nr 泽民/nr 在/p 北京/ns 上海/ns\n", encoding="utf-8")
    found = read("wordtag", tmp_path / "a.txt", entities={"nr": "person", "ns": "place"}, joined=("nr",))
    assert found[0].tags == ("B-person", "I-person", "O", "B-place", "B-place")


# ---------------------------------------------------------------- schemes

SPANS = [  # IOB2, then the same spans in the other schemes
    (
        "B-p I-p O B-p B-p",
        {
            "iob1": "I-p I-p O I-p B-p",
            "bioes": "B-p E-p O S-p S-p",
            "bmes": "B-p E-p O S-p S-p",
            "iob2": "B-p I-p O B-p B-p",
        },
    ),
    (
        "B-p I-p I-p B-q",
        {"iob1": "I-p I-p I-p I-q", "bioes": "B-p I-p E-p S-q", "bmes": "B-p M-p E-p S-q", "iob2": "B-p I-p I-p B-q"},
    ),
]


@pytest.mark.parametrize("scheme", ["iob1", "iob2", "bioes", "bmes"])
@pytest.mark.parametrize(("wanted", "written"), SPANS)
def test_every_scheme_says_the_same(scheme, wanted, written):
    assert schemes.to_iob2(written[scheme].split(), scheme) == (tuple(wanted.split()), 0)


def test_spans_of_one_kind_need_no_type():
    assert schemes.to_iob2("B M E S".split(), "bmes") == (("B", "I", "I", "B"), 0)
    assert schemes.to_iob2("O B I B".split(), "iob2") == (("O", "B", "I", "B"), 0)
    assert schemes.tags_of_pieces("B", 2) == ("B", "I")


def test_forbidden_transitions_begin_a_span_and_are_counted():
    assert schemes.to_iob2("O I-p I-q".split(), "iob2") == (("O", "B-p", "B-q"), 2)


def test_a_tag_of_another_scheme_is_refused():
    with pytest.raises(schemes.OfNoScheme, match="'M-p' is no tag of the scheme 'iob2'"):
        schemes.to_iob2(["M-p"], "iob2")


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        ("B-p O I-p", "iob2"),
        ("B-p M-p E-p", "bmes"),
        ("S-p O", "bioes"),
        ("NOUN VERB", "none"),
        ("O", "none"),
        ("B-p X", "none"),
        ("B M E S", "bmes"),
    ],
)
def test_the_scheme_is_seen_from_the_tags(tags, scheme):
    assert schemes.infer_scheme(tags.split()) == scheme


def test_iob1_shows_itself_by_spans_that_begin_inside():
    assert schemes.looks_like_iob1([["I-p", "B-p", "O", "I-q"]])
    assert not schemes.looks_like_iob1([["B-p", "I-p"]])


@given(st.lists(st.sampled_from(["O", "B-p", "I-p", "B-q", "I-q"]), min_size=1, max_size=12))
def test_what_comes_out_is_legal_and_says_the_same_when_read_again(tags):
    once, _ = schemes.to_iob2(tags, "iob2")
    assert schemes.to_iob2(once, "iob2") == (once, 0)


# ---------------------------------------------------------------- vectors


def test_vectors_from_text_with_and_without_a_header(tmp_path):
    for name, head in (("glove.txt", ""), ("word2vec.txt", "2 3\n")):
        (tmp_path / name).write_text(f"{head}the 1 2 3\n中 4 5 6\n", encoding="utf-8")
        found, width = vectors.load([Document(tmp_path / name, name)], vectors.Options(), {"中", "absent"})
        assert width == 3
        assert {word: vector.tolist() for word, vector in found.items()} == {"中": [4, 5, 6]}


def test_the_first_words_that_nobody_asked_for_are_read_too_as_many_as_wanted(tmp_path):
    rows = {"the": [1, 2], "of": [3, 4], "中": [5, 6], "and": [7, 8]}
    (tmp_path / "v.txt").write_text("".join(f"{word} {a} {b}\n" for word, (a, b) in rows.items()), encoding="utf-8")
    np.save(tmp_path / "v.npy", np.array(list(rows.values()), np.float32))
    pd.DataFrame({"word": list(rows)}).to_parquet(tmp_path / "v.parquet")
    for names in (["v.txt"], ["v.npy", "v.parquet"]):
        documents = [Document(tmp_path / name, name) for name in names]
        for further, words in ((0, ["中"]), (1, ["the", "中"]), (9, list(rows))):
            found, _ = vectors.load(documents, vectors.Options(), {"中", "absent"}, further=further)
            assert {word: vector.tolist() for word, vector in found.items()} == {word: rows[word] for word in words}


def test_of_a_word_that_comes_twice_the_first_vector_is_read(tmp_path):
    (tmp_path / "v.txt").write_text("the 1 2\nthe 3 4\nof 5 6\n", encoding="utf-8")
    np.save(tmp_path / "v.npy", np.array([[1, 2], [3, 4], [5, 6]], np.float32))
    pd.DataFrame({"word": ["the", "the", "of"]}).to_parquet(tmp_path / "v.parquet")
    for names in (["v.txt"], ["v.npy", "v.parquet"]):
        documents = [Document(tmp_path / name, name) for name in names]
        found, _ = vectors.load(documents, vectors.Options(), set(), further=2)
        assert {word: vector.tolist() for word, vector in found.items()} == {"the": [1, 2], "of": [5, 6]}


def test_an_index_that_names_no_word_is_passed_over(tmp_path):
    np.save(tmp_path / "v.npy", np.array([[1, 2], [3, 4]], np.float32))
    pd.DataFrame({"word": [None, "the"]}).to_parquet(tmp_path / "v.parquet")
    documents = [Document(tmp_path / name, name) for name in ("v.npy", "v.parquet")]
    assert list(vectors.load(documents, vectors.Options(), set(), further=2)[0]) == ["the"]


def test_words_of_vectors_may_have_blanks_but_numbers_are_no_part_of_them(tmp_path):
    (tmp_path / "v.txt").write_text("the 1 2 3\n. . . 4 5 6\n", encoding="utf-8")
    found, _ = vectors.load([Document(tmp_path / "v.txt", "v.txt")], vectors.Options(), {". . ."})
    assert found[". . ."].tolist() == [4, 5, 6]
    (tmp_path / "v.txt").write_text("the 1 2 3\ncat 4 5 6 7\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"v.txt:2: expected a word and 3 numbers, found 4"):
        vectors.load([Document(tmp_path / "v.txt", "v.txt")], vectors.Options(), set())


def test_vectors_are_read_in_the_first_encoding_that_fits_or_the_complaint_is_the_usual_one(tmp_path):
    (tmp_path / "v.txt").write_bytes("好 1 2\n".encode("gb18030"))
    document = Document(tmp_path / "v.txt", "v.txt")
    found, _ = vectors.load([document], vectors.Options(encoding=("utf-8", "gb18030")), {"好"})
    assert found["好"].tolist() == [1, 2]
    (tmp_path / "u.txt").write_bytes("好 1 2\n".encode("utf-16-le"))
    found, _ = vectors.load([Document(tmp_path / "u.txt", "u.txt")], vectors.Options(encoding=("utf-16",)), {"好"})
    assert found["好"].tolist() == [1, 2], "of the machine's own order, where no mark says which"
    with pytest.raises(DataError, match="v.txt:1: byte 0xba at offset 0 of the line is not utf-8"):
        vectors.load([document], vectors.Options(), {"好"})


def test_vectors_of_unequal_width_are_refused(tmp_path):
    (tmp_path / "v.txt").write_text("the 1 2 3\ncat 4 5\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"v.txt:2: expected a word and 3 numbers, found 2"):
        vectors.load([Document(tmp_path / "v.txt", "v.txt")], vectors.Options(), {"cat"})


def test_an_unknown_option_is_no_option():
    for module in (columns, conllu, lines, wordtag):
        with pytest.raises(TypeError):
            module.Options(oops=1)


def test_stress_is_kept_where_a_card_says_so(tmp_path):
    path = tmp_path / "a.dict"
    path.write_text("read R IY1 D\n")
    assert read("pronunciations", path, stress="keep") == [TextPair("read", "R IY1 D")]


@pytest.mark.parametrize(
    ("form", "text", "complaint"),
    [
        ("pairs", "a\tb\nc d\n", "a.txt:2: expected a source and a target separated by '\\t', found 1 cell"),
        ("pairs", "a\tb\tc\n", "a.txt:1: expected a source and a target separated by '\\t', found 3 cells"),
        ("columns", "a N\nb lemma N\n", "a.txt:2: found 3 columns where the lines before have 2"),
        ("columns", "a lemma N\n\nb N\n", "a.txt:3: found 2 columns where the lines before have 3"),
        ("pairs", "a\tb\tc\n", "which two they are in a card's [adapter]: columns = [0, 1]"),
        ("pairs", "a\t \n", "a.txt:1: the target is empty; write it, or remove the pair"),
        ("pairs", "\tb\n", "a.txt:1: the source is empty"),
        ("pairs", "a\tb\n\u200b\u00ad\tb\n", "a.txt:2: the source is empty"),
        ("pronunciations", "a AH0\nb\n", "a.txt:2: 'b' has no phonemes"),
    ],
)
def test_a_pair_that_is_not_whole_is_refused_with_its_place(tmp_path, form, text, complaint):
    path = tmp_path / "a.txt"
    path.write_text(text)
    with pytest.raises(DataError) as refused:
        read(form, path)
    assert complaint in str(refused.value)


def aligned(tmp_path, sources, targets):
    files = [tmp_path / name for name in ("a.en", "a.de")]
    for file, text in zip(files, (sources, targets), strict=True):
        file.write_text(text)
    source, target = (Document(file, file.name) for file in files)
    return list(ADAPTERS["pairs"].read(dataclasses.replace(source, beside=target), pairs.Options()))


def test_lines_of_two_files_are_pairs(tmp_path):
    assert aligned(tmp_path, "a\n\nb c\n\n\n", "d\n\ne\n") == [TextPair("a", "d"), TextPair("b c", "e")]


def test_two_files_of_different_lengths_are_refused_with_both(tmp_path):
    with pytest.raises(DataError, match="a.en: has 3 lines and a.de has 2; line by line they must belong together"):
        aligned(tmp_path, "a\nb\nc\n", "d\ne\n")
    with pytest.raises(DataError, match="a.en: has 2 lines and a.de has 4"):
        aligned(tmp_path, "a\nb\n", "d\n\n\ne\n")


def test_an_empty_half_is_named_by_its_own_file(tmp_path):
    for sources, targets, place in (
        ("a\nb\nc\n", "d\n\ne\n", "a.de:2: the target is empty"),
        ("a\nb\n", "d\n\n", "a.de:2: the target is empty"),
        ("a\n\n", "d\ne\n", "a.en:2: the source is empty"),
    ):
        with pytest.raises(DataError, match=place):
            aligned(tmp_path, sources, targets)


def test_a_pipe_is_read_once_and_whole():
    given, writing = os.pipe()
    os.write(writing, b"one text of several words\ntwo")
    os.close(writing)
    found = [line for _, line in Document(Path(f"/dev/fd/{given}"), "-").lines(("utf-8",))]
    os.close(given)
    assert found == ["one text of several words", "two"]
