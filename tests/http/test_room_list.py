"""The order and the pages of the list of rooms."""

import base64
from typing import Any

import pytest

from tests.http.answers import refused
from tests.http.site import Clock, Person


async def rooms(mira: Person, clock: Clock, count: int) -> list[str]:
    """Create rooms a second apart; returns their ids, latest first."""
    made = []
    for number in range(count):
        clock.forward(seconds=1)
        made.insert(0, await mira.new_room(f"Room {number}"))
    return made


async def page(mira: Person, **parameters: Any) -> tuple[list[str], str | None]:
    answer = await mira.get("/chatroom", params=parameters)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"items", "next_cursor"}
    return [room["id"] for room in body["items"]], body["next_cursor"]


async def pages(mira: Person, limit: int) -> list[list[str]]:
    """Every page from the first to the last."""
    items, cursor = await page(mira, limit=limit)
    found = [items]
    while cursor is not None:
        items, cursor = await page(mira, limit=limit, cursor=cursor)
        found.append(items)
        assert len(found) < 100
    return found


async def test_without_rooms_the_list_is_empty(mira: Person) -> None:
    assert await page(mira) == ([], None)


async def test_the_list_contains_rooms_without_their_instructions(mira: Person) -> None:
    made = (await mira.post("/chatroom", json={"name": "a", "model": "scripted/two", "instructions": "b"})).json()
    assert made.pop("instructions") == "b"
    assert (await mira.get("/chatroom")).json() == {"items": [made], "next_cursor": None}


async def test_the_latest_activity_comes_first(mira: Person, clock: Clock) -> None:
    newest, middle, oldest = await rooms(mira, clock, 3)
    assert await page(mira) == ([newest, middle, oldest], None)
    clock.forward(seconds=1)
    await mira.ask(oldest)
    assert await page(mira) == ([oldest, newest, middle], None)
    clock.forward(seconds=1)
    assert (await mira.patch(f"/chatroom/{middle}", json={"name": "No activity"})).status_code == 200
    assert await page(mira) == ([oldest, newest, middle], None)


PAGES = [(1, [1] * 5), (2, [2, 2, 1]), (4, [4, 1]), (5, [5]), (100, [5])]


async def test_pages_follow_each_other_without_overlap(mira: Person, clock: Clock, subtests: pytest.Subtests) -> None:
    expected = await rooms(mira, clock, 5)
    for limit, sizes in PAGES:
        with subtests.test(limit=limit):
            found = await pages(mira, limit)
            assert [len(items) for items in found] == sizes
            assert [room for items in found for room in items] == expected


async def test_rooms_with_the_same_activity_have_pages_too(mira: Person) -> None:
    made = {await mira.new_room(f"Room {number}") for number in range(7)}
    found = [room for items in await pages(mira, 2) for room in items]
    assert len(found) == 7
    assert set(found) == made


async def test_a_page_has_50_rooms_by_default(mira: Person, clock: Clock) -> None:
    expected = await rooms(mira, clock, 51)
    items, cursor = await page(mira)
    assert items == expected[:50]
    assert await page(mira, cursor=cursor) == ([expected[50]], None)


async def test_activity_between_two_pages_causes_no_gap_or_repetition(mira: Person, clock: Clock) -> None:
    expected = await rooms(mira, clock, 6)
    first, cursor = await page(mira, limit=2)
    clock.forward(seconds=1)
    await mira.ask(expected[4])
    clock.forward(seconds=1)
    newcomer = await mira.new_room("Newcomer")
    second, cursor = await page(mira, limit=2, cursor=cursor)
    third, cursor = await page(mira, limit=2, cursor=cursor)
    assert [*first, *second, *third] == [room for room in expected if room != expected[4]]
    assert cursor is None
    assert (await page(mira, limit=2))[0] == [newcomer, expected[4]]


async def test_a_cursor_is_valid_after_its_room_was_deleted(mira: Person, clock: Clock) -> None:
    expected = await rooms(mira, clock, 4)
    _, cursor = await page(mira, limit=2)
    await mira.delete(f"/chatroom/{expected[1]}")
    assert await page(mira, limit=2, cursor=cursor) == (expected[2:], None)


def encoded(text: str | bytes) -> str:
    raw = text if isinstance(text, bytes) else text.encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


ID = "0" * 32
LISTS = ["/chatroom", "/chatroom/{room}/messages"]
BAD_LIMITS = ["0", "101", "-1", "x", "", "1.5", "null", "9" * 40, "1" * 10_000, "1x"]
BAD_CURSORS = [
    "",
    "x",
    "é",
    "\x00",
    "!!!!",
    "a" * 201,
    "a" * 10_000,
    encoded("nonsense"),
    encoded(b"\xff\xfe"),
    encoded("-1"),
    encoded(f"-1.{ID}"),
    encoded(f"1.{ID}0"),
    encoded(f"1.{ID[:-1]}z"),
    encoded(f"{'9' * 18}.{ID}"),
    encoded("9" * 10),
    encoded(f"{'9' * 100}.{ID}"),
    encoded(f" 1.{ID}"),
    encoded(f"1.{ID}\n"),
    encoded("1\n"),
    encoded("'; DROP TABLE rooms"),
]


@pytest.mark.parametrize("path", LISTS)
async def test_a_limit_is_a_number_from_1_to_100(mira: Person, path: str) -> None:
    path = path.format(room=await mira.new_room())
    for limit in BAD_LIMITS:
        refused(await mira.get(path, params={"limit": limit}), 400, "invalid_input", "limit")
    for limit in (1, 100):
        assert (await mira.get(path, params={"limit": limit})).status_code == 200


@pytest.mark.parametrize("path", LISTS)
async def test_an_invalid_cursor_is_refused(mira: Person, path: str) -> None:
    path = path.format(room=await mira.new_room())
    for cursor in BAD_CURSORS:
        refused(await mira.get(path, params={"cursor": cursor}), 400, "invalid_input", "cursor")


async def test_a_cursor_of_another_list_is_refused(mira: Person) -> None:
    room = await mira.new_room()
    await mira.new_room()
    await mira.ask(room)
    history = f"/chatroom/{room}/messages"
    of_rooms = (await mira.get("/chatroom", params={"limit": 1})).json()["next_cursor"]
    of_messages = (await mira.get(history, params={"limit": 1})).json()["next_cursor"]
    refused(await mira.get("/chatroom", params={"cursor": of_messages}), 400, "invalid_input", "cursor")
    refused(await mira.get(history, params={"cursor": of_rooms}), 400, "invalid_input", "cursor")


async def test_pinned_rooms_come_first_and_archived_ones_elsewhere(mira: Person, clock: Clock) -> None:
    newest, middle, oldest = await rooms(mira, clock, 3)
    etags = {(await mira.get("/chatroom")).headers["etag"]}
    for room, change, expected in (
        (oldest, {"pinned": True}, [oldest, newest, middle]),
        (newest, {"archived": True}, [oldest, middle]),
        (oldest, {"pinned": False, "archived": False}, [middle, oldest]),
        (newest, {"archived": False}, [newest, middle, oldest]),
        (middle, {"pinned": True, "archived": True}, [newest, oldest]),
    ):
        changed = await mira.patch(f"/chatroom/{room}", json=change)
        assert changed.status_code == 200
        assert changed.json().items() >= change.items()
        answer = await mira.get("/chatroom")
        assert answer.headers["cache-status"] == "parley; fwd=miss"
        assert [each["id"] for each in answer.json()["items"]] == expected
        etags.add(answer.headers["etag"])
    assert len(etags) >= 5
    assert await page(mira, archived="true") == ([middle], None)
    assert (await mira.get(f"/chatroom/{middle}")).json()["archived"] is True
    refused(await mira.patch(f"/chatroom/{middle}", json={"pinned": None}), 400, "invalid_input", "pinned")
    refused(await mira.get("/chatroom", params={"archived": "perhaps"}), 400, "invalid_input", "archived")


async def test_pages_with_pinned_rooms_join(mira: Person, clock: Clock) -> None:
    made = await rooms(mira, clock, 5)
    for room in (made[1], made[4]):
        await mira.patch(f"/chatroom/{room}", json={"pinned": True})
    expected = [made[1], made[4], made[0], made[2], made[3]]
    for limit in (1, 2, 3):
        assert [room for items in await pages(mira, limit) for room in items] == expected
