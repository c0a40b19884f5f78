"""Declared search spaces: what may vary, within which bounds, and under which conditions.

Knows no Keras and no search algorithm. A space is data; it is checked whole when it is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..errors import DeclarationError, listed, unknown
from . import declarations, parameters
from .declarations import Fields
from .domains import Real, Whole
from .parameters import DataTraits
from .ranges import Choice, Float, Int, Range, When


@dataclass(frozen=True)
class SearchSpace:
    """The parameters that vary, each after those on which it depends.

    Args:
        parameters: fixed ones too, as choices of one value.
        text: the declaration, kept with the sweep.
    """

    name: str
    about: str
    task: str
    parameters: tuple[Range, ...]
    text: str = ""

    def __iter__(self) -> Iterator[Range]:
        return iter(self.parameters)

    def active(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """`values` without those whose conditions do not hold."""
        kept: dict[str, Any] = {}
        for parameter in self.parameters:
            if parameter.name in values and all(kept.get(name) in allowed for name, allowed in parameter.when.items()):
                kept[parameter.name] = values[parameter.name]
        return kept

    def known_good(self) -> dict[str, Any]:
        """The known-good configuration, moved into this space where the space excludes it."""
        values = {}
        for parameter in self.parameters:
            documented = parameters.lookup(self.task, parameter.name).default_for(self.task)
            wanted = documented if parameter.default is None else parameter.default
            values[parameter.name] = parameter.nearest(wanted)
        return self.active(values)

    def for_data(self, facts: DataTraits) -> SearchSpace:
        """This space without the parameters that these data leave inactive, and without those that depend on them."""
        kept: list[Range] = []
        for parameter in self.parameters:
            matters = facts.allow(parameters.lookup(self.task, parameter.name))
            if matters and all(name in {other.name for other in kept} for name in parameter.when):
                kept.append(parameter)
        return replace(self, parameters=tuple(kept))

    def without_effect(self, facts: DataTraits) -> dict[str, str]:
        """The parameters that these data leave inactive, and for each, in words, where it would matter."""
        known = [parameters.lookup(self.task, parameter.name) for parameter in self.parameters]
        return {one.name: parameters.ONLY[one.only] for one in known if one.only and not facts.allow(one)}

    def values_of(self, name: str) -> tuple[Any, ...]:
        """Every value that a choice called `name` may take: its documented default where it does not vary, or matters
        under fewer conditions here than it does to a builder."""
        known = parameters.lookup(self.task, name)
        default = known.default_for(self.task)
        for parameter in self.parameters:
            if parameter.name == name:
                values = parameter.values_or_bounds()
                narrower = any(
                    not self._always(other, known.when.get(other), to) for other, to in parameter.when.items()
                )
                return (*values, default) if narrower and default not in values else values
        return (default,)

    def _always(self, name: str, matters: Sequence[Any] | None, allowed: Sequence[Any]) -> bool:
        """Whether `name` is one of `allowed` in every configuration of this space in which it is one of `matters`."""
        if any(parameter.name == name and not isinstance(parameter, Choice) for parameter in self.parameters):
            return False  # of a range only the ends are known
        return all(value in allowed for value in self.values_of(name) if matters is None or value in matters)

    def vectors(self) -> tuple[str, ...]:
        """Every name of pretrained vectors that some configuration asks for."""
        return self.values_of("vectors") if "pretrained" in self.values_of("input") else ()

    def violation(self, values: Mapping[str, Any]) -> str | None:
        """Why `values` is no configuration of this space; None if it is one."""
        active = self.active({**self.known_good(), **values})
        for parameter in self.parameters:
            if parameter.name in values and parameter.name not in active:
                return f"{parameter.name} is set, but its conditions do not hold"
            if parameter.name in values and not parameter.holds(values[parameter.name]):
                return f"{parameter.name}: {values[parameter.name]!r} is outside the space"
        return None


def load_space(name: str) -> SearchSpace:
    """Read and check a declared space.

    Args:
        name: a path to a .toml file, or a name found in search_spaces/ of the working
            folder or among those shipped.

    Raises:
        DeclarationError: with file, line, rule, what was found and what to write.
    """
    path = declarations.find("search_spaces", "search space", name)
    return parse_space(declarations.read(path), path.stem)


def parse_space(fields: Fields, name: str) -> SearchSpace:
    """Check a declaration that has been read."""
    header = fields.into(_Header, ignore=("parameters",))
    if header.task not in parameters.EVERY_TASK:
        raise fields.error("task", unknown("task", header.task, parameters.EVERY_TASK))
    declared = fields.table("parameters")
    if not declared.values:
        raise declared.error(None, "declares no parameter")
    found = {key: _parameter(declared.table(key), header.task) for key in declared.values}
    found = {key: _with_intrinsic_conditions(declared.table(key), found, header.task) for key in found}
    for key, parameter in found.items():
        _check_conditions(declared.table(key), parameter, found)
    return SearchSpace(name, header.about, header.task, _in_order(declared, found), fields.text)


@dataclass(frozen=True)
class _Header:
    about: str
    task: str


@dataclass(frozen=True)
class _Bounds:
    low: float
    high: float
    step: int | None = None
    scale: Literal["linear", "log"] = "linear"


KINDS = ("choice", "int", "float", "fixed")


def _parameter(fields: Fields, task: str) -> Range:
    """One [parameters.NAME] table."""
    name = fields.keys[-1]
    try:
        documented = parameters.lookup(task, name)
    except DeclarationError as error:
        raise fields.error(None, str(error)) from None
    for key in fields.values:
        if key not in (*KINDS, "when", "default"):
            raise fields.error(key, unknown("key", key, (*KINDS, "when", "default")))
    given = [kind for kind in KINDS if kind in fields.values]
    if len(given) != 1:
        raise fields.error(None, f"needs exactly one of {', '.join(KINDS)}, found {', '.join(given) or 'none'}")
    when = _when(fields)
    try:
        parameter = _range(fields, given[0], name, when)
    except DeclarationError as error:
        if str(error).startswith(str(fields.path)):
            raise
        raise fields.error(given[0], str(error)) from None
    if isinstance(parameter, Choice) and isinstance(documented.domain, Real):
        # 0 beside 0.1 is a number like the others.
        parameter = replace(parameter, values=tuple(_as_float(value) for value in parameter.values))
    if isinstance(parameter, Float) and isinstance(documented.domain, Whole):
        raise fields.error(given[0], f"{name} is a whole number; write int = {{ low = ..., high = ... }}")
    for key, value in (*((given[0], one) for one in parameter.values_or_bounds()), ("default", parameter.default)):
        violation = "" if value is None else documented.domain.violation(value)
        if violation:
            raise fields.error(key, violation)
    if parameter.default is not None and not parameter.holds(parameter.default):
        raise fields.error("default", f"must be a value of this parameter, found {parameter.default!r}")
    return parameter


def _range(fields: Fields, kind: str, name: str, when: When) -> Range:
    default = fields.values.get("default")
    value = fields.values[kind]
    if kind == "fixed":
        return Choice(name, (value,), when, default)
    if kind == "choice":
        if not isinstance(value, list):
            raise fields.error(kind, f"must be a list of values, found {value!r}")
        return Choice(name, tuple(value), when, default)
    bounds = fields.table(kind).into(_Bounds)
    if kind == "float":
        if bounds.step is not None:
            raise fields.table(kind).error("step", "a float has no step; write a choice of the values that you want")
        return Float(name, float(bounds.low), float(bounds.high), bounds.scale, when, default)
    if bounds.low != int(bounds.low) or bounds.high != int(bounds.high):
        raise DeclarationError(f"low and high of an int are whole numbers, got low={bounds.low}, high={bounds.high}")
    return Int(
        name, int(bounds.low), int(bounds.high), 1 if bounds.step is None else bounds.step, bounds.scale, when, default
    )


def _as_float(value: Any) -> Any:
    return float(value) if isinstance(value, int) else value


def _when(fields: Fields) -> When:
    table = fields.table("when", {})
    for key, value in table.values.items():
        if not isinstance(value, list) or not value:
            raise table.error(key, f"must be a list of the values that switch {fields.keys[-1]} on, found {value!r}")
    return {key: tuple(value) for key, value in table.values.items()}


def _with_intrinsic_conditions(fields: Fields, found: Mapping[str, Range], task: str) -> Range:
    """Add the conditions under which the builder reads the parameter at all, so that no trial is wasted on it."""
    parameter = found[fields.keys[-1]]
    when = dict(parameter.when)
    for name, allowed in parameters.lookup(task, parameter.name).when.items():
        if name in found:
            useful = tuple(value for value in allowed if found[name].holds(value))
        else:
            useful = tuple(value for value in allowed if value == parameters.lookup(task, name).default_for(task))
        if not useful:
            raise fields.error(
                None,
                f"has an effect only when {name} is {' or '.join(map(str, allowed))}, and in this space it never is",
            )
        if name in found:
            when[name] = tuple(value for value in when.get(name, useful) if value in useful)
            if not when[name]:
                raise fields.error(
                    "when",
                    f"has an effect only when {name} is {' or '.join(map(str, useful))}, found {listed(map(repr, parameter.when[name]))}",
                )
    return replace(parameter, when=when)


def _check_conditions(fields: Fields, parameter: Range, found: Mapping[str, Range]) -> None:
    for name, values in parameter.when.items():
        if name not in found:
            raise fields.error(
                "when", f"depends on {name!r}, which this space does not declare; declared: {', '.join(found)}"
            )
        never = [value for value in values if not found[name].holds(value)]
        if never:
            raise fields.error("when", f"{name} is never {' or '.join(repr(value) for value in never)} in this space")


def _in_order(declared: Fields, found: Mapping[str, Range]) -> tuple[Range, ...]:
    """Each parameter after those on which it depends."""
    done: dict[str, Range] = {}
    while len(done) < len(found):
        ready = [p for key, p in found.items() if key not in done and all(name in done for name in p.when)]
        if not ready:
            stuck = [key for key in found if key not in done]
            raise declared.table(stuck[0]).error("when", f"conditions form a circle: {' -> '.join((*stuck, stuck[0]))}")
        done.update((p.name, p) for p in ready)
    return tuple(done.values())
