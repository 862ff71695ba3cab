"""The content of messages."""

import json

import pytest

from tests.http.answers import refused
from tests.http.site import Person, Site, address

JSON = {"Content-Type": "application/json"}


CONTENTS = [
    "x",
    "😀",
    "x" * 32_000,
    "😀" * 32_000,
    " \n\t.",
    "\x01\x1b\x7f\u2028\ufeff\uffffx",
    "e\u0301 \u202e right \u2066 to left",
    "'; DROP TABLE messages; -- %s {} \\",
]


async def test_content_of_1_to_32_000_characters_is_stored_unchanged(mira: Person, subtests: pytest.Subtests) -> None:
    room = await mira.new_room()
    for content in CONTENTS:
        with subtests.test(content=content[:40]):
            accepted = await mira.ask(room, content)
            assert accepted["message"]["content"] == content
            assert (await mira.get(address(accepted["message"]))).json()["content"] == content


WRONG = [
    ({"content": ""}, "content"),
    ({"content": "x" * 32_001}, "content"),
    ({"content": "😀" * 32_001}, "content"),
    ({"content": " \n\t"}, "content"),
    ({"content": "\u3164\u2800\ufeff\x01"}, "content"),
    ({"content": "a\x00b"}, "content"),
    ({"content": None}, "content"),
    ({"content": 7}, "content"),
    ({"content": True}, "content"),
    ({"content": ["x"]}, "content"),
    ({"content": {"text": "x"}}, "content"),
    ({}, "content"),
    ({"model": "scripted/one"}, "content"),
    ({"content": "x", "model": 7}, "model"),
    ({"content": "x", "model": "x" * 201}, "model"),
    ({"content": "x", "role": "assistant"}, "role"),
    ({"content": "x", "Content": "y"}, "Content"),
    ({"content": "x", "": "y"}, ""),
]


async def test_an_invalid_field_is_named_and_not_posted(site: Site, mira: Person, subtests: pytest.Subtests) -> None:
    for body, field in WRONG:
        with subtests.test(body=str(body)[:60]):
            room = await mira.new_room()
            before = await site.rows()
            problem = refused(await mira.post(f"/chatroom/{room}/message", json=body), 400, "invalid_input", field)
            assert field in problem["detail"]
            assert await site.rows() == before


HALF_CHARACTERS = [
    b'{"content": "\\ud800"}',
    b'{"content": "a\\udfff b"}',
    b'{"content": "\\ud83d\\u0041"}',
    b'{"content": "x", "model": "\\ud800"}',
    b'{"content": "x", "\\ud800": 1}',
    b'{"content": "\xed\xa0\x80"}',
    b'{"content": "\xff"}',
    b'{"\xff": "x"}',
    b'{"content": "\xc3"}',
    b'{"content": "\xf4\x90\x80\x80"}',
    b'{"content": "\xc0\x80"}',
]


async def test_an_unpaired_surrogate_is_malformed_and_nothing_is_posted(
    site: Site, mira: Person, subtests: pytest.Subtests
) -> None:
    for body in HALF_CHARACTERS:
        with subtests.test(body=body[:25]):
            room = await mira.new_room()
            before = await site.rows()
            refused(await mira.post(f"/chatroom/{room}/message", content=body, headers=JSON), 400, "malformed_json")
            assert await site.rows() == before


async def test_an_escaped_surrogate_pair_is_one_character(mira: Person) -> None:
    room = await mira.new_room()
    body = json.dumps({"content": "😀"}, ensure_ascii=True)
    assert "\\ud83d" in body
    answer = await mira.post(f"/chatroom/{room}/message", content=body, headers=JSON)
    assert answer.json()["message"]["content"] == "😀"


async def test_32_000_escaped_characters_are_within_the_limit(mira: Person) -> None:
    room = await mira.new_room()
    body = '{"content": "' + "\\ud83d\\ude00" * 32_000 + '"}'
    answer = await mira.post(f"/chatroom/{room}/message", content=body, headers=JSON)
    assert answer.status_code == 202
