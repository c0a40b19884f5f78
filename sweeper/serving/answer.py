"""Answers of an exported model, with plain TensorFlow and no other code of ours.

A program of its own as well: it reads JSON texts, one per line, and prints JSON answers.

    python answer.py EXPORT_FOLDER < texts.jsonl
    python answer.py EXPORT_FOLDER '{"temperature": 0.5}' < prompts.jsonl
    python answer.py EXPORT_FOLDER '{"beam_width": 8}' < sources.jsonl
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

BATCH = 64  # texts answered together
SAMPLING: dict[str, Any] = {"label": "", "temperature": 0.7, "top_k": 0, "seed": 0, "length": 200}
"""What a model that goes on with prompts is asked for where nothing else is said."""
GREEDY: dict[str, Any] = {"beam_width": 1, "length_penalty": 0.0}
"""How a model that writes a target searches where nothing better was found."""
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "texts": ("sampling.json", SAMPLING),
    "sequences": ("decoding.json", GREEDY),
}
"""By what it writes: the file of an export that says what the model is usually asked for, and its values where nothing is
known."""


def load(folder: str, **asked: Any) -> Callable[[Sequence[Any]], Iterator[dict[str, Any]]]:
    """A function from texts (or, for a tagger, lists of tokens) to one dictionary each.

    A classifier answers with `label`, `score` and `scores`; a tagger with `tokens` and `tags`; what writes with `output`,
    and with `unknown`, how many symbols of the text the model does not know.

    Args:
        asked: of a model that has `SETTINGS`, other values than its own usual ones.
    """
    import tensorflow as tf

    usual = settings(Path(folder))
    signatures = tf.saved_model.load(folder).signatures

    def of_texts(texts: list[str], start: int) -> dict[str, Any]:
        ask = signatures["serving_default"]
        if "prompt" in ask.structured_input_signature[1]:
            chosen = {**SAMPLING, **usual, **asked}
            numbers = _numbers(chosen, temperature=tf.float32, top_k=tf.int32, length=tf.int32)
            label, seed = tf.constant([chosen["label"]] * len(texts)), tf.constant((chosen["seed"] + start) % 2**31)
            return dict(ask(prompt=tf.constant(texts), label=label, seed=seed, **numbers))
        if asked:
            numbers = _numbers({**GREEDY, **usual, **asked}, beam_width=tf.int32, length_penalty=tf.float32)
            return dict(signatures["beam"](text=tf.constant(texts), **numbers))
        return dict(ask(text=tf.constant(texts)))

    def of_tokens(sentences: list[list[str]]) -> dict[str, Any]:
        return dict(signatures["tokens"](tokens=tf.ragged.constant(sentences, dtype=tf.string).to_tensor("")))

    def answers(inputs: Sequence[Any]) -> Iterator[dict[str, Any]]:
        for are_texts, group in itertools.groupby(inputs, key=lambda one: isinstance(one, str)):
            alike = list(group)
            for start in range(0, len(alike), BATCH):
                some = alike[start : start + BATCH]
                found = of_texts(some, start) if are_texts else of_tokens(some)
                yield from rows({name: value.numpy() for name, value in found.items()})

    return answers


def settings(folder: Path) -> dict[str, Any]:
    """What the model of an export is usually asked for; {} of one that can be asked for nothing."""
    kept = [folder / name for name, _ in SETTINGS.values() if (folder / name).is_file()]
    return dict(json.loads(kept[0].read_text(encoding="utf-8"))) if kept else {}


def _numbers(chosen: dict[str, Any], **kinds: Any) -> dict[str, Any]:
    import tensorflow as tf

    return {name: tf.constant(chosen[name], kind) for name, kind in kinds.items()}


def rows(columns: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One dictionary a row from a signature's outputs as arrays; padding dropped."""
    if "tags" in columns:
        for tokens, tags in zip(columns["tokens"], columns["tags"], strict=True):
            real = tokens != b""
            yield {
                "tokens": [token.decode("utf-8") for token in tokens[real]],
                "tags": [tag.decode("utf-8") for tag in tags[real]],
            }
        return
    if "output" in columns:
        for output, unknown in zip(columns["output"], columns["unknown"], strict=True):
            yield {"output": output.decode("utf-8"), "unknown": int(unknown)}
        return
    for label, score, scores in zip(columns["label"], columns["score"], columns["scores"], strict=True):
        yield {"label": label.decode("utf-8"), "score": float(score), "scores": [float(value) for value in scores]}


def main() -> None:
    import tensorflow  # noqa: F401 - now, while the caller still prepares the texts

    inputs = [json.loads(line) for line in sys.stdin]
    if not inputs:  # the caller has nothing to ask, or is gone
        return
    for answer in load(sys.argv[1], **json.loads(sys.argv[2] if len(sys.argv) > 2 else "{}"))(inputs):
        print(json.dumps(answer))


if __name__ == "__main__":
    main()
