"""The list of rooms, from the cache."""

from functools import partial

from benchmarks import wrk
from benchmarks.baselines import bare_handler
from benchmarks.filled_account import CONNECTIONS, FilledAccount
from benchmarks.measurement import Goal, Measurement
from benchmarks.rounds import Effort, LoadRun, alternate, ratio_measurement

PATH = "/chatroom?limit=20"
BASELINE = "a bare Litestar handler that returns the same bytes"


async def cached(account: FilledAccount) -> LoadRun:
    await account.answer(PATH)
    found = await account.answer(PATH)
    assert found.headers["Cache-Status"] == "parley; hit", found.headers
    assert len(found.json()["items"]) == 20
    return await account.load_of(PATH)


async def unchanged(account: FilledAccount) -> LoadRun:
    """From a client that has the current list."""
    etag = (await account.answer(PATH)).headers["ETag"]
    known = {"If-None-Match": etag}
    assert (await account.answer(PATH, known)).status_code == 304
    return await account.load_of(PATH, known)


async def uncached(account: FilledAccount) -> LoadRun:
    """The second page, which is never cached. A third one follows: of the last page a room less is read."""
    page = (await account.answer("/chatroom?limit=9")).json()
    path = f"/chatroom?limit=9&cursor={page['next_cursor']}"
    assert (await account.answer(path)).json()["next_cursor"] is not None
    return await account.load_of(path)


async def measure(account: FilledAccount, effort: Effort) -> list[Measurement]:
    async with bare_handler(await account.body(PATH)) as address:
        bearer = {"Authorization": f"Bearer {await account.deployment.sign_in(account.email)}"}
        bare = partial(wrk.get, address, bearer, connections=CONNECTIONS)
        # The baseline in the middle, next to both.
        rounds = await alternate(
            effort, {"cached": await cached(account), "bare": bare, "unchanged": await unchanged(account)}
        )
    what = "GET /chatroom, cached, 20 rooms, token and revocation checked"
    return [
        ratio_measurement("rooms", what, BASELINE, Goal(at_least=0.50), rounds, of="cached", to="bare"),
        ratio_measurement(
            "rooms-304",
            "GET /chatroom with If-None-Match: 304",
            BASELINE,
            Goal(at_least=0.55),
            rounds,
            of="unchanged",
            to="bare",
        ),
    ]
