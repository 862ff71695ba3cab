"""What a probe says about real servers that do not do what parley needs."""

import asyncio
import re
from pathlib import Path

import pytest

from parley.adapters.redis.client.connection import RedisClient
from parley.adapters.redis.client.faults import Cause
from parley.adapters.redis.client.probe import find_fault
from parley.adapters.redis.client.watch import RedisWatch
from tests.contracts.redis_fixtures import PATIENCE, becomes_true, own_redis, redis_client
from tests.servers.redis_server import RedisServer, free_port
from tests.servers.tcp_proxy import TcpProxy

ALL = ("~*", "&*", "+@all")


async def cause_at(url: str, *, prefix: str = "", within: float = PATIENCE) -> Cause | None:
    client = RedisClient(url, prefix=prefix)
    try:
        fault = await find_fault(client, within=within)
    finally:
        await client.close()
    return None if fault is None else fault.cause


def documented_rights(prefix: str = "") -> list[str]:
    """Those in docs/redis.md, after the password."""
    text = (Path(__file__).parents[2] / "docs/redis.md").read_text(encoding="utf-8")
    [line] = re.findall(r"^ACL SETUSER parley on >PASSWORD (.+)$", text, re.MULTILINE)
    return line.replace("~parley:", f"~{prefix}parley:").replace("&parley:", f"&{prefix}parley:").split()


async def test_a_usable_server_has_no_fault_however_often_it_is_probed():
    with own_redis() as server:
        for _ in range(3):
            assert await cause_at(server.url) is None


@pytest.mark.parametrize(
    ("configuration", "cause"),
    [
        pytest.param(f"replicaof 127.0.0.1 {free_port()}", Cause.READ_ONLY, id="replica"),
        pytest.param("maxmemory 1", Cause.FULL, id="full"),
        pytest.param("min-replicas-to-write 1", Cause.REPLICAS_MISSING, id="too few replicas"),
    ],
)
async def test_a_server_that_refuses_writes_is_described(configuration, cause):
    with own_redis() as server:
        assert server.ask("CONFIG SET", *configuration.split()) == b"+OK" or server.ask(configuration) == b"+OK"
        assert await cause_at(server.url) is cause


async def test_a_cluster_is_described():
    server = RedisServer("--cluster-enabled", "yes").start()
    try:
        assert await cause_at(server.url) is Cause.CLUSTER
        for first in (0, 8_192):
            assert server.ask("CLUSTER ADDSLOTS", *map(str, range(first, first + 8_192))) == b"+OK"

        async def serves() -> bool:
            return b"ok" in server.ask("SET probe 1").lower()

        await becomes_true(serves)
        # One node that has every slot answers all commands but those with keys of several slots.
        assert await cause_at(server.url) is Cause.CLUSTER
        assert await cause_at(server.url.replace("/0", "/1")) is Cause.CLUSTER
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("rights", "cause"),
    [
        pytest.param(("~*", "resetchannels", "+@all"), Cause.NO_CHANNELS, id="no channels"),
        pytest.param((*ALL, "-subscribe"), Cause.NO_CHANNELS, id="no subscriptions"),
        pytest.param((*ALL, "-publish"), Cause.NO_CHANNELS, id="no publishing"),
        pytest.param((*ALL, "-eval", "-evalsha"), Cause.NO_SCRIPTS, id="no scripts"),
        pytest.param((*ALL, "-xadd"), Cause.FORBIDDEN, id="no streams"),
        pytest.param((*ALL, "-lpop"), Cause.FORBIDDEN, id="no lists in scripts"),
        pytest.param(("~other:*", "&*", "+@all"), Cause.FORBIDDEN, id="other keys"),
    ],
)
async def test_a_user_without_a_right_is_described(rights, cause):
    with own_redis() as server:
        assert await cause_at(server.url_of("parley", *rights)) is cause


@pytest.mark.parametrize("prefix", ["", "staging:"])
async def test_the_documented_rights_suffice_and_none_can_be_left_out(prefix):
    rights = documented_rights(prefix)
    with own_redis() as server:
        assert await cause_at(server.url_of("parley", *rights), prefix=prefix) is None
        # Connections need SELECT only for another database than the first.
        needed = [each for each in rights if each.startswith(("+", "~", "&")) and each != "+select"]
        for number, left_out in enumerate(needed):
            url = server.url_of(f"user{number}", *(each for each in rights if each != left_out))
            assert await cause_at(url, prefix=prefix) is not None, left_out


async def test_wrong_logins_names_and_databases_are_described():
    with own_redis() as server:
        assert await cause_at(server.url.replace("//", "//parley:wrong@")) is Cause.LOGIN
        assert await cause_at(server.url.replace("/0", "/99")) is Cause.DATABASE
        # It waits for the end of a line.
        assert await cause_at(server.url.replace("redis:", "rediss:"), within=1.0) is Cause.SILENT
    assert await cause_at("redis://no-such-host.invalid:6379/0") is Cause.HOST_UNKNOWN
    assert await cause_at(f"redis://127.0.0.1:{free_port()}/0") is Cause.UNREACHABLE


async def test_a_silent_server_is_described_in_time():
    with own_redis() as server:
        async with TcpProxy(server.port).running() as proxy:
            proxy.swallowing = True
            assert await cause_at(proxy.url, within=0.2) is Cause.SILENT


async def test_probes_are_shared_for_a_while_and_renewed_after_a_failure():
    with own_redis() as server:
        async with TcpProxy(server.port).running() as proxy, redis_client(proxy.url) as client:
            watch = RedisWatch(client)
            assert set(await asyncio.gather(*(watch.fault() for _ in range(20)))) == {None}
            passed = proxy.requests_passed
            assert await watch.check() is True
            assert proxy.requests_passed == passed

            server.kill()
            with client.best_effort():
                await client.commands.ping()
            await becomes_true(lambda: not_working(watch))
            assert client.outage.lasts


async def not_working(watch: RedisWatch) -> bool:
    return await watch.check() is not True


async def test_an_outage_begins_and_ends_without_any_other_use_of_redis():
    with own_redis() as server:
        async with redis_client(server.url) as client, RedisWatch(client, quiet_interval=0.05).running():
            assert not client.outage.lasts
            server.kill()
            await becomes_true(lambda: client.outage.lasts)
            server.start()
            await becomes_true(lambda: not client.outage.lasts)
