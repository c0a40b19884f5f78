"""Reading TOML declarations: found by path or name, checked whole, never repaired.

Every complaint names file and line, the rule, what was found and what to write.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..errors import DeclarationError, unknown

T = TypeVar("T")
SHIPPED = Path(__file__).resolve().parent.parent


def shipped_folder(kind: str) -> Path:
    """Where the declarations of `kind` ("datasets" or "search_spaces") came with the package.

    In a wheel they lie inside the package; in a checkout beside it.
    """
    inside = SHIPPED / kind
    return inside if inside.is_dir() else SHIPPED.parent / kind


def declared(kind: str) -> dict[str, Path]:
    """All declarations of `kind` by name; the working folder's come before the shipped ones."""
    found: dict[str, Path] = {}
    for folder in (Path(kind), shipped_folder(kind)):
        for path in sorted(folder.glob("*.toml")):
            found.setdefault(path.stem, path)
    return found


def find(kind: str, word: str, name: str) -> Path:
    """The declaration called `name`, a path or a name.

    Args:
        kind: "datasets" or "search_spaces".
        word: what one of them is called in a message.

    Raises:
        DeclarationError: there is none; the nearest names are given.
    """
    path = Path(os.path.expanduser(name))
    if kind == "datasets" and path.suffix not in ("", ".toml") and path.exists():
        raise DeclarationError(f"{name}: a declaration is a .toml file; data of your own are given by --data {name}")
    if path.suffix == ".toml" or os.sep in name:
        if path.is_file():
            return path
        raise DeclarationError(
            f"{name}: no such file; give a path to a .toml file or one of: {', '.join(sorted(declared(kind)))}"
        )
    known = declared(kind)
    if name not in known:
        raise DeclarationError(unknown(word, name, known))
    return known[name]


@dataclass(frozen=True)
class Fields:
    """One table of a declaration, with its place for messages.

    Args:
        values: the table.
        path: the file.
        text: the whole file, to find the line that a message names.
        keys: where the table lies, as a path of keys.
    """

    values: Mapping[str, Any]
    path: Path
    text: str
    keys: tuple[str, ...] = ()

    def place(self, key: str | None = None) -> str:
        """`file:line` of `key`, or of the table itself."""
        line = _line_of(self.text, self.keys, key)
        return f"{self.path}:{line}"

    def error(self, key: str | None, message: str) -> DeclarationError:
        label = ".".join((*self.keys, key) if key else self.keys)
        return DeclarationError(f"{self.place(key)}: {label}{': ' if label else ''}{message}")

    def table(self, key: str, default: Mapping[str, Any] | None = None) -> Fields:
        """The table under `key`; `default` where it is missing."""
        value = self.values.get(key, default)
        if value is None:
            raise self.error(None, f"needs a table [{'.'.join((*self.keys, key))}]")
        if not isinstance(value, Mapping):
            raise self.error(key, f"must be a table, found {_toml(value)}")
        return dataclasses.replace(self, values=value, keys=(*self.keys, key))

    def into(self, record: type[T], *, ignore: tuple[str, ...] = ()) -> T:
        """Fill the dataclass `record` from this table, types checked, unknown keys refused."""
        hints = typing.get_type_hints(record)
        fields = {f.name: f for f in dataclasses.fields(record)}  # type: ignore[arg-type]
        for key in self.values:
            if key not in fields and key not in ignore:
                raise self.error(key, unknown("key", key, {*fields, *ignore}))
        filled = {}
        for name, spec in fields.items():
            if name in self.values:
                filled[name] = self._checked(name, hints[name])
            elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
                raise self.error(None, f"needs the key {name!r}")
        return record(**filled)

    def _checked(self, key: str, hint: Any) -> Any:
        value = self.values[key]
        for option in typing.get_args(hint) if _is_union(hint) else (hint,):
            fits, converted = _converted(value, option)
            if fits:
                return converted
        raise self.error(key, f"must be {_spoken(hint)}, found {_toml(value)}")


def read(path: Path) -> Fields:
    """Parse one declaration.

    Raises:
        DeclarationError: not there, not UTF-8, or not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        return Fields(tomllib.loads(text), path, text)
    except FileNotFoundError:
        raise DeclarationError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise DeclarationError(f"{path}: is a folder; a declaration is one .toml file") from None
    except UnicodeDecodeError as error:
        raise DeclarationError(
            f"{path}: a declaration is UTF-8, found byte {error.object[error.start]:#04x} at offset {error.start}"
        ) from None
    except RecursionError:
        raise DeclarationError(f"{path}: has brackets in brackets deeper than Python reads; write fewer") from None
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        where = f"{path}:{line[1]}" if line else f"{path}"
        raise DeclarationError(f"{where}: not TOML: {error}") from None
    except ValueError:
        raise DeclarationError(f"{path}: has a number of thousands of digits; write a smaller one") from None


def _line_of(text: str, keys: tuple[str, ...], key: str | None) -> int:
    """The line, from 1, where `key` of the table at `keys` is written; the nearest parent's where it is not."""
    table: tuple[str, ...] = ()
    best = 1
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line)
        if header:
            table = tuple(part.strip().strip("\"'") for part in header[1].split("."))
            written = table
        else:
            name = re.match(r"\s*([\w.-]+|\"[^\"]*\"|'[^']*')\s*=", line)
            if not name:
                continue
            written = (*table, *(part.strip("\"'") for part in name[1].split(".")))
        wanted = (*keys, key) if key else keys
        if written == wanted:
            return number
        if wanted[: len(written)] == written or (header and wanted[: len(table)] == table):
            best = number
    return best


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _converted(value: Any, hint: Any) -> tuple[bool, Any]:
    """Whether `value` is a TOML writing of the type `hint`, and its Python value."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        if not isinstance(value, list):
            return False, None
        items = [_converted(item, args[0]) for item in value]
        return all(fits for fits, _ in items), tuple(item for _, item in items)
    if origin is dict:
        if not isinstance(value, dict):
            return False, None
        items = [_converted(item, args[1]) for item in value.values()]
        return all(fits for fits, _ in items), dict(zip(value, (item for _, item in items), strict=True))
    if origin is typing.Literal:
        return value in args, value
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value), value
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool), value
    return isinstance(value, hint), value


def _spoken(hint: Any) -> str:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if _is_union(hint):
        return " or ".join(_spoken(arg) for arg in args if arg is not type(None))
    if origin is tuple:
        return f"a list of {_spoken(args[0])}s".replace("a list of a ", "a list of ")
    if origin is typing.Literal:
        return "one of " + ", ".join(repr(arg) for arg in args)
    if origin is dict:
        return f"a table of {_spoken(args[1])}" if len(args) == 2 and args[1] is str else "a table"
    return {str: "text", int: "a whole number", float: "a number", bool: "true or false"}.get(hint, str(hint))


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)
