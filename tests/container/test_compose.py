"""What compose.yaml says: read as compose reads it, and its processes started by hand on real servers."""

import re
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path

import pytest
from sqlalchemy import make_url

from parley.settings import SECRETS, Settings
from tests.container.composed import Service, compose, composed, redis_of, seconds, services
from tests.container.containerfile import REPOSITORY, stages
from tests.container.image import Image
from tests.e2e.events import Reader
from tests.e2e.process import new_room, say, sign_in

OURS = ("api", "worker", "migrate")


def test_it_is_what_the_specification_of_compose_allows() -> None:
    arguments = ["--builtin-schema", "vendor.compose-spec", "compose.yaml"]
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting(name: str) -> None:
    known = {field.upper() for field in Settings.__struct_fields__} | {f"{secret}_FILE" for secret in SECRETS}
    assert set(services()[name]["environment"]) <= known


def test_all_of_parley_is_one_image_with_the_same_settings() -> None:
    ours = [services()[name] for name in OURS]
    assert {each["image"] for each in ours} == {"parley"}
    assert {each["build"]["dockerfile"] for each in ours} == {"Containerfile"}
    shared = [{**each["environment"], "WORKER_METRICS_PORT": ""} for each in ours]
    assert shared[0] == shared[1] == shared[2]


@pytest.mark.parametrize("name", services())
def test_every_container_is_locked_up(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert name in OURS or service["user"] not in {"root", "0", 0}


def test_only_the_api_is_reached_from_outside_and_only_from_this_machine() -> None:
    assert {name: each["ports"] for name, each in services().items() if "ports" in each} == {
        "api": [f"127.0.0.1:8000:{stages((REPOSITORY / 'Containerfile').read_text())[-1].one('EXPOSE')}"]
    }
    assert compose()["networks"]["stores"] == {"internal": True}
    assert services()["postgres"]["networks"] == services()["redis"]["networks"] == ["stores"]


def test_whoever_needs_a_server_waits_until_it_answers() -> None:
    waits = {name: _conditions(service) for name, service in services().items()}
    answers_first = {"postgres": "service_healthy", "redis": "service_healthy"}
    assert waits["api"] == waits["worker"] == {**answers_first, "migrate": "service_completed_successfully"}
    assert waits["migrate"] == {"postgres": "service_healthy"}
    assert all("test" in services()[name]["healthcheck"] for name in answers_first)


def test_what_keeps_running_comes_back_and_the_migration_does_not() -> None:
    restarts = {name: service["restart"] for name, service in services().items()}
    assert restarts.pop("migrate") == "no"
    assert set(restarts.values()) == {"unless-stopped"}


def test_a_worker_is_given_longer_than_its_tasks() -> None:
    worker = services()["worker"]
    tasks = int(worker["command"][worker["command"].index("--wait-tasks-timeout") + 1])
    assert seconds(worker["stop_grace_period"]) > tasks + 5 + 1


def test_the_secrets_are_files_that_the_documented_command_makes(tmp_path: Path) -> None:
    made = secrets_made(tmp_path)
    declared = {name: Path(each["file"]) for name, each in compose()["secrets"].items()}
    assert {path.name for path in made.iterdir()} - {".gitignore"} == {path.name for path in declared.values()}
    assert (made / "postgres_password").read_text() in (made / "database_url").read_text()
    assert made.stat().st_mode & 0o777 == 0o700
    for service in services().values():
        named = {value for name, value in service.get("environment", {}).items() if name.endswith("_FILE")}
        assert named == {f"/run/secrets/{name}" for name in service.get("secrets", ())}


def test_the_database_is_the_one_that_postgresql_makes(tmp_path: Path) -> None:
    made, postgres = secrets_made(tmp_path), services()["postgres"]["environment"]
    url = make_url((made / "database_url").read_text().strip())
    assert url.host in services()
    assert (url.username, url.database) == (postgres["POSTGRES_USER"], postgres["POSTGRES_DB"])
    assert url.password == (made / "postgres_password").read_text()


async def test_a_message_goes_through_all_of_it_to_its_streamed_end(image: Image, tmp_path: Path) -> None:
    async with composed(image, secrets_made(tmp_path)) as running:
        async with aclosing(await sign_in(running.address)) as client:
            accepted, reader = await say(client, await new_room(client), "Is it warm there?"), Reader()
            await reader.follow(client, accepted["stream_url"])
        assert reader.final is not None
        assert reader.final.name == "done"
        assert "warm" in reader.text
        assert await running.is_healthy("worker")
        for name in ("api", "worker"):
            await running.leave(name)
        assert not await running.is_healthy("worker")


def test_redis_takes_its_options() -> None:
    with redis_of(services()["redis"]) as redis:
        assert redis.ask("CONFIG", "GET", "maxmemory-policy") == b"*2"
        assert redis.ask("PING") == b"+PONG"


def secrets_made(folder: Path) -> Path:
    """By the command in the documentation."""
    page = (REPOSITORY / "docs" / "containers.md").read_text()
    [command] = re.findall(r"<!-- command: secrets -->\n```sh\n(.*?)```", page, re.DOTALL)
    subprocess.run(["sh", "-euc", command], cwd=folder, check=True)
    return folder / "secrets"


def _conditions(service: Service) -> dict[str, str]:
    return {name: each["condition"] for name, each in service.get("depends_on", {}).items()}
