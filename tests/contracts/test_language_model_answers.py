"""What model servers answer, and what becomes of it: one body for both formats."""

import json
from typing import Any

import pytest

from parley.core.chat.tokens import TokenUsage
from tests.contracts.model_answers import COMMON, GEMINI_ONLY, HELLO, OPENAI_ONLY, RATE_LIMITED, Kind
from tests.contracts.model_formats import GEMINI, OPENAI, Format, connected, events

CASES = [
    pytest.param(form, kind, id=f"{form.name}-{name}")
    for form, own in ((OPENAI, OPENAI_ONLY), (GEMINI, GEMINI_ONLY))
    for name, kind in (COMMON | own).items()
]


@pytest.mark.parametrize(("form", "kind"), CASES)
async def test_an_answer_of_every_kind(form: Format, kind: Kind) -> None:
    async with connected(form) as connection:
        received = await connection.receive(kind.sent(form))
        assert (received.text, received.reasoning) == (kind.text, kind.reasoning)
        assert (received.failure or received.finished.reason) == kind.end
        # Whatever came, the next answer is read.
        assert (await connection.receive(events(form.text("Next"), form.end(form.stopped)))).text == "Next"


FORMS = pytest.mark.parametrize("form", [OPENAI, GEMINI], ids=lambda form: form.name)


@FORMS
@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        pytest.param((3, 4), TokenUsage(3, 4), id="two"),
        pytest.param((9, 8, 5, 6), TokenUsage(9, 8, 5, 6), id="four"),
        pytest.param((0, 0, 0, 0), TokenUsage(0, 0, 0, 0), id="nothing"),
        pytest.param((3, None), TokenUsage(3, None), id="one"),
        pytest.param((None, None), None, id="none"),
        pytest.param((-1, 4), TokenUsage(None, 4), id="negative"),
        pytest.param((2**31, 4), TokenUsage(None, 4), id="more than can be stored"),
        pytest.param(("many", 4), TokenUsage(None, 4), id="a word"),
        pytest.param(([1], 4), TokenUsage(None, 4), id="a list"),
        pytest.param((4.5, 4), TokenUsage(None, 4), id="a half"),
        pytest.param(("3", 4), TokenUsage(3, 4), id="a number in a string"),
        pytest.param((3.0, 4), TokenUsage(3, 4), id="a float"),
    ],
)
async def test_counts_that_can_be_believed_are_told(
    form: Format, counts: tuple[Any, ...], usage: TokenUsage | None
) -> None:
    async with connected(form) as connection:
        received = await connection.receive(events(form.text("Hello"), form.counts(*counts), form.end(form.stopped)))
    assert received.failure is None
    assert received.finished.usage == usage


@pytest.mark.parametrize(
    ("chunk", "usage"),
    [
        pytest.param({"x_groq": {"usage": {"prompt_tokens": 1, "completion_tokens": 2}}}, (1, 2), id="Groq"),
        pytest.param({"choices": [{"usage": {"prompt_tokens": 1, "completion_tokens": 2}}]}, (1, 2), id="Moonshot"),
        pytest.param({"usage": {"prompt_tokens": 3, "prompt_cache_hit_tokens": 2}}, (3, None, 2), id="DeepSeek"),
    ],
)
async def test_counts_are_found_where_servers_put_them(chunk: dict[str, Any], usage: tuple[int | None, ...]) -> None:
    async with connected(OPENAI) as connection:
        received = await connection.receive(events(HELLO, json.dumps(chunk), '{"usage": {}}', OPENAI.end("stop")))
    assert received.finished.usage == TokenUsage(*usage)


@FORMS
@pytest.mark.parametrize("failing", ['{"error": {"code": 429}}', '{"error": {"code": 401}}', '{"error": "x"}', "{"])
async def test_a_failed_answer_says_what_it_cost(form: Format, failing: str) -> None:
    async with connected(form) as connection:
        received = await connection.receive(events(form.text("Hello"), form.counts(3, 4), failing))
    assert received.error.usage == TokenUsage(3, 4)


@FORMS
async def test_the_wait_in_an_answer_is_passed_on(form: Format) -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7.5s"}]
    async with connected(form) as connection:
        received = await connection.receive(events(json.dumps({"error": {"code": 429, "details": details}})))
    assert (received.failure, received.error.retry_after) == (RATE_LIMITED, 7.5)
