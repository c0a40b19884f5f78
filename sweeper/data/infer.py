"""A card for a person's own file: format by its ending, task by its labels, and both said aloud."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from .. import adapters
from ..adapters import schemes
from ..declarations import Fields
from ..errors import DataError, UsageError, listed, unknown
from ..records import LabelledText, TaggedSentence
from . import sources
from .cards import PARTS, Card, as_name, parse_card
from .examples import are_stars
from .sniff import comment_mark, encoding_of, encodings, header_of, holds_parts, refuse_what_has_no_columns

TABLES = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".parquet")
COLUMNS = (".conll", ".bio", ".iob", ".iob2", ".bioes", ".bmes", ".txt")
FEELINGS = frozenset(
    [
        "positive",
        "negative",
        "neutral",
        "pos",
        "neg",
        "neu",
        "good",
        "bad",
        "mixed",
        "正面",
        "负面",
        "中性",
        "积极",
        "消极",
        "好评",
        "差评",
    ]
)
TEXT_NAMES = ("text", "sentence", "review", "content", "comment", "body", "文本", "内容", "评论")
MOST_NUMBERS = 20  # different ones, beyond which numbers are amounts and no labels
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
    path = Path(data)
    if not path.exists():
        near = sorted(p.name for p in path.parent.glob(f"*{path.suffix}")) if path.parent.is_dir() else []
        raise UsageError(f"--data: {data}: no such file{f'; {path.parent} has {listed(near)}' if near else ''}")
    if not path.is_dir():
        sources.check_file(path)
    if task == "seq2seq":
        return _pairs_card(path, text, label, encoding)
    if task == "generation":
        return _texts_card(path, text, label, encoding)
    adapter = _adapter(path, text, label, encoding)
    draft = _card(path, adapter, "text" if adapter["format"] in ("labelled", "lines") else "tagging")
    labels = _labels(draft)
    chosen, why = (task, "") if task else _task(draft, labels)
    said = f"{path.name}: {adapter['format']}" + "".join(
        f", {what} {adapter[name]!r}"
        for name, what in (
            ("text", "text in"),
            ("label", "label in"),
            ("separator", "columns parted by"),
            ("comment", "comments begin with"),
        )
        if name in adapter
    )
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
        if source == target:
            raise UsageError(f"--label: must be another column than --text, found {target!r} for both")
        adapter |= {"source": _column("--text", source, (), header), "target": _column("--label", target, (), header)}
        adapter |= separator
    card = _card(path, adapter, "seq2seq")
    pairs = list(adapters.ADAPTERS["pairs"].read(adapters.Document(path, str(path)), card.options))
    if not pairs:
        raise DataError(f"{path}: the file holds no pairs")
    for side in ("source", "target"):
        blanks = sum(" " in getattr(pair, side) for pair in pairs)
        adapter[f"{side}_tokens"] = "words" if 2 * blanks > len(pairs) else "characters"
    said = f"{path.name}: {len(pairs):,} pairs, {adapter['source_tokens']} to {adapter['target_tokens']}"
    return _card(path, adapter, "seq2seq"), f"{said}; task: seq2seq, as you said"


def _texts_card(path: Path, text: str | None, label: str | None, encoding: str | None) -> tuple[Card, str]:
    """A card for texts to go on with: a table, with labels only where they are asked for, a folder for each label, or
    a plain text, each line of it one."""
    common, ending = encoding_of(path, encoding), path.suffix.lower()
    if path.is_dir() or ending in TABLES:
        adapter = _adapter(path, text, label or text, encoding) if path.is_dir() else {"format": "labelled", **common}
    elif ending == ".txt" and not (text or label):
        adapter = {"format": "lines", **common}
    else:
        raise UsageError(
            f"--data: generation reads a .txt file of one text a line, a table ({', '.join(TABLES)}) with --text, or a folder of texts for each label; for another layout of {path.name} write a card"
        )
    if ending in TABLES and not path.is_dir():
        header, separator = header_of(path, encoding)
        adapter["text"] = _column("--text", text, TEXT_NAMES, header)
        adapter["label"] = "" if label is None else _column("--label", label, LABEL_NAMES, header)
        adapter |= separator
    card = _card(path, adapter, "generation")
    labels = [one for one in _labels(card) if one]
    told = f"{len(labels)} labels ({listed(labels)})" if labels else "without labels"
    return card, f"{path.name}: {adapter['format']}, {told}, by character; task: generation, as you said"


def _adapter(path: Path, text: str | None, label: str | None, encoding: str | None) -> dict[str, object]:
    ending = path.suffix.lower()
    if (text or label) and (path.is_dir() or ending not in TABLES):
        raise UsageError(
            f"{'--text' if text else '--label'}: names a column of a table, and {path.name} is none; leave it out"
        )
    common = encoding_of(path, encoding)
    if path.is_dir():
        return {"format": "labelled", "layout": "folders", **common}
    if ending in TABLES:
        header, separator = header_of(path, encoding)
        columns = {
            "text": _column("--text", text, TEXT_NAMES, header),
            "label": _column("--label", label, LABEL_NAMES, header),
            **separator,
        }
        if columns["text"] == columns["label"]:
            raise UsageError(f"--label: must be another column than --text, found {columns['label']!r} for both")
        return {"format": "labelled", **columns, **common}
    if ending == ".conllu":
        return {"format": "conllu", **common}
    if ending in COLUMNS:
        lines = [line for _, line in adapters.Document(path, str(path)).lines(encodings(common))]
        mark = comment_mark(lines)
        if ending == ".txt":
            refuse_what_has_no_columns(path, [line for line in lines if not (mark and line.startswith(mark))])
        return {"format": "columns", **({"comment": mark} if mark else {}), **common}
    cure = "; write one object a line, as .jsonl" if ending == ".json" else ""
    raise UsageError(
        f"--data: {path.name}: no adapter for the ending {ending!r}{cure}; known: {', '.join((*TABLES, '.conllu', *COLUMNS))}, or a folder of texts for each class"
    )


def _column(flag: str, given: str | None, usual: tuple[str, ...], header: list[str]) -> str:
    if given is not None:
        if given not in header:
            raise UsageError(f"{flag}: {unknown('column', given, header)}")
        return given
    for name in header:
        if name.lower() in usual:
            return name
    raise UsageError(
        f"{flag} COLUMN is needed: the file has the columns {listed(header)}, as its first line names them; a table without names needs such a line"
    )


def _card(path: Path, adapter: dict[str, object], task: str) -> Card:
    """Through the text of a declaration, so that the sweep keeps a card that anyone can use again."""
    lines = [
        f"about = {_quoted(f'{path.name}, a file of your own')}",
        f"task  = {_quoted(task)}",
        "",
        "[source]",
        f"file = {_where(path.resolve())}",
        "",
        "[adapter]",
    ]
    lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in adapter.items()]
    return card_from_text("\n".join(lines) + "\n", as_name(path.stem), path.parent)


def _where(path: Path) -> str:
    """A file or folder, or the folders of its parts, as a card writes them."""
    if not holds_parts(path):
        return _quoted(str(path))
    parts = (f"{part} = {_quoted(str(path / part))}" for part in PARTS if (path / part).is_dir())
    return f"{{ {', '.join(parts)} }}"


def card_from_text(text: str, name: str, folder: Path) -> Card:
    """A card from a declaration that is not in a file of its own."""
    import tomllib

    return parse_card(Fields(tomllib.loads(text), folder / f"{name}.toml", text), name)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


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


def _task(card: Card, labels: Sequence[str]) -> tuple[str, str]:
    if card.task == "tagging":
        spans = schemes.infer_scheme(labels) != "none"
        return "tagging", "every token has a tag" + (" and the tags mark spans" if spans else "")
    if are_stars(labels):
        return "sentiment", "the labels are numbers, read as ordered stars"
    if len(labels) == 2 and all(re.fullmatch(r"\d+(\.\d+)?", label) and float(label) <= 10 for label in labels):
        return "sentiment", "the labels are two numbers"
    if {label.lower() for label in labels} <= FEELINGS:
        return "sentiment", "the labels are feelings"
    if all(re.fullmatch(r"[+-]?\d+(\.\d+)?", label) for label in labels):
        if len(labels) > MOST_NUMBERS and any(float(label) % 1 for label in labels):
            raise UsageError(
                f"--label: holds {len(labels)} different numbers ({listed(labels)}), which are amounts and no labels; make classes of them, such as stars from 1 to 5"
            )
        return "text", "the labels are numbers, but no stars that follow each other"
    return "text", "the labels are names"
