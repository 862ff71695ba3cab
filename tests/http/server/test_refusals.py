"""What the server refuses before the application sees it is a problem with a request id."""

import pytest

from tests.http.conftest import Logs
from tests.http.server.listening import GET, listening

FIELD = b"X-Long: " + b"x" * 1_000 + b"\r\n"
REFUSED = {
    "an unknown method": (b"NONSENSE / HTTP/1.1\r\nHost: x\r\n\r\n", 405, "method_not_allowed"),
    "a request line that is none": (b"hello\r\n\r\n", 405, "method_not_allowed"),
    "an unknown protocol": (b"GET / SPDY/9\r\n\r\n", 400, "malformed_request"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 405, "method_not_allowed"),
    "a header without a name": (b"GET / HTTP/1.1\r\n: x\r\n\r\n", 400, "malformed_request"),
    "a control character in a header": (b"GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n", 400, "malformed_request"),
    "an address that is none": (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400, "malformed_request"),
    "an address that is too long": (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n", 414, "address_too_long"),
    "an endless address": (b"GET /" + b"x" * 200_000, 414, "address_too_long"),
    "a head that is too large": (GET[:-2] + FIELD * 70 + b"\r\n", 431, "head_too_large"),
    "an endless header": (GET[:-2] + b"X: " + b"x" * 200_000, 431, "head_too_large"),
    "endless headers": (GET[:-2] + FIELD * 200, 431, "head_too_large"),
    "two lengths": (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400, "malformed_request"),
    "a length that is none": (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, "malformed_request"),
    "a length and chunks": (
        b"POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "malformed_request",
    ),
    "a chunk whose size is none": (
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "malformed_request",
    ),
    "endless chunk extensions": (
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 200_000, 431, "head_too_large",
    ),
    "endless trailers": (
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n" + FIELD * 200, 431, "head_too_large",
    ),
    "endless blank lines": (b"\r\n" * 100_000, 431, "head_too_large"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
async def test_refusals(name: str) -> None:
    sent, status, code = REFUSED[name]
    async with listening() as server:
        client = await server.client()
        await client.send(sent)
        answer = await client.answer()
        assert answer.status == status, answer
        assert answer.problem()["code"] == code
        assert await client.rest() == b""
        assert server.requests == []
        assert server.refused == [code]
        assert ("allow" in answer.headers) == (status == 405)


async def test_the_log_says_who_sent_what_was_refused(logs: Logs) -> None:
    async with listening() as server:
        client = await server.client()
        await client.send(b"hello\r\n\r\n")
        answer = await client.answer()
    [line] = [entry for entry in logs if entry["event"] == "request_refused"]
    assert (line["peer"], line["code"]) == ("127.0.0.1", "method_not_allowed")
    assert line["request_id"] == answer.headers["x-request-id"]


async def test_a_head_and_an_address_just_below_the_limits_are_accepted() -> None:
    async with listening() as server:
        client = await server.client()
        await client.send(b"GET /" + b"x" * 16_000 + b" HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"y" * 48_000 + b"\r\n\r\n")
        assert (await client.answer()).status == 200


async def test_a_malformed_request_after_a_good_one_is_refused_after_its_response() -> None:
    async with listening() as server:
        client = await server.client()
        await client.send(b"GET /gate HTTP/1.1\r\nHost: x\r\n\r\n" + b"hello\r\n\r\n")
        server.gate.set()
        assert (await client.answer()).body == b"/gate 0"
        assert (await client.answer()).problem()["code"] == "method_not_allowed"
        assert await client.rest() == b""


async def test_a_malformed_body_after_a_good_request_is_refused_after_its_response() -> None:
    async with listening() as server:
        client = await server.client()
        chunked = b"POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
        await client.send(b"GET /gate HTTP/1.1\r\nHost: x\r\n\r\n" + chunked)
        server.gate.set()
        assert (await client.answer()).body == b"/gate 0"
        assert (await client.answer()).problem()["code"] == "malformed_request"
        assert [path for _, path, _ in server.requests] == ["/gate"]


async def test_a_refused_body_ends_the_request_for_the_application() -> None:
    async with listening() as server:
        client = await server.client()
        await client.send(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await client.send(b"zz\r\n")
        assert (await client.answer()).problem()["code"] == "malformed_request"
        assert await client.rest() == b""
    assert server.disconnected == 1


async def test_a_refused_body_is_not_asked_for() -> None:
    async with listening() as server:
        client = await server.client()
        await client.send(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\nzz\r\n")
        assert (await client.answer()).problem()["code"] == "malformed_request"
        assert await client.rest() == b""
    assert server.disconnected == 1


async def test_an_upgrade_is_answered_as_a_plain_request() -> None:
    async with listening() as server:
        for wanted in (b"websocket", b"h2c"):
            client = await server.client()
            await client.send(b"GET /up HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: %s\r\n\r\n" % wanted)
            answer = await client.answer()
            assert (answer.status, answer.body) == (200, b"/up 0")
            assert await client.rest() == b""
