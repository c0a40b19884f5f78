"""A sweep is resumed as it was begun, or not at all, with what differs shown."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import pytest

from sweeper import api
from sweeper.data import cards
from sweeper.data.downloads import cache_folder
from sweeper.data.infer import infer_card
from sweeper.declared.spaces import load_space
from sweeper.errors import DataError, TrackingError, UsageError
from sweeper.records import Settings
from sweeper.sweeps import run as sweeps
from sweeper.sweeps.folders import NameTaken, SweepFolder, find_folder, new_folder
from sweeper.sweeps.resume import load_saved, refuse_changes

from .conftest import reviews, write

FACTS = {"card": "reviews", "task": "sentiment", "space": "tiny", "began": "2026", "settings": {}}


@pytest.fixture
def folder(reviews_card, tiny_space):
    card, space = cards.load_card(str(reviews_card)), load_space(str(tiny_space))
    return new_folder("s", {**FACTS, "card_folder": str(card.folder)}, card.text, space.text)


def test_how_many_seeds_are_usual_follows_from_the_budget():
    assert [Settings(budget=budget).seeds_in_all for budget in (300.0, None)] == [3, 1]
    assert [Settings(budget=budget, seeds=2).seeds_in_all for budget in (300.0, None)] == [2, 2]


def test_a_history_of_an_earlier_version_is_read_with_todays_defaults(folder):
    configuration = {"cell": "gru", "attention": "dot", "units": 7}
    asked = {"number": 0, "task": "sentiment", "configuration": configuration, "prepared": "", "folder": "", "seed": 0, "epochs": 1}  # fmt: skip
    (folder.path / "history.jsonl").write_text(json.dumps({"asked": asked}) + "\n")
    found = folder.history().orders[0].configuration
    assert found["beside_attention"] == "nothing"
    assert {name: found[name] for name in configuration} == configuration


def test_declarations_that_were_not_touched_are_as_they_were(folder, tiny_space):
    card, space, _ = load_saved(folder)
    assert (card.name, card.task) == ("reviews", "sentiment")
    assert space == load_space(str(tiny_space))


@pytest.mark.parametrize("file", ["card.toml", "space.toml"])
def test_an_edited_declaration_is_refused_with_the_difference(folder, file):
    path = folder.path / file
    path.write_text(path.read_text().replace('task = "sentiment"', 'task = "text"'))
    with pytest.raises(UsageError) as refused:
        load_saved(folder)
    said = str(refused.value)
    assert said.startswith(f"sweeps/s/{file}: has changed since the sweep began; put it back, or start a new sweep:")
    assert '-task = "sentiment"' in said
    assert '+task = "text"' in said


def test_another_space_is_refused_with_the_difference_and_the_same_one_is_not(folder, tiny_space):
    settings = {"algorithm": "grid", "epochs": 2, "seed": 0}
    folder._note(settings=settings)
    refuse_changes(folder, {"task": "sentiment", "space": str(tiny_space), "seed": 0})
    with pytest.raises(UsageError, match=r"was begun with another --space(.|\n)*\+about"):
        refuse_changes(folder, {"space": "sentiment"})
    with pytest.raises(UsageError, match="was begun with --seed 0, found 4"):
        refuse_changes(folder, {"seed": 4})


@pytest.mark.parametrize("text", ["{", "{}", "[]", "3"])
def test_a_sweep_whose_file_was_damaged_is_named_and_another_one_is_taken_by_its_name(folder, text):
    other = new_folder("other", {**FACTS, "card_folder": ""}, "", "")
    (folder.path / "sweep.json").write_text(text)
    with pytest.raises(
        UsageError, match=r"^sweeps/s/sweep\.json: cannot be read: .*; put it back .* or name another sweep"
    ):
        find_folder(None)
    assert find_folder("other") == other


@pytest.mark.parametrize("line", ['{"foo": 1}', "[]", '{"told": {"number": 7, "configuration": {}, "state": "done"}}'])
def test_a_line_of_the_history_that_says_something_else_is_refused(folder, line):
    (folder.path / "history.jsonl").write_text(f"{line}\n")
    with pytest.raises(DataError, match=rf"history\.jsonl: the line that ends at byte {len(line) + 1} was altered"):
        folder.history()


@pytest.mark.parametrize("noted", [{"trials": [0]}, "export", {"trials": 3, "intervals": None, "differences": None}])
def test_what_another_version_noted_of_an_export_is_refused(folder, noted):
    path = folder.path / "sweep.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "shipped": noted}))
    with pytest.raises(UsageError, match=r"sweep\.json: what it says of the exported model was not written by this"):
        folder.shipped  # noqa: B018


def test_a_history_that_lost_whole_lines_is_refused(folder):
    (folder.path / "trials" / "000").mkdir()
    with pytest.raises(DataError, match=r"history.jsonl: does not have trial 0, whose folder is there"):
        folder.history()


def test_a_name_that_is_taken_in_the_same_moment_is_said(folder, monkeypatch):
    make = tempfile.mkdtemp

    def made_while_another_sweep_begins(**options):
        (folder.path.with_name("same") / "trials").mkdir(parents=True)
        return make(**options)

    monkeypatch.setattr(tempfile, "mkdtemp", made_while_another_sweep_begins)
    with pytest.raises(NameTaken, match="there is a folder sweeps/same already"):
        new_folder("same", FACTS, "", "")
    assert [path.name for path in folder.path.parent.iterdir() if path.name.startswith(".")] == []


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path, monkeypatch):
    for place in (tmp_path / "cache", Path("sweeps")):
        place.write_text("x")
    with pytest.raises(UsageError, match=r"^sweeps: is a file, where the folder of all sweeps should be"):
        new_folder("s", FACTS, "", "")
    with pytest.raises(UsageError, match=r"^SWEEPER_CACHE: must name a folder, and .*cache is a file"):
        cache_folder()


def test_more_trials_for_a_sweep_that_had_a_budget_are_trained_with_several_seeds_as_before(folder, monkeypatch):
    seen = []
    folder.note_settings(dataclasses.asdict(Settings()))
    monkeypatch.setattr(sweeps, "load", lambda *_: None)
    monkeypatch.setattr(sweeps, "run_sweep", lambda *given, **_: seen.append(given[2]))
    api.sweep(resume="s", trials=100)
    api.sweep(resume="s", trials=100, seeds=1)
    assert [(one.trials, one.budget, one.seeds_in_all) for one in seen] == [(100, None, 3), (100, None, 1)]


def test_more_trials_or_another_budget_take_the_place_of_both(folder, monkeypatch):
    seen = []
    folder.note_settings(dataclasses.asdict(Settings(trials=10, budget=300.0)))
    monkeypatch.setattr(sweeps, "load", lambda *_: None)
    monkeypatch.setattr(sweeps, "run_sweep", lambda *given, **how: seen.append((given[2], how["fresh_budget"])))
    api.sweep(resume="s", trials=20)
    api.sweep(resume="s", budget=60.0)
    api.sweep(resume="s", trials=20, budget=60.0)
    api.sweep(resume="s")
    assert [(one.trials, one.budget, anew) for one, anew in seen] == [
        (20, None, False), (None, 60.0, True), (20, 60.0, True), (10, 300.0, False)
    ]  # fmt: skip


def test_a_history_is_read_without_parts_that_only_some_data_have(folder):
    configuration = {"cell": "gru", "units": 7}
    asked = {"number": 0, "task": "tagging", "configuration": configuration, "prepared": "", "folder": "", "seed": 0, "epochs": 1}  # fmt: skip
    (folder.path / "history.jsonl").write_text(json.dumps({"asked": asked}) + "\n")
    found = folder.history().orders[0].configuration
    assert "bigrams" not in found
    assert "head" in found


def test_an_interrupt_waits_for_no_baselines_and_forgets_none_that_are_known(monkeypatch):
    asked: Future = Future()
    known = {"name": "linear", "validation": {"accuracy": 0.5}, "test": {"accuracy": 0.4}}
    search = SimpleNamespace(
        run=lambda *_: "interrupted", objective="accuracy", deadline=None, settings=Settings(trials=1),
        prepared=SimpleNamespace(folder=Path()), folder=SimpleNamespace(path=Path(), facts={"baselines": [known]}),
        history=SimpleNamespace(best=lambda _: None, candidates=lambda _: []),
    )  # fmt: skip
    monkeypatch.setattr(sweeps, "example_of", lambda _: "")
    found = sweeps.search_and_score_baselines(search, SimpleNamespace(submit=lambda *_: asked))
    assert asked.cancelled()
    assert [(one.name, one.test) for one in found.baselines] == [("linear", {"accuracy": 0.4})]


def test_only_a_sweep_that_is_there_is_said_to_go_on(folder):
    said = []
    for discarded in (False, True):
        with pytest.raises(OSError, match="full"), sweeps.resume_hint(folder, said.append):  # noqa: PT012
            if discarded:
                folder.discard()
            raise OSError("the disk is full")
        assert len(said) == 1


def test_a_file_may_be_named_again_without_the_task_that_was_said(tmp_path, tiny_space):
    path, other = (write(tmp_path / name, reviews()) for name in ("one.csv", "other.csv"))
    card, _ = infer_card(str(path), "review", "verdict", task="text")  # its labels alone would say sentiment
    facts = {**FACTS, "task": "text", "settings": dataclasses.asdict(Settings()), "card_folder": str(card.folder)}
    folder = new_folder("s", facts, card.text, load_space(str(tiny_space)).text)
    named = {"text": "review", "label": "verdict"}
    refuse_changes(folder, {"data": str(path), **named})
    with pytest.raises(UsageError, match="was begun with another --data"):
        refuse_changes(folder, {"data": str(other), **named})


def test_what_a_killed_process_had_begun_to_write_is_removed_and_nothing_else(tmp_path):
    kept = ["sweep.json", "trials/000/best.npz", "trials/000/events.jsonl", "export/labels.json"]
    strays = [
        ".sweep.json.99999999",
        "trials/000/.best.npz.99999999",
        "trials/000/.last.npz.99999999",
        ".export-1/labels.json",
    ]
    strays += [".leaderboard.csv.99999999", ".tracking.json.99999999", "trials/000/.decoding.json.99999999"]
    for name in (*kept, *strays):
        write(tmp_path / name, "x")
    kept.append(f".tracking.json.{os.getpid()}")  # which a process that lives is writing
    write(tmp_path / kept[-1], "x")
    SweepFolder(tmp_path).remove_strays()
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()) == sorted(
        kept
    )


@pytest.mark.parametrize("left", [None, "history.jsonl", "tracking.jsonl"])
def test_only_a_folder_whose_sweep_could_not_begin_is_discarded(folder, left, monkeypatch):
    def refused(*_):
        raise TrackingError("no store")

    monkeypatch.setattr(sweeps, "open_tracker", refused)
    if left is not None:
        write(folder.path / left, "")
    with pytest.raises(TrackingError), sweeps.tracked(None, None, None, None, folder):
        pass
    assert folder.path.exists() == (left is not None)


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"trials": 1}, 2),
        ({"trials": 5}, 6),
        ({"budget": 60.0}, 64),
        ({"trials": 1, "seeds": 3}, 7),
        ({"trials": 999}, 64),
    ],
)
def test_no_more_workers_are_started_than_can_have_something_to_do(settings, wanted):
    assert sweeps.worker_count(Settings(workers=64, **{"budget": None, **settings})) == wanted
