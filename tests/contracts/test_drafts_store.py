"""The contract of storing drafts: what a reply has while it is written and its stream is interrupted."""

from parley.core.chat.model import Claim, Status
from parley.core.chat.parts import Part, PartKind
from tests.contracts.chat_fixtures import Store, every_store

store = every_store

PARTS = (Part(PartKind.TEXT, "An "), Part(PartKind.REASONING, "Hm."), Part(PartKind.TEXT, "answer 🙂"))


async def draft(store: Store, claim: Claim, parts: tuple[Part, ...]) -> bool:
    return await store.do(lambda unit: unit.replies.store_draft(claim, parts))


async def test_a_draft_is_the_content_of_a_reply_that_is_being_written(store: Store):
    reply = await store.new_reply()
    claim = await store.claim(reply)
    for parts in (PARTS[:1], PARTS):
        assert await draft(store, claim, parts)
        found = await store.message(reply, claim.account_id)
        assert (found.status, found.attempt, found.parts) == (Status.GENERATING, 1, parts)
        assert found.content == "".join(part.text for part in parts if part.kind is PartKind.TEXT)


async def test_an_overtaken_claim_stores_nothing(store: Store):
    reply = await store.new_reply()
    overtaken = await store.claim(reply, lease=0)
    claim = await store.claim(reply)
    assert not await draft(store, overtaken, PARTS)
    assert (await store.message(reply, claim.account_id)).content == ""


async def test_an_ended_reply_takes_no_draft(store: Store):
    reply = await store.new_reply()
    claim = await store.claim(reply)
    await store.end(claim)
    ended = await store.message(reply, claim.account_id)
    assert not await draft(store, claim, PARTS)
    assert await store.message(reply, claim.account_id) == ended


async def test_the_next_claim_removes_the_draft(store: Store):
    reply = await store.new_reply()
    claim = await store.claim(reply, lease=0)
    await draft(store, claim, PARTS)
    await store.claim(reply)
    found = await store.message(reply, claim.account_id)
    assert (found.attempt, found.content, found.parts) == (2, "", ())


async def test_the_next_claim_keeps_the_draft_of_a_reply_that_is_to_stop(store: Store):
    reply = await store.new_reply()
    claim = await store.claim(reply, lease=0)
    await draft(store, claim, PARTS)
    await store.do(lambda unit: unit.replies.request_stop(reply.id))
    assert (await store.claim(reply)).stop_requested
    found = await store.message(reply, claim.account_id)
    assert (found.attempt, found.parts) == (2, PARTS)
