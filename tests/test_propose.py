"""The oracles, guarded: known-good first, nothing twice, failures never end a search, exhaustion is said."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.declared.ranges import Choice
from sweeper.declared.spaces import SearchSpace, load_space
from sweeper.errors import SweepError
from sweeper.propose import Proposal, Proposer
from sweeper.sweeps.arguments import ALGORITHMS

from .conftest import write

SPACES = Path(__file__).parent.parent / "search_spaces"


def proposer(algorithm, space="sentiment", seed=0):
    return Proposer(load_space(space), algorithm=algorithm, objective="val_accuracy", epochs=9, seed=seed)


def drive(asked, count, score, fails=()):
    """Ask and tell, one at a time; the proposals in order."""
    found = []
    while len(found) < count:
        proposal = asked.ask()
        if not isinstance(proposal, Proposal):
            break
        found.append(proposal)
        asked.tell(proposal, None if len(found) in fails else score(proposal))
    return found


def any_score(proposal):
    return random.Random(repr(sorted(proposal.values.items()))).random()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_proposals_are_legal_and_the_first_is_the_known_good_configuration(algorithm):
    space = load_space("sentiment")
    found = drive(proposer(algorithm), 25, any_score)
    assert found[0].values == space.known_good()
    assert [space.violation(proposal.values) for proposal in found] == [None] * 25
    for proposal in found:
        assert ("attention_units" in proposal.values) == (proposal.values["attention"] == "concat")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", [path.stem for path in sorted(SPACES.glob("*.toml"))])
def test_every_shipped_space_can_be_searched(algorithm, name):
    space = load_space(name)
    found = drive(proposer(algorithm, name), 6, any_score)
    assert found[0].values == space.known_good()
    assert [space.violation(proposal.values) for proposal in found] == [None] * len(found)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_parameter_may_depend_on_two_others_and_on_one_that_depends_on_another(tmp_path, algorithm):
    text = """about = "x"
task = "sentiment"
[parameters.cell]
choice = ["gru", "lstm"]
[parameters.input]
choice = ["learned", "pretrained"]
[parameters.vectors]
choice = ["glove-6b-50d", "in_domain"]
when   = { cell = ["lstm"] }
[parameters.vectors_training]
choice = ["tuned", "frozen"]
when   = { vectors = ["in_domain"] }
"""
    space = write(tmp_path / "nested.toml", text)
    found = drive(proposer(algorithm, str(space)), 30, any_score)
    tried = {tuple(sorted(one.values.items())) for one in found}
    wanted = {
        ("gru", "learned"), ("lstm", "learned"), ("gru", "pretrained"), ("lstm", "pretrained", "glove-6b-50d"),
        ("lstm", "pretrained", "in_domain", "tuned"), ("lstm", "pretrained", "in_domain", "frozen"),
    }  # fmt: skip
    assert {tuple(value for _, value in one) for one in tried} == wanted


def test_a_condition_on_numbers_whole_and_not_holds_for_all_of_them(tmp_path):
    text = """about = "x"
task = "sentiment"
[parameters.dropout]
choice = [0, 0.5]
[parameters.units]
choice = [4, 8]
when   = { dropout = [0, 0.5] }
"""
    found = drive(proposer("grid", str(write(tmp_path / "mixed.toml", text))), 30, any_score)
    assert {(one.values["dropout"], one.values["units"]) for one in found} == {(0, 4), (0, 8), (0.5, 4), (0.5, 8)}


@pytest.mark.parametrize("algorithm", ["random", "grid", "bayesian"])
def test_nothing_is_tried_twice_and_a_small_space_is_exhausted(algorithm):
    found = drive(proposer(algorithm, "sentiment-quick"), 50, any_score)
    tried = {(proposal.values["cell"], proposal.values["direction"]) for proposal in found}
    assert len(found) == len(tried) == 6


VALUES = {  # of parameters that may stand in any space
    "cell": ("gru", "lstm", "simple_rnn"),
    "dropout": (0.0, 0.5, 0.25),
    "units": (8, 16, 32),
    "pooling": ("max", "mean", "last"),
    "depth": (1, 2, 3),
}


@st.composite
def spaces(draw):
    """Small spaces: each parameter may depend on any earlier ones."""
    declared = []
    for name in draw(st.permutations(sorted(VALUES)))[: draw(st.integers(1, 4))]:
        values = draw(st.lists(st.sampled_from(VALUES[name]), min_size=1, unique=True))
        parents = [one for one in declared if draw(st.booleans())]
        when = {
            one.name: tuple(draw(st.lists(st.sampled_from(one.values), min_size=1, unique=True))) for one in parents
        }
        default = draw(st.none() | st.sampled_from(values).map(lambda one: int(one) if one == 0 else one))
        declared.append(Choice(name, tuple(values), when=when, default=default))
    return SearchSpace("any", "x", "sentiment", tuple(declared))


@given(spaces(), st.sampled_from(["random", "grid", "bayesian", "hyperband"]), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_whatever_the_conditions_nothing_is_proposed_twice_and_a_grid_proposes_all(space, algorithm, chance):
    asked = Proposer(space, algorithm=algorithm, objective="val_accuracy", epochs=9, seed=0)
    running, proposed = [], []
    while (proposal := asked.ask()) is not None or running:
        if proposal is not None:
            proposed.append(proposal)
            running.append(proposal)
        if proposal is None or chance.random() < 0.6:
            ended = running.pop(chance.randrange(len(running)))
            asked.tell(ended, None if chance.random() < 0.2 else any_score(ended))
    tried = [tuple(sorted(one.values.items())) for one in proposed if one.continues is None]
    assert len(set(tried)) == len(tried)
    names = [one.name for one in space]
    drawn = (
        space.active(dict(zip(names, one, strict=True))) for one in itertools.product(*(one.values for one in space))
    )
    there = {tuple(sorted(one.items())) for one in drawn}
    assert set(tried) == there if algorithm == "grid" else set(tried) <= there


def test_bayesian_search_does_not_guess_again_and_again_where_nothing_is_left(tmp_path):
    text = 'about = "x"\ntask = "sentiment"\n[parameters.cell]\nchoice = ["gru", "lstm"]\n[parameters.depth]\nchoice = [1, 2, 3, 4]\n'
    space = load_space(str(write(tmp_path / "space.toml", text)))
    asked = Proposer(space, algorithm="bayesian", objective="val_accuracy", epochs=9, seed=0)
    fits, fit = [], asked.oracle.gpr.fit
    asked.oracle.gpr.fit = lambda *given: fits.append(1) or fit(*given)
    assert len(drive(asked, 50, any_score)) == 8
    assert len(fits) < 5


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_any_number_of_failures_in_a_row_ends_nothing(algorithm):
    found = drive(proposer(algorithm), 20, any_score, fails=range(2, 18))
    assert len(found) == 20


def test_bayesian_search_takes_a_failure_for_the_worst_there_is_and_keeps_away_from_its_like(tmp_path):
    text = 'about = "x"\ntask = "sentiment"\n[parameters.units]\nint = { low = 1, high = 2000 }\n'
    space = load_space(str(write(tmp_path / "space.toml", text)))
    asked = Proposer(space, algorithm="bayesian", objective="val_accuracy", epochs=9, seed=0)
    tried = []
    for _ in range(15):  # the larger the better, until memory runs out
        proposal = asked.ask()
        units = proposal.values["units"]
        tried.append(units)
        asked.tell(proposal, None if units > 1_000 else units / 2_000)
    failed = [units > 1_000 for units in tried[5:]]
    assert sum(failed) <= 4
    assert max(units for units in tried if units <= 1_000) > 900


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_same_seed_proposes_the_same_and_another_seed_does_not(algorithm):
    def values(seed):
        return [proposal.values for proposal in drive(proposer(algorithm, seed=seed), 8, any_score)]

    assert values(0) == values(0)
    if algorithm != "grid":
        assert values(0) != values(1)


def test_parallel_askers_get_different_configurations():
    asked = proposer("bayesian")
    found = [asked.ask() for _ in range(4)]
    assert len({repr(sorted(proposal.values.items())) for proposal in found}) == 4


def test_hyperband_promotes_the_best_and_lets_them_go_on():
    found = drive(proposer("hyperband"), 40, any_score)
    by_key = {proposal.key: proposal for proposal in found}
    promoted = [proposal for proposal in found if proposal.continues]
    assert promoted
    for proposal in promoted:
        earlier = by_key[proposal.continues]
        assert proposal.values == earlier.values
        assert proposal.initial_epoch == earlier.epochs < proposal.epochs
    first_round = [proposal for proposal in found[:9] if not proposal.continues]
    best = max(first_round, key=any_score)
    assert best.key in {proposal.continues for proposal in promoted}


@pytest.mark.parametrize("algorithm", ["random", "grid", "bayesian"])
def test_what_still_runs_is_not_proposed_again(algorithm, tmp_path):
    text = 'about = "x"\ntask = "sentiment"\n[parameters.attention]\nchoice = ["none", "dot"]\n'
    text += '[parameters.pooling]\nchoice = ["last", "max", "mean"]\nwhen = { attention = ["none"] }\n'
    space = load_space(str(write(tmp_path / "space.toml", text)))
    asked, found = Proposer(space, algorithm=algorithm, objective="val_accuracy", epochs=9, seed=0), []
    while (proposal := asked.ask()) is not None and len(found) < 9:
        found.append(proposal.values)
    assert sorted(one.get("pooling", one["attention"]) for one in found) == ["dot", "last", "max", "mean"]


def test_hyperband_waits_while_a_round_is_running():
    asked, first = proposer("hyperband", "sentiment-quick"), []
    while isinstance(found := asked.ask(), Proposal):
        first.append(found)
    assert found is None
    for proposal in first:
        asked.tell(proposal, any_score(proposal))
    assert isinstance(asked.ask(), Proposal)


def test_a_space_that_was_tried_whole_is_exhausted():
    asked = proposer("random", "sentiment-quick")
    drive(asked, 6, any_score)
    assert (asked.ask(), asked.ask()) == (None, None)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_asking_again_rebuilds_the_oracle(algorithm):
    original = proposer(algorithm)
    past = drive(original, 12, any_score)
    rebuilt = proposer(algorithm)
    for proposal in past:
        rebuilt.tell(rebuilt.ask_again(proposal.values), any_score(proposal))
    assert drive(rebuilt, 3, any_score) == drive(original, 3, any_score)


def test_grid_search_goes_through_every_value(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text(
        'about = "g"\ntask = "text"\n[parameters.depth]\nint = { low = 1, high = 3 }\n[parameters.residual]\nchoice = ["no", "yes"]\n'
    )
    found = drive(proposer("grid", str(path)), 50, any_score)
    assert sorted((p.values["depth"], p.values.get("residual")) for p in found) == [
        (1, None),
        (2, "no"),
        (2, "yes"),
        (3, "no"),
        (3, "yes"),
    ]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_many_workers_get_trials_before_any_has_ended(algorithm):
    asking = proposer(algorithm)
    assert all(isinstance(asking.ask(), Proposal) for _ in range(8))


def test_grid_search_proposes_the_same_in_the_same_order_whenever_trials_end():
    in_turn = drive(proposer("grid", "sentiment-quick"), 50, any_score)
    asking = proposer("grid", "sentiment-quick")
    at_once = [asking.ask() for _ in in_turn]
    assert [proposal.values for proposal in at_once] == [proposal.values for proposal in in_turn]
    for proposal in reversed(at_once):
        asking.tell(proposal, any_score(proposal))
    assert asking.ask() is None


def test_hyperband_goes_on_only_with_what_it_may_go_on_with_and_that_stays_bounded():
    asked = proposer("hyperband")
    most = 0
    for _ in range(200):
        may = asked.may_go_on()
        most = max(most, len(may))
        proposal = asked.ask()
        assert proposal.continues is None or proposal.continues in may
        assert proposal.continues not in asked.may_go_on()
        asked.tell(proposal, any_score(proposal))
    assert 0 < most < 20
    assert not proposer("random").may_go_on()


def test_asking_in_vain_moves_an_oracle_on_and_is_repeated_when_a_sweep_is_resumed(tmp_path):
    text = 'about = "x"\ntask = "sentiment"\n[parameters.units]\nint = { low = 2, high = 150 }\n'
    space = load_space(str(write(tmp_path / "space.toml", text)))

    def fresh():
        return Proposer(space, algorithm="random", objective="val_accuracy", epochs=9, seed=0)

    asked, running, happened = fresh(), [], []
    while not (happened and happened[-1][0] == "exhausted" and not running):
        if len(running) < 4:
            proposal = asked.ask()
            if proposal is not None:
                running.append(proposal)
                happened.append(("asked", proposal))
                continue
            happened.append(("exhausted", None))
        if running:
            happened.append(("told", running.pop(0)))
            asked.tell(happened[-1][1], any_score(happened[-1][1]))

    def repeat(events):
        again = fresh()
        for kind, proposal in events:
            if kind == "asked":
                again.ask_again(proposal.values)
            elif kind == "told":
                again.tell(proposal, any_score(proposal))
            else:
                again.ask()

    repeat(happened)
    with pytest.raises(SweepError, match="no longer proposes what it proposed"):
        repeat([event for event in happened if event[0] != "exhausted"])


@pytest.mark.parametrize("told_at_once", [1, 3])
def test_hyperband_promotes_from_a_rung_that_a_small_space_cannot_fill(told_at_once):
    asked, found, running = proposer("hyperband", "sentiment-quick"), [], []
    while isinstance(said := asked.ask(), Proposal) or running:
        if isinstance(said, Proposal):
            found.append(said)
            running.append(said)
        if len(running) == told_at_once or not isinstance(said, Proposal):
            one = running.pop(0)
            asked.tell(one, any_score(one))
    assert said is None
    by_epochs = {epochs: [one for one in found if one.epochs == epochs] for epochs in (1, 3, 9)}
    assert {epochs: len(some) for epochs, some in by_epochs.items()} == {1: 6, 3: 2, 9: 1}
    best = max(by_epochs[1], key=any_score)
    assert by_epochs[9][0].values == best.values


@pytest.mark.parametrize("fails", [{1}, {2, 6}])
def test_hyperband_promotes_in_a_small_space_although_some_fail(fails):
    found = drive(proposer("hyperband", "sentiment-quick"), 40, any_score, fails)
    kept = [one for number, one in enumerate(found, start=1) if one.epochs == 1 and number not in fails]
    last = [one for one in found if one.epochs == 9]
    assert [one.values for one in last] == [max(kept, key=any_score).values]


def test_hyperband_draws_another_configuration_where_one_failed_in_the_first_rung():
    found = drive(proposer("hyperband"), 40, any_score, fails={3})
    assert sum(one.epochs == 1 for one in found[:12]) >= 10
    assert any(one.epochs == 9 and one.continues for one in found)


def test_hyperband_draws_another_configuration_where_one_failed_in_a_later_rung():
    calm = drive(proposer("hyperband"), 40, any_score)
    later = next(number for number, one in enumerate(calm, start=1) if one.continues and one.epochs < 9)
    found = drive(proposer("hyperband"), 40, any_score, fails={later})
    assert [one.epochs for one in found[later : later + 5]] == [1, 3, 3, 3, 9], (
        "one more begins, and the bracket goes on"
    )
    assert found[later - 1].key not in {one.continues for one in found}
    assert found[later - 1].values not in [one.values for one in found[later:]], "it is given up"


def test_hyperband_goes_through_all_of_a_space_that_fills_one_rung_but_not_two(tmp_path):
    path = write(tmp_path / "s.toml", 'about = "s"\ntask = "text"\n[parameters.units]\nint = { low = 8, high = 18 }\n')
    found = drive(proposer("hyperband", str(path)), 60, any_score)
    tried = {proposal.values["units"] for proposal in found}
    assert tried == set(range(8, 19))
    second = [one for one in found if not one.continues and one.epochs == 3]
    assert len(second) == 2, "what the first bracket left"
    assert any(one.continues in {two.key for two in second} and one.epochs == 9 for one in found)
