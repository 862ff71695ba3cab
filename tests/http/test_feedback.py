"""Feedback on replies."""

from typing import Any

import pytest

from tests.http.answers import refused
from tests.http.site import Person, address

GOOD = {"rating": "up", "comment": "Short and right. 👍"}


async def test_feedback_is_shown_changed_and_removed(mira: Person) -> None:
    room = await mira.new_room()
    reply = await mira.hear(room)
    assert reply["feedback"] is None

    given = await mira.put(f"{address(reply)}/feedback", json=GOOD)
    assert given.status_code == 200
    assert given.json() == reply | {"feedback": GOOD}
    assert (await mira.get(address(reply))).json() == given.json()
    assert (await mira.get(f"/chatroom/{room}/messages")).json()["items"][-1] == given.json()
    [exported] = (await mira.get("/user/me/export")).json()["chatrooms"]
    assert exported["messages"][-1]["feedback"] == GOOD

    changed = await mira.put(f"{address(reply)}/feedback", json={"rating": "down"})
    assert changed.json()["feedback"] == {"rating": "down", "comment": None}

    for _ in range(2):
        removed = await mira.delete(f"{address(reply)}/feedback")
        assert removed.status_code == 204
        assert (await mira.get(address(reply))).json() == reply


async def test_ratings_are_counted_by_model(mira: Person) -> None:
    reply = await mira.hear(await mira.new_room())
    for rating in ("up", "up", "down"):
        assert (await mira.put(f"{address(reply)}/feedback", json={"rating": rating})).status_code == 200
    metrics = (await mira.get("/metrics")).text
    model = reply["model"]
    assert f'parley_reply_feedback_total{{model="{model}",rating="up"}} 1.0' in metrics
    assert f'parley_reply_feedback_total{{model="{model}",rating="down"}} 1.0' in metrics


async def test_a_repeated_request_is_answered_as_before_feedback(mira: Person) -> None:
    room = await mira.new_room()
    first = await mira.say(room, key="once")
    reply = await mira.ended(first.json()["reply"])
    await mira.put(f"{address(reply)}/feedback", json=GOOD)
    assert (await mira.say(room, key="once")).json() == first.json()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "rating"),
        ({"rating": "meh"}, "rating"),
        ({"rating": None}, "rating"),
        ({"rating": "up", "comment": ""}, "comment"),
        ({"rating": "up", "comment": "x" * 2_001}, "comment"),
        ({"rating": "up", "comment": "\x00"}, "comment"),
        ({"rating": "up", "score": 1}, "score"),
    ],
)
async def test_wrong_feedback_is_refused(mira: Person, body: dict[str, Any], field: str) -> None:
    reply = await mira.hear(await mira.new_room())
    refused(await mira.put(f"{address(reply)}/feedback", json=body), 400, "invalid_input", field)
    assert (await mira.get(address(reply))).json()["feedback"] is None


async def test_a_message_of_a_user_cannot_be_rated(mira: Person) -> None:
    message = (await mira.ask(await mira.new_room()))["message"]
    refused(await mira.put(f"{address(message)}/feedback", json=GOOD), 404, "not_a_reply")
    refused(await mira.delete(f"{address(message)}/feedback"), 404, "not_a_reply")
