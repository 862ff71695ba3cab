"""A room with branches: a page of another one, and the change to another one."""

import json
from functools import partial
from typing import Any

import httpx

from benchmarks import wrk
from benchmarks.filled_account import FilledAccount
from benchmarks.posting import REPLIED
from benchmarks.rounds import LoadRun

PAGE = 50


async def other_branch(account: FilledAccount) -> LoadRun:
    """Its page crosses a fork."""
    other = (await _forked(account))[-1]
    return await account.load_of(f"{_room(account)}/messages?limit={PAGE}&head={other['id']}")


async def switched(account: FilledAccount) -> LoadRun:
    """One connection, since changes of one room wait for each other."""
    body = json.dumps({"message_id": (await _forked(account))[0]["id"]})
    bearer = {"Authorization": f"Bearer {await account.deployment.sign_in(account.email)}"}
    return partial(wrk.put, f"{account.deployment.api}{_room(account)}/head", bearer, body, connections=1)


def _room(account: FilledAccount) -> str:
    return f"/chatroom/{account.rooms[1]}"


async def _forked(account: FilledAccount) -> list[dict[str, Any]]:
    """The last two messages of the second branch, which forks off ten messages before the end of the first one."""
    async with account.deployment.client(account.email) as client:
        page = await _messages(account, client)
        if page[-2]["siblings"]["count"] == 1:
            edited = await client.post(
                f"{_room(account)}/messages/{page[-10]['id']}/edit", json={"content": "And now?"}
            )
            assert edited.status_code == 202, edited.text
            async with account.deployment.database() as connection:
                await connection.execute(REPLIED)
            page = await _messages(account, client)
    return page[-2:]


async def _messages(account: FilledAccount, client: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get(f"{_room(account)}/messages?limit={PAGE}")).json()["items"]
    assert len(found) == PAGE
    return found
