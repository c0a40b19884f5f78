"""What values a parameter may have, and how that is said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Words:
    """One of a few words."""

    words: tuple[str, ...]

    def violation(self, value: Any) -> str | None:
        return None if value in self.words else f"must be one of {', '.join(self.words)}, found {value!r}"

    def __str__(self) -> str:
        return " | ".join(self.words)


@dataclass(frozen=True)
class Whole:
    """A whole number; both bounds included."""

    low: int
    high: int

    def violation(self, value: Any) -> str | None:
        if isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high:
            return None
        return f"must be a whole number from {self.low} to {self.high}, found {value!r}"

    def __str__(self) -> str:
        return f"{self.low} .. {self.high}"


@dataclass(frozen=True)
class Real:
    """A number; both bounds included."""

    low: float
    high: float

    def violation(self, value: Any) -> str | None:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and self.low <= value <= self.high:
            return None
        return f"must be a number from {self.low:g} to {self.high:g}, found {value!r}"

    def __str__(self) -> str:
        return f"{self.low:g} .. {self.high:g}"


@dataclass(frozen=True)
class Text:
    """A name or a path."""

    what: str

    def violation(self, value: Any) -> str | None:
        return None if isinstance(value, str) and value else f"must be {self.what}, found {value!r}"

    def __str__(self) -> str:
        return self.what


Domain = Words | Whole | Real | Text
