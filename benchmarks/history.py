"""A page of what was said in a room."""

from functools import partial

from benchmarks import wrk
from benchmarks.limits import PAGE, Query, bare_handler
from benchmarks.place import CONNECTIONS, Place
from benchmarks.rounds import Effort, Measure, in_turn, ratio_row
from benchmarks.row import Goal, Row


def path(place: Place) -> str:
    return f"/chatroom/{place.rooms[0]}/messages?limit={PAGE}"


async def page(place: Place) -> Measure:
    found = (await place.answer(path(place))).json()
    assert len(found["items"]) == PAGE, found
    assert found["next_cursor"] is not None
    return await place.asks(path(place))


async def rows(place: Place, effort: Effort) -> list[Row]:
    query = Query(place.town.database_url, place.rooms[0])
    async with bare_handler(await place.body(path(place)), query) as address:
        bearer = {"Authorization": f"Bearer {await place.town.sign_in(place.email)}"}
        bare = partial(wrk.get, address, bearer, connections=CONNECTIONS)
        rounds = await in_turn(effort, {"page": await page(place), "bare": bare})
    return [
        ratio_row(
            "history",
            f"GET history page of {PAGE}",
            "a bare Litestar handler that runs the same query by raw asyncpg and returns the same bytes",
            Goal(at_least=0.40),
            rounds,
            of="page",
            to="bare",
        )
    ]
