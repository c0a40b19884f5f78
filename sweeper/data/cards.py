"""Dataset cards: what a dataset is, where it comes from, how it is read and how it is split."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .. import adapters
from ..declared import declarations, parameters
from ..declared.declarations import Fields
from ..errors import DeclarationError, unknown
from .source_spec import Source, source_of

WINDOW = 512
"""The longest sentence of tagging, in tokens; an exported tagger with attention reads longer texts window by window."""

MAX_NAME_BYTES = 120  # bytes, so that names of folders that begin so are no longer than file systems allow

HAVE_TEXTS = ("sentiment", "text", "generation")  # tasks whose examples are whole texts

TABLES = ("source", "adapter", "split", "unlabelled")

VECTORS = "vectors"
"""The `task` of a card that holds pretrained word vectors."""


@dataclass(frozen=True)
class Split:
    """How examples are divided. Shares are of all examples; where files are parts, of the training part, validation first
    and the test part of what is left."""

    validation: float = 0.1
    test: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class Card:
    """One declared dataset.

    Args:
        adapter: a key of `adapters.ADAPTERS`; `options` is that adapter's own record.
        folder: what relative paths are relative to.
        text: the declaration, kept with the sweep.
        unlabelled: the card of texts of the same kind, from which vectors are learned too; their labels are not used.
    """

    name: str
    about: str
    task: str
    source: Source
    adapter: str
    options: Any
    split: Split = field(default_factory=Split)
    language: str = ""
    licence: str = ""
    homepage: str = ""
    folder: Path = Path()
    text: str = ""
    unlabelled: Card | None = None


def load_card(name: str) -> Card:
    """Read and check a card.

    Args:
        name: a path to a .toml file, or a name found in datasets/ of the working folder
            or among those shipped.

    Raises:
        DeclarationError: with file, line, rule, what was found and what to write.
    """
    path = declarations.find("datasets", "dataset", name)
    return parse_card(declarations.read(path), as_name(path.stem))


def as_name(stem: str) -> str:
    """A file's stem as it may stand in the names of folders, experiments and registered models."""
    named = re.sub(r"[^\w.-]+", "-", stem).strip("-.") or "data"
    return named.encode()[:MAX_NAME_BYTES].decode(errors="ignore")


@dataclass(frozen=True)
class _Header:
    about: str
    task: str
    language: str = ""
    licence: str = ""
    homepage: str = ""


def summaries() -> list[Mapping[str, str]]:
    """Name, task, language, licence and description of every card, without checking the rest."""
    rows: list[Mapping[str, str]] = []
    for name, path in declarations.declared("datasets").items():
        header = declarations.read(path).into(_Header, ignore=TABLES)
        rows.append(
            {
                "dataset": name,
                "task": header.task,
                "language": header.language,
                "licence": header.licence,
                "about": header.about,
            }
        )
    return rows


def parse_card(fields: Fields, name: str, *, further: bool = True) -> Card:
    """Check a card that has been read.

    Args:
        further: read its table `[unlabelled]` too, if it has one.
    """
    header = fields.into(_Header, ignore=TABLES)
    if header.task not in (*parameters.EVERY_TASK, VECTORS):
        raise fields.error("task", unknown("task", header.task, (*parameters.EVERY_TASK, VECTORS)))
    source = source_of(fields.table("source"))
    adapter, options = _adapter(fields.table("adapter"))
    card = Card(
        name=name,
        about=header.about,
        task=header.task,
        source=source,
        adapter=adapter,
        options=options,
        split=_split(fields.table("split", {})),
        language=header.language,
        licence=header.licence,
        homepage=header.homepage,
        folder=fields.path.parent,
        text=fields.text,
    )
    if not further or "unlabelled" not in fields.values:
        return card
    return replace(card, unlabelled=_unlabelled(fields.table("unlabelled"), card))


def _adapter(adapter: Fields) -> tuple[str, Any]:
    """Its key in `adapters.ADAPTERS`, and its options."""
    form = str(adapter.values.get("format", ""))
    if form not in adapters.ADAPTERS:
        raise adapter.error("format", unknown("format", form, adapters.ADAPTERS))
    options: Any = adapter.into(adapters.ADAPTERS[form].options, ignore=("format",))
    if not 1 <= getattr(options, "longest", 1) <= WINDOW:
        raise adapter.error("longest", f"must be from 1 to {WINDOW}, found {options.longest}")
    if not getattr(options, "encoding", ("utf-8",)):
        raise adapter.error("encoding", 'needs at least one encoding, such as ["utf-8"]')
    if getattr(options, "separator", None) == "":
        raise adapter.error("separator", "must be some text, found ''")
    for key, mistake in adapters.ADAPTERS[form].mistakes(options):
        raise adapter.error(key, mistake)
    return form, options


def _unlabelled(fields: Fields, card: Card) -> Card:
    """The card of the texts that `card` names beside its own: those of another dataset, or lines of a source."""
    if "dataset" in fields.values:
        return _texts_of(fields)
    source = source_of(fields, "; or the dataset whose texts they are")
    for key in ("file", "url", "member"):
        if isinstance(getattr(source, key), dict):
            raise fields.error(key, "must not name parts of a split: all of it is for training")
    if source.beside is not None:
        raise fields.error("beside", "has no meaning here; leave it out")
    options = adapters.ADAPTERS["lines"].options(encoding=getattr(card.options, "encoding", ("utf-8",)))
    return replace(
        card, name=f"the lines that {card.name} names", source=source, adapter="lines", options=options, licence=""
    )


@dataclass(frozen=True)
class _Named:
    dataset: str


def _texts_of(fields: Fields) -> Card:
    name = fields.into(_Named).dataset
    path = fields.path.parent / os.path.expanduser(name)
    if path.exists() and path.suffix != ".toml" and name not in declarations.declared("datasets"):
        raise fields.error(
            "dataset", f"must be a name or a .toml file, found {name!r}; lines of texts are a file = ..."
        )
    if os.sep in name or path.suffix == ".toml":
        if not path.is_file():
            raise fields.error("dataset", f"{path}: no such file; a path is relative to this card")
    else:
        try:
            path = declarations.find("datasets", "dataset", name)
        except DeclarationError as error:
            raise fields.error("dataset", str(error)) from None
    if path.resolve() == fields.path.resolve():
        raise fields.error("dataset", "is this card itself, whose training texts are read anyway; name another")
    card = parse_card(declarations.read(path), as_name(path.stem), further=False)
    if card.task not in HAVE_TEXTS:
        raise fields.error("dataset", f"must be one of texts ({', '.join(HAVE_TEXTS)}); {name!r} is for {card.task}")
    return card


def _split(fields: Fields) -> Split:
    split = fields.into(Split)
    for key in ("validation", "test"):
        if not 0 < getattr(split, key) < 1:
            raise fields.error(key, f"must be a share between 0 and 1, found {getattr(split, key)}")
    if split.seed < 0:
        raise fields.error("seed", f"must be 0 or more, found {split.seed}")
    if split.validation + split.test >= 1:
        raise fields.error(
            "validation", f"validation and test leave nothing to train on: {split.validation} + {split.test}"
        )
    return split
