"""Measures and writes RESULTS.md.

    make bench                          # everything: about six hours on 2 cores
    make bench ARGS="commands start"    # some parts; they are printed, and replaced in RESULTS.md
    make bench-quality DATASET=imdb     # how good the best of a sweep is; half an hour per dataset, see `quality`

The data must have been fetched once before (`sweeper datasets fetch imdb`).
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import threadpoolctl

from sweeper.errors import unknown
from sweeper.system import devices
from sweeper.system.versions import versions

from . import ablation, footprint, pairs, pipeline, quality, scaling, sequences, steps
from .rows import Row

RESULTS = Path(__file__).with_name("RESULTS.md")
KEPT = Path(__file__).with_name("results.json")
PARTS: dict[str, tuple[str, Callable[[Path], Iterator[Row]]]] = {
    "commands": ("Commands", footprint.commands),
    "start": ("Start-up, data cached", footprint.start),
    "overhead": ("Overhead of a trial", footprint.overhead),
    "memory": ("Peak memory of a sweep", footprint.memory),
    "worker-memory": ("Memory growth of a worker", footprint.worker_memory),
    **{
        f"throughput-{pair.card}": (
            f"Throughput against the hand-written script: {pair.card}",
            functools.partial(pairs.run, pair),
        )
        for pair in pairs.PAIRS
    },
    **{
        f"lm-{card}": (
            f"Language modelling: {card}, bits per character against a 6-gram model",
            functools.partial(sequences.language_model, card),
        )
        for card in ("shakespeare", "grimm-tales")
    },
    "attention": ("seq2seq with attention against the initial state alone (CMUdict)", sequences.attention),
    "decoding-speed": ("Decoding speed of an exported seq2seq model", sequences.decoding_speed),
    "g2p-sweep": ("Grapheme to phoneme (CMUdict): word error rate after a one-hour sweep", sequences.g2p_sweep),
    "ablation-classifiers": ("Ablation: classifier", ablation.classifiers),
    "ablation-taggers": ("Ablation: tagger of words", ablation.taggers),
    "ablation-characters": ("Ablation: tagger of characters", ablation.taggers_by_character),
    "translate": ("Machine translation: Multi30k English to German, BLEU", sequences.translate),
    "g2p-best": (
        "Grapheme to phoneme (CMUdict): word error rate of the best configuration, trained to the end",
        sequences.g2p_best,
    ),
    "steps": (
        "Training step of a recurrent layer by itself, over the time of its matrix products alone (GEMM floor)",
        steps.steps,
    ),
    "heads": ("Training step of a tagger: CRF over softmax head", steps.heads),
    "pipeline": ("Input pipeline", pipeline.pipeline),
    "workers": ("Speed-up by a second worker", scaling.workers),
    "parent": ("Cost of the parent process per trial", scaling.parent),
}
EVERY_PART = {**quality.PARTS, **PARTS}


def machine() -> str:
    known = dict(versions())
    with contextlib.suppress(metadata.PackageNotFoundError):
        known["torch"] = metadata.version("torch")
    found = ", ".join(f"{name} {version}" for name, version in known.items())
    cores, gpus = devices.cores(), len(devices.gpus()) or "no"
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return (
        f"{datetime.date.today().isoformat()}: {cores} cores ({processor()}), {total:.0f} GiB, {gpus} GPU, {platform.system()}, "
        f"Python {platform.python_version()}; {found}; OpenBLAS kernels: {blas()}."
    )


def processor() -> str:
    """What the processor calls itself."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if platform.system() == "Linux" else []
    names = (line.partition(": ")[2] for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def blas() -> str:
    """Which kernels OpenBLAS has chosen, or was told to choose by OPENBLAS_CORETYPE."""
    found = (one for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas")
    return ", ".join(sorted({one.get("architecture") or "an unknown processor" for one in found}))


def document(kept: dict[str, dict[str, object]]) -> str:
    """The results as Markdown, each part with the day and machine that gave it."""
    lines = [
        "# Results",
        "",
        "Written by `make bench`. Medians (lowest to highest run), or means ± standard deviation over seeds.",
        "",
    ]
    if all("no GPU" in str(part["machine"]) for part in kept.values()):
        lines += ["Nothing here was run on a machine with a GPU.", ""]
    for name, (title, _) in EVERY_PART.items():
        if name not in kept:
            continue
        lines += [
            f"## {title}",
            "",
            str(kept[name]["machine"]),
            "",
            "| benchmark | result | target | met |",
            "|---|---|---|---|",
        ]
        for what, found, target, good in kept[name]["rows"]:  # type: ignore[attr-defined]
            lines.append(f"| {what} | {found} | {target} | {('yes' if good else '**no**') if target else ''} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    names = list(quality.PARTS) if sys.argv[1:] == ["quality"] else sys.argv[1:]
    strange = [name for name in names if name not in EVERY_PART]
    if strange:
        sys.exit(unknown("part", strange[0], EVERY_PART))
    for name in names or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            rows = []
            for row in EVERY_PART[name][1](Path(folder)):
                print(f"{row.what}: {row.found} {f'({row.target})' if row.target else ''}", file=sys.stderr)
                rows.append(row)
        if not rows:
            continue
        kept[name] = {"machine": machine(), "rows": rows}
        KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        RESULTS.write_text(document(json.loads(json.dumps(kept))), encoding="utf-8")


if __name__ == "__main__":
    main()
