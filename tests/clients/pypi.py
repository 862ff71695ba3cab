"""Packages of PyPI in the versions that are tested, each set in an environment of its own."""

import asyncio
import subprocess
import sys
from pathlib import Path

from tests.clients.npm import CACHE

# Some of them have many dependencies.
PATIENCE_SECONDS = 280.0


def installed(*packages: str) -> Path:
    """The folder of programs of an environment with the packages, each `name==version`. The first call makes it."""
    environment = CACHE / f"pypi-{'-'.join(packages)}"
    complete = environment / "complete"
    if not complete.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True, timeout=PATIENCE_SECONDS)
        pip = [environment / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", *packages], check=True, timeout=PATIENCE_SECONDS)
        complete.touch()
    return environment / "bin"


async def run_pasted(programs: Path, folder: Path, language: str, text: str, **variables: str) -> tuple[int, str, str]:
    """Run what a person would paste, in an empty folder: exit code, output, errors."""
    folder.mkdir()
    interpreter = {"python": programs / "python", "sh": Path("/bin/sh")}[language]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        interpreter,
        *(["-c"] if language == "python" else ["-euc"]),
        text,
        cwd=folder,
        env={"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(folder)} | variables,
        stdout=pipe,
        stderr=pipe,
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        out, errors = await process.communicate()
    return process.returncode or 0, out.decode(), errors.decode()
