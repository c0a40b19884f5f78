"""The table of parameters: complete configurations, inactive parameters nowhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.declared import parameters
from sweeper.declared.domains import Text, Whole, Words
from sweeper.errors import DeclarationError
from sweeper.tasks import TASKS


def values(domain):
    if isinstance(domain, Words):
        return st.sampled_from(domain.words)
    if isinstance(domain, Text):
        return st.just("glove-6b-50d")
    kind = st.integers if isinstance(domain, Whole) else st.floats
    return kind(domain.low, domain.high)


CHOSEN = st.sampled_from(parameters.EVERY_TASK).flatmap(
    lambda task: st.tuples(
        st.just(task),
        st.fixed_dictionaries({}, optional={name: values(p.domain) for name, p in parameters.known(task).items()}),
    )
)


def test_every_task_has_parameters_and_every_parameter_its_task():
    assert set(parameters.EVERY_TASK) == set(TASKS)


@given(CHOSEN)
def test_inactive_parameters_appear_nowhere(chosen):
    task, some = chosen
    whole = parameters.complete(task, some)
    for name in whole:
        assert all(whole.get(other) in allowed for other, allowed in parameters.known(task)[name].when.items())
    assert ("attention_units" in whole) == (whole.get("attention") == "concat")
    assert ("head" in whole) == (task == "tagging"), "labels are not in an order"
    assert "characters" not in whole, "words are not known to have several"


@pytest.mark.parametrize(
    ("name", "value"),
    [("cell", "lsmt"), ("units", 0), ("units", 2.5), ("dropout", 1.0), ("units", True), ("vectors", "")],
)
def test_an_illegal_value_is_refused(name, value):
    with pytest.raises(DeclarationError, match=name):
        parameters.complete("sentiment", {name: value})


def test_an_unknown_parameter_is_refused_with_the_nearest_name():
    with pytest.raises(DeclarationError, match="'recurrent_dropout'"):
        parameters.complete("sentiment", {"recurent_dropout": 0.1})
