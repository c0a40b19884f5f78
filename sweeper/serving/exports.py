"""From a finished trial to a SavedModel: written, loaded back in a fresh process, compared, then put in place."""

from __future__ import annotations

import errno
import html
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from ..data.batches import Split
from ..data.store import Meta
from ..data.texts import condition_labels, load_texts
from ..data.vectors import IN_DOMAIN, vector_names
from ..errors import ExportError
from ..learners import decoding
from ..records import UNKNOWN, TrialOrder
from ..system.files import check_free, replacing_folder
from ..tasks import TASKS
from ..trials.ensembles import FinishedTrials
from . import answer

COMPARED = 16  # real rows, from the shortest to the longest
ODD_TEXTS = ("", " \t\n", "🎬🎬 👨‍👩‍👧", "wow" * 2_000, "a film. " * 2_000, "好" * 3_000, "e\u0301 \u202eabc")
ODD_PROMPTS = ("", " \t\n", "🎬", "wow" * 100)
PROMPTED = 12  # symbols of a real text that a prompt has at most
MAX_SHOWN = 60  # names of labels or symbols in a model card
FULL = ("No usable temporary directory", os.strerror(errno.ENOSPC), os.strerror(errno.EFBIG))
TOLERANCE = 1e-4  # of scores; labels and tags must be equal


def export_trials(orders: Sequence[TrialOrder], to: str, card: Mapping[str, Any]) -> str:
    """Export a finished trial, or several that answer as one; run in a worker.

    Args:
        to: the new folder; it must not exist, or be empty.
        card: what the model card says beyond what the data and the model know: `scores`,
            `baselines`, the `split` that they are of, `about`, `sweep`, `versions`.

    Returns:
        The folder.

    Raises:
        ExportError: the exported model answers otherwise than the trained one.
    """
    target = Path(to)
    check_free(target)
    finished = FinishedTrials(orders)
    prepared = finished.prepared
    labels = condition_labels(prepared.meta, orders[0].configuration)
    sampling = {"label": labels[0]} if labels else {}
    with replacing_folder(target) as place, _fresh_process(place, sampling) as fresh:
        module = finished.module()
        tf.saved_model.save(module, str(place), signatures=module.signatures())
        _compare(fresh, *_expected(finished, module))
        (place / "labels.json").write_text(
            json.dumps(_names(prepared.meta, labels), ensure_ascii=False), encoding="utf-8"
        )
        if prepared.meta.kind in answer.SETTINGS:
            name, usual = answer.SETTINGS[prepared.meta.kind]
            settings = {**usual, **sampling, **decoding(orders[0])}
            (place / name).write_text(json.dumps(settings), encoding="utf-8")
        (place / "model_card.md").write_text(model_card(orders, prepared.meta, card), encoding="utf-8")
    return str(target)


def _expected(finished: FinishedTrials, module: Any) -> tuple[list[Any], list[dict[str, Any]]]:
    """Inputs and the answers that the trained models give.

    For real rows they come from the prepared arrays, past the exported tokeniser and
    vocabulary, so that any drift between training and serving shows.
    """
    prepared = finished.prepared
    if prepared.meta.kind == "texts":
        return _going_on(finished, module)
    splits = [split for split in finished.splits("validation") if isinstance(split, Split)]
    split = splits[0]
    rows = np.unique(np.argsort(split.lengths, kind="stable")[np.linspace(0, len(split) - 1, COMPARED).astype(int)])
    examples = prepared.examples("validation").iloc[rows]
    names = prepared.meta.labels
    inputs: list[Any] = []
    expected: list[dict[str, Any]] = []
    for row, example in zip(rows, examples.to_dict("records"), strict=True):
        batch = split.batch(np.array([row]))
        answered = finished.logits(splits, np.array([row]))
        if prepared.meta.kind == "sequences":
            written = prepared.meta.written(answered.numpy()[0])
            inputs.append(example["source"])
            expected.append({"output": written, "unknown": int((batch.ids == UNKNOWN).sum())})
        elif split.sequence_labels:
            tokens, tags = list(example["tokens"]), finished.decode(answered, batch.weights > 0)[0]
            inputs.append(tokens)
            expected.append({"tokens": tokens, "tags": [names[tag] for tag in tags]})
        else:
            logits = answered.numpy()[0]
            scores = np.exp(logits - logits.max())
            scores = (scores / scores.sum()).tolist()
            inputs.append(example["text"])
            expected.append({"label": names[int(np.argmax(scores))], "score": max(scores), "scores": scores})
    answers = answer.rows(
        {name: value.numpy() for name, value in module.signatures()["serving_default"](list(ODD_TEXTS)).items()}
    )
    return [*inputs, *ODD_TEXTS], [*expected, *answers]


def _names(meta: Meta, told: Sequence[str]) -> list[str]:
    """The names that a caller meets: of labels or symbols that are answered, or of the labels that a model is told."""
    return list(told if meta.kind == "texts" else meta.labels)


def _going_on(finished: FinishedTrials, module: Any) -> tuple[list[Any], list[dict[str, Any]]]:
    """As `_expected`: how prompts go on."""
    prepared, (order,), (learner,) = finished.prepared, finished.orders, finished.learners
    meta, texts = prepared.meta, load_texts(prepared, "validation", order.configuration)
    shortest = max(1, min(PROMPTED, int(texts.lengths[:COMPARED].min()) // 2))
    prompts = [texts.symbols[start : start + shortest] for start in texts.starts[:COMPARED]]
    prompts = [
        prompt for prompt in prompts if prompt.min() > UNKNOWN and prompt.max() < texts.known
    ]  # whole, and known
    beginnings = [meta.written(prompt) for prompt in prompts]
    labels = condition_labels(meta, order.configuration)
    asked = {**answer.SAMPLING, **({"label": labels[0]} if labels else {})}
    inputs = [*beginnings, *ODD_PROMPTS]
    found = module.answer(
        inputs, [asked["label"]] * len(inputs), *(asked[name] for name in ("temperature", "top_k", "seed", "length"))
    )
    expected = list(answer.rows({name: value.numpy() for name, value in found.items()}))
    if prompts:
        lengths = np.full(len(prompts), shortest, np.int32)
        sampling = {name: asked[name] for name in ("temperature", "top_k", "seed")}
        follow = learner.model.write(
            np.stack(prompts), lengths, np.zeros(len(prompts), np.int32), **sampling, longest=asked["length"]
        ).numpy()
        for place, (prompt, symbols) in enumerate(zip(prompts, follow, strict=True)):
            expected[place] = {"output": meta.written([*prompt, *symbols]), "unknown": 0}
    return inputs, expected


def _fresh_process(folder: Path, sampling: Mapping[str, Any]) -> subprocess.Popen[str]:
    """A process that has TensorFlow and nothing of ours, and loads the folder once it is asked: it imports TensorFlow
    while the folder is written. Never asked, it ends."""
    command = [sys.executable, "-P", answer.__file__, str(folder), json.dumps(sampling)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def _compare(fresh: subprocess.Popen[str], inputs: list[Any], expected: list[dict[str, Any]]) -> None:
    """Ask a fresh process what it was expected to answer."""
    answered, complaints = fresh.communicate("".join(json.dumps(one) + "\n" for one in inputs))
    if fresh.returncode:
        if any(words in complaints for words in FULL):
            raise OSError(errno.ENOSPC, "a process that loads the export found no room")
        said = complaints.strip().splitlines() or [f"its process ended with {fresh.returncode} and said nothing"]
        raise ExportError(f"the exported model cannot be loaded by plain TensorFlow: {said[-1]}")
    for one, found, wanted in zip(inputs, map(json.loads, answered.splitlines()), expected, strict=True):
        if not _equal(found, wanted):
            raise ExportError(
                f"the exported model answers {_brief(found)} to {_brief(one)}, the trained one {_brief(wanted)}"
            )


def _equal(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    if "scores" not in wanted:
        return found == wanted
    close = np.allclose(found["scores"], wanted["scores"], atol=TOLERANCE)
    ranked = sorted(wanted["scores"])
    return bool(close) and (found["label"] == wanted["label"] or ranked[-1] - ranked[-2] < TOLERANCE)


def _brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 160 else text[:157] + "..."


def model_card(orders: Sequence[TrialOrder], meta: Meta, card: Mapping[str, Any]) -> str:
    """What a stranger must know before using the model, as Markdown."""
    numbers = ", ".join(str(order.number) for order in orders)
    what = f"A recurrent model, trial {numbers}" if len(orders) == 1 else f"Recurrent models, the trials {numbers}"
    rows = [
        ("this model", card.get("scores", {})),
        *((f"baseline: {name}", scores) for name, scores in card.get("baselines", {}).items()),
    ]
    metrics = [name for name in rows[0][1] if name != "loss"]
    lines = [
        f"# {meta.task} on {meta.name}",
        "",
        str(card.get("about", "")),
        "",
        f"{what} of the sweep `{card.get('sweep', '')}`{'' if len(orders) == 1 else ', which answer as one'}. It {TASKS[meta.task].card_summary}.",
        "",
        f"## Scores on the {card.get('split', 'test')} split",
        "",
        f"| | {' | '.join(metrics)} |",
        f"|---|{'---|' * len(metrics)}",
        *(f"| {name} | {' | '.join(_number(scores.get(metric)) for metric in metrics)} |" for name, scores in rows),
        "",
        "## Data",
        "",
        f"- digest: `{meta.digest}`",
        f"- examples: {', '.join(f'{count:,} {part}' for part, count in meta.counts.items())}",
        *(f"- {what}: {_some(names)}" for what, names in TASKS[meta.task].card_names(meta).items()),
        f"- language: {meta.language or 'not stated'}",
        f"- licence: {meta.licence or 'not stated'}",
        *_more_texts(meta, orders),
        "",
        *itertools.chain.from_iterable(_configuration(order, several=len(orders) > 1) for order in orders),
        "## Versions",
        "",
        *(f"- {name}: {version}" for name, version in card.get("versions", {}).items()),
        "",
    ]
    return html.escape("\n".join(lines), quote=False)  # Markdown lets HTML through, and labels are anybody's


def _more_texts(meta: Meta, orders: Sequence[TrialOrder]) -> list[str]:
    """The texts that vectors were learned from beside those of training, if there are such."""
    learned = any(IN_DOMAIN in vector_names(str(order.configuration.get("vectors", ""))) for order in orders)
    return [f"- vectors were also learned from: {meta.unlabelled}"] if meta.unlabelled and learned else []


def _configuration(order: TrialOrder, *, several: bool) -> list[str]:
    said = {**order.configuration, **decoding(order), "seed": order.seed}
    title = f"## Configuration{f' of trial {order.number}' if several else ''}"
    return [title, "", *(f"- {name}: {value}" for name, value in said.items()), ""]


def _some(names: Sequence[str]) -> str:
    return f"{', '.join(' '.join(name.split()) or '(blank)' for name in names[:MAX_SHOWN])}{' ...' if len(names) > MAX_SHOWN else ''}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
