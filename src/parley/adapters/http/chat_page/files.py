"""The page's static files, read and hashed once."""

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

_FOLDER = Path(__file__).parent / "static"
_MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_VERSION_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class PageFile:
    """`gzipped` is the body compressed with gzip."""

    body: bytes
    gzipped: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class PageFiles:
    """All files by name. `version` is a hash of all of them.

    Modules import each other by relative addresses, so one hash in their common path changes the address of each, and
    browsers may keep them for ever.
    """

    version: str
    files: Mapping[str, PageFile]

    @property
    def modules(self) -> list[str]:
        """Those of the chat; the operator's have names of their own."""
        return [name for name in self.files if name.endswith(".js") and not name.startswith("admin_")]


@cache
def page_files() -> PageFiles:
    """Takes some milliseconds at the first call; call it in a thread."""
    return files_in(_FOLDER)


def files_in(folder: Path) -> PageFiles:
    paths = sorted(path for path in folder.iterdir() if path.suffix in _MEDIA_TYPES)
    files = {path.name: _file(path) for path in paths}
    version = sha256()
    for name, file in files.items():
        version.update(f"{name}\0{len(file.body)}\0".encode() + file.body)
    return PageFiles(version.hexdigest()[:_VERSION_CHARACTERS], files)


def _file(path: Path) -> PageFile:
    body = path.read_bytes()
    return PageFile(body, _built(path, body) or gzip.compress(body, mtime=0), _MEDIA_TYPES[path.suffix])


def _built(path: Path, body: bytes) -> bytes | None:
    """What hatch_build.py compressed for the wheel. None in a checkout, and if the file was changed since.

    The last eight bytes of a gzip file are the CRC-32 and the length of what it was made of (RFC 1952, section 2.3.1).
    """
    try:
        gzipped = path.with_name(f"{path.name}.gz").read_bytes()
    except FileNotFoundError:
        return None
    made_of = zlib.crc32(body).to_bytes(4, "little") + len(body).to_bytes(4, "little")
    return gzipped if gzipped.endswith(made_of) else None
