"""A real server process under clients that are slow, greedy or many."""

import asyncio
import re
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from websockets.asyncio.client import connect as open_socket

from tests.e2e.process import Served, answers, environment, free_port, new_room, say, served, sign_in
from tests.http.server.listening import Client, connect

_PAGE = Path(__file__).parents[2] / "docs" / "server.md"
HALF_OPEN = 1_000
HEAD_SECONDS = 10


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as running:
        yield running


def memory(server: Served) -> int:
    """The resident memory of the process in bytes."""
    assert server.process is not None
    pages = Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]
    return int(pages) * 4_096


async def test_honest_requests_are_answered_beside_a_thousand_half_open_connections(server: Served) -> None:
    """They end after the time for a head, with a problem for those that had begun one."""
    started = asyncio.get_running_loop().time()
    half_open = [await connect(server.port) for _ in range(HALF_OPEN)]
    for client in half_open[::2]:
        await client.send(b"GET / HTTP/1.1\r\nX: ")
    mira = await sign_in(server.address)
    assert (await mira.get("/user/me")).status_code == 200
    await new_room(mira)
    await mira.aclose()
    endings = await asyncio.gather(*(_ending(client) for client in half_open))
    assert asyncio.get_running_loop().time() - started < 3 * HEAD_SECONDS
    assert all(b"request_timeout" in ending for ending in endings[::2])
    assert set(endings[1::2]) == {b""}


async def _ending(client: Client) -> bytes:
    received = b""
    async with asyncio.timeout(3 * HEAD_SECONDS):
        while data := await client.reader.read(65_536):
            received += data
    client.writer.close()
    return received


async def test_endless_heads_take_no_memory(server: Served) -> None:
    async with httpx.AsyncClient(base_url=server.address) as visitor:
        await visitor.get("/health/live")
        before = memory(server)
        clients = [await connect(server.port) for _ in range(20)]
        answers = await asyncio.gather(*(_endless(client) for client in clients))
        assert (await visitor.get("/health/live")).status_code == 200
    # Where the reset of the connection overtook the response there is none.
    assert b"431 Request Header Fields Too Large" in b"".join(answers)
    assert memory(server) - before < 20_000_000


async def _endless(client: Client) -> bytes:
    """20 MB of a header."""
    try:
        await client.send(b"GET / HTTP/1.1\r\nX: ")
        for _ in range(200):
            await client.send(b"x" * 100_000)
    except ConnectionError:
        pass
    try:
        return await client.rest()
    finally:
        client.writer.transport.abort()


async def test_an_http_1_0_client_reads_a_stream_without_chunks(server: Served) -> None:
    mira = await sign_in(server.address)
    accepted = await say(mira, await new_room(mira), "Hello there")
    await mira.aclose()
    client = await connect(server.port)
    await client.send(b"GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n" % accepted["stream_url"].encode())
    answer = await client.answer()
    assert answer.status == 200
    assert answer.body.startswith(b"retry: 1000\n\n")
    assert answer.body.rstrip().split(b"\n\n")[-1].split(b"\n")[1] == b"event: done"
    client.writer.close()


async def test_uvicorn_itself_can_use_the_protocol(tmp_path: Path) -> None:
    """With the command of docs/server.md."""
    [command] = re.findall(r"```sh\nuvicorn (.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", *shlex.split(command.replace("\\\n", "")), "--port", str(port)),
        cwd=tmp_path,
        # With https, its refusals tell browsers so.
        env=environment({"PUBLIC_URL": "https://parley.test"}),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await answers(f"http://127.0.0.1:{port}/health/ready", process)
        client = await connect(port)
        await client.send(b"NONSENSE / HTTP/1.1\r\n\r\n")
        assert (await client.answer()).problem()["code"] == "method_not_allowed"
        client.writer.close()
        async with open_socket(f"ws://127.0.0.1:{port}/chatroom/{uuid4()}/socket") as socket:
            await socket.send('{"type": "ping"}')
            await socket.wait_closed()
        assert socket.close_code == 4401
    finally:
        process.kill()
        await process.wait()
