"""How model servers differ: what they refuse, what they are sent, and what the operator is told about them."""

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from parley.adapters.models.offline import THINK, OfflineModel
from parley.core.chat.errors import ContextTooLong, ModelRefused, ModelUnavailable
from parley.core.chat.language_model import Finished, Reasoning, Text
from parley.core.chat.model import Role, Turn
from tests.contracts.model_fixtures import KEY, Received, Subject, read_reply
from tests.contracts.model_formats import GEMINI, OPENAI, Connection, Format, connected, events
from tests.servers.raw_server import Answer, RawServer

FORMS = pytest.mark.parametrize("form", [OPENAI, GEMINI], ids=lambda form: form.name)
SECRET = "words of a conversation"


def refusal(message: str, code: int = 400, **fields: Any) -> Answer:
    return Answer([json.dumps({"error": {"message": message} | fields}).encode()], status=code)


def hello(form: Format) -> Answer:
    return Answer([events(form.text("Hello"), form.end(form.stopped))])


async def ask(connection: Connection, *answers: Answer, model: str = "any") -> Received:
    """Ask with instructions; the server has these answers."""
    connection.server.answers = list(answers)
    return await read_reply(Subject(connection.subject.adapter, model, "").ask("Speak!", instructions="Be brief."))


TOO_LONG = {
    "OpenAI": (400, {"code": "context_length_exceeded", "message": "x"}),
    "OpenAI, a newer model": (400, {"message": "Your input exceeds the context window of this model."}),
    "vLLM": (400, {"message": "This model's maximum context length is 4096 tokens. However, you requested 5000"}),
    "llama.cpp": (400, {"code": 400, "type": "exceed_context_size_error", "message": "x"}),
    "Mistral": (
        400,
        {"message": "Prompt contains 40000 tokens, too large for model with 32768 maximum context length"},
    ),
    "Groq": (413, {"message": "Request too large for model `x` on tokens per minute (TPM): Limit 6000"}),
    "Together": (422, {"message": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097"}),
    "Gemini": (
        400,
        {
            "status": "INVALID_ARGUMENT",
            "message": "The input token count (2) exceeds the maximum number of tokens (1).",
        },
    ),
    "xAI": (400, {"message": "This model's maximum prompt length is 131072 but the request contains 537812 tokens."}),
}


@FORMS
@pytest.mark.parametrize("server", TOO_LONG)
async def test_a_conversation_that_is_too_long_is_recognised(form: Format, server: str) -> None:
    status, error = TOO_LONG[server]
    async with connected(form) as connection:
        received = await ask(connection, Answer([json.dumps({"error": error}).encode()], status=status))
    assert received.failure == (ContextTooLong, "context_too_long")


REFUSED_SYSTEM = [
    "System role not supported",
    "'system' is not one of ['user', 'assistant'] - 'messages.0.role'",
    "Developer instruction is not enabled for models/gemma-3-27b-it",
]


@FORMS
@pytest.mark.parametrize("message", REFUSED_SYSTEM)
async def test_a_refused_system_role_is_remembered_for_that_model(form: Format, message: str) -> None:
    async with connected(form) as connection:
        answers = [refusal(message), hello(form)]
        first = await ask(connection, *answers)
        second = await ask(connection, hello(form))
        other = await ask(connection, hello(form), model="another")
        bodies = [request.body for request in connection.server.requests]
    assert [received.text for received in (first, second, other)] == ["Hello"] * 3
    assert [form.instructions(body) for body in bodies] == ["Be brief.", None, None, "Be brief."]
    assert [form.first_turn(body) for body in bodies[1:3]] == ["Be brief.\n\nSpeak!"] * 2


async def test_instructions_become_a_turn_before_one_of_the_model() -> None:
    async with connected(OPENAI) as connection:
        connection.server.answers = [refusal(REFUSED_SYSTEM[0]), hello(OPENAI)]
        await read_reply(connection.subject.ask("Speak!", Turn(Role.ASSISTANT, "Hi!"), instructions="Be brief."))
        messages = connection.server.requests[-1].body["messages"]
    assert [(message["role"], message["content"]) for message in messages] == [
        ("user", "Be brief."),
        ("assistant", "Hi!"),
        ("user", "Speak!"),
    ]


@pytest.mark.parametrize("status", [400, 422])
async def test_refused_stream_options_are_remembered(status: int) -> None:
    async with connected(OPENAI) as connection:
        await ask(connection, refusal("Unrecognized request argument supplied: stream_options", status), hello(OPENAI))
        await ask(connection, hello(OPENAI))
        asked = ["stream_options" in request.body for request in connection.server.requests]
    assert asked == [True, False, False]


async def test_refused_thinking_is_remembered() -> None:
    async with connected(GEMINI) as connection:
        await ask(connection, refusal("Thinking is not enabled for models/gemini-x"), hello(GEMINI))
        await ask(connection, hello(GEMINI))
        configs = [request.body["generationConfig"] for request in connection.server.requests]
    assert configs == [{"thinkingConfig": {"include_thoughts": True}}, {}, {}]


@FORMS
async def test_a_refusal_that_lasts_is_reported_and_not_remembered(form: Format) -> None:
    async with connected(form) as connection:
        received = await ask(connection, refusal("System role not supported"))
        await ask(connection, hello(form))
        bodies = [request.body for request in connection.server.requests]
    assert received.failure == (ModelRefused, "model_rejected_request")
    assert [form.instructions(body) for body in bodies] == ["Be brief.", None, "Be brief."]


@FORMS
@pytest.mark.parametrize("status", [200, 201, 206])
async def test_any_status_of_success_begins_an_answer(form: Format, status: int) -> None:
    async with connected(form) as connection:
        assert (await ask(connection, Answer(hello(form).parts, status))).text == "Hello"


@FORMS
async def test_a_redirect_is_not_followed(form: Format) -> None:
    async with connected(form) as connection:
        address = f"{connection.server.address}/elsewhere"
        with capture_logs() as logs:
            received = await ask(connection, Answer(status=307, headers={"Location": address}), hello(form))
        assert len(connection.server.requests) == 1
    assert received.failure == (ModelRefused, "model_rejected_request")
    assert address in logs[0]["cause"]


ENVIRONMENT = {
    "OPENAI_ORG_ID": "secret-1",
    "OPENAI_PROJECT_ID": "secret-2",
    "OPENAI_CUSTOM_HEADERS": "X-Secret: secret-3\nAuthorization: Bearer secret-4\nUser-Agent: secret-5\nHost: secret-6",
    "OPENAI_API_KEY": "secret-7",
    "OPENAI_ADMIN_KEY": "secret-8",
    "OPENAI_BASE_URL": "http://127.0.0.1:1/secret-9",
    "GOOGLE_API_KEY": "secret-10",
    "GEMINI_API_KEY": "secret-11",
    "GOOGLE_CLOUD_PROJECT": "secret-12",
    "GOOGLE_CLOUD_LOCATION": "secret-13",
    "GOOGLE_GENAI_USE_VERTEXAI": "true",
    "GOOGLE_GENAI_USE_ENTERPRISE": "true",
    "GOOGLE_GENAI_API_VERSION": "secret-14",
    "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:1/secret-15",
    "GOOGLE_GENAI_HTTP_CLIENT": "aiohttp",
}


@FORMS
async def test_nothing_of_the_environment_is_sent(form: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    async with connected(form) as connection:
        received = await ask(connection, hello(form))
        [request] = connection.server.requests
    assert received.text == "Hello"
    assert "secret" not in f"{request.path} {request.headers} {request.body}"
    keys = {"authorization": f"Bearer {KEY}"} if form is OPENAI else {"x-goog-api-key": KEY}
    assert {name: value for name, value in request.headers.items() if KEY in value} == keys
    assert set(request.headers) <= {
        "host", "accept", "accept-encoding", "content-type", "content-length", "user-agent", *keys,
    }  # fmt: skip


@FORMS
async def test_a_request_goes_through_the_proxy_of_the_environment(
    form: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with RawServer().running() as proxy:
        proxy.answers = [hello(form)]
        monkeypatch.setenv("http_proxy", proxy.address.replace("://", "://me:secret@"))
        model = form.open("http://models.example")
        received = await Subject(model, "any", "").answer("Hello")
        await model.close()
    assert received.text == "Hello"
    [request] = proxy.requests
    assert request.path.startswith("http://models.example/")
    assert request.headers["proxy-authorization"] == "Basic bWU6c2VjcmV0"


@FORMS
async def test_the_log_has_the_cause_and_no_word_of_the_conversation(form: Format) -> None:
    failing = [
        refusal(SECRET, 503, type="server_error", status="overloaded", param=f"messages {SECRET}"),
        Answer([events(form.text(SECRET), f'{{"error": {{"code": 500, "message": "{SECRET}"}}}}')]),
        Answer([events(form.text(SECRET), SECRET)]),
        Answer([events(form.text(SECRET))]),
    ]
    with capture_logs() as logs:
        async with connected(form) as connection:
            for answer in failing:
                headers = {"x-request-id": "req-17"}
                connection.server.answers = [Answer(answer.parts, answer.status, headers)]
                await connection.subject.answer(SECRET)
    assert SECRET not in str(logs)
    assert [log["event"] for log in logs] == ["model_failed"] * 4
    assert [log["cause"] for log in logs] == [
        "status 503, server_error, overloaded, request id req-17",
        "status 200, 500",
        "status 200, no code",
        "no finish reason and no [DONE]",
    ]


@FORMS
async def test_a_refused_connection_is_logged_with_its_address(form: Format) -> None:
    async with connected(form) as connection:
        await connection.server.stop()
        with capture_logs() as logs:
            received = await connection.subject.answer("Hello")
    assert received.failure == (ModelUnavailable, "model_unavailable")
    assert "onnect" in logs[0]["cause"]


async def test_the_offline_model_thinks_on_demand() -> None:
    received = await Subject(OfflineModel(delay=0.0), THINK, "").answer("Hello")
    assert [type(event) for event in received.events] == [Reasoning] * 11 + [Text] * 3 + [Finished]
    assert received.text == "You said: Hello"
    assert received.finished.usage.reasoning_tokens == 11
