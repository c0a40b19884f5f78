"""Which GPUs a sweep uses, and how many trials run at once."""

from __future__ import annotations

import pytest

from sweeper.system import devices


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with a driver for so many GPUs, and what TensorFlow says of it."""

    def made(count, seen):
        monkeypatch.setattr(devices, "DRIVER", tmp_path / "gpus")
        for number in range(count):
            (tmp_path / "gpus" / f"0000:{number}").mkdir(parents=True)
        monkeypatch.setattr(devices, "ASK", f"import json; print('chatter'); print(json.dumps({seen!r}))")
        devices.gpus.cache_clear()

    yield made
    devices.gpus.cache_clear()


@pytest.mark.parametrize(
    ("count", "visible", "seen", "found"),
    [
        (0, None, ["CPU"], ()),
        (2, None, ["CPU", "GPU", "GPU"], ("0", "1")),
        (2, "1", ["CPU", "GPU"], ("1",)),
        (2, "GPU-5ae, GPU-77b", ["CPU", "GPU", "GPU"], ("GPU-5ae", "GPU-77b")),
        (2, "", ["CPU"], ()),
        (2, "-1", ["CPU"], ()),
        (2, None, ["CPU"], ()),  # a TensorFlow without CUDA
    ],
)
def test_gpus_are_those_that_the_user_shows_and_tensorflow_can_use(machine, monkeypatch, count, visible, seen, found):
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    machine(count, seen)
    assert devices.gpus() == found
    assert devices.default_workers() == (len(found) or devices.cores())


@pytest.mark.parametrize(
    ("quota", "found"), [("150000 100000", 1), ("50000 100000", 1), ("max 100000", None), ("", None)]
)
def test_a_container_has_the_cores_of_its_quota(monkeypatch, tmp_path, quota, found):
    monkeypatch.setattr(devices, "QUOTA", tmp_path / "none")
    seen = devices.cores()
    monkeypatch.setattr(devices, "QUOTA", tmp_path / "cpu.max")
    (tmp_path / "cpu.max").write_text(quota)
    assert devices.cores() == (found or seen)
