"""Pictures: names from data are drawn whatever they hold."""

from __future__ import annotations

import numpy as np
import pytest

from sweeper.pictures import Alignment, alignment_picture, confusion_picture

ODD = ["$x_", r"$\frac$", "\x1b", "好 坏", "👍", "a\nb"]


@pytest.mark.filterwarnings("error")
def test_odd_names_are_drawn_as_they_are(tmp_path):
    confusion = confusion_picture(np.eye(6, dtype=int), ODD, tmp_path / "confusion.png")
    alignment = alignment_picture([Alignment(ODD, ODD, np.eye(6))], tmp_path / "alignment.png")
    assert confusion.read_bytes()[:4] == alignment.read_bytes()[:4] == b"\x89PNG"
