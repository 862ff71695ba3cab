"""What a process of the embedded mode does not load: a part of a second, and megabytes, of the start each."""

import subprocess
import sys

from tests.e2e.process import SECRET, environment

HEAVY = {
    "aiohttp",
    "alembic",
    "asyncpg",
    "attr",
    "cryptography",
    "genai_prices",
    "google.genai",
    "mako",
    "openai",
    "pydantic",
    "redis",
    "rich",
    "stripe",
    "taskiq",
}
START = """
import asyncio, sys
from parley.asgi import parley
from parley.bootstrap.processes import api_process

async def start():
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


def test_what_a_start_went_without_is_there_for_those_that_need_it_later(tmp_path):
    later = "import parley.asgi, jwt, cryptography.fernet, pydantic; print(jwt.algorithms.has_crypto)"
    started = subprocess.run(
        [sys.executable, "-c", later],
        cwd=tmp_path,
        env=environment({"JWT_SECRET": SECRET}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert started.stdout == "False\n"
