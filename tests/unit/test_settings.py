"""Reading the environment: what an operator may set, and what is said about a slip."""

import re
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest

from parley.settings import SECRETS, Settings, SettingsError, read_settings

SECRET = "a secret of at least thirty-two bytes"
FIELDS = {field.name: field.default for field in msgspec.structs.fields(Settings)}
TYPES = get_type_hints(Settings)
NUMBERS = [name for name, kind in TYPES.items() if kind in {int, float}]
CHOICES = [name for name, kind in TYPES.items() if get_origin(kind) is Literal]
LISTS = [name for name, kind in TYPES.items() if kind == tuple[str, ...]]
CHOICE_LISTS = [name for name, kind in TYPES.items() if get_origin(kind) is tuple and name not in LISTS]
PRODUCTION = {
    "ENVIRONMENT": "production",
    "JWT_SECRET": SECRET,
    "OPENAI_API_KEY": "a key",
    "CORS_ORIGINS": "https://example.com",
}
POSTGRES = {"DATABASE_URL": "postgresql://localhost/parley"}
MAIL = {
    "OTP_SENDER": "email",
    "SMTP_SERVER": "mail.acme.example",
    "SMTP_FROM": "Acme Chat <no-reply@acme.example>",
}
SMS = {"OTP_SENDER": "sms", "SMS_WEBHOOK_URL": "https://gateway.example/messages"}


@pytest.fixture
def folder(tmp_path):
    return tmp_path


@pytest.fixture
def read(folder):
    def from_environment(**environment: str) -> Settings:
        return read_settings(environment, dotenv=folder / ".env")

    return from_environment


@pytest.fixture
def refused(read):
    def refusal(**environment: str) -> str:
        with pytest.raises(SettingsError) as error:
            read(**environment)
        said = str(error.value)
        assert "\n" not in said
        return said

    return refusal


def test_nothing_needs_to_be_set(read):
    assert read() == Settings()


def test_every_kind_of_field_is_under_test():
    words = [name for name, kind in TYPES.items() if kind is str]
    assert set(TYPES) == {*NUMBERS, *CHOICES, *LISTS, *CHOICE_LISTS, *words}
    assert CHOICE_LISTS == ["otp_sender"]
    assert min(map(len, (NUMBERS, CHOICES, LISTS))) > 2


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["hunter2", "-1", "inf", "-inf", "nan", "1e30", "9" * 30, "1,5", "true", "0x10"])
def test_number_that_is_none_or_makes_no_sense_is_refused(refused, name, value):
    said = refused(**{name.upper(): value})

    assert said.startswith(f"{name.upper()}: ")
    assert value not in said


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("value", ["hunter2", "DEVELOPMENT", "json\nconsole"])
def test_what_is_no_choice_is_refused_with_the_choices(refused, name, value):
    said = refused(**{name.upper(): value})

    assert said == f"{name.upper()}: choose one of {', '.join(get_args(TYPES[name]))}."


@pytest.mark.parametrize("name", CHOICES)
def test_every_choice_may_be_made(read, name):
    for choice in get_args(TYPES[name]):
        if choice != "production":
            assert getattr(read(**{name.upper(): choice}), name) == choice


@pytest.mark.parametrize("value", ["hunter2", "Email", "response,hunter2", "email sms", "email;sms"])
def test_what_is_no_way_to_send_codes_is_refused_with_the_ways(refused, value):
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
def test_codes_go_by_mail_or_by_text_or_both(read, value, ways):
    assert read(**MAIL | SMS | {"OTP_SENDER": value}).otp_sender == ways


@pytest.mark.parametrize("environment", ["development", "production"])
@pytest.mark.parametrize("value", [",", " , ,"])
def test_there_is_some_way_to_send_codes(refused, value, environment):
    """With none the answers would show them."""
    assert refused(**PRODUCTION | {"ENVIRONMENT": environment, "OTP_SENDER": value}).startswith("OTP_SENDER: ")


@pytest.mark.parametrize("name", LISTS)
def test_lists_are_separated_by_commas(read, name):
    words = [f"{letter} word as long as any secret must be" for letter in "abc"]
    if name == "trusted_proxies":
        words = ["10.0.0.1", "10.1.0.0/16", "::1"]

    assert getattr(read(**{name.upper(): f" {words[0]} ,{words[1]},, {words[2]},"}), name) == tuple(words)
    assert getattr(read(**{name.upper(): " "}), name) == FIELDS[name]


@pytest.mark.parametrize("proxy", ["*", "10.0.0.0/99", "proxy.example.com"])
def test_a_proxy_is_an_address_or_a_network(read, proxy):
    with pytest.raises(SettingsError, match=r"^TRUSTED_PROXIES:"):
        read(TRUSTED_PROXIES=f"10.0.0.1,{proxy}")


@pytest.mark.parametrize("name", ["GEMINI_MODELS", "OPENAI_MODELS", "GROQ_MODELS"])
def test_a_provider_offers_some_model(read, name):
    with pytest.raises(SettingsError, match=rf"^{name}:"):
        read(**{name: ","})


def test_its_representation_shows_no_secret(read):
    secret = "a secret word that nobody may read"
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
def test_blank_is_as_good_as_not_set(read, name, value):
    assert read(**{name.upper(): value}) == Settings()


def test_space_around_a_value_is_no_part_of_it(read):
    settings = read(BASIC_DAILY_LIMIT=" 7 ", OPENAI_API_KEY=" a key\n", REPLY_LEASE_SECONDS="2.5")

    assert (settings.basic_daily_limit, settings.openai_api_key, settings.reply_lease_seconds) == (7, "a key", 2.5)


def test_other_variables_of_the_environment_are_left_alone(read):
    assert read(PATH="/bin", PARLEY="?", SECRETS="x", basic_daily_limit="many") == Settings()


def test_environment_wins_over_the_file(read, folder):
    (folder / ".env").write_text(
        "# a comment\nBASIC_DAILY_LIMIT=7\nexport LOG_LEVEL='DEBUG'\nMAX_PENDING_REPLIES\nOTHER=1\n", encoding="utf-8"
    )

    settings = read(BASIC_DAILY_LIMIT="8")
    assert (settings.basic_daily_limit, settings.log_level, settings.max_pending_replies) == (8, "DEBUG", 20)
    # Set to nothing is set: the default counts, not the file.
    assert read(LOG_LEVEL="").log_level == "INFO"


def test_file_that_is_no_text_is_one_line(refused, folder):
    (folder / ".env").write_bytes(b"BASIC_DAILY_LIMIT=\xff\xfe\n")

    assert refused() == ".env: the file cannot be read as text."


@pytest.mark.parametrize("name", sorted(SECRETS - {"REDIS_URL"}))
def test_secret_may_come_from_a_file(read, folder, name):
    value = {"DATABASE_URL": "sqlite:///other.db"}.get(name, SECRET)
    (folder / "secret").write_text(f"{value}\n", encoding="utf-8")

    settings = read(**{f"{name}_FILE": str(folder / "secret")})
    assert getattr(settings, name.lower()) in {value, (value,)}


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_secret_must_not_come_from_two_places(refused, folder, name):
    (folder / "secret").write_text(SECRET, encoding="utf-8")

    said = refused(**{name: "hunter2", f"{name}_FILE": str(folder / "secret")})
    assert said == f"{name} and {name}_FILE are both set: keep one."


@pytest.mark.parametrize("name", sorted(SECRETS))
@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["missing", "no text"])
def test_file_of_a_secret_that_cannot_be_read_is_named(refused, folder, name, content):
    file = folder / "hunter2"
    if content:
        file.write_bytes(content)

    assert refused(**{f"{name}_FILE": str(file)}) == f"{name}_FILE: the file it names cannot be read as text."


def test_secret_from_a_file_is_checked_like_any(refused, folder):
    (folder / "secret").write_text("hunter2", encoding="utf-8")

    said = refused(JWT_SECRET_FILE=str(folder / "secret"))
    assert said.startswith("JWT_SECRET: ")
    assert "hunter2" not in said


def test_file_is_read_for_secrets_only(read, folder):
    (folder / "limit").write_text("7", encoding="utf-8")

    assert read(BASIC_DAILY_LIMIT_FILE=str(folder / "limit")) == Settings()


@pytest.mark.parametrize(
    ("wrong", "variable"),
    [
        pytest.param({"JWT_SECRET": "hunter2"}, "JWT_SECRET", id="short secret"),
        pytest.param({"JWT_SECRET": f"{SECRET},hunter2"}, "JWT_SECRET", id="second secret short"),
        pytest.param({"JWT_SECRET": "é" * 15 + "x"}, "JWT_SECRET", id="31 bytes"),
        pytest.param({"DATABASE_URL": "mysql://mira:hunter2@db/parley"}, "DATABASE_URL", id="another database"),
        pytest.param({"DATABASE_URL": "hunter2"}, "DATABASE_URL", id="no address"),
        pytest.param({"DATABASE_URL": "sqlite:///"}, "DATABASE_URL", id="no file"),
        pytest.param({"DATABASE_URL": "sqlite:///:memory:"}, "DATABASE_URL", id="nothing but memory"),
        pytest.param(
            {"REDIS_URL": "http://:hunter2@redis", "JWT_SECRET": SECRET} | POSTGRES, "REDIS_URL", id="no Redis"
        ),
        pytest.param({"REDIS_URL": "redis://:hunter2@redis"}, "REDIS_URL", id="Redis with SQLite"),
        pytest.param({"REDIS_URL": "redis://:hunter2@redis"} | POSTGRES, "JWT_SECRET", id="Redis with no secret"),
    ],
)
def test_what_cannot_be_is_refused_without_its_value(refused, wrong, variable):
    said = refused(**wrong)

    assert said.startswith(f"{variable}: ")
    assert "hunter2" not in said


def wrong_sender(changes: dict[str, str], variable: str, case: str) -> object:
    return pytest.param((MAIL if variable.startswith("SMTP") else SMS) | changes, variable, id=case)


@pytest.mark.parametrize(
    ("wrong", "variable"),
    [
        pytest.param(MAIL | {"OTP_SENDER": "response,email"}, "OTP_SENDER", id="response with email"),
        pytest.param(SMS | {"OTP_SENDER": "sms, response"}, "OTP_SENDER", id="response with sms"),
        wrong_sender({"SMTP_SERVER": "", "SMTP_PASSWORD": "hunter2"}, "SMTP_SERVER", "no server"),
        wrong_sender({"SMTP_FROM": ""}, "SMTP_FROM", "nobody to be from"),
        wrong_sender({"SMTP_FROM": "hunter2"}, "SMTP_FROM", "a name alone"),
        wrong_sender({"SMTP_FROM": "Acme Chat <hunter2>"}, "SMTP_FROM", "no address"),
        wrong_sender({"SMTP_FROM": "hunter2@"}, "SMTP_FROM", "half an address"),
        wrong_sender({"SMTP_USERNAME": "hunter2"}, "SMTP_USERNAME and SMTP_PASSWORD", "username without password"),
        wrong_sender({"SMTP_PASSWORD": "hunter2"}, "SMTP_USERNAME and SMTP_PASSWORD", "password without username"),
        wrong_sender({"SMTP_PORT": "65536"}, "SMTP_PORT", "no port"),
        wrong_sender({"SMTP_SECURITY": "hunter2"}, "SMTP_SECURITY", "no kind of security"),
        wrong_sender({"SMS_WEBHOOK_URL": ""}, "SMS_WEBHOOK_URL", "no gateway"),
        wrong_sender({"SMS_WEBHOOK_URL": "hunter2"}, "SMS_WEBHOOK_URL", "no URL"),
        wrong_sender({"SMS_WEBHOOK_URL": "ftp://hunter2.example"}, "SMS_WEBHOOK_URL", "another scheme"),
        pytest.param(MAIL | {"OTP_SENDER": "email,sms"}, "SMS_WEBHOOK_URL", id="both, and mail alone is set up"),
        pytest.param(SMS | {"OTP_SENDER": "email,sms"}, "SMTP_SERVER", id="both, and texts alone are set up"),
    ],
)
def test_a_sender_that_is_not_set_up_is_refused_without_its_values(refused, wrong, variable):
    said = refused(**wrong)

    assert said.startswith((f"{variable}: ", f"{variable} go together: "))
    assert not [value for name, value in wrong.items() if value and name != "OTP_SENDER" and value in said]


@pytest.mark.parametrize(
    "sender",
    [
        MAIL | {"SMTP_FROM": "no-reply@acme.example"},
        MAIL | {"SMTP_USERNAME": "mira", "SMTP_PASSWORD": "hunter2", "SMTP_PORT": "465", "SMTP_SECURITY": "tls"},
        SMS | {"SMS_WEBHOOK_URL": "http://localhost:8080", "SMS_WEBHOOK_TOKEN": "hunter2"},
        MAIL | SMS | {"OTP_SENDER": "email,sms"},
    ],
)
@pytest.mark.parametrize("environment", [{}, PRODUCTION], ids=["development", "production"])
def test_a_sender_that_is_set_up_may_be_used(read, environment, sender):
    settings = read(**environment | sender)

    for name, value in sender.items():
        written = getattr(settings, name.lower())
        assert (",".join(written) if isinstance(written, tuple) else str(written)) == value


def test_what_is_set_for_a_sender_that_is_not_used_is_not_looked_at(read):
    assert read(SMTP_USERNAME="mira", SMS_WEBHOOK_URL="gateway").otp_sender == ("response",)


@pytest.mark.parametrize("sender", [MAIL, SMS])
def test_a_sender_may_have_its_secrets_from_files(read, folder, sender):
    secrets = {"SMTP_PASSWORD": "hunter2", "SMS_WEBHOOK_TOKEN": "hunter3", "SMS_WEBHOOK_URL": "https://h/hunter4"}
    for name, secret in secrets.items():
        (folder / name).write_text(f"{secret}\n", encoding="utf-8")
    files = {f"{name}_FILE": str(folder / name) for name in secrets}

    given = {name: value for name, value in sender.items() if name not in secrets}
    settings = read(**given | files, SMTP_USERNAME="mira")
    assert {name: getattr(settings, name.lower()) for name in secrets} == secrets


def test_secret_of_32_bytes_is_long_enough(read):
    assert read(JWT_SECRET="é" * 16).jwt_secret == ("é" * 16,)


@pytest.mark.parametrize("url", ["sqlite:///x.db", "sqlite:////data/x.db", *POSTGRES.values(), "postgres://u:p@h/d"])
def test_database_may_be_either(read, url):
    assert read(DATABASE_URL=url).database_url == url


def refused_for(**changes: str) -> object:
    return pytest.param(changes, next(iter(changes)), id=" ".join(changes))


@pytest.mark.parametrize(
    ("changes", "variable"),
    [
        refused_for(JWT_SECRET=""),
        refused_for(CORS_ORIGINS="*"),
        refused_for(CORS_ORIGINS="https://example.com, *"),
        refused_for(OTP_SENDER="response"),
        refused_for(OTP_SENDER=""),
        pytest.param({"OPENAI_API_KEY": ""}, "DEFAULT_MODEL", id="no model"),
    ],
)
def test_production_refuses_what_is_only_safe_on_a_laptop(read, refused, changes, variable):
    said = refused(**PRODUCTION | changes)

    assert said.startswith(f"{variable}: ")
    assert SECRET not in said
    read(**PRODUCTION | changes | {"ENVIRONMENT": "development"})


@pytest.mark.parametrize(
    "model", [{"DEFAULT_MODEL": "offline/echo"}, {"GEMINI_API_KEY": "k"}, {"OPENAI_BASE_URL": "u"}]
)
def test_production_takes_any_model_that_was_chosen_on_purpose(read, model):
    assert read(**PRODUCTION | MAIL | {"OPENAI_API_KEY": ""} | model).environment == "production"


def example() -> list[tuple[str, str, str]]:
    """The settings in .env.example: the comment above each, its name, its value."""
    text = (Path(__file__).parents[2] / ".env.example").read_text(encoding="utf-8")
    return re.findall(r"^# (.+)\n(?:# )?([A-Z_]+)=(.*)$", text, re.MULTILINE)


def written(default: object) -> str:
    if isinstance(default, tuple):
        return ",".join(default)
    return f"{default:g}" if isinstance(default, float) else str(default)


def test_example_lists_every_setting_once_in_order_with_its_default():
    assert [(name, value) for _, name, value in example()] == [
        (name.upper(), written(default)) for name, default in FIELDS.items()
    ]


def test_example_says_of_each_setting_what_the_code_says():
    said = {name: comment for comment, name, _ in example()}
    hints = get_type_hints(Settings, include_extras=True)
    for name, hint in hints.items():
        assert get_origin(hint) is Annotated
        description = next(extra.description for extra in get_args(hint)[1:] if getattr(extra, "description", None))
        assert said[name.upper()].startswith(description)


def test_example_can_be_used_as_it_is():
    assert read_settings({}, dotenv=Path(__file__).parents[2] / ".env.example") == Settings()
