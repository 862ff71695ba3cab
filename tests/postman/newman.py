"""newman, which runs Postman collections; npm installs it once.

`python -m tests.postman.newman http://127.0.0.1:8000` runs the collection against a server.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.postman.collection import COLLECTION, ENVIRONMENT

VERSION = "6.2.2"
# In .gitignore; pytest's own cache is switched off.
CACHE = Path(__file__).parents[2] / ".pytest_cache"
PATIENCE_SECONDS = 120


class NewmanMissing(Exception):
    """newman cannot be installed; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Run:
    """What newman did: each request's name with the number of its assertions, and a line for each that failed."""

    code: int
    requests: list[tuple[str, int]]
    failures: list[str]


def installed(cache: Path = CACHE) -> Path:
    """The program; the first call installs it. Raises NewmanMissing."""
    folder = cache / f"newman-{VERSION}"
    if not folder.exists():
        partial = cache / f"newman-{VERSION}.{os.getpid()}"
        _install(npm(), partial)
        # The folder appears complete, even when two test runs install at once.
        if not folder.exists():
            partial.rename(folder)
    return folder / "node_modules" / ".bin" / "newman"


def npm(path: str | None = None) -> str:
    """Raises NewmanMissing."""
    found = shutil.which("npm", path=path)
    if found is None:
        raise NewmanMissing(
            "The Postman collection is run by newman, which needs Node.js and npm: "
            "apt-get install --no-install-recommends nodejs npm, or see nodejs.org for other systems"
        )
    return found


def _install(program: str, folder: Path) -> None:
    folder.mkdir(parents=True)
    options = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error"]
    command = [program, "install", "--prefix", str(folder), *options, f"newman@{VERSION}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        shutil.rmtree(folder)
        raise NewmanMissing(f"npm did not install newman {VERSION}: {done.stderr.strip()}")


def command(program: Path, address: str, *options: str) -> list[str]:
    # Without the token of the server's operator their requests are skipped.
    variables = {"base_url": address, "admin_token": os.environ.get("ADMIN_TOKEN", "")}
    given = [option for name, value in variables.items() for option in ("--env-var", f"{name}={value}")]
    against = [*given, "--timeout-request", "60000"]
    return [str(program), "run", str(COLLECTION), "--environment", str(ENVIRONMENT), *against, *options]


async def run_collection(program: Path, address: str, report: Path, *, admin_token: str) -> Run:
    """The whole collection, once, from the top."""
    reporting = ["--reporters", "json", "--reporter-json-export", str(report)]
    reporting += ["--env-var", f"admin_token={admin_token}"]
    process = await asyncio.create_subprocess_exec(
        *command(program, address, *reporting),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert report.exists(), f"newman left no report: {said.decode()}"
    return _run(process.returncode or 0, json.loads(report.read_text())["run"])


def _run(code: int, report: dict[str, Any]) -> Run:
    counted: dict[str, tuple[str, int]] = {}
    # A request that a script sends is reported as another execution of its item, with the same assertions.
    for each in report["executions"]:
        item = each["item"]
        counted[item["id"]] = (item["name"], len(each.get("assertions", [])))
    return Run(
        code=code,
        requests=list(counted.values()),
        failures=[f"{each['source']['name']}: {each['at']}: {each['error']['message']}" for each in report["failures"]],
    )


if __name__ == "__main__":
    arguments = command(installed(), sys.argv[1])
    os.execv(arguments[0], arguments)
