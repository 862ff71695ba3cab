"""The head of a response and the beginning of its body in one write."""

import pytest

from parley.adapters.http.server.joined_writes import JoinedWrites


class Transport:
    """Records what is written, and when it is closed."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.seen.append(data)

    def close(self) -> None:
        self.seen.append(b"closed")

    def is_closing(self) -> bool:
        return b"closed" in self.seen


@pytest.mark.parametrize(
    ("writes", "seen"),
    [
        ((b"head",), []),
        ((b"head", b"body"), [b"headbody"]),
        ((b"head", b""), [b"head"]),
        ((b"head", b"", b"late"), [b"head", b"late"]),
        ((b"head", b"one", b"two", b"three"), [b"headone", b"two", b"three"]),
    ],
)
def test_head_is_written_with_the_beginning_of_the_body(writes, seen):
    transport = Transport()
    joined = JoinedWrites(transport)
    for data in writes:
        joined.write(data)
    assert transport.seen == seen


def test_head_without_a_body_is_written_before_the_connection_is_closed():
    transport = Transport()
    joined = JoinedWrites(transport)
    joined.write(b"head")
    joined.close()
    assert transport.seen == [b"head", b"closed"]
    assert joined.is_closing()
