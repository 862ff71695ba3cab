"""What production refuses, and the warnings of `parley check`."""

import pytest

from parley.settings.advice import advise
from tests.unit.settings.given import MAIL, POSTGRES, PRODUCTION, SAFE_SMS, SECRET, SMS, WEBHOOKS

SAFE = PRODUCTION | MAIL
REMOTE = {"DATABASE_URL": "postgresql://u:p@db/parley?sslmode=require", "REDIS_URL": "rediss://redis"}


@pytest.mark.parametrize(
    ("changes", "variable"),
    [
        ({"JWT_SECRET": "x" * 64}, "JWT_SECRET"),
        ({"JWT_SECRET": "abcd" * 16}, "JWT_SECRET"),
        ({"JWT_SECRET": "password" * 4}, "JWT_SECRET"),
        ({"METRICS_TOKEN": "0123456789" * 2}, "METRICS_TOKEN"),
        ({"JWT_SECRET": f"{SECRET},changeme-changeme-changeme-changeme"}, "JWT_SECRET"),
        ({"METRICS_TOKEN": ""}, "METRICS_TOKEN"),
        ({"METRICS_TOKEN": "fifteen letters"}, "METRICS_TOKEN"),
        ({"METRICS_TOKEN": "ChangeMe-please-do"}, "METRICS_TOKEN"),
        ({"TRUSTED_PROXIES": ""}, "TRUSTED_PROXIES"),
        ({"TRUSTED_PROXIES": "10.0.0.1, 0.0.0.0/0"}, "TRUSTED_PROXIES"),
        ({"TRUSTED_PROXIES": "::/0"}, "TRUSTED_PROXIES"),
        ({"TRUSTED_PROXIES": "0.0.0.0/1, 128.0.0.0/1"}, "TRUSTED_PROXIES"),
        ({"TRUSTED_PROXIES": "::ffff:0:0/96"}, "TRUSTED_PROXIES"),
        ({"TRUSTED_PROXIES": "2000::/3"}, "TRUSTED_PROXIES"),
        ({"TRUSTED_PROXIES": "none, 10.0.0.1"}, "TRUSTED_PROXIES"),
        ({"CORS_ORIGINS": "https://*"}, "CORS_ORIGINS"),
        ({"CORS_ORIGINS": "http://app.example"}, "CORS_ORIGINS"),
        ({"CORS_ORIGINS": "HTTP://app.example"}, "CORS_ORIGINS"),
        ({"CORS_ORIGINS": "null"}, "CORS_ORIGINS"),
        ({"FRONTEND_URL": "http://app.example"}, "FRONTEND_URL"),
        ({"PUBLIC_URL": "http://api.example"}, "PUBLIC_URL"),
        (SMS | {"SMS_WEBHOOK_URL": "http://gateway.example"}, "SMS_WEBHOOK_URL"),
        ({"AUTH_REQUESTS_PER_MINUTE": "0"}, "AUTH_REQUESTS_PER_MINUTE"),
        ({"PASSWORD_ATTEMPTS_PER_HOUR": "0"}, "PASSWORD_ATTEMPTS_PER_HOUR"),
        (SMS, "SMS_COUNTRIES"),
        (MAIL | SMS | {"OTP_SENDER": "email,sms"}, "SMS_COUNTRIES"),
        (SAFE_SMS | {"SMS_BUDGET_PER_HOUR": "0"}, "SMS_BUDGET_PER_HOUR"),
        ({"EMAIL_BUDGET_PER_HOUR": "0"}, "EMAIL_BUDGET_PER_HOUR"),
        ({"HUMAN_CHECK_URL": "http://verify.example"}, "HUMAN_CHECK_URL"),
        (WEBHOOKS | {"WEBHOOK_URL": "https://a.example,http://b.example"}, "WEBHOOK_URL"),
        ({"ACCESS_TOKEN_EXPIRE_MINUTES": "1441"}, "ACCESS_TOKEN_EXPIRE_MINUTES"),
        (REMOTE | {"DATABASE_URL": "postgresql://u:p@db/parley"}, "DATABASE_URL"),
        (REMOTE | {"DATABASE_URL": "postgresql://u:p@db/parley?sslmode=prefer"}, "DATABASE_URL"),
        (REMOTE | {"DATABASE_URL": "postgresql:///parley?host=db.example.com&user=u&password=p"}, "DATABASE_URL"),
        (REMOTE | {"DATABASE_URL": "postgresql://u:p@127.0.0.1/parley?host=db.example.com"}, "DATABASE_URL"),
        (REMOTE | {"DATABASE_URL": "postgresql:///parley?host=/run/postgresql,db.example.com"}, "DATABASE_URL"),
        (REMOTE | {"DATABASE_URL": "postgresql:///parley?service=db"}, "DATABASE_URL"),
        (REMOTE | {"REDIS_URL": "redis://redis"}, "REDIS_URL"),
        (REMOTE | {"REDIS_URL": "redis://redis", "ALLOW_PLAIN_CONNECTIONS": "postgresql"}, "REDIS_URL"),
    ],
)
def test_production_refuses_what_is_unsafe(refused, changes, variable):
    assert refused(**SAFE | changes).startswith(f"{variable}: ")


@pytest.mark.parametrize(
    "changes",
    [
        REMOTE,
        {"DATABASE_URL": "postgresql://u:p@127.0.0.1/parley", "REDIS_URL": "redis://localhost:6379"},
        {"DATABASE_URL": "postgresql:///parley?host=/run/postgresql", "REDIS_URL": "unix:///run/redis.sock"},
        {
            "DATABASE_URL": "postgresql://u:p@db/parley",
            "REDIS_URL": "redis://redis",
            "ALLOW_PLAIN_CONNECTIONS": "postgresql, redis",
        },
        {"TRUSTED_PROXIES": "10.0.0.0/8, fc00::/7, ::1, ::ffff:10.0.0.0/104"},
        {"CORS_ORIGINS": "http://localhost:3000"},
        SAFE_SMS,
        {"HUMAN_CHECK": "signup, send-otp", "HUMAN_CHECK_SECRET": "a secret"},
    ],
)
def test_production_accepts_what_is_encrypted_local_or_named(read, changes):
    read(**SAFE | changes)


def test_none_stands_for_no_proxy(read):
    assert read(TRUSTED_PROXIES="none").proxies == ()
    assert read(TRUSTED_PROXIES="10.0.0.1").proxies == ("10.0.0.1",)


@pytest.mark.parametrize(("environment", "docs", "served"), [({}, "auto", True), ({}, "off", False)])
def test_docs_in_development(read, environment, docs, served):
    assert read(**environment, DOCS=docs).docs_served is served


@pytest.mark.parametrize(("docs", "served"), [("auto", False), ("on", True), ("off", False)])
def test_docs_are_off_in_production_unless_turned_on(read, docs, served):
    assert read(**SAFE, DOCS=docs).docs_served is served


@pytest.mark.parametrize(("chat_page", "served"), [("auto", False), ("on", True), ("off", False)])
def test_the_chat_page_is_off_in_production_unless_turned_on(read, chat_page, served):
    assert read(**SAFE, CHAT_PAGE=chat_page).chat_page_served is served
    assert read(CHAT_PAGE=chat_page).chat_page_served is (chat_page != "off")


@pytest.fixture
def advice(folder):
    def subjects(settings, **environment: str) -> list[str]:
        return [subject for subject, _ in advise(settings, environment, folder=folder)]

    return subjects


def test_providers_of_the_file_are_looked_at_too(read, advice, tmp_path):
    file = tmp_path / "providers.toml"
    file.write_text(
        '[providers.far]\nbase_url = "http://models.example/v1"\nmodels = ["a"]\n'
        '[providers.here]\nbase_url = "http://127.0.0.1:9000/v1"\nmodels = ["a"]\n'
        '[providers.safe]\nbase_url = "https://models.example/v1"\nmodels = ["a"]\n'
    )
    assert advice(read(**SAFE, PARLEY_CONFIG=str(file))) == ["providers.far"]
    file.write_text("nothing that can be read")
    assert advice(read(**SAFE, PARLEY_CONFIG=str(file))) == []


def test_safe_settings_give_no_warning(read, advice):
    assert advice(read(**SAFE)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"ALLOW_SHOWN_CODES": "1"},
        {"METRICS_TOKEN": ""},
        {"AUTH_REQUESTS_PER_MINUTE": "0"},
        {"ACCOUNT_REQUESTS_PER_MINUTE": "0"},
        {"ACCESS_TOKEN_EXPIRE_MINUTES": "61"},
        {"CORS_ORIGINS": "*"},
        {"TRUSTED_PROXIES": "0.0.0.0/0"},
        {"TRUSTED_PROXIES": "0.0.0.0/1"},
        {"CORS_ORIGINS": "null"},
        {"JWT_SECRET": "x" * 32},
        {"ALLOW_PLAIN_CONNECTIONS": "redis"},
        {"SMTP_SECURITY": "none"} | MAIL,
        {"REDIS_URL": "rediss://redis.example/0?ssl_cert_reqs=none", "JWT_SECRET": SECRET} | POSTGRES,
        {"REDIS_URL": "rediss://redis.example/0?ssl_check_hostname=false", "JWT_SECRET": SECRET} | POSTGRES,
        {"GEMINI_BASE_URL": "http://models.example"},
        {"OPENAI_BASE_URL": "http://10.0.0.7:8000/v1"},
        {"GROQ_BASE_URL": "http://models.example"},
        {"SMS_WEBHOOK_URL": "http://sms.example/send"},
        {"STRIPE_API_BASE": "http://stripe.example"},
        {"HUMAN_CHECK_URL": "http://human.example"},
        WEBHOOKS | {"WEBHOOK_URL": "http://hooks.example"},
        {"EMAIL_BUDGET_PER_HOUR": "0"} | MAIL,
        {"SMS_BUDGET_PER_HOUR": "0"} | SAFE_SMS,
        {"SMS_COUNTRIES": ""} | SMS,
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_is_allowed_and_unwise_is_a_warning(read, advice, changes):
    settings = read(**{"METRICS_TOKEN": "a token of more than 16 characters"} | changes)

    assert advice(settings) == [next(iter(changes))]


@pytest.mark.parametrize("url", ["https://models.example/v1", "http://localhost:11434/v1", "http://127.0.0.1:8000/v1"])
def test_tls_and_model_servers_of_this_machine_are_no_warning(read, advice, url):
    assert advice(read(METRICS_TOKEN="a token of more than 16 characters", OPENAI_BASE_URL=url)) == []


def test_docs_in_production_are_a_warning(read, advice):
    assert advice(read(**SAFE, DOCS="on")) == ["DOCS"]


def test_secret_files_that_others_may_read_are_a_warning(read, advice, folder):
    secret = folder / "jwt"
    for file in (secret, folder / ".env"):
        file.write_text("")
        file.chmod(0o644)
    settings = read(**SAFE | POSTGRES)
    assert advice(settings, JWT_SECRET_FILE=str(secret)) == ["JWT_SECRET_FILE", ".env"]

    for file in (secret, folder / ".env"):
        file.chmod(0o640)
    assert advice(settings, JWT_SECRET_FILE=str(secret)) == []
