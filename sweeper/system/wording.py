"""What others wrote, as it may be shown: without credentials, and without power over a terminal."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""What a terminal obeys, tabs and line ends apart, or what turns the direction of a line."""

MAX_CHARACTERS = 200  # characters of an error of somebody else's


def without_secrets(text: str) -> str:
    """`text` with the user, the password and the query of any address in it left out."""
    text = re.sub(r"(//)\S*@", r"\1", text)  # to the last @: a password may hold one, and a slash
    text = re.sub(r"(\w+://[^\s'\"?]*)\?[^\s'\"]*", r"\1", text)
    return re.sub(r"((?:^|(?<=[\s'\"(=:]))/[^\s'\"?]*)\?[^\s'\"]+", r"\1", text)  # a request's path


def first_line(error: Exception) -> str:
    """The kind and first line of an error, without credentials."""
    first = (str(error).splitlines() or [""])[0]
    said = without_secrets(first)
    return f"{type(error).__name__}: {said if len(said) <= MAX_CHARACTERS else said[:MAX_CHARACTERS] + '...'}"


def visible(text: str) -> str:
    """`text` with its control characters written as escapes: a label may not clear a screen or name a window."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def visible_line(text: str) -> str:
    """As `visible`, on one line and in one cell."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def as_json(value: Any) -> str:
    """In the characters that standard output has; others, and those that a terminal obeys, as JSON's own escapes."""
    text = json.dumps(value, ensure_ascii=not (sys.stdout.encoding or "").lower().startswith("utf"))
    return CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
