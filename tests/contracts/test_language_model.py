"""The contract of `LanguageModel`: for every adapter, and what those with a vendor behind them owe besides."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from parley.core.chat.errors import ModelRefused, ModelUnavailable
from parley.core.chat.language_model import ModelEvent, Text
from parley.core.chat.model import FinishReason, Role, Turn
from tests.contracts.model_fixtures import KEY, Received, Subject, Vendor, gemini, offline, openai, read_reply
from tests.servers.model_server import WORDS_OF_THE_VENDOR

VENDORS = [pytest.param(gemini, id="gemini"), pytest.param(openai, id="openai")]


@pytest.fixture(params=[pytest.param(offline, id="offline"), *VENDORS])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    async with request.param() as opened:
        yield opened


@pytest.fixture(params=VENDORS)
async def vendor(request: pytest.FixtureRequest) -> AsyncIterator[Vendor]:
    async with request.param() as opened:
        yield opened


@pytest.mark.parametrize(
    "prompt",
    [
        pytest.param("one", id="one word"),
        pytest.param("  several words,  and spaces ", id="spaces"),
        pytest.param("two\nlines\n\n\tand a tab\r\n", id="newlines"),
        pytest.param("naïve 日本語 👩‍👩‍👧 \u2028 \u0085 end", id="unicode"),
        pytest.param("word " * 6_000, id="30,000 characters"),
    ],
)
async def test_the_pieces_make_the_whole_text_and_one_finished_ends_it(subject: Subject, prompt: str) -> None:
    received = await subject.answer(prompt)
    assert received.failure is None
    assert received.text == subject.opening + prompt
    assert all(received.texts)
    assert received.finished.reason is FinishReason.STOP


async def test_usage_counts_what_was_read_and_written(subject: Subject) -> None:
    earlier = (Turn(Role.USER, "one two"), Turn(Role.ASSISTANT, "three"))
    received = await read_reply(subject.ask("four five", *earlier, instructions="six"))
    usage = received.finished.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (6, 4)


async def test_a_long_answer_comes_in_several_pieces(subject: Subject) -> None:
    assert len((await subject.answer("a b c d e f g h")).texts) > 5


async def test_parallel_replies_do_not_mix(subject: Subject) -> None:
    prompts = [f"{name} " * 50 for name in ("ant", "bee", "cat", "dog")]
    answers = await asyncio.gather(*map(subject.answer, prompts))
    assert [received.text for received in answers] == [subject.opening + prompt for prompt in prompts]


async def test_a_reply_closed_early_leaves_the_next_one_alone(subject: Subject) -> None:
    async with aclosing(subject.ask("never read to the end " * 50)) as reply:
        assert subject.opening.startswith(await _first_text(reply))
    assert (await subject.answer("the next")).text == subject.opening + "the next"


STATUSES = {
    (ModelRefused, "model_rejected_request"): (400, 402, 413, 422),
    (ModelRefused, "model_rejected_key"): (401, 403),
    (ModelRefused, "model_not_found"): (404,),
    (ModelUnavailable, "model_unavailable"): (408, 409, 500, 503, 529),
    (ModelUnavailable, "model_rate_limited"): (429,),
}


@pytest.mark.parametrize(
    ("status", "expected", "code"), [(status, *fault) for fault, statuses in STATUSES.items() for status in statuses]
)
async def test_an_error_status_is_reported_once_and_in_plain_words(
    vendor: Vendor, status: int, expected: type, code: str
) -> None:
    received = await vendor.answer(f"[[status {status}]] a secret")
    assert received.failure == (expected, code)
    assert received.error.detail == f"{vendor.label} answered with status {status}."
    assert received.error.__cause__ is not None
    assert received.texts == []
    assert len(vendor.server.requests) == 1


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        pytest.param("2", 2.0, 2.0, id="seconds"),
        pytest.param("0.25", 0.25, 0.25, id="fraction"),
        pytest.param("-3", 0.0, 0.0, id="negative"),
        pytest.param(format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True), 80_000, 86_400, id="date"),
        pytest.param(format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True), 0.0, 0.0, id="past date"),
    ],
)
async def test_the_wait_a_vendor_asks_for_is_passed_on(vendor: Vendor, header: str, least: float, most: float) -> None:
    received = await vendor.answer(f"[[status 429 retry-after {header.replace(' ', '_')}]]")
    assert received.failure == (ModelUnavailable, "model_rate_limited")
    assert least <= received.error.retry_after <= most


@pytest.mark.parametrize("header", ["soon", "nan", "inf", "Wed,_99_Oct_2030_07:28:00_GMT"])
async def test_a_wait_that_makes_no_sense_is_none(vendor: Vendor, header: str) -> None:
    received = await vendor.answer(f"[[status 429 retry-after {header}]]")
    assert received.failure == (ModelUnavailable, "model_rate_limited")
    assert received.error.retry_after is None


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_wrong_key_is_refused(vendor: Callable[..., AbstractAsyncContextManager[Vendor]]) -> None:
    async with vendor(key="not-the-key") as opened:
        received = await opened.answer("Hello")
    assert received.failure == (ModelRefused, "model_rejected_key")


@pytest.mark.parametrize(
    ("directive", "expected", "code"),
    [
        ("error-mid-stream", ModelUnavailable, "model_interrupted"),
        ("garbage", ModelUnavailable, "model_interrupted"),
        ("no-finish", ModelUnavailable, "model_interrupted"),
        ("cut", ModelUnavailable, "model_unavailable"),
    ],
)
async def test_what_came_before_a_failure_is_delivered(
    vendor: Vendor, directive: str, expected: type, code: str
) -> None:
    received = await vendor.answer(f"[[{directive}]] [[words 10]]")
    assert received.text == "word0 word1 word2 word3 word4 "
    assert received.failure == (expected, code)
    assert WORDS_OF_THE_VENDOR not in received.error.detail


async def test_a_blocked_prompt_is_refused(vendor: Vendor) -> None:
    received = await vendor.answer("[[blocked]]")
    assert received.texts == []
    assert received.failure == (ModelRefused, vendor.blocked_prompt)


async def test_an_unreachable_vendor_is_unavailable(vendor: Vendor) -> None:
    await vendor.server.stop()
    received = await vendor.answer("Hello")
    assert received.failure == (ModelUnavailable, "model_unavailable")


async def test_an_error_whose_body_is_cut_is_unavailable(vendor: Vendor) -> None:
    received = await vendor.answer("[[status 503]] [[cut]]")
    assert received.failure == (ModelUnavailable, "model_unavailable")


async def test_a_failure_leaves_the_next_reply_alone(vendor: Vendor) -> None:
    prompt = "[[first 2 cut]] again"
    answers = [await vendor.answer(prompt) for _ in range(3)]
    cut = (ModelUnavailable, "model_unavailable")
    assert [received.failure for received in answers] == [cut, cut, None]
    assert answers[-1].text == vendor.opening + prompt


@pytest.mark.parametrize(
    ("directive", "text", "reasoning", "reason"),
    [
        ("length", "word0 word1 word2 word3 ", "", FinishReason.LENGTH),
        ("thought", "word0 word1 word2 word3 ", "Hm.", FinishReason.STOP),
        ("think 3", "word0 word1 word2 word3 ", "thought0 thought1 thought2 ", FinishReason.STOP),
        ("drip 0.1", "word0 word1 word2 word3 ", "", FinishReason.STOP),
        ("blocked-answer", "word0 word1 ", "", FinishReason.CONTENT_FILTER),
    ],
)
async def test_an_answer_says_why_it_ended(
    vendor: Vendor, directive: str, text: str, reasoning: str, reason: FinishReason
) -> None:
    received = await vendor.answer(f"[[{directive}]] [[words 4]]")
    assert (received.text, received.reasoning, received.finished.reason) == (text, reasoning, reason)


@pytest.mark.parametrize(("directive", "received"), [("stall-first", ""), ("stall", "word0 word1 ")])
async def test_a_stall_ends_with_the_callers_deadline_and_the_connection(
    vendor: Vendor, directive: str, received: str
) -> None:
    received_so_far = Received()

    async def until_the_deadline() -> None:
        async with deadline, aclosing(vendor.ask(f"[[{directive}]] [[words 4]]")) as reply:
            async for event in reply:
                received_so_far.events.append(event)
                arrived.set()

    deadline = asyncio.timeout(None)
    arrived = asyncio.Event()
    reading = asyncio.create_task(until_the_deadline())
    await vendor.server.until(lambda: vendor.server.stalls == 1)
    while received_so_far.text != received:
        arrived.clear()
        await arrived.wait()
    deadline.reschedule(asyncio.get_running_loop().time())
    with pytest.raises(TimeoutError):
        await reading
    await vendor.server.until(lambda: vendor.server.disconnects == 1)


async def test_a_cancelled_reply_is_cancelled(vendor: Vendor) -> None:
    reading = asyncio.create_task(_first_text(vendor.ask("[[stall-first]]")))
    await vendor.server.until(lambda: vendor.server.stalls == 1)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await vendor.server.until(lambda: vendor.server.disconnects == 1)


async def test_closing_a_reply_drops_the_connection(vendor: Vendor) -> None:
    async with aclosing(vendor.ask("[[stall]]")) as reply:
        await _first_text(reply)
    await vendor.server.until(lambda: vendor.server.disconnects == 1, within=1.0)


@pytest.mark.parametrize("instructions", ["Be brief.", None])
async def test_what_is_sent(vendor: Vendor, instructions: str | None) -> None:
    earlier = (Turn(Role.USER, "Hello"), Turn(Role.ASSISTANT, "Hi!"), Turn(Role.USER, "¿Qué tal?"))
    await read_reply(vendor.ask("And\nnow?", *earlier, instructions=instructions))
    sent = vendor.understand(vendor.server.requests[0])
    assert sent.path == vendor.path
    assert sent.key == KEY
    assert sent.instructions == instructions
    assert sent.turns == [("user", "Hello"), (vendor.assistant, "Hi!"), ("user", "¿Qué tal?"), ("user", "And\nnow?")]


async def test_a_check_finds_the_models_that_are_listed(vendor: Vendor) -> None:
    assert await vendor.adapter.check(["local"])
    with pytest.raises(ModelRefused, match="model_not_found"):
        await vendor.adapter.check([vendor.model])


async def test_a_closed_adapter_opens_again(subject: Subject) -> None:
    await subject.answer("Hello")
    await subject.adapter.close()
    assert (await subject.answer("Hello again")).text == subject.opening + "Hello again"


async def test_google_says_the_wait_and_the_wrong_key_in_the_body() -> None:
    async with gemini() as vendor:
        limited = await vendor.answer("[[status 429 retry-delay 3.5s]]")
        wrong_key = await vendor.answer("[[status 400 reason API_KEY_INVALID]]")
    assert limited.error.retry_after == 3.5
    assert wrong_key.failure == (ModelRefused, "model_rejected_key")


def test_no_sdk_is_imported_before_the_first_reply() -> None:
    program = (
        "import sys, parley.adapters.models.gemini as g, parley.adapters.models.openai_compatible as o\n"
        "g.GeminiModel(api_key='k'), o.OpenAICompatibleModel(api_key='k')\n"
        "sys.exit(bool({'aiohttp', 'google.genai', 'httpx2', 'pydantic'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


async def _first_text(reply: AsyncGenerator[ModelEvent, None]) -> str:
    while not isinstance(event := await anext(reply), Text):
        pass
    return event.text
