"""The Containerfile's steps done by hand, in a folder instead of a container, and what they make run there.

What is at `/` in an image is below `root`. Only what the last stage has is left there, and only its volume is writable.
"""

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.container.containerfile import REPOSITORY, Stage, copied_from_context, stages
from tests.e2e.process import PATIENCE

# A path of the image; those of every Linux stay what they are.
IMAGE_PATH = re.compile(r"""(?:^|(?<=[\s="':]))/(?=[a-z])(?!usr/|bin/|tmp\b)""")
SYSTEM = "/usr/local/bin:/usr/bin:/bin"
# What only the root of an image may do to it. It is noted, and done where it can be.
NOTED = ("groupadd", "useradd", "chown")
# None of these must get into an image, wherever somebody left it.
STRAY = (".env", ".parley-secret", "parley.db", "src/parley/.env", "src/parley/parley.db", "src/parley/parley.db-wal")


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

    @cached_property
    def noted(self) -> list[list[str]]:
        return [line.split() for line in (self.folder / "noted").read_text().splitlines()]

    @cached_property
    def environment(self) -> dict[str, str]:
        """Without a HOME, and of a user whom this machine does not know."""
        own = {name: self.inside(value) for name, value in self.stage.pairs("ENV").items()}
        return {**self.libraries, **own, "PATH": own["PATH"].replace("$PATH", SYSTEM)}

    def inside(self, text: str) -> str:
        return IMAGE_PATH.sub(f"{self.root}/", text)

    def command(self, arguments: list[str] | None = None, entrypoint: list[str] | None = None) -> list[str]:
        if entrypoint is None:
            entrypoint = self.stage.words("ENTRYPOINT")
        return [*entrypoint, *(self.stage.words("CMD") if arguments is None else arguments)]

    def health_check(self) -> list[str]:
        value = self.stage.one("HEALTHCHECK")
        return Stage("", "", [("CMD", value.partition(" CMD ")[2])]).words("CMD")

    async def start(self, command: list[str], *, log: str = "log", **settings: str) -> asyncio.subprocess.Process:
        """In the working folder, as the user; what it writes is the `log` of that name."""
        environment = self.environment | settings
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
            code = await process.wait()
        return code, self.log("run")

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

    def files(self) -> dict[str, int]:
        """All but the volume, with the times of their last change."""
        found = (path for path in self.root.rglob("*") if not path.is_relative_to(self.volume))
        return {str(path): path.lstat().st_mtime_ns for path in found}

    def empty(self) -> None:
        for path in self.volume.iterdir():
            path.unlink()


@contextlib.contextmanager
def built() -> Iterator[Image]:
    # Not below the tests' own folder, which is closed to others.
    folder = Path(tempfile.mkdtemp(prefix="parley-container-"))
    try:
        folder.chmod(0o755)
        yield _build(folder)
    finally:
        if os.geteuid() != 0:
            subprocess.run(["chmod", "-R", "u+w", folder], check=True)
        shutil.rmtree(folder)


def _build(folder: Path) -> Image:
    builder, final = stages((REPOSITORY / "Containerfile").read_text())
    interpreter, libraries = _interpreter(folder, int(final.one("USER").partition(":")[0]))
    _run([str(interpreter), "-m", "venv", str(folder / "base")], folder, libraries)
    image = Image(folder, final, folder / "base" / "bin" / "python", libraries)
    _shims(folder)
    _context(folder / "context", [*builder.all("COPY"), *final.all("COPY")])
    _do(image, builder)
    image.root.rename(folder / builder.name)
    _do(image, final)
    shutil.rmtree(folder / builder.name)
    _close(image)
    return image


def _do(image: Image, stage: Stage) -> None:
    """The steps of one stage, into an empty root."""
    image.root.mkdir()
    where, environment = image.root, _building(image)
    for keyword, value in stage.steps:
        if keyword == "WORKDIR":
            where = Path(image.inside(value))
            where.mkdir(exist_ok=True)
        elif keyword == "ENV" and stage is not image.stage:
            # pip may keep here what it loads.
            environment |= {name: word for name, word in stage.pairs("ENV").items() if name != "PIP_NO_CACHE_DIR"}
        elif keyword == "COPY":
            _copy(image, value.split(), where)
        elif keyword == "RUN":
            _run(["sh", "-c", image.inside(value)], where, environment)


def _copy(image: Image, words: list[str], where: Path) -> None:
    *sources, target = words
    into = Path(image.inside(target)) if target.startswith("/") else where / target
    if sources[0].startswith("--from="):
        into.parent.mkdir(parents=True, exist_ok=True)
        name = sources.pop(0).partition("=")[2]
        (image.folder / name / sources[0].lstrip("/")).rename(into)
        return
    for source in sources:
        _copied(image.folder / "context" / source, into if into.name == source else into / source)


def _copied(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)


def _context(context: Path, copies: list[str]) -> None:
    """What may be copied, with what people leave lying about in it: not every engine reads .dockerignore."""
    context.mkdir()
    for source in copied_from_context(copies):
        _copied(REPOSITORY / source, context / source)
    for stray in STRAY:
        (context / stray).write_text("stray")


def _close(image: Image) -> None:
    """The root to everybody, the volume to the user whom the image gave it to."""
    subprocess.run(["chmod", "-R", "a-w,a+rX", image.root], check=True)
    image.volume.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(image.volume, image.user, image.user)


def _building(image: Image) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    return kept | image.libraries | {"PATH": f"{image.folder / 'shims'}:{image.python.parent}:{SYSTEM}"}


def _shims(folder: Path) -> None:
    (folder / "shims").mkdir()
    for name in NOTED:
        shim = folder / "shims" / name
        shim.write_text(f'#!/bin/sh\necho {name} "$@" >> {folder}/noted\n')
        shim.chmod(0o755)


def _interpreter(folder: Path, user: int) -> tuple[Path, dict[str, str]]:
    """A Python that the user can run: a copy, where this one's is in somebody's home."""
    own = Path(sys.executable).resolve()
    try:
        reachable = subprocess.run([own, "-c", ""], capture_output=True, check=False, cwd="/", **_as(user))
    except PermissionError:
        reachable = None
    if reachable is not None and reachable.returncode == 0:
        return own, {}
    ignored = shutil.ignore_patterns("site-packages", "test", "tests", "idlelib", "share", "*.a")
    copied = shutil.copytree(sys.base_prefix, folder / "python", symlinks=True, ignore=ignored)
    return copied / "bin" / own.name, {"LD_LIBRARY_PATH": str(copied / "lib")}


def _as(user: int) -> dict[str, Any]:
    """Arguments for a subprocess: who runs it. Only root can choose."""
    return {"user": user, "group": user, "extra_groups": []} if os.geteuid() == 0 else {}


def _run(command: list[str], where: Path, environment: Mapping[str, str]) -> None:
    done = subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
