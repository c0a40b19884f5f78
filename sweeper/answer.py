"""Answers of an exported model, with plain TensorFlow and no other code of ours.

A program of its own as well: it reads JSON texts, one a line, and prints JSON answers.

    python answer.py EXPORT_FOLDER < texts.jsonl
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

BATCH = 64  # texts answered together


def load(folder: str) -> Callable[[Sequence[Any]], Iterator[dict[str, Any]]]:
    """A function from texts (or, for a tagger, lists of tokens) to one dictionary each.

    A classifier answers with `label`, `score` and `scores`; a tagger with `tokens` and `tags`; a writer with `target`.
    """
    import tensorflow as tf

    signatures = tf.saved_model.load(folder).signatures

    def of_texts(texts: list[str]) -> dict[str, Any]:
        return dict(signatures["serving_default"](text=tf.constant(texts)))

    def of_tokens(sentences: list[list[str]]) -> dict[str, Any]:
        return dict(signatures["tokens"](tokens=tf.ragged.constant(sentences, dtype=tf.string).to_tensor("")))

    def answers(inputs: Sequence[Any]) -> Iterator[dict[str, Any]]:
        for are_texts, group in itertools.groupby(inputs, key=lambda one: isinstance(one, str)):
            alike = list(group)
            for start in range(0, len(alike), BATCH):
                some = alike[start : start + BATCH]
                found = of_texts(some) if are_texts else of_tokens(some)
                yield from rows({name: value.numpy() for name, value in found.items()})

    return answers


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
    if "target" in columns:
        for target in columns["target"]:
            yield {"target": target.decode("utf-8")}
        return
    for label, score, scores in zip(columns["label"], columns["score"], columns["scores"], strict=True):
        yield {"label": label.decode("utf-8"), "score": float(score), "scores": [float(value) for value in scores]}


def main() -> None:
    inputs = [json.loads(line) for line in sys.stdin]
    for answer in load(sys.argv[1])(inputs):
        print(json.dumps(answer))


if __name__ == "__main__":
    main()
