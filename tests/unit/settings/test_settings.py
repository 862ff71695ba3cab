"""Reading settings from the environment, and the messages about mistakes."""

import re
from typing import Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest

from parley.settings import SECRETS, Settings, SettingsError
from tests.unit.settings.given import MAIL, PRODUCTION, SECRET, SMS, WEBHOOKS

FIELDS = {field.name: field.default for field in msgspec.structs.fields(Settings)}
TYPES = get_type_hints(Settings)
NUMBERS = [name for name, kind in TYPES.items() if kind in {int, float}]
CHOICES = [name for name, kind in TYPES.items() if get_origin(kind) is Literal]
LISTS = [name for name, kind in TYPES.items() if kind == tuple[str, ...]]
SWITCHES = [name for name, kind in TYPES.items() if kind is bool]
CHOICE_LISTS = [name for name, kind in TYPES.items() if get_origin(kind) is tuple and name not in LISTS]


def test_every_setting_has_a_default(read):
    assert read() == Settings()


def test_every_kind_of_field_is_tested():
    words = [name for name, kind in TYPES.items() if kind is str]
    assert set(TYPES) == {*NUMBERS, *CHOICES, *LISTS, *CHOICE_LISTS, *words, *SWITCHES}
    assert CHOICE_LISTS == ["allow_plain_connections", "otp_sender", "human_check", "webhook_events"]
    assert min(map(len, (NUMBERS, CHOICES, LISTS))) > 2


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["hunter2", "-1", "inf", "-inf", "nan", "1e30", "9" * 30, "1,5", "true", "0x10"])
def test_an_invalid_number_is_refused(refused, name, value):
    message = refused(**{name.upper(): value})

    assert message.startswith(f"{name.upper()}: ")
    assert value not in message


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("value", ["hunter2", "DEVELOPMENT", "json\nconsole"])
def test_an_unknown_choice_is_refused_with_the_valid_choices(refused, name, value):
    message = refused(**{name.upper(): value})

    assert message == f"{name.upper()}: choose one of {', '.join(get_args(TYPES[name]))}."


@pytest.mark.parametrize("name", CHOICES)
def test_every_choice_is_accepted(read, name):
    for choice in get_args(TYPES[name]):
        if choice != "production":
            assert getattr(read(**{name.upper(): choice}), name) == choice


@pytest.mark.parametrize("value", ["hunter2", "Email", "response,hunter2", "email sms", "email;sms"])
def test_an_unknown_sender_is_refused_with_the_valid_senders(refused, value):
    assert refused(**MAIL | SMS | {"OTP_SENDER": value}) == "OTP_SENDER: choose one of response, email, sms."


@pytest.mark.parametrize(
    ("value", "ways"),
    [
        ("response", ("response",)),
        ("email", ("email",)),
        ("sms", ("sms",)),
        (" sms , email,", ("sms", "email")),
    ],
)
def test_codes_are_sent_by_mail_or_sms_or_both(read, value, ways):
    assert read(**MAIL | SMS | {"OTP_SENDER": value}).otp_sender == ways


@pytest.mark.parametrize("environment", ["development", "production"])
@pytest.mark.parametrize("value", [",", " , ,"])
def test_an_empty_list_of_senders_is_refused(refused, value, environment):
    """Without a sender the responses would show codes."""
    assert refused(**PRODUCTION | {"ENVIRONMENT": environment, "OTP_SENDER": value}).startswith("OTP_SENDER: ")


@pytest.mark.parametrize("name", LISTS)
def test_lists_are_separated_by_commas(read, name):
    words = [f"{letter} word as long as any secret must be" for letter in "abc"]
    if name == "trusted_proxies":
        words = ["10.0.0.1", "10.1.0.0/16", "::1"]
    if name == "cors_origins":
        words = ["https://app.example", "http://localhost:3000", "https://*.example"]
    if name == "webhook_url":
        words = ["https://one.example", "https://two.example/hooks", "http://localhost:3000"]
    other = {"webhook_url": WEBHOOKS, "webhook_secret": WEBHOOKS}.get(name, {})

    assert getattr(read(**other | {name.upper(): f" {words[0]} ,{words[1]},, {words[2]},"}), name) == tuple(words)
    assert getattr(read(**{name.upper(): " "}), name) == FIELDS[name]


@pytest.mark.parametrize("proxy", ["*", "10.0.0.0/99", "proxy.example.com"])
def test_a_proxy_is_an_address_or_a_network(read, proxy):
    with pytest.raises(SettingsError, match=r"^TRUSTED_PROXIES:"):
        read(TRUSTED_PROXIES=f"10.0.0.1,{proxy}")


@pytest.mark.parametrize("name", [name.upper() for name in FIELDS if name.endswith("_models")])
def test_an_empty_list_of_models_is_refused(read, name):
    with pytest.raises(SettingsError, match=rf"^{name}:"):
        read(**{name: ","})


@pytest.mark.parametrize(
    ("values", "providers"),
    [
        ({}, ()),
        ({"GROQ_BASE_URL": "https://eu.groq.example"}, ()),
        ({"GEMINI_BASE_URL": "https://gemini.example"}, ("gemini",)),
        ({"GROQ_API_KEY": "k", "GEMINI_API_KEY": "k", "OPENAI_BASE_URL": "u"}, ("gemini", "openai", "groq")),
    ],
)
def test_a_key_or_an_address_of_ones_own_turns_a_provider_on(read, values, providers):
    assert read(**values).providers == providers


def test_every_field_that_sounds_secret_is_a_secret():
    texts = {name.upper() for name, kind in TYPES.items() if kind in {str, tuple[str, ...]}}

    assert {name for name in texts if re.search("KEY|PASSWORD|SECRET|TOKEN|CREDENTIAL", name)} <= SECRETS
    assert {"DATABASE_URL", "REDIS_URL", "SMS_WEBHOOK_URL", "JWT_SECRET", "GEMINI_API_KEY"} <= SECRETS <= texts


def test_its_representation_shows_no_secret(read):
    secret = "a secret that must never be shown"
    assert secret not in repr(
        read(
            JWT_SECRET=secret,
            OPENAI_API_KEY=secret,
            DATABASE_URL=f"postgresql://{secret}@host/db",
            SMTP_USERNAME="mira",
            SMTP_PASSWORD=secret,
            SMS_WEBHOOK_URL=f"https://gateway.example/{secret}",
            SMS_WEBHOOK_TOKEN=secret,
        )
    )


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", ["", "  ", "\n"])
def test_a_blank_value_is_the_default(read, name, value):
    assert read(**{name.upper(): value}) == Settings()


def test_white_space_around_a_value_is_ignored(read):
    settings = read(BASIC_DAILY_LIMIT=" 7 ", OPENAI_API_KEY=" a key\n", REPLY_LEASE_SECONDS="2.5")

    assert (settings.basic_daily_limit, settings.openai_api_key, settings.reply_lease_seconds) == (7, "a key", 2.5)


def test_other_variables_of_the_environment_are_ignored(read):
    assert read(PATH="/bin", PARLEY="?", SECRETS="x", basic_daily_limit="many") == Settings()


def test_environment_wins_over_the_file(read, folder):
    (folder / ".env").write_text(
        "# a comment\nBASIC_DAILY_LIMIT=7\nexport LOG_LEVEL='DEBUG'\nMAX_PENDING_REPLIES\nOTHER=1\n", encoding="utf-8"
    )

    settings = read(BASIC_DAILY_LIMIT="8")
    assert (settings.basic_daily_limit, settings.log_level, settings.max_pending_replies) == (8, "DEBUG", 20)
    # An empty variable means the default, not the value in the file.
    assert read(LOG_LEVEL="").log_level == "INFO"


def test_a_file_that_is_not_text_is_refused_in_one_line(refused, folder):
    (folder / ".env").write_bytes(b"BASIC_DAILY_LIMIT=\xff\xfe\n")

    assert refused() == ".env: the file cannot be read as text."


@pytest.mark.parametrize("name", sorted(SECRETS - {"REDIS_URL"}))
def test_a_secret_may_come_from_a_file(read, folder, name):
    value = {"DATABASE_URL": "sqlite:///other.db"}.get(name, WEBHOOKS.get(name, SECRET))
    beside = {"STRIPE_PRICE_ID": "price_pro"} if name == "STRIPE_SECRET_KEY" else {}
    beside |= {other: given for other, given in WEBHOOKS.items() if name in WEBHOOKS and other != name}
    (folder / "secret").write_text(f"{value}\n", encoding="utf-8")

    settings = read(**{f"{name}_FILE": str(folder / "secret")}, **beside)
    assert getattr(settings, name.lower()) in {value, (value,)}


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_must_not_be_set_twice(refused, folder, name):
    (folder / "secret").write_text(SECRET, encoding="utf-8")

    message = refused(**{name: "hunter2", f"{name}_FILE": str(folder / "secret")})
    assert message == f"{name} and {name}_FILE are both set: keep one."


@pytest.mark.parametrize("name", sorted(SECRETS))
@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["missing", "no text"])
def test_the_file_of_a_secret_that_cannot_be_read_is_named(refused, folder, name, content):
    file = folder / "hunter2"
    if content:
        file.write_bytes(content)

    assert refused(**{f"{name}_FILE": str(file)}) == f"{name}_FILE: the file it names cannot be read as text."


def test_a_secret_from_a_file_is_checked_like_any(refused, folder):
    (folder / "secret").write_text("hunter2", encoding="utf-8")

    message = refused(JWT_SECRET_FILE=str(folder / "secret"))
    assert message.startswith("JWT_SECRET: ")
    assert "hunter2" not in message


def test_a_file_is_read_for_secrets_only(read, folder):
    (folder / "limit").write_text("7", encoding="utf-8")

    assert read(BASIC_DAILY_LIMIT_FILE=str(folder / "limit")) == Settings()


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize(("value", "on"), [("1", True), ("0", False), ("true", True), ("", False)])
def test_a_switch_is_1_or_0(read, name, value, on):
    assert getattr(read(**{name.upper(): value}), name) is on
