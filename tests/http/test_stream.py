"""Streaming a reply as server-sent events, and resuming the stream."""

from itertools import pairwise
from uuid import uuid4

import httpx
import pytest

from tests.http.answers import Event, events, refused, text_of
from tests.http.conftest import OpenSite
from tests.http.open_stream import open_stream
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import Person, Site, address

# Long enough to be sent without coalescing.
LONG = "Crete, 😀 " * 60


async def watched(site: Site, mira: Person, model: ScriptedModel) -> tuple[str, list[Event]]:
    """The stream's path, and the events that a reader received while the reply was written in three chunks."""
    gates = [Gate(), Gate()]
    model.on("Where?", "Sure: ", gates[0], LONG, gates[1], LONG)
    accepted = await mira.ask(await mira.new_room(), "Where?")
    async with open_stream(site.app, accepted["stream_url"]) as stream:
        heard = [await stream.event()]
        for gate in gates:
            heard.append(await stream.event())
            gate.open()
        heard += await stream.rest()
    return f"{address(accepted['reply'])}/stream", heard


async def test_a_reader_receives_text_as_it_is_written(site: Site, mira: Person, model: ScriptedModel) -> None:
    _, heard = await watched(site, mira, model)
    assert [event.name for event in heard] == ["start", "delta", "delta", "delta", "done"]
    assert text_of(heard) == f"Sure: {LONG}{LONG}" == heard[-1].data["message"]["content"]


async def test_ids_are_the_attempt_and_a_growing_position(site: Site, mira: Person, model: ScriptedModel) -> None:
    _, heard = await watched(site, mira, model)
    places = [event.place for event in heard]
    assert {attempt for attempt, _ in places} == {1}
    assert all(earlier < later for earlier, later in pairwise(places))


@pytest.mark.parametrize("way", ["header", "parameter"])
async def test_resuming_after_any_event_causes_no_gap_or_repetition(
    site: Site, mira: Person, model: ScriptedModel, way: str
) -> None:
    path, heard = await watched(site, mira, model)
    for seen in range(len(heard)):
        resumed = await resume(mira, path, heard[seen].id, way)
        if seen == len(heard) - 1:
            assert resumed.status_code == 204
            assert resumed.content == b""
            continue
        rest = events(resumed)
        assert text_of(heard[: seen + 1]) + text_of(rest) == text_of(heard)
        assert [event.name for event in rest if event.name != "delta"] == ["done"]
        places = [event.place for event in heard[: seen + 1] + rest]
        assert places == sorted(set(places))


async def test_a_position_counts_characters_not_bytes(mira: Person, model: ScriptedModel) -> None:
    model.on("Smile", "😀é漢a")
    accepted = await mira.ask(await mira.new_room(), "Smile")
    await mira.ended(accepted["reply"])
    for place, rest in enumerate(["😀é漢a", "é漢a", "漢a", "a", ""]):
        resumed = await resume(mira, f"{address(accepted['reply'])}/stream", f"1-{place}", "header")
        assert text_of(events(resumed)) == rest


async def test_resuming_while_the_reply_is_written(site: Site, mira: Person, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("Where?", "one ", gate, "two")
    accepted = await mira.ask(await mira.new_room(), "Where?")
    await gate.reached()
    async with open_stream(site.app, f"{accepted['stream_url']}&last_event_id=1-2") as stream:
        heard = [await stream.event()]
        assert (heard[0].id, heard[0].name, heard[0].data) == ("1-4", "delta", {"text": "e "})
        gate.open()
        heard += await stream.rest()
    assert text_of(heard) == "e two"
    assert heard[-1].name == "done"


async def test_a_position_that_was_never_written_starts_at_the_beginning(mira: Person) -> None:
    accepted = await mira.ask(await mira.new_room())
    reply = await mira.ended(accepted["reply"])
    heard = events(await resume(mira, f"{address(reply)}/stream", "9-4", "header"))
    assert heard[0].name == "start"
    assert text_of(heard) == reply["content"]


async def test_a_reply_without_text_has_a_start_and_an_end(open_site: OpenSite, model: ScriptedModel) -> None:
    mira = await (await open_site(MODEL_MAX_ATTEMPTS="1")).person()
    model.on("Shh")
    accepted = await mira.ask(await mira.new_room(), "Shh")
    reply = await mira.ended(accepted["reply"])
    heard = events(await mira.get(f"{address(reply)}/stream"))
    assert [(event.id, event.name) for event in heard] == [("1-0", "start"), ("1-1", "failed")]
    assert heard[-1].data["message"]["error"]["code"] == "empty_answer"


NO_IDS = ["x", "1", "1-", "-1", "1-2-3", "-1-2", "1-1000000000", "1-2 x", "1.5-2", "1-" * 5000]


async def test_a_malformed_event_id_is_refused(mira: Person, subtests: pytest.Subtests) -> None:
    path = f"{address(await mira.hear(await mira.new_room()))}/stream"
    for wrong in NO_IDS:
        with subtests.test(wrong=wrong[:20]):
            refused(await resume(mira, path, wrong, "header"), 400, "invalid_input", "Last-Event-ID")
            refused(await resume(mira, path, wrong, "parameter"), 400, "invalid_input", "last_event_id")
    # Digits, but none of the document's pattern; a header cannot hold them.
    refused(await resume(mira, path, "١-٢", "parameter"), 400, "invalid_input", "last_event_id")  # noqa: RUF001


async def test_a_users_message_has_no_stream(mira: Person) -> None:
    accepted = await mira.ask(await mira.new_room())
    refused(await mira.get(f"{address(accepted['message'])}/stream"), 404, "not_a_reply")


async def test_an_unknown_message_has_no_stream(mira: Person) -> None:
    room = await mira.new_room()
    refused(await mira.get(f"/chatroom/{room}/messages/{uuid4()}/stream"), 404, "message_not_found")


async def test_the_stream_is_not_to_be_stored_or_buffered(mira: Person) -> None:
    accepted = await mira.ask(await mira.new_room())
    answer = await mira.get(accepted["stream_url"])
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-request-id"]


async def resume(mira: Person, path: str, last_id: str, way: str) -> httpx.Response:
    if way == "header":
        return await mira.get(path, headers={"Last-Event-ID": last_id})
    return await mira.get(path, params={"last_event_id": last_id})
