"""An account that may have one stream at once: who gets it is decided before anything is stored or counted."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.http import test_completions, test_responses, test_stored_responses
from tests.http.conftest import OpenSite
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import Person, Site, until
from tests.http.test_ai_sdk import said, send
from tests.http.test_client_left import Client, call

Door = Callable[..., Awaitable[httpx.Response]]


async def send_ui_message(person: Person, **fields: Any) -> httpx.Response:
    return await send(person, said("Hello", str(uuid4())), chat=str(uuid4()), **fields)


DOORS: dict[str, tuple[Door, dict[str, Any]]] = {
    "response": (test_stored_responses.ask, {}),
    "streamed response": (test_stored_responses.ask, {"stream": True}),
    "streamed response in the background": (test_stored_responses.ask, {"stream": True, "background": True}),
    "response that is not stored": (test_stored_responses.ask, {"store": False}),
    "completion": (test_completions.complete, {}),
    "streamed completion": (test_completions.complete, {"stream": True}),
    "message of the AI SDK": (send_ui_message, {}),
}


@pytest.fixture
async def site(open_site: OpenSite) -> Site:
    return await open_site(MAX_OPEN_STREAMS="1")


@pytest.mark.parametrize(("door", "fields"), DOORS.values(), ids=DOORS)
async def test_of_concurrent_requests_one_is_accepted(
    door: Door, fields: dict[str, Any], mira: Person, model: ScriptedModel
) -> None:
    gate = Gate()
    model.on("Hello", "Hi", gate)
    asked = [asyncio.create_task(door(mira, **fields)) for _ in range(5)]

    async def refused() -> bool:
        return sum(each.done() for each in asked) == 4

    await until(refused)
    await gate.reached()
    assert await mira.used() == 1
    gate.open()
    assert sorted([answer.status_code for answer in await asyncio.gather(*asked)]) == [200, 429, 429, 429, 429]
    assert await mira.used() == 1

    assert [(await door(mira, **fields)).status_code for _ in range(2)] == [200, 200]


@pytest.mark.parametrize(("door", "fields"), DOORS.values(), ids=DOORS)
async def test_a_refused_request_has_no_stream(door: Door, fields: dict[str, Any], mira: Person) -> None:
    for _ in range(2):
        refused = await door(mira, model="none/such", **fields)
        assert refused.status_code in {400, 404}, refused.text
    assert (await door(mira, **fields)).status_code == 200


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_has_no_stream(stream: bool, site: Site, mira: Person, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("Hello", "Hi", gate)
    body = json.dumps({"model": test_responses.MODEL, "input": "Hello", "stream": stream}).encode()
    scope: Any = {
        "type": "http", "http_version": "1.1", "method": "POST", "path": "/v1/responses", "query_string": b"",
        "headers": [
            (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()),
            (b"authorization", f"Bearer {mira.token}".encode()),
        ],
        "root_path": "", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "scheme": "http",
    }  # fmt: skip
    client = Client(body)
    reading = await call(site.app, client, scope)
    await gate.reached()
    assert (await test_stored_responses.ask(mira, "More")).status_code == 429
    client.left.set()
    await asyncio.wait_for(reading, 30)
    assert (await test_stored_responses.ask(mira, "More")).status_code == 200
    gate.open()


async def test_a_response_in_the_background_needs_no_stream(mira: Person, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("Hello", "Hi", gate)
    reading = asyncio.create_task(test_stored_responses.ask(mira, stream=True))
    await gate.reached()
    assert (await test_stored_responses.ask(mira, background=True)).status_code == 200
    assert (await test_stored_responses.ask(mira)).status_code == 429
    gate.open()
    assert test_responses.read_events(await reading)[-1].type == "response.completed"
