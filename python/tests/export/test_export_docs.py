"""docs/export.md lists the columns and endings that there are."""

import re
from pathlib import Path

import pytest

from wtb.export import FORMATS
from wtb.export.tables import TABLES

PAGE = (Path(__file__).parents[3] / "docs" / "export.md").read_text("utf-8")


def listed(part):
    return re.findall(r"^\| `(\w+)` \| (\w+) \|", part, re.MULTILINE)


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_column_is_listed_in_order(table):
    common = re.search(r"Each table begins with (.*)\n", PAGE)
    assert common is not None
    shared = re.findall(r"`(\w+)` \((\w+)", common[1])
    own = PAGE.partition(f"\n### {table.name}\n")[2].partition("\n##")[0]
    assert [(one.name, one.kind) for one in table.columns] == [*shared, *listed(own)]


def test_every_format_is_listed_with_its_ending():
    found = dict(re.findall(r"^\| `(\w+)` \| `(\.\w+)` \|", PAGE, re.MULTILINE))
    assert {ending: kind for kind, ending in found.items()} == FORMATS
