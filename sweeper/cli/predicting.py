"""The command `predict`: texts in, answers out."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError, UsageError, listed, unknown
from ..serving.answer import GREEDY, SAMPLING
from ..system.wording import as_json, first_line, visible, visible_line

LIMITS: dict[str, tuple[float, float]] = {
    "temperature": (0, 1_000),
    "top_k": (0, 1_000_000),
    "seed": (0, 2**31 - 1),
    "length": (0, 100_000),
    "beam_width": (1, 100),
    "length_penalty": (-10, 10),
}


def predict(options: argparse.Namespace) -> int:
    """Answer texts with an exported model."""
    folder = Path(options.folder)
    if not (folder / "saved_model.pb").is_file():
        raise UsageError(f"{folder}: holds no exported model; make one with: sweeper export --to DIR")
    texts, goes_on = _texts(options), (folder / "sampling.json").exists()
    asked = _asked(options)
    if not texts and options.file:
        raise UsageError(f"--file: {options.file}: is empty; write one text per line into it")
    if not texts and not goes_on:
        raise UsageError("give texts, or --file F (- for standard input)")
    texts = texts or [""]  # a prompt may be empty
    if goes_on and options.label is None:
        _say_which_label(options.folder, asked["label"])
    answers = _answers(folder, texts, asked)
    if options.json:
        print(as_json({"answers": answers}))
        return 0
    for text, answer in zip(texts, answers, strict=True):
        if answer.get("unknown"):
            print(
                f"sweeper: {text[:60]!r}: {answer['unknown']} of its symbols unknown to the model, read as <unk>",
                file=sys.stderr,
            )
        print(_line(text, answer, goes_on=goes_on))
    return 0


def _texts(options: argparse.Namespace) -> list[str]:
    """The texts to answer.

    Raises:
        UsageError: one is not of whole characters, or there are two places that they might come from.
    """
    if options.file and options.texts:
        raise UsageError(f"--file: stands for texts, and there is one already, {options.texts[0]!r}; give one of them")
    texts = _lines(options.file) if options.file else list(options.texts)
    for text in texts:
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise UsageError(
                f"{text.encode('utf-8', 'replace').decode()!r}: is not UTF-8; write it in a UTF-8 terminal or file"
            )
    return texts


def _answers(folder: Path, texts: list[str], asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What an exported model says of each text.

    Raises:
        UsageError: the folder is damaged, or of another program.
    """
    from ..serving.answer import load
    from ..system.quiet import without_chatter

    with without_chatter():
        import tensorflow as tf

        try:
            return list(load(str(folder), **asked)(texts))
        except tf.errors.ResourceExhaustedError:
            raise UsageError("out of memory; give fewer texts, shorter ones, or a smaller --beam-width") from None
        except (OSError, ValueError, LookupError, TypeError, RuntimeError, tf.errors.OpError) as error:
            raise UsageError(
                f"{folder}: is no model that sweeper has exported, or was damaged since: {first_line(error)}; export it again"
            ) from None


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    """What a model that writes is asked for: how one that goes on with prompts samples, and of others what was said.

    Raises:
        UsageError: an option is out of its bounds, or of another kind of model.
    """
    folder = Path(options.folder)
    asked = _given(
        options, folder / "decoding.json", GREEDY, "write a target for each text (an older one: export it again)"
    )
    return asked | _sampling(options, folder / "sampling.json")


def _given(options: argparse.Namespace, described: Path, usual: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The options of one kind of model, whose `usual` values are `described` in a file, as far as they were given."""
    given = {name: getattr(options, name) for name in usual if getattr(options, name) is not None}
    if described.exists():
        _check_whole(described, usual)
    for name, value in given.items():
        option, bounds = f"--{name.replace('_', '-')}", LIMITS.get(name)
        if not described.exists():
            raise UsageError(f"{option}: is for models that {kind}, and {options.folder} holds another")
        if bounds and not bounds[0] <= value <= bounds[1]:
            raise UsageError(f"{option}: must be from {bounds[0]:,} to {bounds[1]:,}, found {value:g}")
    return given


def _check_whole(described: Path, usual: Mapping[str, Any]) -> None:
    """Refuse a file of settings that lacks one, or has one of another kind."""
    kept = _kept(described, dict)
    for name, value in usual.items():
        if not isinstance(kept.get(name), (int, float) if isinstance(value, float) else type(value)):
            raise UsageError(
                f"{described}: was damaged since it was exported: {name} is {kept.get(name)!r}; export it again"
            )


def _sampling(options: argparse.Namespace, described: Path) -> dict[str, Any]:
    """All that a model that goes on with prompts is asked for; {} for any other."""
    given = _given(options, described, SAMPLING, "go on with a prompt")
    if not described.exists():
        return {}
    usual, labels = _kept(described, dict), _kept(described.with_name("labels.json"), list)
    if given.get("label", "") and not labels:
        raise UsageError("--label: the texts that this model has read had no labels; leave it out")
    if "label" in given and labels and given["label"] not in labels:
        raise UsageError(f"--label: {unknown('label', given['label'], labels)}")
    return {**usual, **given}


def _say_which_label(folder: str, label: str) -> None:
    """Of a model that is told labels, when nobody has named one."""
    labels = _kept(Path(folder) / "labels.json", list)
    if len(labels) > 1:
        others = visible_line(listed(labels))
        print(f"sweeper: goes on as {visible_line(label)!r} would; --label names another: {others}", file=sys.stderr)


def _kept(path: Path, kind: type[Any]) -> Any:
    """What an export says of itself."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, kind):
            raise ValueError(f"holds a {type(found).__name__}, not a {kind.__name__}")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: was damaged since it was exported: {first_line(error)}; export it again") from None
    return found


def _line(text: str, answer: Mapping[str, Any], *, goes_on: bool) -> str:
    """One answer; what a model writes may have lines of its own, a text beside it is one cell."""
    if "label" in answer:
        return f"{visible_line(answer['label'])}\t{answer['score']:.4f}\t{visible_line(text)}"
    if "output" in answer:
        return visible(answer["output"]) if goes_on else f"{visible_line(answer['output'])}\t{visible_line(text)}"
    pairs = zip(answer["tokens"], answer["tags"], strict=True)
    return " ".join(visible_line(f"{token}/{tag}") for token, tag in pairs)


def _lines(file: str) -> list[str]:
    from ..adapters import Document

    path = Path("/dev/stdin" if file == "-" else os.path.expanduser(file))
    if not path.exists() or path.is_dir():
        raise UsageError(f"--file: {file}: no such file")
    try:
        lines = [line for _, line in Document(path, file).lines(("utf-8",))]
    except DataError as error:
        said = str(error)
        if "encoding" in said.removeprefix(file):  # which a card would declare
            said = f"{said.partition(';')[0]}; texts are read as UTF-8"
        raise UsageError(f"--file: {said}") from None
    return lines[:-1] if lines and not lines[-1] else lines
