"""Hostile and odd input as one table: what a person may give us, and the exact answer with its exit code."""

from __future__ import annotations

import os

import pytest

from sweeper.cli.command_line import main

LABELLED, COLUMNS, CONLLU, WORDTAG = (f'format = "{name}"' for name in ("labelled", "columns", "conllu", "wordtag"))
PAIRS, SPOKEN, VECTORS = (f'format = "{name}"' for name in ("pairs", "pronunciations", "vectors"))
LINES = 'format = "lines"\nlabels = { "f.txt" = "a" }'
HEAD = "text,label\n"
ROWS = "".join(f"text {n},{'ab'[n % 2]}\n" for n in range(40))
SENTENCES = "".join(f"one{n} B-x\ntwo O\n\n" for n in range(20))
WORDS = "".join(f"one{n}/n two/v\n" for n in range(20))
TREES = "".join(f"1\tword{n}\t_\tNOUN\tNN\t_\t_\t_\t_\t_\n2\tis\t_\tVERB\tVB\t_\t_\t_\t_\t_\n\n" for n in range(20))
ODD = ("שלום עולם", "e\u0301te\u0301", "👩\u200d👩\u200d👧 🎉", "\u202eabc")


def labelled_by(*labels: str) -> str:
    """Sixty rows with these labels in turn."""
    return HEAD + "".join(f"text {n},{labels[n % len(labels)]}\n" for n in range(60))


def objects(*labels: str) -> str:
    """Sixty JSON objects with these labels, as JSON writes them, in turn."""
    return "".join(f'{{"text": "text {n}", "label": {labels[n % len(labels)]}}}\n' for n in range(60))


def good(sizes: str, labels: str | int, warnings: str = "none") -> str:
    """What is said of a dataset that can be used; of what is written how many symbols there are."""
    train, validation, test = sizes.split()
    what = f"labels:      {labels}" if isinstance(labels, str) else f"symbols:     {labels}"
    return (
        f"dataset:     c\nexamples:    train {train}, validation {validation}, test {test}\n"
        f"{what}\nwarnings:    {warnings}"
    )


PLAIN = good("32 4 4", "a, b")
NUL = "holds a NUL byte; is it a text file, and is its encoding declared?"
NOTHING = "holds no examples, only a header or blank lines"
QUOTE = 'a quoted cell that begins here is never closed, or a quote is not doubled; if quotes are part of the texts, declare quotes = "none" in a card\'s [adapter]'
ENCODING = (
    'is not utf-8; declare the encoding in the card\'s [adapter], for example encoding = ["cp1252"], '
    "or pass --encoding cp1252, if it was written in that"
)
LEAVE_OUT = 'declare missing = "leave_out" in a card\'s [adapter]'
MUCH = "holds a number of too many digits, or too many brackets; is it text? Then quote it"
ALIKE = "labels that differ only by case, blanks or how a number is written are kept apart"

# Name, file and its content, the card's [adapter], and what is said: of good data on standard output, else as an error.
DATA = [
    ("an empty csv", "f.csv", "", LABELLED, "f.csv: is empty; expected a header line with the columns 'text' and 'label'"),
    ("an empty tsv", "f.tsv", "", LABELLED, "f.tsv: is empty; expected a header line with the columns 'text' and 'label'"),
    ("an empty jsonl", "f.jsonl", "", LABELLED, "f.jsonl: holds no examples; the file is empty"),
    ("an empty parquet", "f.parquet", "", LABELLED, "f.parquet: not a Parquet file, or a damaged one; put a whole one in its place: ArrowInvalid: Parquet file size is 0 bytes"),
    ("an empty conll", "f.conll", "", COLUMNS, "f.conll: holds no examples; the file is empty"),
    ("an empty conllu", "f.conllu", "", CONLLU, "f.conllu: holds no examples; the file is empty"),
    ("an empty word/TAG text", "f.txt", "", WORDTAG, "f.txt: holds no examples; the file is empty"),
    ("blank lines in columns", "f.conll", "\n\n \n", COLUMNS, f"f.conll: {NOTHING}"),
    ("blank lines in a treebank", "f.conllu", "\n\n \n", CONLLU, f"f.conllu: {NOTHING}"),
    ("blank lines of words", "f.txt", "\n\n \n", WORDTAG, f"f.txt: {NOTHING}"),
    ("only a header", "f.csv", HEAD, LABELLED, f"f.csv: {NOTHING}"),
    ("a byte order mark", "f.csv", "\ufeff" + HEAD + ROWS, LABELLED, PLAIN),
    ("mixed line ends", "f.csv", "text,label\r\n" + ROWS.replace("\n", "\r\n", 7), LABELLED, PLAIN),
    ("lone carriage returns", "f.csv", (HEAD + ROWS).replace("\n", "\r"), LABELLED, PLAIN),
    ("a NUL byte in a table", "f.csv", f"{HEAD}a\0b,x\n{ROWS}", LABELLED, f"f.csv:2: {NUL}"),
    ("a NUL byte in columns", "f.conll", f"a\0b O\n\n{SENTENCES}", COLUMNS, f"f.conll:1: {NUL}"),
    ("a NUL byte in a treebank", "f.conllu", f"{TREES}\0", CONLLU, f"f.conllu:61: {NUL}"),
    ("a NUL byte among words", "f.txt", f"{WORDS}a\0/n\n", WORDTAG, f"f.txt:21: {NUL}"),
    ("a NUL character in JSON", "f.jsonl", '{"text": "a\\u0000b", "label": "x"}\n', LABELLED, "f.jsonl:1: column 'text' holds a NUL character; remove it"),
    ("a line of 10 MB", "f.csv", f"{HEAD}{'word ' * 2_000_000},a\n{ROWS}", LABELLED, good("33 4 4", "a, b")),
    ("a word of 10 MB", "f.conll", f"{'w' * 10_000_000} O\n\n{SENTENCES}", COLUMNS, good("17 2 2", "O, B-x")),
    ("a quote that is never closed", "f.csv", f'{HEAD}"open,a\n{ROWS}', LABELLED, f"f.csv:2: unexpected end of data; {QUOTE}"),
    ("a quote inside a cell", "f.csv", f'{HEAD}"a"b,a\n{ROWS}', LABELLED, f"f.csv:2: ',' expected after '\"'; {QUOTE}"),
    ("undecodable bytes in a table", "f.csv", b"text,label\nna\xefve,a\n", LABELLED, f"f.csv:2: byte 0xef at offset 2 of the line {ENCODING}"),
    ("undecodable bytes in columns", "f.conll", b"na\xefve O\n", COLUMNS, f"f.conll:1: byte 0xef at offset 2 of the line {ENCODING}"),
    ("undecodable bytes in a treebank", "f.conllu", b"# \xff\n", CONLLU, f"f.conllu:1: byte 0xff at offset 2 of the line {ENCODING}"),
    ("undecodable bytes among words", "f.txt", b"na\xefve/n\n", WORDTAG, f"f.txt:1: byte 0xef at offset 2 of the line {ENCODING}"),
    ("an encoding that is none", "f.csv", HEAD + ROWS, f'{LABELLED}\nencoding = ["undefined"]', "f.csv: Python knows no encoding 'undefined'; write for example encoding = [\"utf-8\"]"),
    ("half a surrogate in UTF-7", "f.txt", "fine\n+2AA-\n", f'{LINES}\nencoding = ["utf-7"]', "f.txt:2: holds half of a surrogate pair; is its encoding the declared one?"),
    ("an unknown encoding", "f.csv", HEAD + ROWS, f'{LABELLED}\nencoding = ["utf-9"]', "f.csv: Python knows no encoding 'utf-9'; write for example encoding = [\"utf-8\"]"),
    ("columns that another mark parts", "f.csv", "text;label\na;b\n", LABELLED, "f.csv:1: its columns seem to be separated by ';'; declare separator = \";\" in a card's [adapter]"),
    ("a compressed table", "f.csv", b"\x1f\x8b\x08\x00", LABELLED, "f.csv: is compressed, as its first bytes say; unpack it, and name what is in it"),
    ("a line of JSON without a name", "f.jsonl", objects('"a"', '"b"') + '{"text": "x"}\n', LABELLED, f"f.jsonl:61: column 'label' must hold text, found nothing; write it, or {LEAVE_OUT}"),
    ("JSON without what is selected by", "f.jsonl", objects('"a"', '"b"').replace("}", ', "lang": "en"}') + '{"text": "x", "label": "a"}\n', f'{LABELLED}\nwhere = {{ lang = "en" }}', "f.jsonl:61: no column is called 'lang'. Known: label, text"),
    ("JSON without a name at all", "f.jsonl", '{"text": "x"}\n', LABELLED, "f.jsonl:1: no column is called 'label'. Known: text"),
    ("a long list in a cell", "f.jsonl", f'{{"text": {list(range(99))}, "label": "x"}}\n', LABELLED, "f.jsonl:1: column 'text' must hold text, found [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 1; tokens with their tags are read from a CoNLL file, one token per line"),
    ("a missing column", "f.csv", f"text,kind\n{ROWS}", LABELLED, "f.csv:1: no column is called 'label'. Known: kind, text"),
    ("an extra column", "f.csv", "id," + HEAD + "".join(f"{n},{row}\n" for n, row in enumerate(ROWS.splitlines())), LABELLED, PLAIN),
    ("too few cells", "f.csv", f"{HEAD}lonely\n{ROWS}", LABELLED, "f.csv:2: expected 2 columns (text, label), found 1"),
    ("too many cells", "f.csv", f"{HEAD}a,b,c\n{ROWS}", LABELLED, "f.csv:2: expected 2 columns (text, label), found 3"),
    ("a column twice", "f.csv", "text,label,text\na,b,c\n", LABELLED, "f.csv:1: the header names 'text' more than once"),
    ("an empty label", "f.csv", f"{HEAD}a,\n{ROWS}", LABELLED, f"f.csv:2: the label in column 'label' is empty; give it one or remove the row, or {LEAVE_OUT}"),
    ("a label of blanks", "f.csv", f"{HEAD}a,  \n{ROWS}", LABELLED, f"f.csv:2: the label in column 'label' is empty; give it one or remove the row, or {LEAVE_OUT}"),
    ("labels that differ by case", "f.csv", labelled_by("a", "A", "b"), LABELLED, good("48 6 6", "A, a, b", f"{ALIKE}: 'A', 'a'")),
    ("labels that differ by blanks", "f.csv", labelled_by("x y", "x  y", "b"), LABELLED, good("48 6 6", "b, x  y, x y", f"{ALIKE}: 'x  y', 'x y'")),
    ("labels that are numbers", "f.jsonl", objects("1", "2.0", "3"), LABELLED, good("48 6 6", "1, 2, 3")),
    ("one number, two ways", "f.csv", labelled_by("1", "1.0", "2"), LABELLED, good("48 6 6", "1, 1.0, 2", f"{ALIKE}: '1', '1.0'")),
    ("labels true and false", "f.jsonl", objects("true", "false"), LABELLED, good("48 6 6", "false, true")),
    ("labels in another script", "f.csv", labelled_by("好", "坏"), LABELLED, good("48 6 6", "坏, 好")),
    ("labels of markup", "f.csv", labelled_by("<b>", "&"), LABELLED, good("48 6 6", "&, <b>")),
    ("one class", "f.csv", labelled_by("a"), LABELLED, "c: every example has the label 'a'; a classifier needs at least two labels"),
    ("a class with one example", "f.csv", f"{HEAD}only,c\n{ROWS}", LABELLED, good("33 4 4", "a, b, c", "only one example has the label c; it is trained on or tested, not both")),
    ("classes with one example each", "f.csv", HEAD + "".join(f"text {n},c{n}\n" for n in range(40)), LABELLED, "c: of 40 examples, none is left for the validation split; most of the 40 labels have a single example: give each of them several"),
    ("5,000 classes", "f.csv", HEAD + "".join(f"text {n},c{n % 5_000:04}\n" for n in range(15_000)), LABELLED, good("12004 1504 1492", ", ".join(f"c{n:04}" for n in range(5_000)))),
    ("a label without a name", "f.csv", HEAD + ROWS, f'{LABELLED}\nnames = {{ a = "A" }}', "f.csv:3: label 'b' has no name in the card; named: a; add it to names in [adapter], or select rows with where"),
    ("a filter that nothing passes", "f.csv", HEAD + ROWS, f'{LABELLED}\nwhere = {{ label = "z" }}', "f.csv: holds no examples that the card selects"),
    ("only empty texts", "f.csv", HEAD + "".join(f",{'ab'[n % 2]}\n" for n in range(40)), LABELLED, "c: every text is empty; is the text column the right one?"),
    ("some empty texts", "f.csv", f"{HEAD},a\n{ROWS}", LABELLED, good("33 4 4", "a, b", "1 text is empty")),
    ("empty texts in several splits", "f.csv", HEAD + ",a\n" * 20 + ROWS, LABELLED, good("48 6 6", "a, b", "20 texts are empty")),
    ("too few examples", "f.csv", f"{HEAD}a,x\nb,y\n", LABELLED, "c: has 2 examples; at least 10 are needed to train, choose and test"),
    ("rows that repeat", "f.csv", HEAD + "same,a\n" * 30 + ROWS, LABELLED, good("56 7 7", "a, b", "none")),
    ("nothing but one text", "f.csv", HEAD + "same,a\nsame,b\n" * 30, LABELLED, "c: of 60 examples, none is left for the validation split; 59 repeat another one, and those stay in one split: give more that differ"),
    ("a cell that is a list", "f.jsonl", '{"text": ["a"], "label": "x"}\n', LABELLED, "f.jsonl:1: column 'text' must hold text, found ['a']; tokens with their tags are read from a CoNLL file, one token per line"),
    ("a cell that is null", "f.jsonl", '{"text": null, "label": "x"}\n', LABELLED, f"f.jsonl:1: column 'text' must hold text, found nothing; write it, or {LEAVE_OUT}"),
    ("rows that lack something are left out", "f.csv", f"{HEAD}a,\n,b\n  ,a\n{ROWS}", LABELLED + '\nmissing = "leave_out"', good("32 4 4", "a, b", "3 rows without a text or a label were left out")),
    ("names that lines lack", "f.jsonl", '{"text": "x"}\n{"label": "x"}\n' + "".join(f'{{"text": "t{n}", "label": "{"ab"[n % 2]}"}}\n' for n in range(40)), LABELLED + '\nmissing = "leave_out"', good("32 4 4", "a, b", "2 rows without a text or a label were left out")),
    ("one row that lacks something is left out", "f.csv", f"{HEAD}a,\n{ROWS}", LABELLED + '\nmissing = "leave_out"', good("32 4 4", "a, b", "1 row without a text or a label was left out")),
    ("rows that all lack something", "f.csv", f"{HEAD}a,\nb,\n", LABELLED + '\nmissing = "leave_out"', "f.csv: all of its 2 rows lack a text or a label, and were left out"),
    ("objects that lack something are left out", "f.jsonl", '{"text": null, "label": "x"}\n{"text": "a", "label": NaN}\n' + "".join(f'{{"text": "t{n}", "label": "{"ab"[n % 2]}"}}\n' for n in range(40)), LABELLED + '\nmissing = "leave_out"', good("32 4 4", "a, b", "2 rows without a text or a label were left out")),
    ("a cell that is no number", "f.jsonl", '{"text": NaN, "label": "x"}\n', LABELLED, f"f.jsonl:1: column 'text' must hold text, found nothing; write it, or {LEAVE_OUT}"),
    ("half a surrogate pair", "f.jsonl", '{"text": "\\ud800", "label": "x"}\n', LABELLED, "f.jsonl:1: column 'text' holds half of a surrogate pair; write the whole character"),
    ("a line that is no JSON", "f.jsonl", '{"text": \n', LABELLED, "f.jsonl:1: not JSON: Expecting value: line 1 column 10 (char 9)"),
    ("a line that is no object", "f.jsonl", "[1, 2]\n", LABELLED, "f.jsonl:1: expected one JSON object per line, found list"),
    ("JSON without end", "f.jsonl", "[" * 100_000 + "\n", LABELLED, f"f.jsonl:1: {MUCH}"),
    ("a number without end", "f.jsonl", f'{{"text": "a", "label": {"9" * 5000}}}\n', LABELLED, f"f.jsonl:1: {MUCH}"),
    ("a name twice", "f.jsonl", '{"text": "a", "text": "b", "label": "x"}\n', LABELLED, "f.jsonl:1: names 'text' more than once; keep one of them"),
    ("words of two parts by tabs", "f.conll", "".join(f"New York{n}\tB-x\nis\tO\n\n" for n in range(20)), COLUMNS, good("16 2 2", "O, B-x")),
    ("words with no-break blanks", "f.conll", "".join(f"a\u00a0{n} B-x\nis O\n\n" for n in range(20)), COLUMNS, good("16 2 2", "O, B-x")),
    ("a tab and no word", "f.conll", f"\tO\n\n{SENTENCES}", COLUMNS, "f.conll:1: expected a word in column 0 and a tag in column -1, found 1 column(s): '\\tO'"),
    ("tabs at the ends of lines", "f.conll", SENTENCES.replace("O\n", "O\t\n"), COLUMNS, good("16 2 2", "O, B-x")),
    ("sentences separated by no-break blanks", "f.conll", SENTENCES.replace("\n\n", "\n\u00a0\n"), COLUMNS, good("16 2 2", "O, B-x")),
    ("labels that would clear a screen", "f.csv", labelled_by("a\x1b[2J", "b\x07"), LABELLED, good("48 6 6", "a\\x1b[2J, b\\x07")),
    ("a table that is no Parquet", "f.parquet", HEAD + ROWS, LABELLED, "f.parquet: not a Parquet file, or a damaged one; put a whole one in its place: ArrowInvalid: Parquet magic bytes not found in footer. Either the file is corrupted or this is not a parquet file."),
    ("right to left, combining, emoji", "f.csv", HEAD + "".join(f"{ODD[n % 4]} {n},{'ab'[n % 2]}\n" for n in range(40)), LABELLED, PLAIN),
    ("emoji and Hebrew words", "f.conll", "".join(f"👍{n} B-x\nשלום O\n\n" for n in range(20)), COLUMNS, good("16 2 2", "O, B-x")),
    ("a word without a tag", "f.conll", f"lonely\n\n{SENTENCES}", COLUMNS, "f.conll:1: expected a word in column 0 and a tag in column -1, found 1 column(s): 'lonely'"),
    ("a word without a tag in a text", "f.txt", f"lonely\n{WORDS}", WORDTAG, "f.txt:1: expected word/TAG, found 'lonely'"),
    ("nine columns of ten", "f.conllu", "1\ta\t_\tNOUN\t_\t_\t_\t_\t_\n", CONLLU, "f.conllu:1: expected 10 columns separated by tabs, found 9: '1\\ta\\t_\\tNOUN\\t_\\t_\\t_\\t_\\t_'"),
    ("a word without a number", "f.conllu", "x" + TREES[1:], CONLLU, "f.conllu:1: the first column must be the word's number, a range such as 3-4 or an empty node such as 5.1, found 'x'"),
    ("a number without a word", "f.conllu", TREES.replace("word0", ""), CONLLU, "f.conllu:1: the word in the second column is empty; write it, or _ for none"),
    ("a word without a part of speech", "f.conllu", "1\ta\t_\t_\tNN\t_\t_\t_\t_\t_\n", CONLLU, "f.conllu:1: 'a' has no upos tag; the other kind is tags = 'xpos'"),
    ("transitions that the scheme forbids", "f.conll", f"a O\nb I-x\nc I-x\n\n{SENTENCES}", COLUMNS, good("17 2 2", "O, B-x, I-x", "1 tag follows one that the scheme does not allow before it, read as conlleval reads it")),
    ("an empty file of pairs", "f.tsv", "", PAIRS, "f.tsv: holds no examples; the file is empty"),
    ("a source without a target", "f.tsv", "a\tb\nlonely\n", PAIRS, "f.tsv:2: expected a source and a target separated by '\\t', found 1 cell"),
    ("an empty target", "f.tsv", "a\t\n", PAIRS, f"f.tsv:1: the target is empty; write it, or remove the pair, or {LEAVE_OUT}"),
    ("an empty source", "f.tsv", " \tb\n", PAIRS, f"f.tsv:1: the source is empty; write it, or remove the pair, or {LEAVE_OUT}"),
    ("a pair without one half, left out", "f.tsv", "a\t\n" + "".join(f"w{n}\tla\n" for n in range(60)), f'{PAIRS}\nmissing = "leave_out"', good("48 6 6", 3, "1 row without one of its texts was left out")),
    ("a pair of JSON without one half, left out", "f.jsonl", '{"s": "a", "t": null}\n{"s": "a"}\n' + "".join(f'{{"s": "w{n}", "t": "la"}}\n' for n in range(60)), f'{PAIRS}\nsource = "s"\ntarget = "t"\nmissing = "leave_out"', good("48 6 6", 3, "2 rows without one of its texts were left out")),
    ("a pair of JSON without both halves", "f.jsonl", '{"s": "a", "t": "b"}\n{"S": "a", "T": "b"}\n', f'{PAIRS}\nsource = "s"\ntarget = "t"', f"f.jsonl:2: the source is empty; write it, or remove the pair, or {LEAVE_OUT}"),
    ("a pair of JSON without one half", "f.jsonl", '{"s": "a", "t": null}\n', f'{PAIRS}\nsource = "s"\ntarget = "t"', f"f.jsonl:1: the target is empty; write it, or remove the pair, or {LEAVE_OUT}"),
    ("targets longer than is allowed", "f.tsv", "".join(f"w{n}\t{'la ' * (n % 3 + 2)}\n" for n in range(60)), f"{PAIRS}\nlongest = 3", good("32 4 4", 3, "20 pairs were left out, whose targets have more than 3 words, as [adapter] longest says")),
    ("nothing but long targets", "f.tsv", "".join(f"w{n}\ta b c {n}\n" for n in range(60)), f"{PAIRS}\nlongest = 3", "c: 60 of 60 targets have more than 3 words, the most that [adapter] longest allows; at least 10 pairs must be left"),
    ("undecodable bytes in pairs", "f.tsv", b"na\xefve\tb\n", PAIRS, f"f.tsv:1: byte 0xef at offset 2 of the line {ENCODING}"),
    ("a word without phonemes", "f.dict", "a AH0\nb\n", SPOKEN, "f.dict:2: 'b' has no phonemes; write them after it, separated by blanks"),
    ("a NUL byte among phonemes", "f.dict", "a AH\0\n", SPOKEN, f"f.dict:1: {NUL}"),
    ("an id that repeats", "f.csv", "id," + HEAD + "".join(f"7,{row}\n" for row in ROWS.splitlines()), LABELLED, PLAIN),
    ("an empty file of lines", "f.txt", "", LINES, "f.txt: holds no examples; the file is empty"),
    ("blank lines only", "f.txt", "\n \n", LINES, f"f.txt: {NOTHING}"),
    ("a NUL byte in a line", "f.txt", "fine\na\0b\n", LINES, f"f.txt:2: {NUL}"),
    ("undecodable bytes in a line", "f.txt", b"na\xefve\n", LINES, f"f.txt:1: byte 0xef at offset 2 of the line {ENCODING}"),
    ("lines of another file", "g.txt", "fine\n", LINES, "g.txt: the card's labels name f.txt, but not this file"),
    ("lines of one label", "f.txt", "".join(f"line {n}\n" for n in range(40)), LINES, "c: every example has the label 'a'; a classifier needs at least two labels"),
    ("lines without labels", "f.txt", "".join(f"line {n}\n" for n in range(40)), 'format = "lines"', 'c: no example has a label; write in [adapter] labels = { "good.txt" = "good" }, one for each file'),
    ("all tags alike", "f.conll", "a O\nb O\n\n" * 40, COLUMNS, "c: every token has the tag 'O'; a tagger needs at least two tags"),
    ("a table without its labels", "f.csv", HEAD + ROWS, f'{LABELLED}\nlabel = ""', 'c: no example has a label; write in [adapter] label = "COLUMN"'),
    ("vectors as examples", "f.txt", "the 1 2 3\n", VECTORS, "f.txt: holds word vectors, not examples; name it as the parameter 'vectors' of a search space"),
    ("a tag of another scheme", "f.conll", f"a E-x\n\n{SENTENCES}", f'{COLUMNS}\nscheme = "iob2"', "f.conll:1: 'E-x' is no tag of the scheme 'iob2'; declare scheme = one of iob1, iob2, bioes, bmes, none"),
]  # fmt: skip

CARD = 'about = "x"\ntask = "text"\n'
FILE = '[source]\nfile = "f.csv"\n'
FORMAT = '[adapter]\nformat = "labelled"\n'
CARDS = [
    ("no TOML", "about = \n", "c.toml:1: not TOML: Invalid value (at line 1, column 9)"),
    ("an unknown key", f'{CARD}license = "x"\n{FILE}{FORMAT}', "c.toml:3: license: no key is called 'license'. Did you mean 'licence'? Known: about, adapter, homepage, language, licence, source, split, task, unlabelled"),
    ("a wrong type", f'about = 3\ntask = "text"\n{FILE}{FORMAT}', "c.toml:1: about: must be text, found 3"),
    ("two sources", f'{CARD}{FILE}url = "https://x"\n{FORMAT}', "c.toml:3: source: needs exactly one of file, url, pypi, huggingface, found file, url"),
    ("no source", CARD + FORMAT, "c.toml:1: needs a table [source]"),
    ("an unknown format", f'{CARD}{FILE}[adapter]\nformat = "labeled"\n', "c.toml:6: adapter.format: no format is called 'labeled'. Did you mean 'labelled'? Known: columns, conllu, labelled, lines, pairs, pronunciations, vectors, wordtag"),
    ("a split beyond all", f"{CARD}{FILE}{FORMAT}[split]\ntest = 0.7\nvalidation = 0.6\n", "c.toml:9: split.validation: validation and test leave nothing to train on: 0.6 + 0.7"),
    ("a password in an address", f'{CARD}[source]\nurl = "https://me:secret@x/f.csv"\nsha256 = "{"0" * 64}"\n{FORMAT}', "c.toml:4: source.url: must not hold a user, a password or a query: a card is kept and logged with each sweep; fetch the file, and name it as file"),
    ("an address that is none", f'{CARD}[source]\nurl = "http://[::1"\nsha256 = "{"0" * 64}"\n{FORMAT}', "c.toml:4: source.url: is no address: Invalid IPv6 URL"),
    ("a key in an address", f'{CARD}[source]\nurl = "https://x/f.csv?key=secret"\nsha256 = "{"0" * 64}"\n{FORMAT}', "c.toml:4: source.url: must not hold a user, a password or a query: a card is kept and logged with each sweep; fetch the file, and name it as file"),
    ("an address of another kind", f'{CARD}[source]\nurl = "ftp://x/f.csv"\nsha256 = "{"0" * 64}"\n{FORMAT}', "c.toml:4: source.url: must begin with https:// or http:// or file:// and end with a file's name, found 'ftp://x/f.csv'"),
    ("an address of no file", f'{CARD}[source]\nurl = "https://x"\nsha256 = "{"0" * 64}"\n{FORMAT}', "c.toml:4: source.url: must begin with https:// or http:// or file:// and end with a file's name, found 'https://x'"),
    ("a password in an address of another kind", f'{CARD}[source]\nurl = "ftp://me:secret@x/f.csv"\nsha256 = "{"0" * 64}"\n{FORMAT}', "c.toml:4: source.url: must begin with https:// or http:// or file:// and end with a file's name, found 'ftp://x/f.csv'"),
    ("an address without a host", f'{CARD}[source]\nurl = "https://"\nsha256 = "{"0" * 64}"\n{FORMAT}', "c.toml:4: source.url: must begin with https:// or http:// or file:// and end with a file's name, found 'https://'"),
    ("brackets without end", f'{CARD}x = {"[" * 20_000}\n', "c.toml: has brackets in brackets deeper than Python reads; write fewer"),
    ("a number without end", f'{CARD}{FILE}{FORMAT}[split]\nseed = {"9" * 5_000}\n', "c.toml: has a number of thousands of digits; write a smaller one"),
    ("a label without a name", f'{CARD}{FILE}{FORMAT}names = {{ a = "" }}\n', "c.toml:7: adapter.names: must give each label some name, found an empty one"),
    ("a column without a name", f'{CARD}{FILE}{FORMAT}text = ""\n', "c.toml:7: adapter.text: must name a column, found ''"),
    ("a file beside none", f'{CARD}{FILE}beside = ["a", "b"]\n{FORMAT}', "c.toml:5: source.beside: must name one file for each that file or member names"),
    ("a member out of its package", f'{CARD}[source]\npypi = "x==1"\nmember = "x/../../f.csv"\nsha256 = "{"0" * 64}"\n{FORMAT}', "c.toml:5: source.member: must be a path inside the package, without '..', found 'x/../../f.csv'"),
    ("a member from the root", f'{CARD}[source]\npypi = "x==1"\nmember = {{ train = "/f.csv" }}\nsha256 = "{"0" * 64}"\n{FORMAT}', "c.toml:5: source.member: must be a path inside the package, without '..', found '/f.csv'"),
    ("a file that is not there", f'{CARD}[source]\nfile = "g.csv"\n{FORMAT}', "g.csv: no such file; . has f.csv"),
    ("a checksum too short", f'{CARD}[source]\nurl = "https://x/f.csv"\nsha256 = "00"\n{FORMAT}', "c.toml:5: source.sha256: must be 64 hexadecimal digits, letters in lower case, found '00'"),
    ("a checksum that nobody checks", f'{CARD}{FILE}sha256 = "{"0" * 64}"\n{FORMAT}', "c.toml:5: source.sha256: has no meaning for a file source; leave it out"),
    ("a commit of no repository", f'{CARD}{FILE}revision = "main"\n{FORMAT}', "c.toml:5: source.revision: has no meaning for a file source; leave it out"),
    ("several checksums of one package", f'{CARD}[source]\npypi = "x==1"\nmember = "f.csv"\nsha256 = {{ train = "{"0" * 64}" }}\n{FORMAT}', "c.toml:6: source.sha256: must be one checksum, of one file; leave it out where several are named"),
    ("one checksum of several files", f'{CARD}[source]\nhuggingface = "o/n"\nrevision = "1"\nmember = {{ train = "a.csv", test = "b.csv" }}\nsha256 = "{"0" * 64}"\n{FORMAT}', "c.toml:7: source.sha256: needs one checksum for each of train, test"),
]  # fmt: skip

SPACES = [
    ("a wrong type", '[parameters.units]\nfixed = "many"\n', "c.toml:4: parameters.units.fixed: must be a whole number from 1 to 2048, found 'many'"),
    ("no choices", "[parameters.cell]\nchoice = []\n", "c.toml:4: parameters.cell.choice: a choice needs at least one value"),
    ("a choice twice", '[parameters.cell]\nchoice = ["gru", "gru"]\n', "c.toml:4: parameters.cell.choice: each value once, found gru more than once"),
    ("bounds swapped", "[parameters.units]\nint = { low = 64, high = 32 }\n", "c.toml:4: parameters.units.int: need low <= high and step >= 1, got low=64, high=32, step=1"),
    ("a step that misses", "[parameters.units]\nint = { low = 32, high = 100, step = 32 }\n", "c.toml:4: parameters.units.int: steps of 32 from 32 never reach high=100; write high=96 or change step"),
    ("a logarithm of nothing", '[parameters.l2]\nfloat = { low = 0.0, high = 0.1, scale = "log" }\n', "c.toml:4: parameters.l2.float: a log scale needs low > 0, got low=0.0"),
    ("no end", "[parameters.l2]\nfloat = { low = 0.1, high = inf }\n", "c.toml:4: parameters.l2.float.high: must be a number, found inf"),
    ("a name twice", "[parameters.units]\nfixed = 3\n[parameters.units]\nfixed = 4\n", "c.toml:5: not TOML: Cannot declare ('parameters', 'units') twice (at line 5, column 18)"),
    ("a circle", '[parameters.cell]\nchoice = ["gru", "lstm"]\nwhen = { direction = ["both"] }\n[parameters.direction]\nchoice = ["both", "forward"]\nwhen = { cell = ["gru"] }\n', "c.toml:5: parameters.cell.when: conditions form a circle: cell -> direction -> cell"),
    ("a circle of one", '[parameters.cell]\nchoice = ["gru", "lstm"]\nwhen = { cell = ["gru"] }\n', "c.toml:5: parameters.cell.when: conditions form a circle: cell -> cell"),
    ("a condition that never holds", '[parameters.attention]\nfixed = "none"\n[parameters.attention_units]\nfixed = 3\nwhen = { attention = ["concat"] }\n', "c.toml:5: parameters.attention_units: has an effect only when attention is concat, and in this space it never is"),
    ("a condition on nothing", '[parameters.units]\nfixed = 3\nwhen = { sell = ["gru"] }\n', "c.toml:5: parameters.units.when: depends on 'sell', which this space does not declare; declared: units"),
    ("two rules", "[parameters.units]\nfixed = 3\nchoice = [3, 4]\n", "c.toml:3: parameters.units: needs exactly one of choice, int, float, fixed, found choice, fixed"),
    ("no parameters", "", "c.toml:1: needs a table [parameters]"),
]  # fmt: skip


# Name, what lies in a folder of texts and is linked to where, and what is said.
LINKS = [
    ("a link to nowhere", "data/a/1.txt", "gone.txt", "data/a/1.txt: is a link to gone.txt; within a folder a link must lead to a file of that folder: put a copy in its place, or remove it"),
    ("a link out of its folder", "data/a/1.txt", "../../f.csv", "data/a/1.txt: is a link to ../../f.csv; within a folder a link must lead to a file of that folder: put a copy in its place, or remove it"),
    ("a link to itself", "data/a/1.txt", "1.txt", "data/a/1.txt: is a link to 1.txt; within a folder a link must lead to a file of that folder: put a copy in its place, or remove it"),
    ("a link to a folder", "data/a/b", "../b", "data/a/b: is a link to ../b; within a folder a link must lead to a file of that folder: put a copy in its place, or remove it"),
    ("a link to another text", "data/a/1.txt", "0.txt", PLAIN.replace("32", "33")),
    ("all of it by a link", "linked", "data", PLAIN),
]  # fmt: skip

# Name, what lies in a folder of texts beside those of two classes, and what is said.
ROUND = [
    ("a hidden folder", "data/.git/1", PLAIN),
    ("a hidden file", "data/a/.1.txt", PLAIN),
    ("what Windows hides", "data/a/Thumbs.db", PLAIN),
    ("a folder too deep", "data/a/sub/1.txt", "data/a/sub/1.txt: lies deeper than the folders of the classes, in 'a/sub'; give each class one folder with its texts in it"),
    ("a file beside the folders", "data/1.txt", "data/1.txt: lies beside the folders of the classes, if there are such; move it into one, or away"),
    ("a class in another encoding", b"data/a\xff/1.txt", "'data/a\\udcff/1.txt': a name in it is not UTF-8; rename it"),
    ("a pipe", "data/a/pipe", "data/a/pipe: is neither a file nor a folder; write what it gives into a file, and name that"),
]  # fmt: skip

# Name, file of vectors and its content, and what is said.
WIDTH = "expected a word and 3 numbers, found"
VECTOR_FILES = [
    ("an empty file of vectors", "", "v.txt: holds no vectors; expected lines of a word and its numbers"),
    ("vectors of two widths", "the 1 2 3\na 1 2\n", f"v.txt:2: {WIDTH} 2: 'a 1 2'"),
    ("a word without its vector", "the 1 2 3\na\n", f"v.txt:2: {WIDTH} 0: 'a'"),
    ("a vector of words", "text one two three\n", "v.txt:1: could not convert string to float: 'one'"),
    ("a NUL byte in a vector", "the 1 2 3\na 1 \0 3\n", f"v.txt:2: {NUL}"),
    ("undecodable bytes in a vector", b"na\xefve 1 2 3\n", f"v.txt:1: byte 0xef at offset 2 of the line {ENCODING}"),
]


def names(rows):
    return [row[0] for row in rows]


def answer(capfd, *arguments):
    """Exit code, and all that was said."""
    code = main(arguments)
    said = capfd.readouterr()
    return code, said.out.strip(), said.err.strip()


TASKS = {
    "columns": "tagging",
    "conllu": "tagging",
    "wordtag": "tagging",
    "pairs": "seq2seq",
    "pronunciations": "seq2seq",
}


def checked(tmp_path, capfd, file, adapter, content, task=None):
    """The answer to a file that a card describes."""
    (tmp_path / "work" / file).write_bytes(content)
    task = task or TASKS.get(adapter.split('"')[1], "text")
    card = f'about = "x"\ntask = "{task}"\n[source]\nfile = "{file}"\n[adapter]\n{adapter}\n'
    (tmp_path / "work" / "c.toml").write_text(card)
    return answer(capfd, "datasets", "check", "c.toml")


@pytest.mark.parametrize(("name", "file", "content", "adapter", "said"), DATA, ids=names(DATA))
def test_data(tmp_path, capfd, name, file, content, adapter, said):
    found = checked(tmp_path, capfd, file, adapter, content if isinstance(content, bytes) else content.encode())
    assert found == ((0, said, "") if said.startswith("dataset:") else (2, "", f"sweeper: {said}"))


@pytest.mark.parametrize(("name", "text", "said"), CARDS, ids=names(CARDS))
def test_cards(tmp_path, capfd, name, text, said):
    (tmp_path / "work" / "f.csv").write_text(HEAD + ROWS)
    (tmp_path / "work" / "c.toml").write_text(text)
    assert answer(capfd, "datasets", "check", "c.toml") == (2, "", f"sweeper: {said}")


@pytest.mark.parametrize(("name", "text", "said"), SPACES, ids=names(SPACES))
def test_spaces(tmp_path, capfd, name, text, said):
    (tmp_path / "work" / "c.toml").write_text(CARD + text)
    assert answer(capfd, "spaces", "check", "c.toml") == (2, "", f"sweeper: {said}")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("the 1 2 3\na 1 2 3\n", None),
        ("the 1 2 3\na 1 2\n", "v.txt:2: expected a word and 3 numbers, found 2: 'a 1 2'"),
        ("the 1 2 3\na 1 x 3\n", "v.txt:2: could not convert string to float: 'x'"),
    ],
)
def test_a_check_reads_vectors_too(tmp_path, capfd, content, said):
    (tmp_path / "work" / "v.txt").write_text(content)
    (tmp_path / "work" / "c.toml").write_text(
        f'about = "x"\ntask = "vectors"\n[source]\nfile = "v.txt"\n[adapter]\n{VECTORS}\n'
    )
    found = answer(capfd, "datasets", "check", "c.toml")
    assert found == ((2, "", f"sweeper: {said}") if said else (0, "dataset:     c\nnumbers of each word: 3", ""))


# For each format a good file, with "%s" where a long word fits.
GOOD = [
    ("text", "f.csv", LABELLED, HEAD + ROWS + "%s,a\n"),
    ("text", "f.tsv", LABELLED, (HEAD + ROWS + "%s,a\n").replace(",", "\t")),
    ("text", "f.jsonl", LABELLED, objects('"a"', '"b"') + '{"text": "%s", "label": "a"}\n'),
    ("tagging", "f.conll", COLUMNS, SENTENCES + "%s O\n\n"),
    ("tagging", "f.conllu", CONLLU, TREES + "1\t%s\t_\tNOUN\tNN\t_\t_\t_\t_\t_\n\n"),
    ("tagging", "f.txt", WORDTAG, WORDS + "%s/n\n"),
    ("seq2seq", "f.tsv", PAIRS, "".join(f"w{n}\tla la\n" for n in range(40)) + "%s\tla\n"),
    (
        "seq2seq",
        "f.dict",
        SPOKEN,
        "".join(f"w{'abcdefghij'[n % 10]}{'abcd'[n // 10]} AH B\n" for n in range(40)) + "%s AH\n",
    ),
    ("generation", "f.txt", 'format = "lines"', "".join(f"line {n}\n" for n in range(40)) + "%s\n"),
]
ODDITIES = [
    ("a byte order mark", lambda text: b"\xef\xbb\xbf" + text),
    ("carriage returns and line feeds", lambda text: text.replace(b"\n", b"\r\n")),
    ("carriage returns alone", lambda text: text.replace(b"\n", b"\r")),
    ("mixed line ends", lambda text: text.replace(b"\n", b"\r\n", 7)),
    ("no end of the last line", lambda text: text.rstrip(b"\n")),
]


@pytest.mark.parametrize("oddity", [odd for _, odd in ODDITIES], ids=names(ODDITIES))
@pytest.mark.parametrize(
    ("task", "file", "adapter", "content"), GOOD, ids=[f"{task}-{file}" for task, file, *_ in GOOD]
)
def test_every_format_is_read_the_same_however_its_lines_begin_and_end(
    tmp_path, capfd, task, file, adapter, content, oddity
):
    plain = (content % "last").encode()
    expected = checked(tmp_path, capfd, file, adapter, plain, task)
    assert expected[0] == 0
    assert checked(tmp_path, capfd, file, adapter, oddity(plain), task) == expected


@pytest.mark.parametrize(
    ("task", "file", "adapter", "content"), GOOD, ids=[f"{task}-{file}" for task, file, *_ in GOOD]
)
def test_every_format_has_an_answer_to_a_line_of_a_megabyte_and_to_bytes_of_no_text(
    tmp_path, capfd, task, file, adapter, content
):
    code, _, said = checked(tmp_path, capfd, file, adapter, (content % ("w" * 1_000_000)).encode(), task)
    assert (code, said) == (0, "")
    for bad, complaint in (("\0", NUL), ("\udcff", "byte 0xff at offset")):
        code, _, said = checked(
            tmp_path, capfd, file, adapter, (content % f"a{bad}").encode("utf-8", "surrogateescape"), task
        )
        assert code == 2
        assert said.startswith(f"sweeper: {file}:")
        assert complaint in said


@pytest.mark.parametrize(("name", "path", "said"), ROUND, ids=names(ROUND))
def test_folders_of_texts(tmp_path, capfd, name, path, said):
    texts_of_two_classes(tmp_path)
    (tmp_path / "work" / "c.toml").write_text(CARD + f'[source]\nfile = "data"\n{FORMAT}layout = "folders"\n')
    other = tmp_path / "work" / os.fsdecode(path)
    other.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(other) if name == "a pipe" else other.write_text("text 99")
    found = answer(capfd, "datasets", "check", "c.toml")
    assert found == ((0, said, "") if said.startswith("dataset:") else (2, "", f"sweeper: {said}"))


def texts_of_two_classes(tmp_path):
    for number in range(40):
        file = tmp_path / "work" / "data" / "ab"[number % 2] / f"{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"text {number}")


@pytest.mark.parametrize(("name", "link", "to", "said"), LINKS, ids=names(LINKS))
def test_links(tmp_path, capfd, name, link, to, said):
    (tmp_path / "work" / "f.csv").write_text(HEAD + ROWS)
    texts_of_two_classes(tmp_path)
    (tmp_path / "work" / link).unlink(missing_ok=True)
    (tmp_path / "work" / link).symlink_to(to)
    card = CARD + f'[source]\nfile = "{link.partition("/")[0]}"\n{FORMAT}layout = "folders"\n'
    (tmp_path / "work" / "c.toml").write_text(card)
    found = answer(capfd, "datasets", "check", "c.toml")
    assert found == ((0, said, "") if said.startswith("dataset:") else (2, "", f"sweeper: {said}"))


@pytest.mark.parametrize(("name", "content", "said"), VECTOR_FILES, ids=names(VECTOR_FILES))
def test_vectors(tmp_path, capfd, name, content, said):
    (tmp_path / "work" / "f.csv").write_text(HEAD + ROWS)
    (tmp_path / "work" / "c.toml").write_text(CARD + FILE + FORMAT)
    (tmp_path / "work" / "v.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    (tmp_path / "work" / "s.toml").write_text(
        CARD + '[parameters.input]\nfixed = "pretrained"\n[parameters.vectors]\nfixed = "v.txt"\n'
    )
    code, _, err = answer(capfd, "sweep", "--dataset", "c.toml", "--space", "s.toml", "--trials", "1")
    assert (code, err.splitlines()[-1]) == (2, f"sweeper: {said}")
