"""The contract of the search index: what every store finds, in which order, and what it must not find."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from parley.core.chat.given_messages import add_messages
from parley.core.chat.message_request import GivenMessage
from parley.core.chat.model import Ending, Role, Room, Status
from parley.core.chat.parts import Part, PartKind
from parley.core.chat.rooms import change_room, delete_room
from parley.core.chat.search import FoundPage, SearchCursor, index_waiting, search
from parley.core.chat.search_store import RANKED, IndexedText
from parley.core.chat.search_terms import terms_of
from parley.core.chat.stop_reply import stop_reply
from parley.core.errors import InvalidInput
from tests.contracts.chat_fixtures import MANY, NOW, Store, every_store
from tests.contracts.tree_fixtures import new_tree

store = every_store


async def find(
    store: Store, account_id: UUID, query: str, *, after: SearchCursor | None = None, limit: int = 50
) -> FoundPage:
    return await search(store.chat_ports(), account_id=account_id, query=query, after=after, limit=limit)


async def found(store: Store, account_id: UUID, query: str) -> list[str]:
    """The whole texts that were found, best first."""
    page = await find(store, account_id, query)
    return [item.room.name if item.message is None else item.message.content for item in page.items]


async def written(store: Store, *contents: str, room: Room | None = None) -> Room:
    """A room with messages of the account, whose replies have not ended."""
    room = room or await store.new_room()
    for content in contents:
        await store.new_exchange(room, content=content)
    return room


async def test_a_message_that_is_deleted_while_it_is_indexed_is_not_found(store: Store) -> None:
    tree = await new_tree(store)
    question, last = await add_messages(
        store.chat_ports(limit=MANY),
        account_id=tree.room.account_id,
        room_id=tree.room.id,
        messages=[GivenMessage(Role.USER, "Where is it?"), GivenMessage(Role.USER, "Nowhere")],
    )
    assert question.content == "Where is it?"
    async with store.chat_ports().uow() as unit:
        waiting = await unit.search.waiting(None, limit=100)
        await unit.search.add([IndexedText(each, tuple(terms_of(each.text))) for each in waiting])
        deleting = asyncio.create_task(tree.remove(last))
        # It waits for the index, or is done too early.
        await asyncio.wait([deleting], timeout=0.2)
        await unit.commit()
    await deleting
    assert await found(store, tree.room.account_id, "nowhere") == []
    assert await found(store, tree.room.account_id, "where") == ["Where is it?"]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Where is it warm in May?", "WARM"),
        ("Where is it warm in May?", "may where"),
        ("Where is it warm in May?", "wa"),
        ("Ein Café in der Straße", "cafe STRASSE"),
        ("Ein Cafe\u0301", "café"),
        ("Cafe", "Café"),
        ("ŁÓDŹ i Kraków", "lodz krakow"),
        ("ΟΔΥΣΣΕΎΣ", "οδυσσευς"),
        ("Привет, МИР", "мир прив"),
        ("हिन्दी में लिखो", "हिन्दी"),
        ("한국어를 배우자", "한국어"),
        ("我们在上海学习机器人技术", "上海"),
        ("我们在上海学习机器人技术", "机器人"),
        ("我们在上海学习机器人技术", "术"),
        ("機械学習のモデル", "学習"),
        ("東京タワーへ行きたい", "タワー"),
        ("ผมอยากไปเชียงใหม่พรุ่งนี้", "เชียงใหม่"),
        ("用iPhone手机拍照", "iphone 手机"),
        ("\uff49\uff30\uff48\uff4f\uff4e\uff45", "iphone"),
        ("Call parse_tree(node_id)", "node"),
        ("It's 50% off", "it's 50%"),
        ("Party 🎉 now", "🎉"),
        ("a" * 3_000, "a" * 200),
        ("x" * 31_900 + " the end", "end"),
    ],
)
async def test_words_are_found_by_case_accents_and_beginning_in_every_script(store, text, query):
    room = await written(store, text)
    assert await found(store, room.account_id, query) == [text]


@pytest.mark.parametrize(
    "query",
    [
        "arm", "warm cold", "warmer", "上学", "?", "...", " ", "\u200b", "%", "*", "''", '"', "\\", "()", ":", "🎉",
        "x:*", "warm <-> cold", "NOT warm", "NEAR(warm may)", "terms: warm", "warm^2", "{}", "'",
        "' OR 1=1 --", "\N{COMBINING ACUTE ACCENT}",
    ],
)  # fmt: skip
async def test_what_is_no_match_is_not_found_and_no_character_is_an_operator(store, query):
    room = await written(store, "It is warm in May", "上海 学习")
    assert await found(store, room.account_id, query) == []


@pytest.mark.parametrize(
    "query", ["warm*", "-warm", '"warm"', "warm:", "(warm", "warm'", "wa\\", "+warm", "{}warm", "warm & !may"]
)
async def test_special_characters_beside_a_word_do_not_matter(store, query):
    room = await written(store, "It is warm in May")
    assert await found(store, room.account_id, query) == ["It is warm in May"]


@pytest.mark.parametrize("query", ["", "x" * 201, "a\x00b"])
async def test_query_that_is_refused(store, query):
    with pytest.raises(InvalidInput):
        await find(store, await store.new_account(), query)


async def test_only_the_accounts_own_texts_are_found(store):
    mine = await written(store, "A secret holiday", room=await store.new_room(name="Secret room"))
    other = await store.new_account()

    assert await found(store, other, "secret") == []
    assert sorted(await found(store, mine.account_id, "secret")) == ["A secret holiday", "Secret room"]
    assert await found(store, other, "secret") == []


async def test_replies_are_found_when_they_have_ended_and_by_their_text_alone(store):
    room = await store.new_room()
    reply = await store.new_reply(room)
    assert await found(store, room.account_id, "crete") == []

    parts = (Part(PartKind.REASONING, "Perhaps Malta."), Part(PartKind.TEXT, "Crete is warm."))
    await store.end(await store.claim(reply), Ending(Status.COMPLETED, "Crete is warm.", NOW, parts=parts))

    assert await found(store, room.account_id, "crete") == ["Crete is warm."]
    assert await found(store, room.account_id, "malta") == []


async def test_stopped_and_failed_replies_are_found_by_what_they_have(store):
    room = await store.new_room()
    failed = await store.new_reply(room)
    await store.end(await store.claim(failed), Ending(Status.FAILED, "A broken sentence", NOW))
    stopped = await store.new_reply(room)
    await stop_reply(store.chat_ports(), account_id=room.account_id, room_id=room.id, reply_id=stopped.id)

    assert await found(store, room.account_id, "broken") == ["A broken sentence"]


async def test_rooms_are_found_by_the_name_that_they_have_now(store):
    room = await store.new_room(name="Holiday plans")
    assert await found(store, room.account_id, "holi") == ["Holiday plans"]

    await change_room(
        store.chat_ports(), account_id=room.account_id, room_id=room.id, changes={"name": "Winter in Crete"}
    )
    assert await found(store, room.account_id, "holiday") == []
    assert await found(store, room.account_id, "crete") == ["Winter in Crete"]

    await change_room(store.chat_ports(), account_id=room.account_id, room_id=room.id, changes={"name": "..."})
    assert await found(store, room.account_id, "crete") == []


async def test_nothing_is_found_of_a_deleted_room(store):
    room = await written(store, "A warm island", room=await store.new_room(name="Warm places"))
    other = await written(store, "A warm sea", room=await store.new_room(room.account_id))
    assert len(await found(store, room.account_id, "warm")) == 3
    # One that is not indexed yet.
    await written(store, "A warm beach", room=room)

    await delete_room(store.chat_ports(), account_id=room.account_id, room_id=room.id)

    assert await found(store, other.account_id, "warm") == ["A warm sea"]
    assert await index_waiting(store.chat_ports()) == 0
    assert not await store.see(lambda unit: unit.search.is_behind(None))


async def test_the_account_that_is_erased_leaves_nothing_in_the_index(store):
    room = await written(store, "A warm island")
    await found(store, room.account_id, "warm")
    await written(store, "A warm beach", room=room)
    async with store.accounts() as unit:
        await unit.account_erasure.lock(room.account_id)
        await unit.account_erasure.erase(room.account_id)
        await unit.accounts.remove(room.account_id)
        await unit.commit()

    assert await found(store, room.account_id, "warm") == []
    assert not await store.see(lambda unit: unit.search.is_behind(None))


async def test_the_best_come_first(store):
    account_id = await store.new_account()
    room = await store.new_room(account_id)
    once = "One island " + "and other words of no interest at all " * 5
    often = "island after island, and then one more island"
    short = "An island"
    await written(store, once, short, often, room=room)
    await store.new_room(account_id, name="Island with a name that is rather long for a room")

    names, *texts = await found(store, account_id, "island")
    assert names.startswith("Island with a name")
    assert texts.index(often) < texts.index(once)
    assert texts.index(short) < texts.index(once)


async def test_of_equal_matches_the_latest_comes_first(store):
    room = await store.new_room()
    for number in range(5):
        await written(store, f"An island {number}", room=room)
        await index_waiting(store.chat_ports())
    assert await found(store, room.account_id, "island") == [f"An island {number}" for number in (4, 3, 2, 1, 0)]


async def test_pages_join_without_gap_or_repetition_while_more_is_written(store):
    room = await store.new_room()
    for number in range(7):
        await written(store, f"An island {number}", room=room)
        await index_waiting(store.chat_ports())
    expected = await found(store, room.account_id, "island")
    for size in range(1, 9):
        walked, after = [], None
        while True:
            page = await find(store, room.account_id, "island", after=after, limit=size)
            assert len(page.items) <= size
            walked += [item.message.content for item in page.items if item.message is not None]
            after = page.next_cursor
            if after is None:
                break
            await written(store, "A later isle", room=room)
            await index_waiting(store.chat_ports())
        assert walked == expected


async def test_of_many_matches_the_newest_are_found(store):
    room = await store.new_room()
    older = await written(store, "old island", room=room)
    await index_waiting(store.chat_ports())
    await written(store, *(f"new island {number}" for number in range(RANKED)), room=room)
    while await index_waiting(store.chat_ports()):
        pass

    names, after = [], None
    while True:
        page = await find(store, older.account_id, "island", after=after, limit=100)
        names += [item.message.content for item in page.items if item.message is not None]
        after = page.next_cursor
        if after is None:
            break
    assert sorted(names) == sorted(f"new island {number}" for number in range(RANKED))
    # Few texts have one of these words; then many have both.
    assert await found(store, older.account_id, "island old") == ["old island"]
    assert len(await found(store, older.account_id, "new island")) == 50


async def test_indexing_at_once_indexes_each_text_once(store):
    rooms = [await written(store, *(f"island {number}" for number in range(20))) for _ in range(3)]
    ports = [replace(store.chat_ports(), worker_id=UUID(int=number)) for number in range(4)]

    async def look(room: Room) -> Sequence[str]:
        return await found(store, room.account_id, "island")

    async with asyncio.timeout(60):
        await asyncio.gather(*(index_waiting(chat) for chat in ports), *(look(room) for room in rooms * 2))
        while await index_waiting(ports[0]):
            pass
    for room in rooms:
        assert sorted(await look(room)) == sorted(f"island {number}" for number in range(20))


async def test_search_shows_the_passage_and_where_the_words_are(store):
    room = await written(store, "One line.\n" + "Many words " * 30 + "before the Café, \n and " + "more words " * 30)
    item = (await find(store, room.account_id, "cafe more")).items[0]

    text, highlights = item.snippet.text, item.snippet.highlights
    assert len(text) <= 202
    assert "\n" not in text
    assert text[0] == text[-1] == "…"
    assert [text[start:end] for start, end in highlights][:2] == ["Café", "more"]
    assert item.room == await store.see(lambda unit: unit.rooms.get(room.id, room.account_id))
