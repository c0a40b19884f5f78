"""Measures and writes RESULTS.md.

    make bench                          # everything: about six hours on 2 cores
    make bench ARGS="commands start"    # some parts; they are printed, and replaced in RESULTS.md
    make bench-quality DATASET=imdb     # how good the best of a sweep is; half an hour per dataset, see `quality`

The data must have been fetched once before (`sweeper datasets fetch imdb`).
"""

from __future__ import annotations

import datetime
import functools
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
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
    "overhead": ("What a trial costs beside training", footprint.overhead),
    "memory": ("Memory of a sweep", footprint.memory),
    "flat": ("Memory of a worker", footprint.flat),
    **{
        f"pairs-{pair.card}": (
            f"Trials an hour beside the hand-written script: {pair.card}",
            functools.partial(pairs.run, pair),
        )
        for pair in pairs.PAIRS
    },
    **{
        f"tell-{card}": (f"Texts told beside n-grams: {card}", functools.partial(sequences.tell, card))
        for card in ("shakespeare", "grimm-tales")
    },
    "attention": ("Attention beside a first state alone", sequences.attention),
    "speak": ("How fast an export writes", sequences.speak),
    "spoken-sweep": ("Words spoken after an hour", sequences.sweep_words),
    "ablation-classifiers": ("What each part of a classifier gains", ablation.classifiers),
    "ablation-taggers": ("What each part of a tagger gains", ablation.taggers),
    "ablation-characters": ("What each part of a tagger by character gains", ablation.taggers_by_character),
    "translate": ("Captions translated", sequences.translate),
    "spoken-best": ("Words spoken at best", sequences.best_words),
    "steps": ("A layer's training step, over the time of its matrix products alone", steps.steps),
    "pipeline": ("From disk to model", pipeline.pipeline),
    "workers": ("A second worker", scaling.workers),
    "parent": ("The parent's cost", scaling.parent),
}
EVERY_PART = {**PARTS, **quality.PARTS}


def machine() -> str:
    found = ", ".join(f"{name} {version}" for name, version in versions().items())
    cores, gpus = devices.cores(), len(devices.gpus()) or "no"
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return (
        f"{datetime.date.today().isoformat()}: {cores} cores, {total:.0f} GiB, {gpus} GPU, {platform.system()}, "
        f"Python {platform.python_version()}; {found}; products as OpenBLAS has them for {blas()}."
    )


def blas() -> str:
    """Which kernels OpenBLAS has chosen, or was told to choose by OPENBLAS_CORETYPE."""
    found = (one for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas")
    return ", ".join(sorted({one.get("architecture") or "an unknown processor" for one in found}))


def document(kept: dict[str, dict[str, object]]) -> str:
    """The results as Markdown, each part with the day and machine that gave it."""
    lines = ["# Results", "", "Written by `make bench`. Medians, with the lowest and the highest run in brackets.", ""]
    if all("no GPU" in str(part["machine"]) for part in kept.values()):
        lines += ["Nothing here was run on a machine with a GPU.", ""]
    for name, (title, _) in EVERY_PART.items():
        if name not in kept:
            continue
        lines += [f"## {title}", "", str(kept[name]["machine"]), "", "| what | found | asked | |", "|---|---|---|---|"]
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
