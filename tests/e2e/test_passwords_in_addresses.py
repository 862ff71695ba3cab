"""A password with special characters in an address: no command, error or log shows a part of it."""

import asyncio
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.e2e.process import free_port, parley, run_parley

PASSWORDS = ["/", "#", "?", "@", "@{}/", "/{}@", "?x={}@", " {}/", ":{}/", "[", "%2F{}@"]
COMMANDS = (("check",), ("migrate",), ("run", "--port", "{port}"), ("plan", "mira@example.com", "pro"))


def addresses(special: str) -> dict[str, str]:
    """Settings with that password, where nothing listens."""
    password = f"s3cr{special.format('mid') if '{}' in special else special}piece"
    return {
        "DATABASE_URL": f"postgresql://mira:{password}@127.0.0.1:1/parley",
        "REDIS_URL": f"redis://mira:{password}@127.0.0.1:1/0",
    }


def shown(output: str) -> list[str]:
    return [piece for piece in ("s3cr", "mid", "piece", "Traceback") if piece in output]


@pytest.mark.parametrize("special", PASSWORDS)
async def test_special_characters_as_they_are(tmp_path: Path, special: str) -> None:
    settings = addresses(special)
    for name, others in (
        ("DATABASE_URL", {}),
        ("REDIS_URL", {"DATABASE_URL": "postgresql://127.0.0.1:1/parley"}),
    ):
        code, output, errors = await run_parley(tmp_path, "check", **({name: settings[name]} | others))
        assert code == 2
        assert errors.startswith(f"parley: {name}: cannot be read")
        assert "%40" in errors
        assert shown(output + errors) == []


async def test_special_characters_as_percent_signs_and_digits(tmp_path: Path) -> None:
    """They reach the connection, which fails: there is no server."""
    password = quote("s3cr/@#?:[ %mid%piece", safe="")
    url = f"postgresql://mira:{password}@127.0.0.1:1/parley"
    redis = f"redis://mira:{password}@127.0.0.1:1/0"
    commands = [[word.format(port=free_port()) for word in command] for command in COMMANDS]
    ended = await asyncio.gather(
        *(run_parley(tmp_path, *command, DATABASE_URL=url, REDIS_URL=redis) for command in commands)
    )
    for code, output, errors in ended:
        assert code != 0
        assert "DATABASE_URL" in output + errors
        assert shown(output + errors) == []


async def test_entry_points_of_other_servers(tmp_path: Path) -> None:
    for module in ("parley.asgi", "parley.worker"):
        program = parley()[0]
        process = await asyncio.create_subprocess_exec(
            *(program, "-c", f"import {module}"),
            cwd=tmp_path,
            env={"DATABASE_URL": addresses("@{}/")["DATABASE_URL"], "JWT_SECRET": "x" * 40},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode != 0
        assert shown(output.decode()) == []
        assert "DATABASE_URL: cannot be read" in output.decode()
