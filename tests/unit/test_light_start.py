"""What a process of the embedded mode does not load: a part of a second, and megabytes, of the start each."""

import subprocess
import sys

from tests.e2e.process import SECRET, environment

HEAVY = {
    "aiohttp",
    "alembic",
    "asyncpg",
    "genai_prices",
    "google.genai",
    "mako",
    "openai",
    "redis",
    "sqlalchemy.orm",
    "stripe",
    "taskiq",
}
START = """
import asyncio, sys
# Litestar imports it, and so SQLAlchemy's ORM, where an environment has it.
sys.modules["advanced_alchemy"] = None
from parley.bootstrap.processes import api_application, api_process
from parley.bootstrap import bootstrap
from parley.settings import read_settings

async def start():
    parley = bootstrap(read_settings())
    api_application(parley)
    async with api_process(parley):
        print(*sys.modules, sep="\\n")

asyncio.run(start())
"""


def test_a_first_start_loads_nothing_that_it_does_not_use(tmp_path):
    started = subprocess.run(
        [sys.executable, "-c", START],
        cwd=tmp_path,
        env=environment({"JWT_SECRET": SECRET}),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(started.stdout.split())
    assert "parley.adapters.sql.engine.migrate" in loaded
    assert loaded & HEAVY == set()
