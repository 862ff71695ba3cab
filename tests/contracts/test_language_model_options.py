"""How the options of an answer reach a model, and what becomes of those that it does not take."""

from typing import Any

import pytest

from parley.adapters.models.offline import ECHO, OfflineModel
from parley.core.chat.errors import ModelRefused
from parley.core.chat.model import Conversation, FinishReason, Role, Turn
from parley.core.chat.model_options import ModelOptions
from tests.contracts.model_fixtures import Received, read_reply
from tests.contracts.model_formats import GEMINI, OPENAI, Connection, Format, connected
from tests.contracts.test_language_model_servers import hello, refusal
from tests.servers.raw_server import Answer

ALL = ModelOptions(temperature=0.0, top_p=0.5, max_tokens=100, stop=("END", "\n\n"), seed=0)
AS_SENT = {
    OPENAI.name: {"temperature": 0.0, "top_p": 0.5, "max_tokens": 100, "stop": ["END", "\n\n"], "seed": 0},
    GEMINI.name: {"temperature": 0.0, "topP": 0.5, "maxOutputTokens": 100, "stopSequences": ["END", "\n\n"], "seed": 0},
}
FORMS = pytest.mark.parametrize("form", [OPENAI, GEMINI], ids=lambda form: form.name)


def conversation(options: ModelOptions, text: str = "Speak!") -> Conversation:
    return Conversation("Be brief.", (Turn(Role.USER, text),), options)


async def ask(connection: Connection, options: ModelOptions, *answers: Answer) -> Received:
    connection.server.answers = list(answers)
    return await read_reply(connection.subject.adapter.reply("any", conversation(options)))


def sent(connection: Connection) -> list[dict[str, Any]]:
    """The options of each request."""
    known = {*AS_SENT[OPENAI.name], *AS_SENT[GEMINI.name], "max_completion_tokens"}
    bodies = [request.body for request in connection.server.requests]
    return [
        {name: value for name, value in body.get("generationConfig", body).items() if name in known} for body in bodies
    ]


@FORMS
async def test_every_option_is_sent(form: Format) -> None:
    async with connected(form) as connection:
        assert (await ask(connection, ALL, hello(form))).text == "Hello"
        assert sent(connection) == [AS_SENT[form.name]]


@FORMS
async def test_no_option_is_sent_that_is_not_wished(form: Format) -> None:
    async with connected(form) as connection:
        await ask(connection, ModelOptions(), hello(form))
        assert sent(connection) == [{}]


REFUSED = {
    OPENAI.name: "Unsupported value: 'temperature' does not support 0.0 with this model.",
    GEMINI.name: "Unable to submit request because temperature is not supported",
}


@FORMS
async def test_a_refused_option_is_dropped_for_that_request_only(form: Format) -> None:
    async with connected(form) as connection:
        first = await ask(connection, ALL, refusal(REFUSED[form.name]), hello(form))
        second = await ask(connection, ALL, hello(form))
        without = {name: value for name, value in AS_SENT[form.name].items() if name != "temperature"}
        assert [received.text for received in (first, second)] == ["Hello"] * 2
        assert sent(connection) == [AS_SENT[form.name], without, AS_SENT[form.name]]


async def test_a_bound_has_another_name_for_models_that_reject_the_first() -> None:
    message = (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    )
    async with connected(OPENAI) as connection:
        await ask(connection, ModelOptions(max_tokens=7), refusal(message), hello(OPENAI))
        assert sent(connection) == [{"max_tokens": 7}, {"max_completion_tokens": 7}]


@FORMS
async def test_a_refusal_that_lasts_is_reported(form: Format) -> None:
    async with connected(form) as connection:
        received = await ask(connection, ALL, *[refusal(REFUSED[form.name])] * 3)
        assert received.failure == (ModelRefused, "model_rejected_request")


@pytest.mark.parametrize(
    ("options", "text", "reason"),
    [
        (ModelOptions(max_tokens=3), "You said: one ", FinishReason.LENGTH),
        (ModelOptions(max_tokens=5), "You said: one two three", FinishReason.STOP),
        (ModelOptions(stop=("nine", " two", "three")), "You said: one", FinishReason.STOP),
        (ModelOptions(temperature=1.0, seed=3), "You said: one two three", FinishReason.STOP),
    ],
)
async def test_the_offline_model_takes_bounds_and_stops(options: ModelOptions, text: str, reason: FinishReason) -> None:
    received = await read_reply(OfflineModel(0.0).reply(ECHO, conversation(options, "one two three")))
    assert (received.text, received.finished.reason) == (text, reason)
