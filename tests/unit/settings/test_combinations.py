"""Combinations of settings that are valid, and those that are refused."""

import pytest

from parley.bootstrap.accounts import mobile_numbers
from parley.settings import SettingsError
from tests.unit.settings.given import MAIL, POSTGRES, PRODUCTION, SAFE_SMS, SECRET, SMS, WEBHOOKS


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
        pytest.param({"STRIPE_API_BASE": "hunter2"}, "STRIPE_API_BASE", id="no address of Stripe"),
        pytest.param({"PUBLIC_URL": "hunter2.example"}, "PUBLIC_URL", id="no public address"),
        pytest.param({"CORS_ORIGINS": "https://app.example,app.example"}, "CORS_ORIGINS", id="no scheme of an origin"),
        pytest.param({"CORS_ORIGINS": "https://app.example/chat"}, "CORS_ORIGINS", id="an origin with a path"),
        pytest.param({"CORS_ORIGINS": "https://app.example?"}, "CORS_ORIGINS", id="an origin with a query"),
        pytest.param({"CORS_ORIGINS": "https://mira:hunter2@app.example"}, "CORS_ORIGINS", id="an origin with a user"),
        pytest.param({"WEBHOOK_URL": "https://hunter2.example"}, "WEBHOOK_SECRET", id="webhooks that are not signed"),
        pytest.param(WEBHOOKS | {"WEBHOOK_URL": "hunter2"}, "WEBHOOK_URL", id="no address of a webhook"),
        pytest.param(WEBHOOKS | {"WEBHOOK_EVENTS": "hunter2"}, "WEBHOOK_EVENTS", id="no event"),
        pytest.param({"FRONTEND_URL": "ftp://hunter2"}, "FRONTEND_URL", id="no address to return to"),
    ],
)
def test_an_invalid_setting_is_refused_without_its_value(refused, wrong, variable):
    message = refused(**wrong)

    assert message.startswith(f"{variable}: ")
    assert "hunter2" not in message


def wrong_sender(changes: dict[str, str], variable: str, case: str) -> object:
    return pytest.param((MAIL if variable.startswith("SMTP") else SMS) | changes, variable, id=case)


@pytest.mark.parametrize(
    ("wrong", "variable"),
    [
        pytest.param(MAIL | {"OTP_SENDER": "response,email"}, "OTP_SENDER", id="response with email"),
        pytest.param(SMS | {"OTP_SENDER": "sms, response"}, "OTP_SENDER", id="response with sms"),
        wrong_sender({"SMTP_SERVER": "", "SMTP_PASSWORD": "hunter2"}, "SMTP_SERVER", "no server"),
        wrong_sender({"SMTP_FROM": ""}, "SMTP_FROM", "no sender address"),
        wrong_sender({"SMTP_FROM": "hunter2"}, "SMTP_FROM", "only a name"),
        wrong_sender({"SMTP_FROM": "Acme Chat <hunter2>"}, "SMTP_FROM", "no address"),
        wrong_sender({"SMTP_FROM": "hunter2@"}, "SMTP_FROM", "half an address"),
        wrong_sender({"SMTP_USERNAME": "hunter2"}, "SMTP_USERNAME and SMTP_PASSWORD", "username without password"),
        wrong_sender({"SMTP_PASSWORD": "hunter2"}, "SMTP_USERNAME and SMTP_PASSWORD", "password without username"),
        wrong_sender({"SMTP_PORT": "65536"}, "SMTP_PORT", "no port"),
        wrong_sender({"SMTP_SECURITY": "hunter2"}, "SMTP_SECURITY", "no kind of security"),
        wrong_sender({"SMS_WEBHOOK_URL": ""}, "SMS_WEBHOOK_URL", "no gateway"),
        wrong_sender({"SMS_WEBHOOK_URL": "hunter2"}, "SMS_WEBHOOK_URL", "no URL"),
        wrong_sender({"SMS_WEBHOOK_URL": "ftp://hunter2.example"}, "SMS_WEBHOOK_URL", "another scheme"),
        pytest.param(MAIL | {"OTP_SENDER": "email,sms"}, "SMS_WEBHOOK_URL", id="both, and only mail is set up"),
        pytest.param(SMS | {"OTP_SENDER": "email,sms"}, "SMTP_SERVER", id="both, and only SMS is set up"),
    ],
)
def test_an_incomplete_sender_is_refused_without_its_values(refused, wrong, variable):
    message = refused(**wrong)

    assert message.startswith((f"{variable}: ", f"{variable} go together: "))
    assert not [value for name, value in wrong.items() if value and name != "OTP_SENDER" and value in message]


@pytest.mark.parametrize(
    "sender",
    [
        MAIL | {"SMTP_FROM": "no-reply@acme.example"},
        MAIL | {"SMTP_USERNAME": "mira", "SMTP_PASSWORD": "hunter2", "SMTP_PORT": "465", "SMTP_SECURITY": "tls"},
        SAFE_SMS | {"SMS_WEBHOOK_URL": "http://localhost:8080", "SMS_WEBHOOK_TOKEN": "hunter2"},
        MAIL | SAFE_SMS | {"OTP_SENDER": "email,sms"},
    ],
)
@pytest.mark.parametrize("environment", [{}, PRODUCTION], ids=["development", "production"])
def test_a_complete_sender_is_accepted(read, environment, sender):
    settings = read(**environment | sender)

    for name, value in sender.items():
        written = getattr(settings, name.lower())
        assert (",".join(written) if isinstance(written, tuple) else str(written)) == value


def test_settings_of_an_unused_sender_are_not_checked(read):
    assert read(SMTP_USERNAME="mira", SMS_WEBHOOK_URL="gateway").otp_sender == ("response",)


@pytest.mark.parametrize("sender", [MAIL, SMS])
def test_secrets_of_a_sender_may_come_from_files(read, folder, sender):
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
def test_both_kinds_of_database_are_accepted(read, url):
    assert read(DATABASE_URL=url).database_url == url


PAYMENTS = {"STRIPE_SECRET_KEY", "FRONTEND_URL"}


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
        refused_for(STRIPE_SECRET_KEY=""),
        refused_for(FRONTEND_URL=""),
        pytest.param({"OPENAI_API_KEY": ""}, "DEFAULT_MODEL", id="no model"),
    ],
)
def test_production_refuses_settings_that_are_only_safe_for_development(read, refused, changes, variable):
    message = refused(**PRODUCTION | (MAIL if variable in PAYMENTS else {}) | changes)

    assert message.startswith(f"{variable}: ")
    assert SECRET not in message
    read(**PRODUCTION | changes | {"ENVIRONMENT": "development"})


@pytest.mark.parametrize(
    "model", [{"DEFAULT_MODEL": "offline/echo"}, {"GEMINI_API_KEY": "k"}, {"OPENAI_BASE_URL": "u"}]
)
def test_production_accepts_every_model_that_was_chosen_explicitly(read, model):
    assert read(**PRODUCTION | MAIL | {"OPENAI_API_KEY": ""} | model).environment == "production"


def test_production_accepts_a_provider_of_the_config_file(read, tmp_path):
    (tmp_path / "my.toml").write_text('[providers.mine]\nbase_url = "https://models.example/v1"\nmodels = ["small"]')
    without_model = PRODUCTION | MAIL | {"OPENAI_API_KEY": ""}
    assert read(**without_model, PARLEY_CONFIG=str(tmp_path / "my.toml")).environment == "production"


def test_payments_may_return_to_this_server(read):
    assert read(**PRODUCTION | MAIL | {"FRONTEND_URL": "", "PUBLIC_URL": "https://api.example"}).public_url


@pytest.mark.parametrize(
    ("wrong", "variable"),
    [
        ({"HUMAN_CHECK": "signup"}, "HUMAN_CHECK_SECRET"),
        ({"HUMAN_CHECK": "login", "HUMAN_CHECK_SECRET": "hunter2"}, "HUMAN_CHECK"),
        ({"HUMAN_CHECK_URL": "ftp://hunter2"}, "HUMAN_CHECK_URL"),
    ],
)
def test_an_incomplete_human_check_is_refused(refused, wrong, variable):
    assert refused(**wrong).startswith(f"{variable}: ")


def test_a_country_that_does_not_exist_is_refused(read):
    with pytest.raises(SettingsError, match="SMS_COUNTRIES: each must be"):
        mobile_numbers(read(SMS_COUNTRIES="IN,UK"))
