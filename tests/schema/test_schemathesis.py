"""Runs Schemathesis against a real process, with every check in every phase."""

import asyncio
import os
import sys
from pathlib import Path

from tests.e2e.process import served

ROOT = Path(__file__).parents[2]
WEBHOOK_SECRET = "whsec_only_for_these_tests"
SETTINGS = {
    "OTP_MAX_SENDS_PER_HOUR": "1000000",
    "BASIC_DAILY_LIMIT": "1000000000",
    "MAX_PENDING_REPLIES": "1000000",
    "OFFLINE_DELAY_SECONDS": "0",
    "ACCESS_TOKEN_EXPIRE_MINUTES": "1000",
    "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
    # Each generated request comes from another address.
    "TRUSTED_PROXIES": "127.0.0.1",
    "ALLOW_SHOWN_CODES": "1",
}
# The environment variable `SCHEMA=long` selects the full depth, with a random seed.
DEPTH = (
    ["--max-examples", "100"] if os.environ.get("SCHEMA") == "long" else ["--max-examples", "6", "--seed", "20261121"]
)


async def test_the_server_conforms_to_its_document(tmp_path: Path) -> None:
    async with served(tmp_path, **SETTINGS) as api:
        code, output = await schemathesis(api.address, tmp_path)
    assert code == 0, output


async def schemathesis(address: str, folder: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(ROOT / "tests/schema/schemathesis.toml")),
        *("run", f"{address}/openapi.json", "--no-color", *DEPTH),
        cwd=folder,
        env=os.environ
        | {"SCHEMA_ADDRESS": address, "SCHEMA_WEBHOOK_SECRET": WEBHOOK_SECRET, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()
