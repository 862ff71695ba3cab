"""The Python and curl clients of docs/clients.md."""

import asyncio
import json
import sys
from pathlib import Path

import httpx
import pytest

from tests.e2e.documented import ANSWER, QUESTION, THOUGHT, documented, thinking_server
from tests.e2e.process import PATIENCE, ended, new_room, say, sign_in

CALL = """
message = reply(*sys.argv[1:])
print("\\n" + json.dumps(message))
"""
CURL_REFUSED = 22


async def run(*command: str, **variables: str) -> tuple[int, str, str]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, env={"PATH": "/usr/bin:/bin", "PYTHONIOENCODING": "utf-8"} | variables, stdout=pipe, stderr=pipe
    )
    async with asyncio.timeout(PATIENCE):
        out, errors = await process.communicate()
    return process.returncode or 0, out.decode(), errors.decode()


def token_of(client: httpx.AsyncClient) -> str:
    return client.headers["Authorization"].removeprefix("Bearer ")


async def run_python(api: str, token: str, room: str) -> tuple[int, str, str]:
    return await run(sys.executable, "-c", documented("python") + CALL, api, token, room, QUESTION)


async def test_python_client_prints_text_and_reasoning_apart(tmp_path: Path) -> None:
    async with thinking_server(tmp_path) as api:
        client = await sign_in(api.address)
        code, out, errors = await run_python(api.address, token_of(client), await new_room(client))
        await client.aclose()

    assert (code, errors) == (0, THOUGHT)
    text, message, _ = out.removeprefix("\n").rsplit("\n", 2)
    assert text == ANSWER == json.loads(message)["content"]


async def test_python_client_ends_when_its_room_is_gone_and_when_its_session_has_ended(tmp_path: Path) -> None:
    async with thinking_server(tmp_path) as api:
        client = await sign_in(api.address)
        token, room = token_of(client), await new_room(client)
        await client.delete(f"/chatroom/{room}")
        gone = await run_python(api.address, token, room)
        await client.post("/auth/logout")
        refused = await run_python(api.address, token, room)
        await client.aclose()

    assert "404 Not Found" in gone[2]
    assert "401 Unauthorized" in refused[2]


@pytest.mark.parametrize("public_url", [True, False], ids=["with PUBLIC_URL", "without"])
async def test_curl_client_streams_resumes_waits_and_is_refused(tmp_path: Path, public_url: bool) -> None:
    async with thinking_server(tmp_path, public_url=public_url) as api:
        client = await sign_in(api.address)
        room = await new_room(client)
        accepted = await say(client, room, QUESTION)
        message = await ended(client, accepted["reply"])
        variables = {
            "api": api.address,
            "token": token_of(client),
            "room": room,
            "reply": message["id"],
            "stream_url": accepted["stream_url"],
        }
        code, out, errors = await run("bash", "-e", "-c", documented("sh"), **variables)
        await client.post("/auth/logout")
        refused, _, _ = await run("bash", "-e", "-c", documented("sh"), **variables)
        await client.aclose()

    assert code == 0, errors
    assert out.count("event: reasoning") == 1
    assert out.count("event: done") == 2
    assert json.loads(out.rpartition("\n")[2]) == message
    assert refused == CURL_REFUSED
