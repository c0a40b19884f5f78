"""Search spaces: wrong early, with file and line; conditions hold; inactive parameters appear nowhere."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.declared import declarations, parameters
from sweeper.declared.ranges import Choice, Float, Int
from sweeper.declared.spaces import SearchSpace, load_space
from sweeper.errors import DeclarationError

from .conftest import write

HEAD = 'about = "x"\ntask = "sentiment"\n'


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (
            "[parameters.units]\nint = { low = 32, high = 100, step = 32 }",
            ":4: parameters.units.int: steps of 32 from 32 never reach high=100; write high=96 or change step",
        ),
        ("[parameters.units]\nint = { low = 64, high = 32 }", ":4: parameters.units.int: need low <= high"),
        ("[parameters.units]\nint = { low = 1.5, high = 32 }", "low and high of an int are whole numbers"),
        ("[parameters.unit]\nfixed = 3", "Did you mean 'units'"),
        ("[parameters.cell]\nchoice = []", "a choice needs at least one value"),
        ("[parameters.cell]\nchoice = ['lstm', 'lstm']", "lstm more than once"),
        ("[parameters.cell]\nchoice = ['lsmt']", "must be one of simple_rnn, gru, lstm, found 'lsmt'"),
        ("[parameters.lowercase]\nchoice = [true, false]", 'write the words "yes" and "no"'),
        ("[parameters.cell]\nchoice = 'lstm'", "must be a list of values, found 'lstm'"),
        ("[parameters.cell]\nchoise = ['lstm']", "Did you mean 'choice'"),
        (
            "[parameters.cell]\nchoice = ['lstm']\nfixed = 'gru'",
            "needs exactly one of choice, int, float, fixed, found choice, fixed",
        ),
        ("[parameters.dropout]\nfloat = { low = 0.1, high = 0.5, step = 1 }", "a float has no step"),
        (
            "[parameters.units]\nfloat = { low = 32, high = 128 }",
            "units is a whole number; write int = { low = ..., high = ... }",
        ),
        ("[parameters.dropout]\nfloat = { low = 0.5, high = 0.1 }", "need low < high"),
        ("[parameters.dropout]\nfloat = { low = 0.0, high = 0.5, scale = 'log' }", "a log scale needs low > 0"),
        (
            "[parameters.dropout]\nfloat = { low = 0.0, high = 0.5, scale = 'logarithmic' }",
            "must be one of 'linear', 'log'",
        ),
        ("[parameters.dropout]\nfloat = { low = 0.0, high = 2.0 }", "must be a number from 0 to 0.95, found 2.0"),
        (
            "[parameters.cell]\nchoice = ['gru']\nwhen = { direction = ['both'] }",
            "depends on 'direction', which this space does not declare",
        ),
        (
            "[parameters.attention]\nchoice = ['none', 'dot']\n[parameters.pooling]\nchoice = ['max']\nwhen = { attention = ['concat'] }",
            "has an effect only when attention is none",
        ),
        (
            "[parameters.attention]\nchoice = ['dot', 'concat']\n[parameters.attention_units]\nfixed = 8\nwhen = { attention = ['dot'] }",
            "has an effect only when attention is concat",
        ),
        (
            "[parameters.attention_units]\nfixed = 8",
            "has an effect only when attention is concat, and in this space it never is",
        ),
        (
            "[parameters.cell]\nchoice = ['gru', 'lstm']\nwhen = { direction = ['both'] }\n[parameters.direction]\nchoice = ['both']\nwhen = { cell = ['gru'] }",
            "conditions form a circle: cell -> direction -> cell",
        ),
        ("[parameters.cell]\nchoice = ['gru', 'lstm']\ndefault = 'simple_rnn'", "must be a value of this parameter"),
        (
            "[parameters.units]\nint = { low = 32, high = 64 }\ndefault = 5000",
            ":5: parameters.units.default: must be a whole number from 1 to 2048, found 5000",
        ),
        ("parameters = 3", "must be a table"),
        ("", "needs a table [parameters]"),
        ("[parameters", "not TOML"),
    ],
)
def test_a_wrong_space_is_refused_with_its_place_and_its_rule(tmp_path, body, complaint):
    path = write(tmp_path / "wrong.toml", f"{HEAD}{body}\n")
    with pytest.raises(DeclarationError) as refused:
        load_space(str(path))
    assert str(refused.value).startswith(f"{path}:")
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    "header",
    [
        'about = "x"',
        'about = "x"\ntask = "sentimental"',
        'about = 3\ntask = "text"',
        'about = "x"\ntask = "text"\nabuot = "y"',
    ],
)
def test_a_wrong_header_is_refused(tmp_path, header):
    with pytest.raises(DeclarationError):
        load_space(str(write(tmp_path / "wrong.toml", f"{header}\n[parameters.units]\nfixed = 4\n")))


@pytest.mark.parametrize("name", sorted(declarations.declared("search_spaces")))
def test_shipped_spaces_load_and_begin_with_the_known_good_configuration(name):
    space = load_space(name)
    assert space.violation(space.known_good()) is None
    for has_words in (True, False):
        facts = parameters.DataTraits(labelled=True, has_words=has_words)
        first = space.for_data(facts).known_good()
        whole = parameters.complete(space.task, first, facts)
        assert {key: whole[key] for key in first} == first


def test_a_parameter_that_the_builder_would_not_read_is_inactive_without_being_told():
    space = load_space("sentiment")
    active = space.active({"attention": "dot", "attention_units": 64, "pooling": "max", "cell": "gru"})
    assert active == {"attention": "dot", "cell": "gru"}


def test_whole_numbers_among_others_are_numbers_like_them(tmp_path):
    space = load_space(str(write(tmp_path / "s.toml", HEAD + "[parameters.dropout]\nchoice = [0, 0.1]\ndefault = 0\n")))
    assert [type(value) for value in space.values_of("dropout")] == [float, float]


def test_a_parameter_that_the_data_leave_inactive_does_not_vary(tmp_path):
    body = "[parameters.head]\nchoice = ['softmax', 'ordinal']\n[parameters.units]\nchoice = [4, 8]\nwhen = { head = ['ordinal'] }\n"
    body += "[parameters.cell]\nchoice = ['gru', 'lstm']\n"
    space = load_space(str(write(tmp_path / "s.toml", HEAD + body)))
    assert [parameter.name for parameter in space.for_data(parameters.DataTraits(ordered=False))] == ["cell"]
    assert len(list(space.for_data(parameters.DataTraits(ordered=True)))) == 3
    assert space.without_effect(parameters.DataTraits(ordered=False)) == {"head": "labels are numbers"}
    assert not space.without_effect(parameters.DataTraits(ordered=True))


def test_nested_conditions_switch_off_with_the_outermost_one(tmp_path):
    body = "[parameters.input]\nchoice = ['learned', 'pretrained']\n[parameters.vectors_training]\nchoice = ['frozen', 'tuned']\n"
    body += "[parameters.dropout]\nfixed = 0.5\nwhen = { vectors_training = ['frozen'] }\n"
    space = load_space(str(write(tmp_path / "nested.toml", HEAD + body)))
    everything = {"input": "learned", "vectors_training": "frozen", "dropout": 0.5}
    assert space.active(everything) == {"input": "learned"}
    assert space.active({**everything, "input": "pretrained"}) == {**everything, "input": "pretrained"}


@given(low=st.integers(-50, 50), steps=st.integers(0, 20), step=st.integers(1, 9), wanted=st.integers(-200, 200))
def test_the_nearest_value_of_an_int_is_one_of_its_values(low, steps, step, wanted):
    parameter = Int("n", low, low + steps * step, step)
    assert parameter.holds(parameter.nearest(wanted))
    if parameter.holds(wanted):
        assert parameter.nearest(wanted) == wanted


@given(low=st.floats(-5, 5), width=st.floats(0.1, 5), wanted=st.floats(-20, 20))
def test_the_nearest_value_of_a_float_is_inside(low, width, wanted):
    parameter = Float("x", low, low + width)
    assert parameter.holds(parameter.nearest(wanted))


def test_refusal_names_what_is_wrong():
    space = SearchSpace("s", "", "sentiment", (Choice("cell", ("gru", "lstm")), Int("units", 4, 8, 4)))
    assert space.violation({"cell": "gru", "units": 8}) is None
    assert "units: 6" in str(space.violation({"units": 6}))


def test_spaces_and_cards_are_checked_without_importing_anything_heavy():
    script = (
        "import sys; from sweeper.cli import main; "
        "main(['spaces', 'check', 'sentiment']); main(['datasets', 'list']); main(['spaces', 'parameters', 'text']); "
        "heavy = {'tensorflow', 'keras', 'mlflow', 'pandas', 'sklearn', 'keras_tuner', 'matplotlib'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    asked = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr


def test_a_file_of_the_working_folder_comes_before_a_shipped_one(tmp_path):
    write(tmp_path / "work" / "search_spaces" / "sentiment.toml", f"{HEAD}[parameters.units]\nfixed = 4\n")
    assert [parameter.name for parameter in load_space("sentiment")] == ["units"]


WORDS = st.sampled_from(["gru", "lstm", "none", "concat", "both", "learned", "one_hot", "no", "yes", "x"])
VALUES = st.one_of(WORDS, st.integers(-3, 200), st.floats(-1, 2).map(lambda value: round(value, 3)), st.booleans())
LISTS = st.lists(VALUES, max_size=4)
RULES = st.one_of(
    st.builds(lambda values: f"choice = {toml(values)}", LISTS),
    st.builds(lambda value: f"fixed = {toml(value)}", VALUES),
    st.builds(
        lambda kind, low, high, step: f"{kind} = {{ low = {toml(low)}, high = {toml(high)}{step} }}",
        st.sampled_from(["int", "float"]), VALUES, VALUES, st.sampled_from(["", ", step = 2", ', scale = "log"']),
    ),
)  # fmt: skip
NAMES = st.sampled_from([*parameters.known("sentiment"), "unit", "a.b"])
TABLES = st.builds(
    lambda name, rule, other, values: f"[parameters.{name}]\n{rule}\n" + (f"when = {{ {other} = {toml(values)} }}\n" if other else ""),
    NAMES, RULES, st.one_of(st.none(), NAMES), LISTS,
)  # fmt: skip


def toml(value):
    """A value as TOML writes it."""
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else repr(value)


@settings(max_examples=300)
@given(st.lists(TABLES, min_size=1, max_size=4))
def test_any_space_gives_legal_configurations_or_is_refused_with_its_line(tmp_path_factory, tables):
    path = write(tmp_path_factory.mktemp("space") / "space.toml", HEAD + "".join(tables))
    complaint = ""
    try:
        space = load_space(str(path))
    except DeclarationError as error:
        complaint = str(error)
    if complaint:
        assert re.match(rf"{re.escape(str(path))}:\d+: ", complaint)
        return
    first = space.known_good()
    assert space.violation(first) is None
    complete = parameters.complete("sentiment", first, parameters.DataTraits())
    assert all(parameters.lookup("sentiment", name).domain.violation(value) is None for name, value in complete.items())


@pytest.mark.parametrize(
    ("task", "name"), [(task, name) for task in parameters.EVERY_TASK for name in parameters.known(task)]
)
def test_every_parameter_can_be_declared_alone_where_the_defaults_give_it_a_meaning(task, name, tmp_path):
    parameter = parameters.known(task)[name]
    default, single_characters = parameter.default_for(task), parameter.only == "single_characters"
    fitting, other = (
        parameters.DataTraits(True, True, has_words=not single_characters),
        parameters.DataTraits(has_words=single_characters),
    )
    value = f'"{default}"' if isinstance(default, str) else default
    path = write(tmp_path / "s.toml", f'about = "x"\ntask = "{task}"\n[parameters.{name}]\nfixed = {value}\n')
    if name in parameters.complete(task, {}, fitting):
        space = load_space(str(path)).for_data(fitting)
        assert space.known_good() == {name: default}
        assert bool(load_space(str(path)).for_data(other).parameters) == (not parameter.only)
    else:
        with pytest.raises(DeclarationError, match=r"s\.toml:3: "):
            load_space(str(path))


@pytest.mark.parametrize(
    ("when", "wanted"),
    [
        ("cell = ['lstm']", {"naive_bayes", "tfidf"}),
        ("cell = ['gru', 'lstm']", {"naive_bayes"}),
        ("extra = ['ngrams']", {"naive_bayes"}),
        ("depth = [1, 3]", {"naive_bayes", "tfidf"}),
    ],
)
def test_a_default_that_a_builder_falls_back_on_counts_as_a_value(tmp_path, when, wanted):
    body = "[parameters.depth]\nint = { low = 1, high = 3 }\n"
    body += "[parameters.extra]\nchoice = ['ngrams', 'none']\n[parameters.cell]\nchoice = ['gru', 'lstm']\n"
    body += f"[parameters.weighting]\nfixed = 'naive_bayes'\nwhen = {{ {when} }}\n"
    space = load_space(str(write(tmp_path / "s.toml", HEAD + body)))
    assert set(space.values_of("weighting")) == wanted
    for cell in ("gru", "lstm"):
        values = space.active({"extra": "ngrams", "cell": cell, "weighting": "naive_bayes"})
        assert parameters.complete(space.task, values)["weighting"] in wanted
