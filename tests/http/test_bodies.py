"""Unreadable request bodies: every route that takes a body refuses them in the same way and changes nothing."""

import gzip
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from parley.adapters.http.openai.response_ids import conversation_id
from tests.http.answers import refused
from tests.http.site import ADMIN_TOKEN, Person, Site

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def mira(mira: Person) -> Person:
    """Mira, who is the operator too."""

    def authorized(request: httpx.Request) -> httpx.Request:
        if request.url.path.startswith("/admin/"):
            request.headers["Authorization"] = f"Bearer {ADMIN_TOKEN}"
        return request

    mira.auth = authorized
    return mira


@pytest.fixture
async def routes(site: Site, mira: Person) -> list[tuple[str, str]]:
    """Method and path of every documented route with a request body, for an existing chatroom.

    Without the webhook, which checks the signature of the raw body first: test_webhook.py.
    """
    room, me = await mira.new_room(), (await mira.get("/user/me")).json()["id"]
    ids = {
        "chatroom_id": room,
        "message_id": uuid4(),
        "conversation_id": conversation_id(UUID(room)),
        "plan": "pro",
        "account_id": me,
    }
    paths = (await site.visitor().get("/openapi.json")).json()["paths"]
    found = [
        (method.upper(), path.format(**ids))
        for path, operations in paths.items()
        for method, operation in operations.items()
        if "requestBody" in operation and not path.endswith("/webhook/stripe")
    ]
    assert len(found) >= 9
    return found


async def refused_by_all(
    site: Site, mira: Person, routes: list[tuple[str, str]], status: int, code: str, *fields: str, **request: Any
) -> None:
    before = await site.rows()
    for method, path in routes:
        refused(await mira.request(method, path, **request), status, code, *fields)
    assert await site.rows() == before


MALFORMED = [
    b"{",
    b"}",
    b'{"content"',
    b'{"content": "x"',
    b'{"content": "x",}',
    b'{"content": "x"} {}',
    b"{'content': 'x'}",
    b'{"content": NaN}',
    b'{"content": 1e999999}',
    b'{"content": "a\nb"}',
    b'{"content": "\\x"}',
    b"nonsense",
    b" ",
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf{}",
    '{"content": "x"}'.encode("utf-16"),
    b"[" * 5_000,
    b"[" * 100_000,
    b'{"a":' * 5_000,
    b'{"a":' * 100_000,
    b'{"content": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"other": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
]


async def test_malformed_json_is_refused(
    site: Site, mira: Person, routes: list[tuple[str, str]], subtests: pytest.Subtests
) -> None:
    for body in MALFORMED:
        with subtests.test(body=body[:25]):
            await refused_by_all(site, mira, routes, 400, "malformed_json", content=body, headers=JSON)


def may_be_left_out(method: str, path: str) -> bool:
    return method == "DELETE" or path.endswith(("/pro", "/regenerate")) or (method, path) == ("POST", "/chatroom")


NOT_OBJECTS = [b"", b"[]", b'[{"content": "x"}]', b"null", b'"x"', b"7", b"true"]


async def test_json_that_is_not_an_object_is_refused(
    site: Site, mira: Person, routes: list[tuple[str, str]], subtests: pytest.Subtests
) -> None:
    for body in NOT_OBJECTS:
        with subtests.test(body=body[:25]):
            taking = [route for route in routes if body or not may_be_left_out(*route)]
            await refused_by_all(site, mira, taking, 400, "invalid_input", "body", content=body, headers=JSON)


OTHER_MEDIA_TYPES = [
    {"data": {"content": "x", "name": "x"}},
    {"files": {"content": b"x"}},
    {"content": b'{"content": "x"}', "headers": {"Content-Type": "text/plain"}},
    {"content": b'{"content": "x"}', "headers": {"Content-Type": "application/xml"}},
    {"content": b"\x81\xa7content\xa1x", "headers": {"Content-Type": "application/x-msgpack"}},
    {"content": b'{"content": "x"}', "headers": {"Content-Type": "application/jsonp"}},
]


async def test_another_media_type_is_refused(
    site: Site, mira: Person, routes: list[tuple[str, str]], subtests: pytest.Subtests
) -> None:
    for request_ in OTHER_MEDIA_TYPES:
        with subtests.test(request=str(request_)[:60]):
            await refused_by_all(site, mira, routes, 415, "unsupported_media_type", **request_)


JSON_TYPES = ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.parley+json"]


async def test_other_spellings_of_the_json_media_type_are_accepted(mira: Person, subtests: pytest.Subtests) -> None:
    for media_type in JSON_TYPES:
        with subtests.test(media_type=media_type):
            answer = await mira.post("/chatroom", content=b'{"name": "x"}', headers={"Content-Type": media_type})
            assert answer.status_code == 201


async def test_a_body_without_a_media_type_is_refused(site: Site, mira: Person, routes: list[tuple[str, str]]) -> None:
    """A page of any origin can send such a body, and the browser does not ask first."""
    await refused_by_all(site, mira, routes, 415, "unsupported_media_type", content=b'{"name": "x"}', headers={})


@pytest.mark.parametrize("encoding", ["gzip", "br", "nonsense", "gzip, identity"])
async def test_an_encoded_body_is_refused(mira: Person, encoding: str) -> None:
    headers = JSON | {"Content-Encoding": encoding}
    for body in (b"not gzip", gzip.compress(b'{"name": "x"}')):
        refused(await mira.post("/chatroom", content=body, headers=headers), 415, "unsupported_media_type")


async def test_a_body_with_the_encoding_identity_is_accepted(mira: Person) -> None:
    headers = JSON | {"Content-Encoding": "identity"}
    assert (await mira.post("/chatroom", content=b'{"name": "x"}', headers=headers)).status_code == 201


async def test_a_body_over_a_megabyte_is_refused(site: Site, mira: Person, routes: list[tuple[str, str]]) -> None:
    body = b'{"content": "' + b"x" * 1_000_000 + b'"}'
    await refused_by_all(site, mira, routes, 413, "body_too_large", content=body, headers=JSON)


async def test_a_body_over_a_megabyte_without_a_length_is_refused(
    site: Site, mira: Person, routes: list[tuple[str, str]]
) -> None:
    before = await site.rows()
    for method, path in routes:
        answer = await mira.request(method, path, content=oversized(), headers=JSON)
        assert "content-length" not in answer.request.headers
        refused(answer, 413, "body_too_large")
    assert await site.rows() == before


async def test_a_body_longer_than_its_content_length_is_refused_above_a_megabyte(
    mira: Person, routes: list[tuple[str, str]]
) -> None:
    for method, path in routes:
        answer = await mira.request(method, path, content=oversized(), headers=JSON | {"Content-Length": "2"})
        refused(answer, 413, "body_too_large")


async def test_a_chunked_body_is_accepted(mira: Person) -> None:
    async def chunks() -> AsyncGenerator[bytes, None]:
        for chunk in (b'{"na', b'me": ', b"", b'"x"}'):
            yield chunk

    answer: httpx.Response = await mira.post("/chatroom", content=chunks(), headers=JSON)
    assert answer.status_code == 201
    assert answer.json()["name"] == "x"


async def test_without_a_token_no_body_is_read(site: Site, routes: list[tuple[str, str]]) -> None:
    for method, path in routes:
        if path.startswith("/auth/"):
            continue
        answer = await site.visitor().request(method, path, content=b"{", headers=JSON)
        refused(answer, 401, "admin_token_invalid" if path.startswith("/admin/") else "token_invalid")


async def oversized() -> AsyncGenerator[bytes, None]:
    """The chunks of a body of slightly more than a megabyte."""
    yield b'{"content": "'
    for _ in range(110):
        yield b"x" * 10_000
