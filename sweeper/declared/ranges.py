"""What a space lets a parameter be: one of a few values, or a number within bounds; and with which values of others."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import DeclarationError

When = Mapping[str, tuple[Any, ...]]
"""Parameters on which another depends, each with the values that switch it on; all must hold."""


@dataclass(frozen=True)
class Choice:
    """One of several values, all words or all numbers."""

    name: str
    values: tuple[Any, ...]
    when: When = field(default_factory=dict)
    default: Any = None

    def __post_init__(self) -> None:
        if not self.values:
            raise DeclarationError("a choice needs at least one value")
        if any(isinstance(value, bool) for value in self.values):
            raise DeclarationError('true and false are not values; write the words "yes" and "no"')
        if len({isinstance(value, str) for value in self.values}) > 1:
            raise DeclarationError(f"a choice is all words or all numbers, found {list(self.values)}")
        repeated = sorted({str(value) for value in self.values if self.values.count(value) > 1})
        if repeated:
            raise DeclarationError(f"each value once, found {', '.join(repeated)} more than once")

    def holds(self, value: Any) -> bool:
        return value in self.values

    def nearest(self, value: Any) -> Any:
        """The value as it is declared: 0.0, where 0 is given."""
        return self.values[self.values.index(value) if value in self.values else 0]

    def values_or_bounds(self) -> tuple[Any, ...]:
        return self.values


@dataclass(frozen=True)
class Int:
    """A whole number from `low` to `high`, both included, every `step`; or log-uniform."""

    name: str
    low: int
    high: int
    step: int = 1
    scale: str = "linear"
    when: When = field(default_factory=dict)
    default: Any = None

    def __post_init__(self) -> None:
        if self.step < 1 or self.low > self.high:
            raise DeclarationError(
                f"need low <= high and step >= 1, got low={self.low}, high={self.high}, step={self.step}"
            )
        if self.scale == "log" and (self.low < 1 or self.step != 1):
            raise DeclarationError(f"a log scale needs low >= 1 and no step, got low={self.low}, step={self.step}")
        last = self.low + (self.high - self.low) // self.step * self.step
        if last != self.high:
            raise DeclarationError(
                f"steps of {self.step} from {self.low} never reach high={self.high}; write high={last} or change step"
            )

    def holds(self, value: Any) -> bool:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return whole and self.low <= value <= self.high and (value - self.low) % self.step == 0

    def nearest(self, value: Any) -> int:
        clipped = min(max(int(value), self.low), self.high)
        return self.low + round((clipped - self.low) / self.step) * self.step

    def values_or_bounds(self) -> tuple[Any, ...]:
        return (self.low, self.high)


@dataclass(frozen=True)
class Float:
    """A number from `low` to `high`, both included, uniform on a linear or log scale."""

    name: str
    low: float
    high: float
    scale: str = "linear"
    when: When = field(default_factory=dict)
    default: Any = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high)) or self.low >= self.high:
            raise DeclarationError(f"need low < high, got low={self.low}, high={self.high}")
        if self.scale == "log" and self.low <= 0:
            raise DeclarationError(f"a log scale needs low > 0, got low={self.low}")

    def holds(self, value: Any) -> bool:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and self.low <= value <= self.high

    def nearest(self, value: Any) -> float:
        return float(min(max(value, self.low), self.high))

    def values_or_bounds(self) -> tuple[Any, ...]:
        return (self.low, self.high)


Range = Choice | Int | Float
