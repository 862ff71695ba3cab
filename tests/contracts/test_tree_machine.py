"""The tree of messages under random operations: 10,000 steps on the fakes and 1,000 on PostgreSQL with FAULTS=long."""

import os
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.contracts import databases
from tests.contracts.chat_fixtures import Store, store_over
from tests.contracts.tree_machine import TreeMachine

STEPS = 50
LONG = os.environ.get("FAULTS") == "long"


@asynccontextmanager
async def on_fakes() -> AsyncGenerator[Store, None]:
    async with databases.memory(Path()) as database:
        yield store_over(database)


@asynccontextmanager
async def on_sqlite() -> AsyncGenerator[Store, None]:
    with tempfile.TemporaryDirectory() as folder:
        async with databases.sqlite(Path(folder)) as database:
            yield store_over(database)


@asynccontextmanager
async def on_postgresql() -> AsyncGenerator[Store, None]:
    async with databases.postgresql(Path()) as database:
        yield store_over(database)


class OnFakes(TreeMachine):
    open_store = staticmethod(on_fakes)


class OnSqlite(TreeMachine):
    open_store = staticmethod(on_sqlite)


class OnPostgresql(TreeMachine):
    open_store = staticmethod(on_postgresql)


def run(machine: type[TreeMachine], *, examples: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_tree_on_fakes() -> None:
    run(OnFakes, examples=200 if LONG else 5)


def test_tree_on_sqlite() -> None:
    run(OnSqlite, examples=20 if LONG else 1)


def test_tree_on_postgresql() -> None:
    run(OnPostgresql, examples=20 if LONG else 1)
