"""The benchmarks, which no other test runs, fit the product."""

import importlib
from pathlib import Path

import pytest

# What plots the results is run in an environment of its own, and playwright is installed for .ci/run only.
MODULES = sorted(
    {path.stem for path in (Path(__file__).parents[2] / "benchmarks").glob("*.py")} - {"plot", "chat_page"}
)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_finds_what_it_needs(name: str) -> None:
    assert importlib.import_module(f"benchmarks.{name}")
