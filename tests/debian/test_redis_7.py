"""Faults of the system's Redis, whose messages differ from those of the version that the other tests run."""

from collections.abc import Iterator

import pytest

from parley.adapters.redis.client.faults import Cause
from tests.contracts.test_redis_faults import ALL, cause_at, documented_rights
from tests.servers.redis_server import RedisServer, free_port

BINARY = "/usr/bin/redis-server"


@pytest.fixture
def server() -> Iterator[RedisServer]:
    running = RedisServer(binary=BINARY).start()
    yield running
    running.stop()


async def test_a_usable_server_has_no_fault(server: RedisServer) -> None:
    assert await cause_at(server.url) is None


@pytest.mark.parametrize(
    ("command", "cause"),
    [
        (f"REPLICAOF 127.0.0.1 {free_port()}", Cause.READ_ONLY),
        ("CONFIG SET maxmemory 1", Cause.FULL),
        ("CONFIG SET min-replicas-to-write 1", Cause.REPLICAS_MISSING),
    ],
)
async def test_a_server_that_refuses_writes_is_described(server: RedisServer, command: str, cause: Cause) -> None:
    assert server.ask(command) == b"+OK"
    assert await cause_at(server.url) is cause


@pytest.mark.parametrize(
    ("rights", "cause"),
    [
        (("~*", "resetchannels", "+@all"), Cause.NO_CHANNELS),
        ((*ALL, "-publish"), Cause.NO_CHANNELS),
        ((*ALL, "-@scripting"), Cause.NO_SCRIPTS),
        ((*ALL, "-lpop"), Cause.FORBIDDEN),
        (("~other:*", "&*", "+@all"), Cause.FORBIDDEN),
    ],
)
async def test_a_user_without_a_right_is_described(server: RedisServer, rights: tuple[str, ...], cause: Cause) -> None:
    assert await cause_at(server.url_of("parley", *rights)) is cause


async def test_a_cluster_is_described() -> None:
    server = RedisServer("--cluster-enabled", "yes", binary=BINARY).start()
    try:
        assert await cause_at(server.url) is Cause.CLUSTER
    finally:
        server.stop()


async def test_the_documented_rights_suffice(server: RedisServer) -> None:
    assert await cause_at(server.url_of("parley", *documented_rights("staging:")), prefix="staging:") is None
