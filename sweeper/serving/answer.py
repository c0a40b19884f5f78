"""Answers of an exported model, with plain TensorFlow and no other code of ours.

A program of its own as well: it reads JSON texts, one per line, and prints JSON answers.

    python answer.py EXPORT_FOLDER < texts.jsonl
    python answer.py EXPORT_FOLDER '{"temperature": 0.5}' < prompts.jsonl
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

BATCH = 64  # texts answered together
SAMPLING = {"label": "", "temperature": 0.7, "top_k": 0, "seed": 0, "length": 200}
"""What a model that goes on with prompts is asked for where nothing else is said."""


def load(folder: str, **sampling: Any) -> Callable[[Sequence[Any]], Iterator[dict[str, Any]]]:
    """A function from texts (or, for a tagger, lists of tokens) to one dictionary each.

    A classifier answers with `label`, `score` and `scores`; a tagger with `tokens` and `tags`; what writes with `output`,
    and with `unknown`, how many symbols of the text the model does not know.

    Args:
        sampling: of a model that goes on with prompts, other values than its own usual ones.
    """
    import tensorflow as tf

    described = Path(folder) / "sampling.json"
    usual = dict(json.loads(described.read_text(encoding="utf-8"))) if described.is_file() else {}

    signatures = tf.saved_model.load(folder).signatures

    def of_texts(texts: list[str], start: int) -> dict[str, Any]:
        ask = signatures["serving_default"]
        if "prompt" not in ask.structured_input_signature[1]:
            return dict(ask(text=tf.constant(texts)))
        asked = {**SAMPLING, **usual, **sampling}
        kinds = {"temperature": tf.float32, "top_k": tf.int32, "length": tf.int32}
        numbers = {name: tf.constant(asked[name], kind) for name, kind in kinds.items()}
        label, seed = tf.constant([asked["label"]] * len(texts)), tf.constant((asked["seed"] + start) % 2**31)
        return dict(ask(prompt=tf.constant(texts), label=label, seed=seed, **numbers))

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
    inputs = [json.loads(line) for line in sys.stdin]
    for answer in load(sys.argv[1], **json.loads(sys.argv[2] if len(sys.argv) > 2 else "{}"))(inputs):
        print(json.dumps(answer))


if __name__ == "__main__":
    main()
