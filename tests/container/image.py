"""The Containerfile's steps, done in a folder instead of a container, and the commands that they install.

What is at `/` in an image is below `root`. The last stage's files stay there, read-only except for its volume.
"""

import asyncio
import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.process import PATIENCE

REPOSITORY = Path(__file__).parents[2]
# A path of the image; those of every Linux stay what they are.
IMAGE_PATH = re.compile(r"""(?:^|(?<=[\s="':]))/(?=[a-z])(?!usr/|bin/|tmp\b)""")
SYSTEM = "/usr/local/bin:/usr/bin:/bin"
# Commands that only an image's root may run. They are noted here; `_lock` gives the volume to its user.
NOTED = ("groupadd", "useradd", "chown")
# Files that people leave in a checkout, and that must not get into an image.
STRAY = (".env", ".parley-secret", "parley.db", "src/parley/.env", "src/parley/parley.db", "src/parley/parley.db-wal")


class Stage:
    """The instructions after one FROM."""

    def __init__(self, text: str) -> None:
        self.steps = [
            (line.split(None, 1)[0], line.split(None, 1)[1].strip()) for line in text.splitlines() if line.strip()
        ]

    def one(self, keyword: str) -> str:
        [value] = [value for each, value in self.steps if each == keyword]
        return value

    def words(self, keyword: str) -> list[str]:
        """The words of an instruction in its JSON form; a health check's come after its options."""
        words: list[str] = json.loads(self.one(keyword).partition("CMD ")[2] or self.one(keyword))
        return words

    def environment(self) -> dict[str, str]:
        pairs = (pair for keyword, value in self.steps if keyword == "ENV" for pair in shlex.split(value))
        return dict(pair.split("=", 1) for pair in pairs)


def stages() -> list[Stage]:
    text = re.sub(r"^\s*#.*\n", "", (REPOSITORY / "Containerfile").read_text(), flags=re.MULTILINE)
    return [Stage(part.partition("\n")[2]) for part in text.replace("\\\n", "").split("FROM ")[1:]]


@dataclass
class Image:
    folder: Path
    stage: Stage
    python: Path
    libraries: Mapping[str, str]

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def volume(self) -> Path:
        return Path(self.inside(self.stage.one("VOLUME")))

    @property
    def user(self) -> int:
        return int(self.stage.one("USER").partition(":")[0])

    def inside(self, text: str) -> str:
        return IMAGE_PATH.sub(f"{self.root}/", text)

    def command(self, arguments: list[str] | None = None, entrypoint: list[str] | None = None) -> list[str]:
        return [*(entrypoint or self.stage.words("ENTRYPOINT")), *(arguments or self.stage.words("CMD"))]

    async def start(self, command: list[str], *, log: str, **settings: str) -> asyncio.subprocess.Process:
        """In the working folder, as the image's user and without a HOME; what it writes is the `log` of that name."""
        own = {name: self.inside(value) for name, value in self.stage.environment().items()}
        environment = {**self.libraries, **own, "PATH": own["PATH"].replace("$PATH", SYSTEM), **settings}
        program = shutil.which(command[0], path=environment["PATH"])
        assert program is not None, command[0]
        with self._log(log).open("wb") as written:
            return await asyncio.create_subprocess_exec(
                program,
                *command[1:],
                cwd=self.inside(self.stage.one("WORKDIR")),
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=written,
                stderr=written,
                start_new_session=True,
                **_as(self.user),
            )

    async def run(self, command: list[str], **settings: str) -> tuple[int, str]:
        """To its end: the exit code, and what it wrote."""
        process = await self.start(command, log="run", **settings)
        async with asyncio.timeout(PATIENCE):
            return await process.wait(), self.log("run")

    @asynccontextmanager
    async def running(
        self, command: list[str], *, log: str = "log", **settings: str
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        process = await self.start(command, log=log, **settings)
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            await process.wait()

    def log(self, name: str) -> str:
        return self._log(name).read_text()

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.txt"


@contextlib.contextmanager
def built() -> Iterator[Image]:
    # Not below the tests' own folder, which other users cannot enter.
    folder = Path(tempfile.mkdtemp(prefix="parley-container-"))
    try:
        folder.chmod(0o755)
        yield _build(folder)
    finally:
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)
        shutil.rmtree(folder)


def _build(folder: Path) -> Image:
    build, final = stages()
    interpreter, libraries = _interpreter(folder, int(final.one("USER").partition(":")[0]))
    _run([str(interpreter), "-m", "venv", str(folder / "base")], folder, libraries)
    image = Image(folder, final, folder / "base" / "bin" / "python", libraries)
    (folder / "shims").mkdir()
    for name in NOTED:
        (folder / "shims" / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {folder}/noted\n')
        (folder / "shims" / name).chmod(0o755)
    _do(image, build)
    image.root.rename(folder / "build")
    _do(image, final)
    shutil.rmtree(folder / "build")
    _lock(image)
    return image


def _do(image: Image, stage: Stage) -> None:
    """The steps of one stage, into an empty root."""
    image.root.mkdir()
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    environment = kept | image.libraries | {"PATH": f"{image.folder / 'shims'}:{image.python.parent}:{SYSTEM}"}
    where = image.root
    for keyword, value in stage.steps:
        if keyword == "WORKDIR":
            where = Path(image.inside(value))
            where.mkdir(exist_ok=True)
        elif keyword == "COPY":
            _copy(image, value.split(), where)
        elif keyword == "RUN":
            _run(["sh", "-c", image.inside(value)], where, environment)


def _copy(image: Image, words: list[str], where: Path) -> None:
    *sources, target = words
    if sources[0].startswith("--from="):
        into = Path(image.inside(target))
        into.parent.mkdir(parents=True, exist_ok=True)
        built = image.folder / sources[0].partition("=")[2] / sources[1].lstrip("/")
        if into.exists():
            shutil.copytree(built, into, symlinks=True, dirs_exist_ok=True)
        else:
            built.rename(into)
        return
    for source in sources:
        if (REPOSITORY / source).is_dir():
            shutil.copytree(REPOSITORY / source, where / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(REPOSITORY / source, where / target / source)
    for stray in STRAY:
        if (where / stray).parent.is_dir():
            (where / stray).write_text("stray")


def _lock(image: Image) -> None:
    """Make the root read-only, and give the volume to the image's user."""
    subprocess.run(["chmod", "-R", "a-w,a+rX", image.root], check=True)
    image.volume.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(image.volume, image.user, image.user)


def _interpreter(folder: Path, user: int) -> tuple[Path, dict[str, str]]:
    """A Python that the user can run: a copy when this one is in another user's home."""
    own = Path(sys.executable).resolve()
    try:
        subprocess.run([own, "-c", ""], capture_output=True, check=True, cwd="/", **_as(user))
    except (PermissionError, subprocess.CalledProcessError):
        ignored = shutil.ignore_patterns("site-packages", "test", "tests", "idlelib", "share", "*.a")
        copied = shutil.copytree(sys.base_prefix, folder / "python", symlinks=True, ignore=ignored)
        return copied / "bin" / own.name, {"LD_LIBRARY_PATH": str(copied / "lib")}
    return own, {}


def _as(user: int) -> dict[str, Any]:
    """Arguments for a subprocess: its user, whom only root can choose."""
    return {"user": user, "group": user, "extra_groups": []} if os.geteuid() == 0 else {}


def _run(command: list[str], where: Path, environment: Mapping[str, str]) -> None:
    done = subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
