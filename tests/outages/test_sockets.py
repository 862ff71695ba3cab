"""WebSockets of one chatroom on two API processes: what one accepts reaches the other, whatever fails meanwhile."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.e2e.process import new_room, say, sign_in
from tests.e2e.scaled_out import LONG_PATIENCE, Api, ScaledOut, scaled_out

A, B = 0, 1
Frame = dict[str, Any]
# The contract's limit for the end of a session.
SECONDS = 1.0


class Socket:
    """A client that keeps everything it receives."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.frames: list[Frame] = []

    @property
    def last(self) -> str:
        return str(next(frame["event_id"] for frame in reversed(self.frames) if "event_id" in frame))

    @property
    def ended(self) -> list[Frame]:
        return [frame for frame in self.frames if frame["type"] == "done"]

    async def tell(self, **command: Any) -> None:
        await self._connection.send(json.dumps(command))

    async def until(self, kind: str) -> Frame:
        """The next frame of that type."""
        async with asyncio.timeout(LONG_PATIENCE):
            while True:
                self.frames.append(json.loads(await self._connection.recv()))
                if self.frames[-1]["type"] == kind:
                    return self.frames[-1]

    async def closed(self) -> int:
        async with asyncio.timeout(LONG_PATIENCE):
            await self._connection.wait_closed()
        return self._connection.close_code or 0


@asynccontextmanager
async def opened(api: Api, room: str, token: str, last: str | None = None) -> AsyncGenerator[Socket, None]:
    async with connect(f"{api.address.replace('http', 'ws')}/chatroom/{room}/socket") as connection:
        socket = Socket(connection)
        await socket.tell(type="auth", token=token, last_event_id=last)
        await socket.until("ready")
        yield socket


def text_of(frames: list[Frame], reply: str) -> str:
    """What a client shows of the reply, which clears it at a `start`."""
    text = ""
    for frame in frames:
        if frame.get("message_id") == reply:
            text = "" if frame["type"] == "start" else text + frame.get("text", "")
    return text


def kinds(frames: list[Frame]) -> list[str]:
    return [frame["type"] for frame in frames if frame["type"] not in {"delta", "heartbeat", "ready"}]


async def test_sockets_of_one_room_on_two_processes(tmp_path: Path) -> None:
    settings = {"OTP_SENDER": "response", "ALLOW_SHOWN_CODES": "1", "REPLY_LEASE_SECONDS": "1"}
    async with (
        scaled_out(tmp_path, **settings) as running,
        aclosing(await sign_in(running.apis[A].address)) as client,
    ):
        token = client.headers["Authorization"].removeprefix("Bearer ")
        room = await new_room(client)
        async with opened(running.apis[A], room, token) as a, opened(running.apis[B], room, token) as b:
            await _a_message_reaches_both(a, b)
            await _a_worker_dies(running, a, b)
            await _redis_is_emptied(running, a, b)
            seen = b.last
        # By HTTP, while nobody is connected; the rest is read on the other process.
        accepted = await say(client, room, "While you were away")
        async with opened(running.apis[A], room, token, seen) as resumed:
            done = await resumed.until("done")
            assert (done["message_id"], kinds(resumed.frames)) == (
                accepted["reply"]["id"],
                ["accepted", "start", "done"],
            )
        async with opened(running.apis[B], room, token) as other:
            await client.post("/auth/logout")
            ended_at = asyncio.get_running_loop().time()
            assert await other.closed() == 4401
            assert asyncio.get_running_loop().time() - ended_at <= SECONDS
        assert "Traceback" not in running.logs()
        assert token not in running.logs()


async def _a_message_reaches_both(a: Socket, b: Socket) -> None:
    await a.tell(type="send", content="[[words 20]]", id="1")
    done = [await each.until("done") for each in (a, b)]
    assert done[0] == done[1]
    [result] = [frame for frame in a.frames if frame["type"] == "result"]
    assert kinds(b.frames) == ["accepted", "start", "done"]
    assert b.frames[1]["reply"] == result["reply"]
    for socket in (a, b):
        assert text_of(socket.frames, result["reply"]["id"]) == done[0]["message"]["content"]


async def _a_worker_dies(running: ScaledOut, a: Socket, b: Socket) -> None:
    await b.tell(type="send", content="[[words 60]] [[drip 0.05]]", id="2")
    await a.until("delta")
    await running.workers[-1].kill()
    await running.start_worker()
    done = [await each.until("done") for each in (a, b)]
    assert done[0] == done[1]
    for socket in (a, b):
        assert kinds(socket.frames)[-3:] == ["start", "start", "done"]
        assert text_of(socket.frames, done[0]["message_id"]) == done[0]["message"]["content"]


async def _redis_is_emptied(running: ScaledOut, a: Socket, b: Socket) -> None:
    await asyncio.to_thread(running.redis.flush)
    await a.tell(type="send", content="[[words 60]] [[drip 0.02]]", id="3")
    await b.until("delta")
    await asyncio.to_thread(running.redis.kill)
    # Announced to nobody, and found in the database.
    await a.tell(type="send", content="Without Redis", id="4")
    while (await b.until("accepted"))["message"]["content"] != "Without Redis":
        pass
    await asyncio.to_thread(running.redis.start)
    for socket in (a, b):
        while len(socket.ended) < 4:
            await socket.until("done")
        for done in socket.ended:
            assert text_of(socket.frames, done["message_id"]) == done["message"]["content"]
    assert a.ended == b.ended
    assert a.ended[-1]["message"]["content"] == "Answer to: Without Redis"
