"""The pages name everything that a card may say, and nothing that it may not."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from sweeper.adapters import ADAPTERS
from sweeper.data.cards import TABLES, Split, _Header
from sweeper.data.source_spec import Source
from sweeper.declared import parameters

DOCS = Path(__file__).parents[1] / "docs"


def _code(page):
    """All that stands between backquotes, in words."""
    return set(re.findall(r"[\w-]+", " ".join(re.findall(r"`([^`]+)`", (DOCS / page).read_text(encoding="utf-8")))))


@pytest.mark.parametrize("record", [_Header, Source, Split, *(ADAPTERS[name].options for name in ADAPTERS)])
def test_every_key_of_a_card_is_explained(record):
    named = _code("datasets.md")
    assert {field.name for field in dataclasses.fields(record)} <= named


def test_every_table_and_format_of_a_card_is_explained():
    assert {*TABLES, *ADAPTERS} <= _code("datasets.md")


def test_the_page_of_parameters_names_none_that_there_is_not():
    page = (DOCS / "search-spaces.md").read_text(encoding="utf-8")
    declared = set(re.findall(r"`(\w+) = \"", page))
    assert {"head", "extra"} <= declared
    assert declared - {"scale"} <= {one.name for one in parameters.TABLE}


def test_the_chinese_page_runs_nothing_that_the_readme_does_not():
    """The README's commands are run before every change; these are some of them."""
    readme, chinese = (path.read_text(encoding="utf-8") for path in (DOCS.parent / "README.md", DOCS / "README.zh.md"))

    def commands(page):
        blocks = "".join(re.findall(r"^```sh\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL))
        return {line.split("  #")[0].strip() for line in blocks.splitlines()}

    assert len(commands(chinese)) > 8
    assert commands(chinese) <= commands(readme)
