"""The cache of the first page of rooms, which only its headers reveal."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.http.conftest import OpenSite
from tests.http.site import Clock, Person, Site

HIT, MISS = "parley; hit", "parley; fwd=miss"


async def listed(person: Person, **parameters: object) -> httpx.Response:
    answer = await person.get("/chatroom", params=parameters)
    assert answer.status_code == 200
    return answer


async def test_the_second_request_is_a_hit_with_the_same_bytes(mira: Person) -> None:
    await mira.new_room()
    first, second = await listed(mira), await listed(mira)
    assert (first.headers["cache-status"], second.headers["cache-status"]) == (MISS, HIT)
    assert first.content == second.content
    assert first.headers["etag"] == second.headers["etag"]
    assert second.headers["content-type"] == "application/json"
    # A shared machine keeps no list of rooms; a client that has one itself still revalidates it.
    assert second.headers["cache-control"] == "no-store"


async def test_unusual_sizes_and_long_pages_are_not_cached(mira: Person) -> None:
    for _ in range(90):
        await mira.new_room("日" * 200)
    for size in (7, 100):
        assert (await listed(mira, limit=size)).headers["cache-status"] == MISS
        assert (await listed(mira, limit=size)).headers["cache-status"] == MISS


async def test_each_size_and_account_is_cached_separately(mira: Person, ravi: Person) -> None:
    room = await mira.new_room()
    await listed(mira)
    assert (await listed(mira, limit=10)).headers["cache-status"] == MISS
    assert (await listed(mira, limit=10)).headers["cache-status"] == HIT
    of_ravi = await listed(ravi)
    assert of_ravi.headers["cache-status"] == MISS
    assert room not in of_ravi.text


async def test_later_pages_are_not_cached(mira: Person) -> None:
    for name in "ab":
        await mira.new_room(name)
    cursor = (await listed(mira, limit=1)).json()["next_cursor"]
    for _ in range(2):
        assert (await listed(mira, limit=1, cursor=cursor)).headers["cache-status"] == MISS


async def create(mira: Person, room: str) -> httpx.Response:
    return await mira.post("/chatroom", json={"name": "Another"})


async def change(mira: Person, room: str) -> httpx.Response:
    return await mira.patch(f"/chatroom/{room}", json={"name": "Changed"})


async def delete(mira: Person, room: str) -> httpx.Response:
    return await mira.delete(f"/chatroom/{room}")


async def say(mira: Person, room: str) -> httpx.Response:
    return await mira.say(room)


@pytest.mark.parametrize("write", [create, change, delete, say], ids=lambda write: write.__name__)
async def test_the_callers_own_write_is_visible_at_once(
    mira: Person, clock: Clock, write: Callable[[Person, str], Awaitable[httpx.Response]]
) -> None:
    room = await mira.new_room()
    before = await listed(mira)
    assert (await listed(mira)).headers["cache-status"] == HIT
    clock.forward(seconds=1)
    assert (await write(mira, room)).is_success
    after = await listed(mira, limit=50)
    assert after.headers["cache-status"] == MISS
    assert after.headers["etag"] != before.headers["etag"]
    fresh = [await mira.get(f"/chatroom/{each['id']}") for each in after.json()["items"]]
    for each in fresh:
        assert each.json().items() >= after.json()["items"][fresh.index(each)].items()
    assert after.json()["items"] != before.json()["items"]


async def test_a_write_does_not_clear_other_accounts_pages(mira: Person, ravi: Person) -> None:
    await listed(ravi)
    await mira.new_room()
    assert (await listed(ravi)).headers["cache-status"] == HIT


async def test_concurrent_readers_never_make_the_cache_stale(mira: Person) -> None:
    for number in range(15):
        reading = [asyncio.create_task(listed(mira)) for _ in range(8)]
        room = await mira.new_room(f"Room {number}")
        assert room in (await listed(mira)).text
        await asyncio.gather(*reading)
        assert room in (await listed(mira)).text


async def test_a_lifetime_of_0_disables_the_cache(open_site: OpenSite) -> None:
    mira = await (await open_site(CHATROOM_CACHE_SECONDS="0")).person()
    for _ in range(2):
        assert (await listed(mira)).headers["cache-status"] == MISS


HELD = ["{}", "*", "W/{}", '"other", {}', '{},"other"', 'W/"other" , W/{}']


async def test_a_matching_etag_is_answered_304(mira: Person, subtests: pytest.Subtests) -> None:
    for tags in HELD:
        with subtests.test(tags=tags):
            await mira.new_room()
            etag = (await listed(mira)).headers["etag"]
            answer = await mira.get("/chatroom", headers={"If-None-Match": tags.format(etag)})
            assert answer.status_code == 304
            assert answer.content == b""
            assert answer.headers["etag"] == etag
            assert answer.headers["cache-status"] == HIT
            assert "content-type" not in answer.headers


NOT_HELD = ['"other"', "", "nonsense", "{}x", '"*"']


async def test_another_etag_is_answered_with_the_page(mira: Person, subtests: pytest.Subtests) -> None:
    for tags in NOT_HELD:
        with subtests.test(tags=tags):
            page = await listed(mira)
            answer = await mira.get("/chatroom", headers={"If-None-Match": tags.format(page.headers["etag"])})
            assert answer.status_code == 200
            assert answer.content == page.content


async def test_an_old_etag_does_not_match_after_a_write(mira: Person) -> None:
    etag = (await listed(mira)).headers["etag"]
    room = await mira.new_room()
    answer = await mira.get("/chatroom", headers={"If-None-Match": etag})
    assert answer.status_code == 200
    assert room in answer.text


async def test_an_etag_matches_on_a_miss_too(site: Site, mira: Person, clock: Clock) -> None:
    etag = (await listed(mira)).headers["etag"]
    room = await mira.new_room()
    await mira.delete(f"/chatroom/{room}")
    answer = await mira.get("/chatroom", headers={"If-None-Match": etag})
    assert (answer.status_code, answer.headers["cache-status"]) == (304, MISS)
