"""A table of named things that says, loudly, what it does not know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from .errors import DeclarationError, unknown

T = TypeVar("T")


class Registry(Generic[T]):
    """Names to things of one kind, in order of registration."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._things: dict[str, T] = {}

    def add(self, name: str, thing: T) -> T:
        if name in self._things:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._things[name] = thing
        return thing

    def __getitem__(self, name: str) -> T:
        """The thing called `name`.

        Raises:
            DeclarationError: nothing is called so; the nearest names are given.
        """
        if name not in self._things:
            raise DeclarationError(unknown(self.kind, name, self._things))
        return self._things[name]

    def __contains__(self, name: object) -> bool:
        return name in self._things

    def __iter__(self) -> Iterator[str]:
        return iter(self._things)
