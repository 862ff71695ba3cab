"""The documentation of security, where it can be compared with the code."""

import re
from pathlib import Path

from parley.settings import SECRETS

DOCS = Path(__file__).parents[3] / "docs"
TABLE = re.compile(r"^\| (met|not met|proxy|front end|operator|does not apply) \| ([0-9]+) \|", re.MULTILINE)
ITEM = re.compile(r"^\| ([0-9]+\.[0-9]+\.[0-9]+) \| .+? \| \**([a-z ]+?)\** \|", re.MULTILINE)
# Chapters of ASVS 5.0.0 that do not apply as a whole, with their numbers of items of levels 1 and 2.
WHOLE_CHAPTERS = 29 + 7


def test_the_rotation_of_every_secret_is_documented():
    rotating = (DOCS / "security.md").read_text(encoding="utf-8").partition("## Rotating secrets")[2]
    assert {name for name in SECRETS if f"`{name}`" not in rotating} == set()


def test_the_summary_of_the_asvs_counts_its_items():
    text = (DOCS / "asvs.md").read_text(encoding="utf-8")
    said = {status: int(number) for status, number in TABLE.findall(text)}
    items = ITEM.findall(text)
    counted = {status: sum(each == status for _, each in items) for status in said}
    counted["does not apply"] += WHOLE_CHAPTERS
    assert counted == said
    assert len({number for number, _ in items}) == len(items)
    assert sum(said.values()) == 253


def test_tests_and_files_that_the_asvs_page_names_exist():
    text = (DOCS / "asvs.md").read_text(encoding="utf-8")
    root = DOCS.parent
    for name in re.findall(r"`(tests/[\w/.]+)`", text):
        assert (root / name).exists(), name
    for name in re.findall(r"`((?:core|runtime|http|otp|billing|chat|adapters)/[\w/]+\.(?:py|txt))`", text):
        places = ("src/parley", "src/parley/adapters", "src/parley/adapters/http")
        assert any((root / place / name).exists() for place in places), name
