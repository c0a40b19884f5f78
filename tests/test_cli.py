"""The command line: one clear message for every mistake, exit code 2, no traceback, nothing half-written."""

from __future__ import annotations

import gzip
import json
import shlex
import socket
from pathlib import Path

import pytest

import sweeper
from sweeper.cli.command_line import main
from sweeper.cli.doctor import _store
from sweeper.data.infer import infer_card
from sweeper.data.prepare import prepare
from sweeper.errors import UsageError
from sweeper.sweeps.arguments import check_numbers

from .conftest import card_text, people, reviews, write


def write_odd_ones(work):
    """Files that are not what their names say, or that may be several things."""
    write(work / "semicolons.csv", "text;label\na;b\n")
    write(work / "excel.csv", "text;label\n" + "".join(f"text {n};{'ab'[n % 2]}\n" for n in range(60)))
    (work / "unicode.csv").write_bytes((work / "excel.csv").read_text().replace(";", "\t").encode("utf-16"))
    write(work / "plain.json", "[]")
    write(work / "fasttext.txt", "__label__a good film\n__label__b dull\n" * 20)
    write(work / "wordtag.txt", "The/DT cat/NN sat/VBD ./.\n" * 20)
    write(work / "names.txt", "Anna\nBoris\n" * 20)
    write(work / "told.txt", "some words\nand some more words\n" * 20)
    write(work / "tagged.txt", people())
    write(work / "amounts.csv", "text,label\n" + "".join(f"text {n},{n / 7:.2f}\n" for n in range(60)))
    write(work / "years.csv", "text,label\n" + "".join(f"text {n},{1990 + n % 6}\n" for n in range(60)))
    write(work / "table.csv", "en,de\n" + "".join(f"word {n},Wort {n}\n" for n in range(60)))
    write(work / "three.tsv", "a\tb\tc\n")
    for part, kind in ((part, kind) for part in ("train", "test") for kind in ("pos", "neg")):
        for number in range(20):
            write(work / "parts" / part / kind / f"{number}.txt", f"{part} {kind} {number}")
    write_parts(work)
    write(work / "nothing.txt", "")
    for folder in ("parted/train/a", "parted/dev/a", "parted/test/a", "classes/train", "classes/bus"):
        for number in range(20):
            write(work / folder / f"{number}.txt", f"{folder} {number}")
    write(work / "torn.txt", "-DOCSTART-\n\n" + people() + "lonely\n")
    write(work / "prose.txt", "Once upon a time there was\na king who\n\nhad a daughter .\n" * 9)
    write(work / "quoted.csv", '"text";"label"\n' + "".join(f'"text, {n}";"{"ab"[n % 2]}"\n' for n in range(60)))
    write(work / "bars.csv", "text,label|kind\n" + "".join(f"text {n},{'ab'[n % 2]}\n" for n in range(60)))
    write(work / "accents.csv", "text,label\ncafé,x\n")
    (work / "cut.csv").write_bytes("text,label\na,x\n".encode("utf-16")[:-1])
    write(work / "poems" / "train" / "1.txt", "sun")
    write(work / "poems" / "test" / "2.txt", "moon")
    write(work / "table.txt", (work / "table.csv").read_text().replace(",", "\t"))
    write(work / "blanks.txt", "Hà Nội\tB-LOC\nlà\tO\nthủ đô\tO\n\n" * 20)
    write(work / "codes.csv", "text,label\n" + "".join(f"text {n},{100 + n % 25}.{n % 25}\n" for n in range(100)))
    (work / "damaged.csv").write_bytes(f"text,label\n{'好书' * 20},x\n".encode() + b"\xff,y\n")
    (work / "western.csv").write_bytes("text,label\ncaf\u00e9,x\n\u2013 d\u00e9j\u00e0,y\n".encode("cp1252"))
    (work / "chinese.csv").write_bytes("text,label\n好书,x\n".encode("gb18030"))


def write_parts(work):
    """Folders of files that are parts, or may be, and files whose endings or numbers may mean several things."""
    for part, count in (("train", 30), ("valid", 8), ("test", 8)):
        write(work / "tables" / f"{part}.csv", "text,label\n" + "".join(f"{part} {n},{n % 4}\n" for n in range(count)))
        write(work / "conll" / f"{part}.txt", people(count))
        write(work / "shards" / f"{part}-0.csv", "text,label\n")
    write(work / "conll" / ".DS_Store", "x")
    write(work / "noted" / "train.csv", "text,label\n")
    write(work / "noted" / "notes.csv", "what is this\n")
    write(work / "stars.tsv", "".join(f"text{n}\t{n % 5 + 1}\n" for n in range(60)))
    write(work / "people.tsv", people().replace(" ", "\t"))
    write(work / "ids.tsv", "id\ttweet\tpolarity\n" + "1\tsome words\ta\n\n2\tmore words\tb\n" * 9)
    write(work / "eleven.csv", "text,label\n" + "".join(f"text {n},{n % 11}\n" for n in range(110)))
    write(work / "gaps.tsv", "tweet\tpolarity\n" + "some words\ta\n\nmore words\tb\n" * 9)
    write(work / "numbered.conll", "1\tAnna\tB\tO\n2-3\tis\tO\tO\n2\tis\tO\tO\n\n" * 20)
    write(work / "degrees.csv", "text,score\n" + "".join(f"text {n},{n % 3 - 1}\n" for n in range(60)))
    write(work / "signs.csv", "text,label\n" + "".join(f"text {n},{n % 2 * 2 - 1}\n" for n in range(60)))
    write(work / "spaced.csv", "id, text, label\n" + "".join(f"{n}, text {n}, {'ab'[n % 2]}\n" for n in range(60)))
    (work / "cyrillic.csv").write_bytes("text,label\nПривет моя хорошая книга,x\n".encode("cp1251"))
    write(work / "blobs" / "ab12", "text\tlabel\n" + "".join(f"text {n}\t{'ab'[n % 2]}\n" for n in range(60)))
    (work / "latest.tsv").symlink_to("blobs/ab12")


@pytest.fixture
def files(tmp_path):
    """Files of a person's own, good and bad, in the working folder."""
    work = tmp_path / "work"
    write(work / "reviews.csv", reviews())
    write(work / "stars.csv", "review,stars\n" + "".join(f"text {n},{n % 5 + 1}\n" for n in range(60)))
    write(work / "topics.csv", "review,topic\n" + "".join(f"text {n},{'abc'[n % 3]}\n" for n in range(60)))
    write(work / "one.csv", "text,label\n" + "".join(f"text {n},x\n" for n in range(60)))
    write(work / "empty.csv", "")
    write(work / "people.conll", people())
    write(work / "notes.conll", "# newdoc\n# id = 1\n" + people().replace("\n\n", "\n\n# id = 2\n"))
    write(work / "hashes.conll", "# B-tag\n#so I-tag\nis O\n# O\n\n" * 20)
    write(work / "words.bmes", "我 S\n中 B\n国 E\n\n" * 20)
    write(work / "same.csv", "text,label\n" + "good,a\ngood,b\n" * 20)
    write(work / "mistyped.conll", people().replace("Boris B-person", "Boris b-person"))
    write(work / "list.jsonl", "[1, 2]\n")
    write(work / "deep.jsonl", "[" * 100_000 + "\n")
    write_odd_ones(work)
    url = '[source]\nurl = "foo/a.csv"\nsha256 = "{}"\n[adapter]\nformat = "labelled"\n'
    write(work / "nosum.toml", 'about = "x"\ntask = "text"\n' + url.format("00"))
    write(work / "noscheme.toml", 'about = "x"\ntask = "text"\n' + url.format("0" * 64))
    write(work / "twochars.toml", card_text("topics.csv", adapter='format = "labelled"\nseparator = ";;"'))
    write(work / "badseed.toml", card_text("topics.csv") + "[split]\nseed = -1\n")
    write(work / "infinite.toml", 'about = "x"\ntask = "text"\n[parameters.units]\nint = { low = inf, high = 3 }\n')
    write(work / "broken" / "saved_model.pb", "junk")
    write(work / "torn.conll", "a O\nb O\n\nlonely\n")
    write(work / "notes.doc", "x")
    write(work / "notes.xlsx", "x")
    (work / "encodings.txt").write_bytes(gzip.compress(b"a text"))
    (work / "latin.csv").write_bytes("text,label\nna\u00efve,x\n".encode("latin-1"))
    write(work / "gone.toml", card_text("nowhere.csv"))
    write(
        work / "space.toml",
        'about = "x"\ntask = "text"\n[parameters.units]\nint = { low = 32, high = 100, step = 32 }\n',
    )
    write(
        work / "vectors.toml",
        'about = "x"\ntask = "sentiment"\n[parameters.input]\nfixed = "pretrained"\n[parameters.vectors]\nfixed = "glov-6b"\n',
    )


MISTAKES = [
    ("sweep", "name a task (sentiment, text, tagging, seq2seq, generation)"),
    ("sweep sentimental", "no task is called 'sentimental'. Did you mean 'sentiment'"),
    ("sweep text --dataset reuters", "no dataset is called 'reuters'. Did you mean 'reuters-r8'"),
    ("sweep text --dataset peoples-daily", "peoples-daily is a dataset for tagging, not for text"),
    ("sweep text --dataset glove-6b-50d", "holds word vectors"),
    ("sweep text --dataset gone.toml", "nowhere.csv: no such file"),
    ("sweep text --dataset missing/card.toml", "missing/card.toml: no such file"),
    ("sweep text --space sentimnt", "no search space is called 'sentimnt'"),
    ("sweep text --space tagging", "tagging is a space for tagging, not for text; try text or text-quick"),
    (
        "sweep text --space space.toml",
        "space.toml:4: parameters.units.int: steps of 32 from 32 never reach high=100; write high=96",
    ),
    (
        "sweep --data reviews.csv --label verdict --space vectors.toml",
        "vectors: parameters.vectors: no dataset of vectors is called 'glov-6b'. Did you mean 'glove-6b-50d'",
    ),
    ("spaces check vectors.toml", "vectors: parameters.vectors: no dataset of vectors is called 'glov-6b'"),
    (
        "sweep --data reviews.csv --label verdict --algorithm bayes",
        "--algorithm: no algorithm is called 'bayes'. Did you mean 'bayesian'",
    ),
    (
        "sweep --data reviews.csv --label verdict --trials 0",
        "--trials: must be a whole number from 1 to 999,999,999, found '0'",
    ),
    (
        "sweep --data reviews.csv --label verdict --budget soon",
        "must be a length of time such as 90s, 10m or 1.5h, found 'soon'",
    ),
    ("sweep --data review.csv", "review.csv: no such file; . has"),
    ("sweep --data reviews.csv --dataset imdb", "give one of them"),
    ("sweep --data notes.doc", "no adapter for the ending '.doc'"),
    ("sweep --data notes.xlsx --text body", "no adapter for the ending '.xlsx'; save the sheet as .csv"),
    ("sweep --data reviews.csv", "--label COLUMN is needed: the file has the columns 'review', 'verdict'"),
    (
        "sweep --data reviews.csv --text revew --label verdict",
        "--text: no column is called 'revew'. Did you mean 'review'",
    ),
    (
        "sweep --data reviews.csv --text review --label verdct",
        "--label: no column is called 'verdct'. Did you mean 'verdict'",
    ),
    (
        "sweep --data topics.csv --text topic --label topic",
        "must be another column than --text, found 'topic' for both",
    ),
    ("sweep --data same.csv", "of 40 examples, none is left for the validation split; 39 repeat another one"),
    ("sweep --data empty.csv", "empty.csv: the file is empty; a table begins with the names of its columns"),
    ("sweep --data one.csv", "every example has the label 'x'"),
    ("sweep --data latin.csv", "latin.csv:2: byte 0xef at offset 2 of the line is not utf-8; declare the encoding"),
    ("sweep --data torn.conll", "torn.conll:4: expected a word in column 0 and a tag in column -1, found 1"),
    ("sweep --data reviews.csv --label verdict --name ../evil", "--name: must be at most 100 letters, digits"),
    (f"sweep --data reviews.csv --label verdict --name {'很' * 80}", "--name: must be at most 100 letters, digits"),
    ("ui --port 99999", "--port: must be at most 65535"),
    ("sweep text --resume x", "no sweep is called 'x'"),
    ("sweep text --text review", "--text: describes a file of your own; give it with --data"),
    ("sweep --data people.conll --text word", "--text: names a column of a table, and people.conll is none"),
    ("sweep --data mistyped.conll", "mistyped.conll:7: 'b-person' is no tag of a span, as the others are; correct it"),
    ("sweep --data list.jsonl", "list.jsonl:1: expected one JSON object per line, found list"),
    ("sweep --data deep.jsonl", "deep.jsonl:1: holds a number of too many digits, or too many brackets"),
    ("sweep --dataset ''", "--dataset: must name something, found ''"),
    ("sweep --data ''", "--data: must name something, found ''"),
    ("sweep --resume ''", "--resume: must name something, found ''"),
    (
        "sweep text --budget -5m",
        "--budget: expected one argument; one that begins with a dash is joined to it, as in --budget=-x",
    ),
    (f"sweep text --trials {'9' * 5000}", f"from 1 to 999,999,999, found '{'9' * 40}'"),
    (f"sweep text --seed {'9' * 5000}", f"--seed: must be a whole number of at most 18 digits, found '{'9' * 40}'"),
    ("sweep --data /dev/null", "/dev/null: is neither a file nor a folder; write what it gives into a file"),
    ("sweep --data semicolons.csv", "semicolons: has 1 example; at least 10 are needed"),
    ("sweep --data plain.json", "no adapter for the ending '.json'; write one object per line, as .jsonl"),
    ("sweep --data fasttext.txt", "lines that begin with __label__ are not read; write a table"),
    ("sweep --data wordtag.txt", 'word/TAG, are read by a card with format = "wordtag"'),
    ("sweep --data names.txt", "one per line: sweeper sweep generation --data names.txt"),
    ("sweep --data told.txt", "pairs, source<TAB>target: sweeper sweep seq2seq --data told.txt"),
    ("sweep --data amounts.csv", "--label: holds 60 different numbers (0.00, 0.14, 0.29"),
    (
        "sweep seq2seq --data table.csv",
        "--text SOURCE --label TARGET are needed for pairs in a table: table.csv has the columns en, de",
    ),
    ("sweep seq2seq --data table.csv --text en --label fr", "--label: no column is called 'fr'"),
    (
        "sweep seq2seq --data three.tsv",
        "three.tsv:1: expected a source and a target separated by '\\t', found 3 cells; say which two they are in a card's [adapter]: columns = [0, 1]",
    ),
    ("sweep --data western.csv", "or pass --encoding cp1252"),
    ("sweep --data cyrillic.csv", "or pass --encoding cp1251, if it was written in that"),
    ("sweep --data noted", "noted: holds the files notes.csv, train.csv, and no folders of classes; name one of them"),
    ("sweep --data ids.tsv", "--text COLUMN is needed: the file has the columns 'id', 'tweet', 'polarity'"),
    ("sweep --data '~$reviews.csv'", "--data: ~$reviews.csv: no such file"),
    ("sweep --dataset '~nobody-at-all/x.toml'", "~nobody-at-all/x.toml: no such file"),
    ("predict broken --json --file '~nobody-at-all/x'", "~nobody-at-all/x: no such file"),
    ("sweep --data gaps.tsv", "--text COLUMN is needed: the file has the columns 'tweet', 'polarity'"),
    ("sweep --data shards", "shards: holds the files test-0.csv, train-0.csv, valid-0.csv, and no folders of classes"),
    ("sweep --data numbered.conll", "its first column numbers the words of each sentence; say in a card which"),
    ("sweep --dataset reviews.csv", "reviews.csv: a declaration is a .toml file; data of your own are given by --data"),
    ("sweep --data western.csv --encoding ascii", "or pass --encoding cp1252"),
    ("sweep --data chinese.csv", "or pass --encoding gb18030"),
    (
        "predict broken --json a --file latin.csv",
        "--file: stands for texts, and there is one already, 'a'; give one of them",
    ),
    ("predict broken --file encodings.txt", "--file: encodings.txt: is compressed, as its first bytes say; unpack it"),
    ("predict broken --file nothing.txt", "--file: nothing.txt: is empty; write one text per line into it"),
    ("sweep --data parted", "parted: holds the folders dev, test, train; parts are train, validation and test"),
    ("sweep --data torn.txt", "torn.txt:651: expected a word in column 0 and a tag in column -1, found 1"),
    ("sweep --data prose.txt", "its lines are no words with tags"),
    (
        "sweep generation --data table.csv --text en --label en",
        "--label: must be another column than --text, found 'en' for both",
    ),
    (
        "sweep seq2seq --data table.csv --text en --label en",
        "--label: must be another column than --text, found 'en' for both",
    ),
    (
        "sweep --data damaged.csv",
        "damaged.csv:3: byte 0xff at offset 0 of the line is not utf-8, which the rest of the file is; write that line anew",
    ),
    ("predict broken --json '- a text'", "broken: is no model that sweeper has exported"),
    ("predict broken --json -- -nice", "broken: is no model that sweeper has exported"),
    ("predict broken --json -.5", "broken: is no model that sweeper has exported"),
    ("leaderboard -- a b", "unrecognized arguments: b"),
    (
        "sweep --data accents.csv --encoding ascii",
        'accents.csv:2: byte 0xc3 at offset 3 of the line is not ascii; declare the encoding in the card\'s [adapter], for example encoding = ["utf-8"]',
    ),
    ("sweep --data cut.csv", "whose mark is at its beginning; the file was cut, or altered: write it anew"),
    ("sweep --data poems", "lies beside the folders of the classes, if there are such; move it into one, or away"),
    ("predict broken --json -- -5", "broken: is no model that sweeper has exported"),
    ("predict broken --jsn a", "unrecognized arguments: --jsn"),
    (
        "sweep --data reviews.csv --label verdict --space text",
        "text is a space for text, not for sentiment; try sentiment or sentiment-quick, or name the task: sweeper sweep text",
    ),
    (
        "sweep --data reviews.csv --label verdict --space text-long",
        "text-long is a space for text, not for sentiment; try sentiment or sentiment-long, or name",
    ),
    ("sweep --data reviews.csv --label verdict --seed -5", "--seed: must be from 0 to"),
    ("sweep --data reviews.csv --label verdict --seeds 101", "--seeds: must be at most 100, found 101"),
    ("sweep --data reviews.csv --label verdict --ensemble 11", "--ensemble: must be at most 10, found 11"),
    (
        "sweep seq2seq --ensemble 2",
        "--ensemble: only models that label can answer as one (sentiment, text, tagging), found seq2seq; leave it out",
    ),
    ("sweep text --dataset nosum.toml", "sha256: must be 64 hexadecimal digits, letters in lower case, found '00'"),
    (
        "sweep text --dataset noscheme.toml",
        "source.url: must begin with https:// or http:// or file:// and end with a file's name, found 'foo/a.csv'",
    ),
    ("sweep text --dataset twochars.toml", "separator: must be one character, found ';;'"),
    ("sweep text --dataset badseed.toml", "seed: must be 0 or more, found -1"),
    ("spaces check infinite.toml", "low: must be a number, found inf"),
    ("predict broken text", "broken: is no model that sweeper has exported"),
    (
        "predict broken --file latin.csv",
        "--file: latin.csv:2: byte 0xef at offset 2 of the line is not utf-8; texts are read as UTF-8",
    ),
    ("sweep --resume", "there is no sweep here yet"),
    ("sweep --resume nothing", "no sweep is called 'nothing'"),
    ("swep text", "no choice is called 'swep'. Did you mean 'sweep'"),
    ("sweep text --trails 3", "unrecognized arguments: --trails"),
    ("leaderboard", "there is no sweep here yet"),
    ("export --to out", "there is no sweep here yet"),
    ("export", "--to"),
    ("predict out text", "out: holds no exported model"),
    ("predict out", "out: holds no exported model; make one with: sweeper export --to DIR"),
    ("datasets show imbd", "no dataset is called 'imbd'. Did you mean 'imdb'"),
    ("datasets show", "show: name a dataset"),
    ("datasets fetsh imdb", "Did you mean 'fetch'"),
    ("spaces check sentimnt", "no search space is called 'sentimnt'"),
    ("spaces check space.toml", "write high=96 or change step"),
    ("spaces parameters sentimnt", "no task is called 'sentimnt'"),
]


@pytest.mark.parametrize(("line", "complaint"), MISTAKES, ids=[line for line, _ in MISTAKES])
def test_a_mistake_is_one_clear_message_and_leaves_nothing_behind(files, capfd, line, complaint):
    assert main(shlex.split(line)) == 2
    said = capfd.readouterr()
    assert complaint in said.err
    complaints = [text for text in said.err.splitlines() if text.startswith("sweeper: ")]
    assert len(complaints) == 1
    assert "Traceback" not in said.err
    assert not Path("sweeps").exists()
    assert not Path("mlflow.db").exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--data stars.csv --label stars", "task: sentiment, because the labels are numbers, read as ordered stars"),
        ("--data topics.csv --label topic", "task: text, because the labels are names"),
        ("--data reviews.csv --label verdict", "task: sentiment, because the labels are sentiment words"),
        ("--data people.conll", "task: tagging, because every token has a tag and the tags mark spans"),
        ("text --data reviews.csv --label verdict", "task: text, as you said"),
        ("--data notes.conll", "notes.conll: columns, comments begin with '# '"),
        (
            "--data excel.csv",
            "excel.csv: labelled, text in 'text', label in 'label', columns separated by ';'; 2 labels (a, b)",
        ),
        (
            "--data unicode.csv",
            "unicode.csv: labelled, text in 'text', label in 'label', columns separated by '\\t'; 2 labels",
        ),
        ("--data tables", "tables: labelled, text in 'text', label in 'label'; 4 labels (0, 1, 2, 3); task: text"),
        ("--data tables", "because 'label' numbers classes from 0; if they are stars, sweeper sweep sentiment reads"),
        ("--data eleven.csv", "task: text, because 'label' numbers classes from 0"),
        ("--data conll", "conll: columns, word in the first column, tag in the last; 3 labels"),
        ("--data people.tsv", "people.tsv: columns, word in the first column, tag in the last; 3 labels"),
        ("tagging --data stars.tsv", "stars.tsv: columns"),
        ("--data degrees.csv --label score", "task: sentiment, because the labels are numbers, read as ordered stars"),
        ("--data signs.csv", "task: sentiment, because the labels are two numbers"),
        ("--data spaced.csv", "text in ' text', label in ' label'; 2 labels (a, b)"),
        ("--data latest.tsv", "latest.tsv: labelled, text in 'text', label in 'label'; 2 labels (a, b)"),
        ("--data quoted.csv", "columns separated by ';'; 2 labels (a, b)"),
        ("--data bars.csv --label label|kind", "text in 'text', label in 'label|kind'; 2 labels (a, b)"),
        ("seq2seq --data table.txt --text en --label de", "table.txt: 60 pairs, words to words"),
        ("--data blanks.txt", "blanks.txt: columns, word in the first column, tag in the last; 2 labels (B-LOC, O)"),
        ("--data classes", "classes: labelled; 2 labels (bus, train); task: text"),
        ("text --data codes.csv", "25 labels (100.0, 101.1, 102.2"),
        ("--data years.csv", "task: text, because the labels are numbers, but no stars that follow each other"),
        ("--data parts", "parts: labelled; 2 labels (neg, pos); task: sentiment"),
        ("--data tagged.txt", "tagged.txt: columns, word in the first column, tag in the last; 3 labels"),
        (
            "seq2seq --data table.csv --text en --label de",
            "table.csv: 60 pairs, words to words, the first 'word 0' to 'Wort 0'; task: seq2seq",
        ),
        ("--data hashes.conll", "the last; 3 labels (B-tag, I-tag, O); task: tagging"),
        (
            "--data words.bmes",
            "3 labels (B, E, S); task: tagging, because every token has a tag and the tags mark spans",
        ),
    ],
)
def test_the_task_is_inferred_and_said_aloud(files, capfd, line, said):
    main(["sweep", *line.split(), "--algorithm", "none"])  # stops before anything is trained
    assert said in capfd.readouterr().err


def test_blanks_around_the_name_of_a_column_may_be_left_out(tmp_path):
    path = write(tmp_path / "spaced.csv", "id, text, label\n" + "1, a,x\n" * 3)
    card, _ = infer_card(str(path), "text", "label")
    assert (card.options.text, card.options.label) == (" text", " label")
    with pytest.raises(UsageError, match="no column is called 'txt'"):
        infer_card(str(path), "txt", "label")


def test_a_column_may_have_any_name(tmp_path):
    path = write(tmp_path / "odd.csv", 'te\x7f"xt,l\\abel\n' + "a,x\n" * 3)
    card, _ = infer_card(str(path), 'te\x7f"xt', "l\\abel")
    assert (card.options.text, card.options.label) == ('te\x7f"xt', "l\\abel")


def test_folders_that_are_parts_are_the_parts(files):
    card, _ = infer_card("parts")
    counts = prepare(card, encodings=()).meta.counts
    assert counts["test"] == 40
    assert counts["train"] + counts["validation"] == 40


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"budget": "5x"}, "--budget: must be a length of time such as 90s, 10m or 1.5h, found '5x'"),
        ({"trials": "2"}, "--trials: must be a whole number, found '2'"),
        ({"epochs": 1.5}, "--epochs: must be a whole number, found 1.5"),
        ({"seed": True}, "--seed: must be a whole number, found True"),
        ({"trial_limit": [3]}, r"--trial-limit: must be a number, found \[3\]"),
    ],
)
def test_a_setting_of_another_kind_is_refused_in_python_too(files, settings, said):
    with pytest.raises(UsageError, match=said):
        sweeper.sweep(data="reviews.csv", label="verdict", **settings)
    assert not Path("sweeps").exists()


def test_a_time_may_be_written_as_on_the_command_line():
    assert check_numbers(budget="1.5h", trial_limit=90, trials=None) == {"budget": 5400, "trial_limit": 90}


def test_what_there_is_is_listed():
    assert {"sweep", "export", "leaderboard", "load_dataset", "load_space", "__version__"} == set(dir(sweeper))
    assert all(callable(getattr(sweeper, name)) for name in sweeper.__all__)
    assert sweeper.load_space("text-quick").task == "text"


def test_a_server_that_does_not_answer_is_missing(monkeypatch):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{listening.getsockname()[1]}")
        assert _store()[0]
    good, said = _store()
    assert not good
    assert "does not answer" in said
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://[::1:5000")
    assert not _store()[0]


def test_a_store_that_cannot_be_written_is_missing(monkeypatch, tmp_path):
    assert _store()[0]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/new/mlflow.db")
    assert _store() == (True, f"sqlite:///{tmp_path}/new/mlflow.db"), "MLflow makes it"
    write(tmp_path / "file", "x")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/file/mlflow.db")
    assert _store() == (False, f"sqlite:///{tmp_path}/file/mlflow.db: its folder may not be written")


def test_lists_are_tables_and_json_on_demand(capsys):
    assert main(["datasets", "list"]) == 0
    listed = capsys.readouterr().out
    for name in (
        "rotten-tomatoes",
        "imdb",
        "zh-reviews",
        "reuters-r8",
        "reuters-r52",
        "20newsgroups",
        "bbc-news",
        "peoples-daily",
        "turkish-pos",
        "ud-english-ewt",
    ):
        assert name in listed
    assert main(["spaces", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["spaces"]
    assert {"sentiment", "text", "tagging", "sentiment-quick", "text-quick", "tagging-quick"} <= {
        row["space"] for row in rows
    }


def test_a_checked_dataset_is_described(files, capsys):
    write(Path("mine.toml"), card_text("reviews.csv", task="sentiment"))
    assert main(["datasets", "check", "mine.toml", "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["labels"] == ["bad", "good"]
    assert sum(found["examples"].values()) == 120


def test_a_declaration_is_shown_as_it_is_written(capsys):
    assert main(["spaces", "show", "tagging-quick"]) == 0
    assert "[parameters.cell]" in capsys.readouterr().out
