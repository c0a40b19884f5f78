"""A card for a person's own file: format by its ending, task by its labels, and both said aloud."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from .. import adapters
from ..adapters import schemes
from ..declared.declarations import Fields
from ..errors import DataError, UsageError, listed, unknown
from ..records import LabelledText, TaggedSentence
from . import sources
from .cards import Card, as_name, parse_card
from .examples import are_stars
from .sniff import (
    comment_mark,
    encoding_of,
    encodings,
    header_of,
    holds_sentences,
    numbers_its_words,
    parts_of,
    refuse_what_has_no_columns,
)

TABLES = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".parquet")
TABBED = (".tsv", ".tab")  # which may hold words with their tags as well
COLUMNS = (".conll", ".bio", ".iob", ".iob2", ".bioes", ".bmes", ".txt")
NO_TABLES = (".conllu", *COLUMNS)
CURES = {
    ".json": "; write one object per line, as .jsonl",
    **dict.fromkeys((".xlsx", ".xls"), "; save the sheet as .csv"),
}
MAX_SHOWN = 30  # characters of a text in a sentence of ours
SENTIMENT_LABELS = frozenset(
    "positive negative neutral pos neg neu good bad mixed 正面 负面 中性 积极 消极 好评 差评".split()
)
TEXT_NAMES = ("text", "sentence", "review", "content", "comment", "body", "文本", "内容", "评论")
CODED = ("label", "labels", "class", "category", "标签", "类别")  # names of columns where 0, 1, 2, ... number classes
MAX_NUMBERS = 20  # different ones, beyond which numbers with fractions are amounts and no labels
LABEL_NAMES = ("label", "class", "category", "sentiment", "stars", "rating", "标签", "类别")


def infer_card(
    data: str, text: str | None = None, label: str | None = None, encoding: str | None = None, task: str | None = None
) -> tuple[Card, str]:
    """A card for one file or folder, and a sentence that says what was inferred.

    Args:
        data: the path.
        text, label: columns of a table; found by name where they are not given.
        encoding: of the file's text; UTF-8 where it is not given.
        task: where the person has said it.

    Raises:
        UsageError: the file's kind is unknown, or a column must be named.
        DataError, SourceError: as reading it would.
    """
    path = Path(os.path.expanduser(data))  # which leaves alone what begins with ~ and is nobody's home
    if not path.exists():
        near = sorted(p.name for p in path.parent.glob(f"*{path.suffix}")) if path.parent.is_dir() else []
        raise UsageError(f"--data: {data}: no such file{f'; {path.parent} has {listed(near)}' if near else ''}")
    if not path.is_dir():
        sources.check_file(path)
    if task == "seq2seq":
        return _pairs_card(path, text, label, encoding)
    if task == "generation":
        return _texts_card(path, text, label, encoding)
    adapter = _adapter(parts_of(path).get("train", path), text, label, encoding, task)
    draft = _card(path, adapter, "text" if adapter["format"] == "labelled" else "tagging")
    labels = _labels(draft)
    chosen, why = (task, "") if task else _task(draft, labels, str(adapter.get("label", "")))
    said = f"{path.name}: {adapter['format']}" + "".join(
        f", {what} {adapter[name]!r}"
        for name, what in (
            ("text", "text in"),
            ("label", "label in"),
            ("separator", "columns separated by"),
            ("comment", "comments begin with"),
        )
        if name in adapter
    )
    if adapter["format"] == "columns":
        said += ", word in the first column, tag in the last"
    how = "as you said" if task else f"because {why}"
    return _card(path, adapter, chosen), f"{said}; {len(labels)} labels ({listed(labels)}); task: {chosen}, {how}"


def _pairs_card(path: Path, source: str | None, target: str | None, encoding: str | None) -> tuple[Card, str]:
    """A card for a file of `source<TAB>target` lines, or for two columns of a table; texts with blanks are read by word,
    others by character."""
    ending = path.suffix.lower()
    if path.is_dir():
        raise UsageError(
            f"--data: seq2seq reads one file, of lines source<TAB>target or a table; for another layout of {path.name} write a card"
        )
    adapter: dict[str, object] = {"format": "pairs", **encoding_of(path, encoding)}
    if source or target or ending in (".csv", ".jsonl", ".ndjson", ".parquet"):
        header, separator = header_of(path, encoding)
        if source is None or target is None:
            raise UsageError(
                f"--text SOURCE --label TARGET are needed for pairs in a table: {path.name} has the columns {listed(header)}; lines source<TAB>target without names are a .tsv or .txt file"
            )
        source, target = _column("--text", source, (), header), _column("--label", target, (), header)
        _check_apart(source, target)
        adapter |= {"source": source, "target": target, **separator}
    card = _card(path, adapter, "seq2seq")
    pairs = list(adapters.pairs.read(adapters.Document(path, str(path)), card.options))
    if not pairs:
        raise DataError(f"{path}: the file holds no pairs")
    for side in ("source", "target"):
        blanks = sum(" " in getattr(pair, side) for pair in pairs)
        adapter[f"{side}_tokens"] = "words" if 2 * blanks > len(pairs) else "characters"
    said = f"{path.name}: {len(pairs):,} pairs, {adapter['source_tokens']} to {adapter['target_tokens']}, the first {_begun(pairs[0].source)} to {_begun(pairs[0].target)}"
    return _card(path, adapter, "seq2seq"), f"{said}; task: seq2seq, as you said"


def _texts_card(path: Path, text: str | None, label: str | None, encoding: str | None) -> tuple[Card, str]:
    """A card for texts to go on with: a table, with labels only where they are asked for, a folder for each label, or
    a plain text, each line of it one."""
    shown = parts_of(path).get("train", path)
    common, ending = encoding_of(shown, encoding), shown.suffix.lower()
    if shown.is_dir():
        adapter = _adapter(shown, text, label, encoding, "generation")
    elif ending in TABLES:
        header, separator = header_of(shown, encoding)
        text = _column("--text", text, TEXT_NAMES, header)
        label = "" if label is None else _column("--label", label, LABEL_NAMES, header)
        _check_apart(text, label)
        adapter = {"format": "labelled", "text": text, "label": label, **separator, **common}
    elif ending == ".txt" and not (text or label):
        adapter = {"format": "lines", **common}
    else:
        raise UsageError(
            f"--data: generation reads a .txt file of one text per line, a table ({', '.join(TABLES)}) with --text, or a folder of texts for each label; for another layout of {path.name} write a card"
        )
    card = _card(path, adapter, "generation")
    labels = [one for one in _labels(card) if one]
    told = f"{len(labels)} labels ({listed(labels)})" if labels else "without labels"
    return card, f"{path.name}: {adapter['format']}, {told}, by character; task: generation, as you said"


def _begun(text: str) -> str:
    return repr(text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}...")


def _adapter(
    path: Path, text: str | None, label: str | None, encoding: str | None, task: str | None
) -> dict[str, object]:
    ending = path.suffix.lower()
    if (text or label) and (path.is_dir() or ending in NO_TABLES):
        raise UsageError(
            f"{'--text' if text else '--label'}: names a column of a table, and {path.name} is none; leave it out"
        )
    common = encoding_of(path, encoding)
    if path.is_dir():
        return {"format": "labelled", "layout": "folders", **common}
    tagged = ending in TABBED and not (text or label) and _is_tagged(path, common, task)
    if ending in TABLES and not tagged:
        return {**_table(path, text, label, encoding), **common}
    if ending == ".conllu":
        return {"format": "conllu", **common}
    if ending in COLUMNS or tagged:
        return {**_columns(path, _lines(path, common)), **common}
    raise UsageError(
        f"--data: {path.name}: no adapter for the ending {ending!r}{CURES.get(ending, '')}; known: {', '.join((*TABLES, *NO_TABLES))}, or a folder of texts for each class"
    )


def _table(path: Path, text: str | None, label: str | None, encoding: str | None) -> dict[str, object]:
    header, separator = header_of(path, encoding)
    named = {
        "text": _column("--text", text, TEXT_NAMES, header),
        "label": _column("--label", label, LABEL_NAMES, header),
    }
    _check_apart(**named)
    return {"format": "labelled", **named, **separator}


def _check_apart(text: str, label: str) -> None:
    if text == label:
        raise UsageError(f"--label: must be another column than --text, found {label!r} for both")


def _columns(path: Path, lines: Sequence[str]) -> dict[str, object]:
    mark = comment_mark(lines)
    written = [line for line in lines if not (mark and line.startswith(mark))]
    if path.suffix.lower() == ".txt":
        refuse_what_has_no_columns(path, written)
    if numbers_its_words(written):
        raise UsageError(
            f"--data: {path.name}: its first column numbers the words of each sentence; say in a card which columns hold word and tag, counted from 0, such as token = 1 and tag = 2"
        )
    return {"format": "columns", **({"comment": mark} if mark else {})}


def _is_tagged(path: Path, common: Mapping[str, object], task: str | None) -> bool:
    """Whether a file whose ending may be a table's is words with their tags."""
    if task is not None:
        return task == "tagging"
    lines = _lines(path, common)
    named = {name.strip().lower() for name in lines[0].split("\t")} if lines else set()
    return holds_sentences(lines) and not named & {*TEXT_NAMES, *LABEL_NAMES}


def _lines(path: Path, common: Mapping[str, object]) -> list[str]:
    return [line for _, line in adapters.Document(path, str(path)).lines(encodings(common))]


def _column(flag: str, given: str | None, usual: tuple[str, ...], header: list[str]) -> str:
    if given is not None:
        alike = [name for name in header if name.strip() == given.strip()]  # `make` takes blanks off
        if given not in header and len(alike) != 1:
            raise UsageError(f"{flag}: {unknown('column', given, header)}")
        return given if given in header else alike[0]
    for name in header:
        if name.strip().lower() in usual:
            return name
    raise UsageError(
        f"{flag} COLUMN is needed: the file has the columns {listed(map(repr, header))}, as its first line names them; a table without names needs such a line"
    )


def _card(path: Path, adapter: dict[str, object], task: str) -> Card:
    """Through the text of a declaration, so that the sweep keeps a card that anyone can use again."""
    lines = [
        f"about = {_quoted(f'{path.name}, a file of your own')}",
        f"task  = {_quoted(task)}",
        "",
        "[source]",
        f"file = {_where(_whole(path))}",
        "",
        "[adapter]",
    ]
    lines += [f"{key} = {_quoted(value)}" for key, value in adapter.items()]
    return card_from_text("\n".join(lines) + "\n", as_name(path.stem), path.parent)


def _whole(path: Path) -> Path:
    """The path from the root on; its own name stays, though it is a link, since its ending says what it holds."""
    return path.absolute().parent.resolve() / path.name if path.name not in ("", "..") else path.resolve()


def _where(path: Path) -> str:
    """A file or folder, or the parts that it holds, as a card writes them."""
    parts = [f"{part} = {_quoted(str(place))}" for part, place in parts_of(path).items()]
    return f"{{ {', '.join(parts)} }}" if parts else _quoted(str(path))


def card_from_text(text: str, name: str, folder: Path) -> Card:
    """A card from a declaration that is not in a file of its own."""
    import tomllib

    return parse_card(Fields(tomllib.loads(text), folder / f"{name}.toml", text), name)


def _quoted(value: object) -> str:
    """Text, a number or a list of such as TOML writes it, which unlike JSON does not take U+007F as it is."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _labels(card: Card) -> list[str]:
    """Every label, sorted. All examples are read: files are often sorted by label."""
    found: set[str] = set()
    with sources.opened(card) as documents:
        for document in documents:
            for example in adapters.ADAPTERS[card.adapter].read(document, card.options):
                if isinstance(example, TaggedSentence):
                    found.update(example.tags)
                elif isinstance(example, LabelledText):
                    found.add(example.label)
    if not found:
        raise DataError(f"{card.source.file}: holds no examples")
    return sorted(found)


def _task(card: Card, labels: Sequence[str], column: str) -> tuple[str, str]:
    if card.task == "tagging":
        spans = schemes.infer_scheme(labels) != "none"
        return "tagging", "every token has a tag" + (" and the tags mark spans" if spans else "")
    if are_stars(labels):
        if column.strip().lower() in CODED and set(labels) == {str(code) for code in range(len(labels))}:
            return (
                "text",
                f"{column!r} numbers classes from 0; if they are stars, sweeper sweep sentiment reads them so",
            )
        return (
            "sentiment",
            "the labels are numbers, read as ordered stars; if they number classes, sweeper sweep text reads them so",
        )
    if len(labels) == 2 and all(re.fullmatch(r"[+-]?\d+(\.\d+)?", label) and float(label) <= 10 for label in labels):
        return "sentiment", "the labels are two numbers"
    if {label.lower() for label in labels} <= SENTIMENT_LABELS:
        return "sentiment", "the labels are sentiment words"
    if all(re.fullmatch(r"[+-]?\d+(\.\d+)?", label) for label in labels):
        if len(labels) > MAX_NUMBERS and any(float(label) % 1 for label in labels):
            raise UsageError(
                f"--label: holds {len(labels)} different numbers ({listed(labels)}), which look like amounts, not labels; make classes of them, such as stars from 1 to 5"
            )
        return "text", "the labels are numbers, but no stars that follow each other"
    return "text", "the labels are names"
