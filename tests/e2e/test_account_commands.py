"""`parley account`: what an operator does from another process, while the server runs."""

import json
from pathlib import Path
from typing import Any

from tests.e2e.process import new_room, run_parley, say, served, sign_in

WORDS = {"OFFLINE_DELAY_SECONDS": "0.2", "LOG_FORMAT": "json"}


def audited(err: str) -> list[dict[str, Any]]:
    """The audit lines of a command: all that it wrote on standard error."""
    return [json.loads(line) for line in err.splitlines()]


async def test_an_account_is_found_suspended_resumed_signed_out_and_erased(tmp_path: Path) -> None:
    async with served(tmp_path, **WORDS) as api:
        mira = await sign_in(api.address)
        me = (await mira.get("/user/me")).json()["id"]

        async def command(*arguments: str) -> tuple[int, str, list[dict[str, Any]]]:
            code, out, err = await run_parley(tmp_path, "account", *arguments, LOG_FORMAT="json")
            return code, out, audited(err)

        code, out, [line] = await command("find", "mira@")
        assert (code, out.split()[:4]) == (0, [me, "mira@example.com", "basic", "active"])
        assert (line["event"], line["account_ids"]) == ("accounts_listed", [me])
        assert line["by"].startswith("cli:")
        assert (await command("find", "nobody"))[:2] == (1, "")
        assert (await command("find", "--plan", "basic", me))[0] == 0

        # A stream that is open ends, since the server reads the database.
        accepted = await say(mira, await new_room(mira), "word " * 50)
        async with mira.stream("GET", accepted["stream_url"]) as stream:
            lines = stream.aiter_lines()
            assert await anext(lines)
            code, out, [line] = await command("suspend", "Mira@example.com")
            assert (code, out) == (0, "Mira@example.com: suspended\n")
            assert (line["event"], line["account_id"]) == ("account_suspended", me)
            rest = [line async for line in lines]
        assert "event: error" in rest
        assert any("account_suspended" in line for line in rest)
        refusal = await mira.get("/user/me")
        assert (refusal.status_code, refusal.json()["code"]) == (401, "account_suspended")

        assert (await command("resume", me))[:2] == (0, f"{me}: resumed\n")
        assert (await command("find", me))[1].split()[3] == "active"
        code, out, _ = await command("sessions", "end", "mira@example.com")
        assert (code, out) == (0, "mira@example.com: 1 ended\n")

        code, out, [line] = await command("erase", "--yes", "mira@example.com")
        assert (code, out) == (0, "mira@example.com: erased\n")
        assert (line["event"], line["account_id"]) == ("account_erased", me)
        for arguments in (("suspend", "mira@example.com"), ("erase", "--yes", me), ("resume", "no identity")):
            code, out, err = await run_parley(tmp_path, "account", *arguments)
            assert (code, out, len(err.splitlines())) == (2, "", 1)
        await mira.aclose()


async def test_an_erasure_asks_first(tmp_path: Path) -> None:
    async with served(tmp_path) as api:
        mira = await sign_in(api.address)
        code, out, err = await run_parley(tmp_path, "account", "erase", "mira@example.com")
        assert code == 1
        assert "erases the account" in out
        assert "Aborted" in err
        assert (await mira.get("/user/me")).status_code == 200
        await mira.aclose()
