"""The container files: what their linters say, and what they start, as an unprivileged user and without an engine."""

import asyncio
import gzip
import os
import re
import signal
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path

import pytest
from sqlalchemy import make_url

from parley.adapters.http.chat_page.files import files_in
from tests.container.composed import compose, composed, make_secrets
from tests.container.image import REPOSITORY, STRAY, Image, stages
from tests.e2e.events import Reader
from tests.e2e.process import answers, ended, free_port, new_room, say, sign_in

STOP_SECONDS = 15


@pytest.fixture(autouse=True)
def emptied(image: Image) -> None:
    for path in image.volume.iterdir():
        path.unlink()


@pytest.mark.parametrize(
    "linter",
    [
        [str(Path(sys.executable).with_name("hadolint")), "--no-color", "Containerfile"],
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"],
    ],
    ids=["Containerfile", "compose.yaml"],
)
def test_the_linters_find_nothing(linter: list[str]) -> None:
    found = subprocess.run(linter, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_it_runs_as_an_unprivileged_user_who_owns_the_volume(image: Image) -> None:
    group, user, owner = (line.split() for line in (image.folder / "noted").read_text().splitlines())
    assert group[group.index("--gid") + 1] == user[user.index("--uid") + 1] == str(image.user)
    assert image.user >= 1000
    assert os.geteuid() != 0 or image.volume.stat().st_uid == image.user
    assert owner == ["chown", f"{user[-1]}:{group[-1]}", str(image.volume)]


def test_the_image_has_the_installed_product_and_nothing_else(image: Image) -> None:
    assert {path.name for path in (*image.root.iterdir(), *(image.root / "opt").iterdir())} == {"data", "opt", "parley"}
    assert list(image.root.rglob("site-packages/parley/migrations/env.py"))
    assert not [path for name in ("pip", *STRAY) for path in image.root.rglob(Path(name).name)]
    pinned = set((REPOSITORY / "constraints.txt").read_text().lower().replace("_", "-").split())
    folders = [path.name.removesuffix(".dist-info").lower() for path in image.root.rglob("*.dist-info")]
    assert {folder.replace("-", "==").replace("_", "-") for folder in folders} - {"parley==0.1.0"} <= pinned


def test_the_files_of_the_chat_page_were_compressed_for_the_wheel(image: Image) -> None:
    [folder] = image.root.rglob("chat_page/static")
    assert files_in(folder).version == files_in(REPOSITORY / "src/parley/adapters/http/chat_page/static").version
    for name, file in files_in(folder).files.items():
        packed = folder / f"{name}.gz"
        assert packed.read_bytes() == file.gzipped
        assert gzip.decompress(file.gzipped) == file.body


async def test_it_serves_is_healthy_stops_in_time_and_its_data_outlives_it(image: Image) -> None:
    port = free_port()
    address, before = f"http://127.0.0.1:{port}", files(image)
    async with image.running(at(port, image.command())) as process:
        await answers(f"{address}/health/ready", process)
        client = await sign_in(address)
        accepted = await say(client, await new_room(client), "Hello?")
        assert (await ended(client, accepted["reply"]))["status"] == "completed"
        assert await is_healthy(image, port)
        process.send_signal(signal.Signals[image.stage.one("STOPSIGNAL")])
        async with asyncio.timeout(STOP_SECONDS):
            assert await process.wait() in {0, -signal.SIGTERM}
    assert not await is_healthy(image, port)
    assert files(image) == before
    async with aclosing(client), image.running(at(port, image.command())) as process:
        await answers(f"{address}/health/ready", process)
        assert (await client.get("/user/me")).status_code == 200
    code, said = await image.run(image.command(["plan", "mira@example.com", "pro"]))
    # After a line of the audit trail.
    assert (code, said.splitlines()[-1]) == (0, "mira@example.com: pro")


@pytest.mark.parametrize(("arguments", "says"), [(["migrate"], "has the schema"), (["check"], "ok     DATABASE_URL")])
async def test_its_arguments_are_commands_of_parley(image: Image, arguments: list[str], says: str) -> None:
    code, said = await image.run(image.command(arguments))
    assert code == 0, said
    assert says in said


async def test_a_volume_of_another_user_is_refused_in_one_line(image: Image) -> None:
    image.volume.chmod(0o555)
    try:
        code, said = await image.run(image.command())
    finally:
        image.volume.chmod(0o755)
    assert (code, len(said.splitlines())) == (2, 1)
    assert said.startswith("parley: ")


def test_dependencies_are_installed_before_the_product_is_copied() -> None:
    build, final = stages()
    steps = [value for keyword, value in build.steps if keyword in {"COPY", "RUN"}]
    [dependencies] = [number for number, value in enumerate(steps) if "--requirement" in value]
    assert steps[:dependencies] == ["constraints.txt pyproject.toml ./"]
    assert [value for keyword, value in final.steps if keyword == "COPY"] == [
        "--from=build /opt/parley /opt/parley",
        "--from=build /opt/product /opt/parley",
    ]


def test_every_service_of_compose_has_limits() -> None:
    for name, service in compose()["services"].items():
        assert {"mem_limit", "pids_limit"} <= service.keys(), name
        assert {"max-size", "max-file"} <= service["logging"]["options"].keys(), name


def test_the_secrets_of_compose_are_made_by_the_documented_command(tmp_path: Path) -> None:
    made, services = make_secrets(tmp_path), compose()["services"]
    assert {path.name for path in made.iterdir()} - {".gitignore"} == set(compose()["secrets"])
    assert made.stat().st_mode & 0o777 == 0o700
    url, postgres = make_url((made / "database_url").read_text().strip()), services["postgres"]["environment"]
    assert url.host in services
    assert (url.username, url.database) == (postgres["POSTGRES_USER"], postgres["POSTGRES_DB"])
    assert url.password == (made / "postgres_password").read_text()


async def test_a_message_goes_through_the_services_of_compose_to_its_streamed_end(image: Image, tmp_path: Path) -> None:
    async with composed(image, make_secrets(tmp_path)) as running:
        async with aclosing(await sign_in(running.address)) as client:
            accepted, reader = await say(client, await new_room(client), "Is it warm there?"), Reader()
            await reader.follow(client, accepted["stream_url"])
        assert reader.final is not None
        assert reader.final.name == "done"
        assert "warm" in reader.text
        for name in ("api", "worker"):
            assert await running.is_healthy(name)
            await running.stop(name)
            assert not await running.is_healthy(name)


def at(port: int, words: list[str]) -> list[str]:
    """With another port than the one in the Containerfile, which may be taken here."""
    return [re.sub(r"\b8000\b", str(port), word) for word in words]


async def is_healthy(image: Image, port: int) -> bool:
    code, said = await image.run(at(port, image.stage.words("HEALTHCHECK")))
    # Docker reserves every other number.
    assert code in {0, 1}, said
    return code == 0


def files(image: Image) -> dict[str, int]:
    """All but the volume, with the times of their last change."""
    found = (path for path in image.root.rglob("*") if not path.is_relative_to(image.volume))
    return {str(path): path.lstat().st_mtime_ns for path in found}
