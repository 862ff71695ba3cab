"""What an operator is told about the settings of a model and its server, at start and by a check."""

import json
from pathlib import Path

import pytest

from parley.adapters.models.gemini import GeminiModel
from parley.adapters.models.offline import OfflineModel
from parley.adapters.models.openai_compatible import OpenAICompatibleModel
from parley.bootstrap.models import configured_providers
from parley.core.chat.errors import ModelFailed, ModelRefused, ModelUnavailable
from parley.settings import ConfigFile, SettingsError, read_settings
from tests.contracts.model_fixtures import KEY
from tests.contracts.model_formats import GEMINI, OPENAI, Format, connected
from tests.servers.raw_server import Answer

FORMS = pytest.mark.parametrize("form", [OPENAI, GEMINI], ids=lambda form: form.name)


def error(status: int) -> Answer:
    return Answer([b'{"error": {"message": "x"}}'], status=status)


LISTS = {
    "openai": {"data": [{"id": "one"}, {"id": "two:latest"}, 3], "object": "list"},
    "gemini": {"models": [{"name": "models/one"}, {"name": "models/two:latest"}]},
}


@FORMS
async def test_a_check_counts_the_models_that_the_provider_lists(form: Format) -> None:
    async with connected(form) as connection:
        connection.server.answers = [Answer([json.dumps(LISTS[form.name]).encode()])]
        said = await connection.subject.adapter.check(["one", "two"])
        assert connection.server.requests[0].path.partition("?")[0] == (
            "/v1/models" if form is OPENAI else "/v1beta/models"
        )
    assert said == f"{form.name} answers and lists 2 models."


CHECKS = {
    "wrong key": (error(401), "model_rejected_key", "401"),
    "no such model": (None, "model_not_found", "It lists one, two:latest."),
    "a page of HTML": (Answer([b"<!DOCTYPE html>"]), "model_rejected_request", "no JSON"),
    "down": (error(503), "model_unavailable", "503"),
    "a redirect": (
        Answer(status=301, headers={"Location": "https://a.example/"}),
        "model_rejected_request",
        "a.example",
    ),
}


@FORMS
@pytest.mark.parametrize("fault", CHECKS)
async def test_a_check_says_what_is_wrong(form: Format, fault: str) -> None:
    answer, code, cause = CHECKS[fault]
    async with connected(form) as connection:
        connection.server.answers = [answer or Answer([json.dumps(LISTS[form.name]).encode()])]
        with pytest.raises(ModelFailed) as failed:
            await connection.subject.adapter.check(["one", "three"])
    assert failed.value.code == code
    assert cause in failed.value.cause


@FORMS
async def test_a_check_of_a_server_without_a_list_is_content(form: Format) -> None:
    async with connected(form) as connection:
        connection.server.answers = [error(404)]
        assert await connection.subject.adapter.check(["one"]) == f"{form.name} answers, but lists no models."


@FORMS
async def test_a_check_of_an_unreachable_server_says_so(form: Format) -> None:
    async with connected(form) as connection:
        await connection.server.stop()
        with pytest.raises(ModelUnavailable) as failed:
            await connection.subject.adapter.check(["one"])
    assert "onnect" in failed.value.cause


ADAPTERS = pytest.mark.parametrize("adapter", [OpenAICompatibleModel, GeminiModel])


@ADAPTERS
@pytest.mark.parametrize("key", ["", "a key", "ключ", "key\n", "k\x00"])
def test_a_key_that_no_header_takes_is_refused(adapter: type, key: str) -> None:
    with pytest.raises(ValueError, match="API key"):
        adapter(api_key=key)


@ADAPTERS
@pytest.mark.parametrize("url", ["", "localhost:8000/v1", "ftp://a.example", "http://", "http://a:b/", "https://[/v1"])
def test_an_address_that_is_none_is_refused(adapter: type, url: str) -> None:
    with pytest.raises(ValueError, match="base URL"):
        adapter(api_key=KEY, base_url=url)


@ADAPTERS
@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_missing_certificates_are_named(
    adapter: type, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(name, str(tmp_path / "missing"))
    with pytest.raises(ValueError, match=f"{name} names .*missing"):
        adapter(api_key=KEY)


@ADAPTERS
def test_a_socks_proxy_is_named(adapter: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    with pytest.raises(ValueError, match="SOCKS proxy"):
        adapter(api_key=KEY)


@FORMS
async def test_certificates_that_cannot_be_read_are_one_clear_failure(
    form: Format, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(broken))
    async with connected(form) as connection:
        received = await connection.subject.answer("Hello")
    assert received.failure == (ModelRefused, "model_setup_failed")
    assert received.error.cause


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"GEMINI_API_KEY": "hunter 2"}, "GEMINI_API_KEY, GEMINI_BASE_URL: The API key"),
        ({"OPENAI_API_KEY": "hünter2"}, "OPENAI_API_KEY, OPENAI_BASE_URL: The API key"),
        ({"OPENAI_BASE_URL": "u:hunter2@a.example/v1"}, "OPENAI_API_KEY, OPENAI_BASE_URL: The base URL"),
        ({"GROQ_API_KEY": "k", "GROQ_BASE_URL": "hunter2"}, "GROQ_API_KEY, GROQ_BASE_URL: The base URL"),
    ],
)
def test_a_setting_that_no_request_could_use_is_named_without_its_value(
    environment: dict[str, str], said: str, tmp_path: Path
) -> None:
    settings = read_settings(environment, dotenv=tmp_path / ".env")
    with pytest.raises(SettingsError) as refused:
        configured_providers(settings, ConfigFile())
    assert str(refused.value).startswith(said)
    assert "hunter2" not in str(refused.value)


async def test_the_offline_model_checks_itself() -> None:
    assert "no connection" in await OfflineModel(delay=0.0).check(["echo"])
