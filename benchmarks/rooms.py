"""The list of rooms, out of the cache."""

from functools import partial

from benchmarks import wrk
from benchmarks.limits import bare_handler
from benchmarks.place import CONNECTIONS, Place
from benchmarks.rounds import Effort, Measure, in_turn, ratio_row
from benchmarks.row import Goal, Row

PATH = "/chatroom?limit=20"
AGAINST = "a bare Litestar handler that returns the same bytes"


async def cached(place: Place) -> Measure:
    await place.answer(PATH)
    found = await place.answer(PATH)
    assert found.headers["Cache-Status"] == "parley; hit", found.headers
    assert len(found.json()["items"]) == 20
    return await place.asks(PATH)


async def unchanged(place: Place) -> Measure:
    """Asked by somebody who has it."""
    etag = (await place.answer(PATH)).headers["ETag"]
    known = {"If-None-Match": etag}
    assert (await place.answer(PATH, known)).status_code == 304
    return await place.asks(PATH, known)


async def rows(place: Place, effort: Effort) -> list[Row]:
    async with bare_handler(await place.body(PATH)) as address:
        bearer = {"Authorization": f"Bearer {await place.town.sign_in(place.email)}"}
        bare = partial(wrk.get, address, bearer, connections=CONNECTIONS)
        # The bare one in the middle, next to both.
        rounds = await in_turn(
            effort, {"cached": await cached(place), "bare": bare, "unchanged": await unchanged(place)}
        )
    what = "GET /chatroom, cached, 20 rooms, token and revocation checked"
    return [
        ratio_row("rooms", what, AGAINST, Goal(at_least=0.50), rounds, of="cached", to="bare"),
        ratio_row(
            "rooms-304",
            "GET /chatroom with If-None-Match: 304",
            AGAINST,
            Goal(at_least=0.55),
            rounds,
            of="unchanged",
            to="bare",
        ),
    ]
