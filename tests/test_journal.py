"""A file of events: whole lines or none, whatever happens to its writer."""

from __future__ import annotations

import os

import pytest

from sweeper.system.files import replacing, replacing_folder, write_atomically
from sweeper.system.journal import Journal


def test_what_is_appended_is_read_once_and_in_order(tmp_path):
    writer, reader = Journal(tmp_path / "j"), Journal(tmp_path / "j")
    assert list(reader.read_new()) == []
    for number in range(3):
        writer.append({"n": number})
    assert [event["n"] for event in reader.read_new()] == [0, 1, 2]
    writer.append({"n": 3}, durable=True)
    assert [event["n"] for event in reader.read_new()] == [3]


def test_a_file_that_could_not_be_written_whole_is_as_it_was(tmp_path):
    path = tmp_path / "f"
    write_atomically(path, "old ä")

    def write_half() -> None:
        with replacing(path) as file:
            file.write(b"half")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write_half()
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["f"]
    assert path.read_text(encoding="utf-8") == "old ä"


def test_a_line_that_a_killed_writer_did_not_finish_was_never_written(tmp_path):
    (tmp_path / "j").write_bytes(b'{"n": 0}\n{"n": 1')
    reader = Journal(tmp_path / "j")
    assert list(reader.read_new()) == [{"n": 0}]
    Journal(tmp_path / "j").append({"n": 2})
    assert list(reader.read_new()) == [{"n": 2}]


def test_an_append_that_fails_leaves_no_part_of_a_line(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "j")
    journal.append({"n": 0})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            journal.append({"n": 1}, durable=True)
    journal.append({"n": 2})
    assert list(Journal(tmp_path / "j").read_new()) == [{"n": 0}, {"n": 2}]


@pytest.mark.parametrize(("read", "good"), [(0, True), (9, True), (5, False), (18, True), (19, False), (999, False)])
def test_a_noted_position_holds_only_where_a_line_ends(tmp_path, read, good):
    (tmp_path / "j").write_bytes(b'{"n": 0}\n{"n": 1}\n')
    assert Journal(tmp_path / "j").ends_at(read) == good


def test_a_journal_that_is_not_there_has_no_position_but_its_beginning(tmp_path):
    assert Journal(tmp_path / "none").ends_at(0)
    assert not Journal(tmp_path / "none").ends_at(9)


def interrupted(target):
    with replacing_folder(target) as place:
        (place / "half").touch()
        raise KeyboardInterrupt


def test_a_folder_is_whole_or_not_there_and_what_a_killed_process_left_of_it_goes_a_day_later(tmp_path):
    target = tmp_path / "place" / "d"
    with pytest.raises(KeyboardInterrupt):
        interrupted(target)
    assert not list(target.parent.iterdir())
    with replacing_folder(target) as place:
        prefix = place.name[:-8]
    target.rmdir()
    old, young = target.with_name(f"{prefix}old"), target.with_name(f"{prefix}young")
    other = target.with_name(".d-of-the-user")
    for path in (old, young, other):
        path.mkdir()
    for path in (old, other):
        os.utime(path, (0, 0))
    with replacing_folder(target) as place:
        (place / "whole").touch()
    assert sorted(target.parent.iterdir()) == sorted([target, young, other])
    assert (target / "whole").exists()
