"""What the Containerfile makes, without an engine: its steps are done by hand in a folder."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.container.containerfile import REPOSITORY, copied_from_context, ignore_patterns, left_out, stages
from tests.container.image import STRAY, Image
from tests.e2e.process import answers, ended, free_port, new_room, say, sign_in

STOP_SECONDS = 15


@pytest.fixture(autouse=True)
def emptied(request: pytest.FixtureRequest) -> None:
    if "image" in request.fixturenames:
        request.getfixturevalue("image").empty()


def at(port: int, words: list[str]) -> list[str]:
    """With another port than the one that the image exposes, which may be taken here."""
    exposed = stages((REPOSITORY / "Containerfile").read_text())[-1].one("EXPOSE")
    moved = [re.sub(rf"\b{exposed}\b", str(port), word) for word in words]
    assert moved != words
    return moved


def test_the_linter_finds_nothing() -> None:
    hadolint = shutil.which("hadolint", path=Path(sys.executable).parent)
    assert hadolint is not None, "install the test dependencies"
    found = subprocess.run(
        [hadolint, "--no-color", "Containerfile"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_both_stages_are_of_one_slim_python_of_a_minor_version() -> None:
    builder, final = stages((REPOSITORY / "Containerfile").read_text())
    assert builder.base == final.base
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+-slim", final.base)
    assert final.pairs("LABEL")["org.opencontainers.image.base.name"] == final.base


def test_the_labels_tell_the_version() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    labels = stages((REPOSITORY / "Containerfile").read_text())[-1].pairs("LABEL")
    told = {name.rpartition(".")[2]: value for name, value in labels.items()}
    assert (told["title"], told["version"], told["licenses"]) == (project["name"], project["version"], "MIT")


def test_it_runs_as_a_user_of_its_own_who_owns_the_volume(image: Image) -> None:
    group, user, owner = image.noted
    assert group[group.index("--gid") + 1] == user[user.index("--uid") + 1] == str(image.user)
    assert image.user >= 1000
    assert owner == ["chown", f"{user[-1]}:{group[-1]}", str(image.volume)]
    assert image.inside(image.stage.one("WORKDIR")) == str(image.volume)


def test_the_image_has_the_installed_product_and_nothing_else(image: Image) -> None:
    assert {str(path.relative_to(image.root)) for path in image.root.glob("*")} == {"data", "opt"}
    assert {path.name for path in (image.root / "opt").iterdir()} == {"parley"}
    assert not list(image.root.rglob("pip"))
    assert list(image.root.rglob("site-packages/parley/migrations/env.py"))


def test_the_context_is_what_is_copied_without_what_lies_among_it() -> None:
    patterns = ignore_patterns(REPOSITORY / ".dockerignore")
    needed = copied_from_context(stages((REPOSITORY / "Containerfile").read_text())[0].all("COPY"))
    assert not [path for path in [*needed, "src/parley/cli.py", "migrations/env.py"] if left_out(path, patterns)]
    unwanted = (*STRAY, ".git/config", "secrets/jwt_secret", "src/parley/__pycache__/cli.pyc", "tests/__init__.py")
    assert [path for path in unwanted if not left_out(path, patterns)] == []


def test_no_secret_and_no_database_gets_in(image: Image) -> None:
    assert not [path for stray in STRAY for path in image.root.rglob(Path(stray).name)]


def test_every_version_is_the_pinned_one(image: Image) -> None:
    pinned = set((REPOSITORY / "constraints.txt").read_text().lower().replace("_", "-").split())
    folders = [path.name.removesuffix(".dist-info") for path in image.root.rglob("*.dist-info")]
    installed = {folder.lower().replace("-", "==").replace("_", "-") for folder in folders}
    assert {each for each in installed if not each.startswith("parley==")} <= pinned


async def test_it_serves_is_healthy_and_leaves_when_told(image: Image) -> None:
    port, before = free_port(), image.files()
    async with image.running(at(port, image.command())) as process:
        await answers(f"http://127.0.0.1:{port}/health/ready", process)
        async with aclosing(await sign_in(f"http://127.0.0.1:{port}")) as client:
            accepted = await say(client, await new_room(client), "Hello?")
            assert (await ended(client, accepted["reply"]))["status"] == "completed"
        assert await _healthy(image, port)
        process.send_signal(signal.Signals[image.stage.one("STOPSIGNAL")])
        assert await _within(process, STOP_SECONDS) in {0, -signal.SIGTERM}
    assert not await _healthy(image, port)
    assert image.files() == before
    assert {path.name.partition(".db")[0] for path in image.volume.iterdir()} == {"parley", ".parley-secret"}


async def test_what_it_keeps_outlives_the_container(image: Image) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    async with image.running(at(port, image.command())) as process:
        await answers(f"{address}/health/ready", process)
        client = await sign_in(address)
    async with aclosing(client), image.running(at(port, image.command())) as process:
        await answers(f"{address}/health/ready", process)
        assert (await client.get("/user/me")).status_code == 200
    code, said = await image.run(image.command(["plan", "mira@example.com", "pro"]))
    assert (code, said) == (0, "mira@example.com: pro\n")


@pytest.mark.parametrize(("arguments", "says"), [(["migrate"], "has the schema"), (["check"], "ok     DATABASE_URL")])
async def test_its_arguments_are_commands_of_parley(image: Image, arguments: list[str], says: str) -> None:
    code, said = await image.run(image.command(arguments))
    assert code == 0, said
    assert says in said


async def test_a_worker_is_another_entry_point(image: Image) -> None:
    code, said = await image.run(image.command(["worker", "--help"], entrypoint=["taskiq"]))
    assert code == 0
    assert "--wait-tasks-timeout" in said


async def test_a_volume_of_somebody_else_is_one_readable_line(image: Image) -> None:
    image.volume.chmod(0o555)
    try:
        code, said = await image.run(image.command())
    finally:
        image.volume.chmod(0o755)
    assert code == 2
    assert len(said.splitlines()) == 1
    assert said.startswith("parley: ")


def test_the_user_here_is_not_root(image: Image) -> None:
    assert image.user != 0
    assert os.geteuid() != 0 or image.volume.stat().st_uid == image.user


async def _healthy(image: Image, port: int) -> bool:
    code, _ = await image.run(at(port, image.health_check()))
    # Docker keeps every other number for itself.
    assert code in {0, 1}
    return code == 0


async def _within(process: asyncio.subprocess.Process, seconds: float) -> int:
    async with asyncio.timeout(seconds):
        return await process.wait()
