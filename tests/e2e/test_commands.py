"""The command line of parley."""

import json
import signal
import socket
from pathlib import Path

import pytest

from tests.e2e.process import run_parley, served, sign_in
from tests.servers.siteverify_server import SECRET as SITEVERIFY_SECRET
from tests.servers.siteverify_server import SiteVerifyServer


@pytest.mark.parametrize(
    "command", [[], ["run"], ["migrate"], ["check"], ["openapi"], ["plan"], ["account"], ["account", "erase"]]
)
async def test_every_command_has_help(tmp_path: Path, command: list[str]) -> None:
    code, out, _ = await run_parley(tmp_path, *command, "--help")
    assert code == 0
    assert out.startswith("Usage: parley")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"BASIC_DAILY_LIMIT": "many"}, "BASIC_DAILY_LIMIT"),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL"),
        ({"REDIS_URL": "redis://localhost:6379"}, "REDIS_URL"),
        ({"DATABASE_URL": "postgresql://h/d", "REDIS_URL": "redis://localhost:abc"}, "REDIS_URL"),
        ({"DATABASE_URL": "postgresql://127.0.0.1:1/none"}, "DATABASE_URL"),
        ({"DEFAULT_MODEL": "openai/none"}, "DEFAULT_MODEL"),
        ({"MODEL_FALLBACKS": "offline/echo,openai/none"}, "MODEL_FALLBACKS"),
        ({"MODEL_FALLBACKS": "offline/echo,offline/echo"}, "MODEL_FALLBACKS"),
        ({"TITLE_MODEL": "openai/none"}, "TITLE_MODEL"),
        ({"JWT_SECRET": "short"}, "JWT_SECRET"),
        ({"ENVIRONMENT": "production", "AUTH_REQUESTS_PER_MINUTE": "20"}, "OTP_SENDER"),
        ({"ENVIRONMENT": "production"}, "AUTH_REQUESTS_PER_MINUTE"),
        ({"OTP_SENDER": "email"}, "SMTP_SERVER"),
        ({"OTP_SENDER": "email", "SMTP_SERVER": "localhost", "SMTP_FROM": "@acme.example"}, "SMTP_FROM"),
        ({"OTP_SENDER": "sms", "SMS_WEBHOOK_URL": "https://"}, "SMS_WEBHOOK_URL"),
    ],
)
async def test_a_wrong_setting_is_one_line_with_its_name(tmp_path: Path, settings: dict[str, str], named: str) -> None:
    code, out, err = await run_parley(tmp_path, "run", **({"DEFAULT_MODEL": "offline/echo"} | settings))
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith(f"parley: {named}:")
    assert not any(value in err for value in settings.values() if named == "JWT_SECRET")


async def test_several_api_processes_are_refused_without_redis(tmp_path: Path) -> None:
    code, _, err = await run_parley(tmp_path, "run", "--workers", "2")
    assert code == 2
    assert "Redis" in err


async def test_codes_are_not_shown_to_other_machines(tmp_path: Path) -> None:
    code, _, err = await run_parley(tmp_path, "run", "--host", "0.0.0.0")
    assert code == 2
    assert err.startswith("parley: OTP_SENDER:")
    assert "ALLOW_SHOWN_CODES=1" in err


async def test_run_prints_its_choices_and_no_secret(tmp_path: Path) -> None:
    async with served(tmp_path, OPENAI_API_KEY="sk-secret", OPENAI_MODELS="small") as api:
        said = api.log()
    assert api.address in said
    assert f"{api.address}/chat" in said
    assert f"{api.address}/docs" in said
    assert "sqlite:///parley.db" in said
    assert "openai/small" in said
    assert "sk-secret" not in said


async def test_a_port_in_use_ends_the_process_without_a_traceback(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, _, err = await run_parley(tmp_path, "run", "--port", str(taken.getsockname()[1]))
    assert code != 0
    assert "address already in use" in err
    assert "Traceback" not in err


async def test_sigterm_leaves_no_temporary_files(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    async with served(tmp_path, TMPDIR=str(temporary)) as api:
        api.signal(signal.SIGTERM)
        await api.ended()
    assert list(temporary.iterdir()) == []


async def test_a_missing_secret_is_made_and_survives_a_restart(tmp_path: Path) -> None:
    async with served(tmp_path, JWT_SECRET="") as api:
        client = await sign_in(api.address)
        await api.kill()
        await api.start()
        me = await client.get("/user/me")
        await client.aclose()
    assert me.status_code == 200
    for file in {*tmp_path.glob("*parley*")} - {tmp_path / "parley.db.lock"}:
        assert file.stat().st_mode & 0o077 == 0, file


async def test_check_covers_everything_and_fails_on_a_fault(tmp_path: Path) -> None:
    code, out, _ = await run_parley(tmp_path, "check")
    assert code == 0
    assert all(line.startswith(("ok ", "unwise ")) for line in out.splitlines())
    unwise = [line.partition(":")[0] for line in out.splitlines() if line.startswith("unwise")]
    assert unwise == [
        "unwise METRICS_TOKEN",
        "unwise AUTH_REQUESTS_PER_MINUTE",
        "unwise ACCOUNT_REQUESTS_PER_MINUTE",
    ]
    code, out, _ = await run_parley(tmp_path, "check", DATABASE_URL="sqlite:///no/such/folder/parley.db")
    assert code == 1
    assert next(line for line in out.splitlines() if line.startswith("WRONG")).startswith("WRONG  DATABASE_URL")


async def test_check_asks_the_service_of_the_human_check(tmp_path: Path) -> None:
    async with SiteVerifyServer().running() as server:
        settings = {"HUMAN_CHECK": "signup,send-otp", "HUMAN_CHECK_URL": server.url}
        code, out, _ = await run_parley(tmp_path, "check", **settings, HUMAN_CHECK_SECRET=SITEVERIFY_SECRET)
        assert code == 0
        assert "ok     HUMAN_CHECK: its server answers; asked for by signup, send-otp" in out.splitlines()
        code, out, _ = await run_parley(tmp_path, "check", **settings, HUMAN_CHECK_SECRET="another")
        assert code == 1
        assert next(line for line in out.splitlines() if line.startswith("WRONG")).startswith("WRONG  HUMAN_CHECK: ")
    code, out, _ = await run_parley(tmp_path, "check", SMS_COUNTRIES="IN,UK")
    assert code == 1
    assert "WRONG  SMS_COUNTRIES: each must be the code of a country" in out


async def test_migrate_makes_the_schema_and_may_be_repeated(tmp_path: Path) -> None:
    for _ in range(2):
        code, out, _ = await run_parley(tmp_path, "migrate")
        assert code == 0
        assert "schema" in out
    assert (tmp_path / "parley.db").exists()


async def test_the_openapi_command_prints_what_the_server_serves(tmp_path: Path) -> None:
    code, out, _ = await run_parley(tmp_path, "openapi")
    # The operator's routes are there with their token only.
    async with served(tmp_path, ADMIN_TOKEN="a token of an operator of this test") as api:
        client = await sign_in(api.address)
        document = (await client.get("/openapi.json")).json()
        await client.aclose()
    assert code == 0
    assert json.loads(out) == document


async def test_the_plan_command_lifts_the_limit_until_it_is_undone(tmp_path: Path) -> None:
    async with served(tmp_path, BASIC_DAILY_LIMIT="0") as api:
        client = await sign_in(api.address, "mira@example.com")
        room = (await client.post("/chatroom", json={"name": "r"})).json()["id"]

        async def post() -> int:
            return (await client.post(f"/chatroom/{room}/message", json={"content": "x"})).status_code

        assert await post() == 429
        code, _, err = await run_parley(tmp_path, "plan", "Mira@example.com", "pro", LOG_FORMAT="json")
        assert (code, await post()) == (0, 202)
        [line] = map(json.loads, err.splitlines())
        account = (await client.get("/user/me")).json()["id"]
        assert (line["event"], line["how"], line["account_id"]) == ("plan_overridden", "pro", account)
        assert line["identity"].startswith("email:")
        assert (await client.get("/user/me")).json()["plan"] == "pro"
        code, _, _ = await run_parley(tmp_path, "plan", "mira@example.com", "auto")
        assert (code, await post()) == (0, 429)
        code, _, err = await run_parley(tmp_path, "plan", "nobody@example.com", "pro")
        assert (code, len(err.splitlines())) == (2, 1)
        await client.aclose()


async def test_a_second_process_cannot_serve_the_same_sqlite_file(tmp_path: Path) -> None:
    async with served(tmp_path) as api:
        code, _, err = await run_parley(tmp_path, "run", "--port", str(api.port + 1))
        assert (code, len(err.splitlines())) == (2, 1)
        assert "another «parley run»" in err
        await api.kill()
        await api.start()
