"""What trials say about parameters is what is true of them, and no more."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from sweeper.records import TrialResult
from sweeper.reports.effects import Effect, parameter_effects


def trials(rng, count=40, score=lambda values: 0.0, noise=0.01):
    """Finished trials of random configurations, the score as given."""
    found = []
    for number in range(count):
        values = {"cell": str(rng.choice(["gru", "lstm"])), "attention": str(rng.choice(["none", "dot", "concat"]))}
        values |= {"attention_units": int(rng.choice([32, 64]))} if values["attention"] == "concat" else {}
        values |= {"learning_rate": float(10 ** rng.uniform(-4, -2)), "direction": "both"}
        scores = {"accuracy": 0.7 + score(values) + noise * rng.normal()}
        found.append(TrialResult(number, values, "done", scores=scores, epochs=5))
    return found


def test_what_helps_is_named_first_with_about_what_it_gains(rng):
    effects = parameter_effects(trials(rng, score=lambda v: 0.1 * (v["attention"] == "dot")), "accuracy", seed=0)
    first = effects[0]
    assert [Effect(**one) for one in json.loads(json.dumps([one._asdict() for one in effects]))] == effects
    assert (first.parameter, first.better) == ("attention", "dot")
    assert 0.06 < first.difference < 0.12
    assert str(first).startswith("attention: dot over ")
    others = [effect for effect in effects if effect.parameter == "cell"]
    assert not others[0].is_clear
    assert str(others[0]) == "cell: no clear effect"


def test_of_numbers_low_and_high_are_compared(rng):
    effects = parameter_effects(trials(rng, score=lambda v: 20 * v["learning_rate"]), "accuracy", seed=0)
    assert effects[0].parameter == "learning_rate"
    assert effects[0].better > effects[0].worse


def test_parameters_may_all_be_numbers_or_all_be_words(rng):
    for kept in ("learning_rate", "cell"):
        some = [replace(one, configuration={kept: one.configuration[kept]}) for one in trials(rng)]
        assert [effect.parameter for effect in parameter_effects(some, "accuracy", seed=0)] == [kept]


def test_what_does_not_vary_and_what_was_cut_short_teaches_nothing(rng):
    some = trials(rng)
    names = {effect.parameter for effect in parameter_effects(some, "accuracy", seed=0)}
    assert names == {"cell", "attention", "attention_units", "learning_rate"}
    shorter = [
        TrialResult(r.number, {**r.configuration, "cell": "gru"}, "done", {"accuracy": 0.3}, epochs=1)
        for r in some[:20]
    ]
    longer = [
        TrialResult(r.number, r.configuration, "done", {"accuracy": 0.8 + 0.01 * rng.normal()}, epochs=9)
        for r in some[20:]
    ]
    effects = {one.parameter: one for one in parameter_effects([*shorter, *longer], "accuracy", seed=0)}
    assert effects["cell"].difference < 0.2, "most of 0.5 is for the epochs"


def test_few_trials_and_failed_ones_say_nothing(rng):
    assert parameter_effects(trials(rng, 5), "accuracy", seed=0) == []
    failed = [TrialResult(r.number, r.configuration, "failed", error="x") for r in trials(rng, 20)]
    assert parameter_effects(failed, "accuracy", seed=0) == []


def test_the_same_seed_says_the_same():
    some = trials(np.random.default_rng(1))
    assert parameter_effects(some, "accuracy", seed=4) == parameter_effects(some, "accuracy", seed=4)


def test_an_effect_is_not_shared_with_what_depends_on_it_and_is_of_the_trials_that_use_it(rng):
    def values():
        extra = str(rng.choice(["none", "ngrams"]))
        used = {"weighting": str(rng.choice(["a", "b"])), "fusion": str(rng.choice(["c", "d"]))}
        return {"extra": extra, **(used if extra == "ngrams" else {}), "units": int(rng.integers(8, 64))}

    found = [values() for _ in range(60)]
    scores = [0.7 + 0.1 * (one["extra"] == "ngrams") + 0.06 * (one.get("weighting") == "b") for one in found]
    some = [
        TrialResult(number, one, "done", scores={"accuracy": score}, epochs=5)
        for number, (one, score) in enumerate(zip(found, scores, strict=True))
    ]
    effects = {one.parameter: one for one in parameter_effects(some, "accuracy", seed=0)}
    assert effects["extra"].difference > 0.1
    assert (effects["weighting"].better, effects["fusion"].is_clear) == ("b", False)
    assert effects["weighting"].difference > 0.04


def test_what_ended_early_by_itself_was_given_as_much_as_others(rng):
    """Of trials that all could have nine epochs, those that ended first did worse, and it was not for want of epochs."""
    some = trials(rng, score=lambda v: 0.2 * (v["cell"] == "lstm"))
    some = [replace(one, epochs=9 if one.configuration["cell"] == "lstm" else 3) for one in some]
    effects = [
        {one.parameter: one.difference for one in parameter_effects(some, "accuracy", seed=0, epochs=given)}
        for given in ({}, {one.number: 9 for one in some})
    ]
    assert effects[1]["cell"] > 0.15 > effects[0]["cell"]
