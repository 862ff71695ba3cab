"""A page of a room's history."""

from functools import partial

from benchmarks import wrk
from benchmarks.baselines import PAGE, Query, bare_handler
from benchmarks.filled_account import CONNECTIONS, FilledAccount
from benchmarks.measurement import Goal, Measurement
from benchmarks.rounds import Effort, LoadRun, alternate, ratio_measurement


def path(account: FilledAccount) -> str:
    return f"/chatroom/{account.rooms[0]}/messages?limit={PAGE}"


async def page(account: FilledAccount) -> LoadRun:
    found = (await account.answer(path(account))).json()
    assert len(found["items"]) == PAGE, found
    assert found["next_cursor"] is not None
    return await account.load_of(path(account))


async def measure(account: FilledAccount, effort: Effort) -> list[Measurement]:
    query = Query(account.deployment.database_url, "history", account.rooms[0])
    async with bare_handler(await account.body(path(account)), query) as address:
        bearer = {"Authorization": f"Bearer {await account.deployment.sign_in(account.email)}"}
        bare = partial(wrk.get, address, bearer, connections=CONNECTIONS)
        rounds = await alternate(effort, {"page": await page(account), "bare": bare})
    return [
        ratio_measurement(
            "history",
            f"GET history page of {PAGE}",
            "a bare Litestar handler that runs the same query by raw asyncpg and returns the same bytes",
            Goal(at_least=0.85),
            rounds,
            of="page",
            to="bare",
        )
    ]
