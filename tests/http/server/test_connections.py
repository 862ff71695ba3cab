"""The limits of open connections."""

import pytest

from parley.adapters.http.server.connections import Connections
from tests.http.server.listening import GET, listening

MIRA, RAVI, EVE = "192.0.2.1", "192.0.2.2", "203.0.113.9"


class Open:
    """A connection that only notes that it had to give way."""

    gave_way = False

    def give_way(self) -> None:
        self.gave_way = True


def opened(connections: Connections, address: str | None, count: int = 1) -> list[Open]:
    made = [Open() for _ in range(count)]
    assert all(connections.add(connection, address) for connection in made)
    return made


def test_the_one_that_has_waited_longest_gives_way_to_a_new_one() -> None:
    connections = Connections(total=3, per_address=0)
    first, second, third = opened(connections, MIRA, 3)
    connections.works(first)
    opened(connections, RAVI)
    assert [first.gave_way, second.gave_way, third.gave_way] == [False, True, False]
    connections.waits(first)
    opened(connections, RAVI)
    assert [first.gave_way, third.gave_way] == [False, True]
    assert len(connections) == 3


def test_connections_that_work_do_not_give_way() -> None:
    connections = Connections(total=2, per_address=0)
    working = opened(connections, MIRA, 2)
    for connection in working:
        connections.works(connection)
    assert not connections.add(Open(), RAVI)
    connections.remove(working[0])
    opened(connections, RAVI)


def test_an_address_has_a_limit_of_its_own() -> None:
    connections = Connections(total=0, per_address=2)
    evil, honest = opened(connections, EVE, 2), opened(connections, MIRA, 2)
    opened(connections, EVE)
    assert [connection.gave_way for connection in (*evil, *honest)] == [True, False, False, False]
    for connection in honest:
        connections.works(connection)
    assert not connections.add(Open(), MIRA)
    opened(connections, RAVI)


@pytest.mark.parametrize(
    ("one", "other"),
    [("2001:db8::1", "2001:db8::2:3"), ("::ffff:192.0.2.1", "192.0.2.1")],
)
def test_one_client_with_several_addresses(one: str, other: str) -> None:
    connections = Connections(total=0, per_address=1)
    [first] = opened(connections, one)
    opened(connections, other)
    assert first.gave_way


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.5", "10.1.2.3", "::ffff:10.1.2.3", None])
def test_addresses_of_many_clients_have_only_the_total_limit(address: str | None) -> None:
    connections = Connections(total=5, per_address=1, shared=["10.0.0.0/8"])
    assert not any(connection.gave_way for connection in opened(connections, address, 5))
    opened(connections, address)
    assert len(connections) == 5


def test_what_was_removed_frees_its_place_once() -> None:
    connections = Connections(total=2, per_address=2)
    for _ in range(3):
        [connection] = opened(connections, MIRA)
        connections.remove(connection)
        connections.remove(connection)
        connections.works(connection)
        connections.waits(connection)
    assert len(connections) == 0


async def test_half_open_connections_give_way_to_one_that_sends_a_request() -> None:
    async with listening(total=20) as server:
        half_open = [await server.client() for _ in range(60)]
        for client in half_open[:40]:
            client.writer.write(b"GET / HTTP/1.1\r\nX: ")
        honest = await server.client()
        await honest.send(GET)
        assert (await honest.answer()).status == 200
        assert await half_open[0].rest() == b""
        assert len(server.connections) == 20


async def test_a_connection_too_many_is_refused_while_the_others_are_answered() -> None:
    async with listening(total=3) as server:
        waiting = [await server.client() for _ in range(3)]
        for client in waiting:
            await client.send(b"GET /gate HTTP/1.1\r\nHost: x\r\n\r\n")
        while len(server.requests) < 3:
            client = await server.client()
            await client.rest()
        refused = await server.client()
        answer = await refused.answer()
        assert answer.problem()["code"] == "too_many_connections"
        assert int(answer.headers["retry-after"]) > 0
        server.gate.set()
        assert [(await client.answer()).status for client in waiting] == [200, 200, 200]
        again = await server.client()
        await again.send(GET)
        assert (await again.answer()).status == 200
