"""The requests of docs/operator.md as they are printed there, by curl."""

import asyncio
import json
import re
from pathlib import Path

from tests.e2e.process import PATIENCE, served, sign_in

PAGE = Path(__file__).parents[2] / "docs" / "operator.md"
ADMIN_TOKEN = "the token of the operator of this test"


async def test_the_requests_of_the_page_do_what_it_says(tmp_path: Path) -> None:
    block, _commands = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert "api=http://127.0.0.1:8000\n" in block
    async with served(tmp_path, ADMIN_TOKEN=ADMIN_TOKEN) as api:
        mira = await sign_in(api.address)
        account = (await mira.get("/user/me")).json()["id"]
        script = block.replace("http://127.0.0.1:8000", api.address).replace(' "$@"; }', ' "$@"; echo; }')
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-euc", script),
            env={"PATH": "/usr/bin:/bin", "ADMIN_TOKEN": ADMIN_TOKEN, "account": account},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(PATIENCE):
            out, errors = await process.communicate()
        assert (process.returncode, errors) == (0, b""), out
        found, on_plan, shown, pro, suspended, resumed, ended, stats = map(json.loads, filter(None, out.splitlines()))
        assert [each["id"] for each in found["items"]] == [account] == [shown["id"]]
        assert (on_plan["items"], pro["plan"], ended) == ([], "pro", {"ended": 1})
        assert (suspended["suspended_at"] is not None, resumed["suspended_at"]) == (True, None)
        assert len(stats["items"]) == 7
        assert (await mira.get("/user/me")).json()["code"] == "token_invalid"
        await mira.aclose()
