"""The JavaScript client of docs/clients.md in Node, whose EventSource needs an option until it is on by default."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.e2e.documented import ANSWER, QUESTION, THOUGHT, documented, thinking_server
from tests.e2e.process import PATIENCE, new_room, say, sign_in

FOLLOW = """
const [api, accepted] = JSON.parse(process.argv[2]);
follow(api, accepted, (state) => { if (state.end) console.log(JSON.stringify(state)); });
"""


@pytest.mark.parametrize("public_url", [True, False], ids=["with PUBLIC_URL", "without"])
async def test_it_follows_a_reply_to_its_end(tmp_path: Path, public_url: bool) -> None:
    script = tmp_path / "client.mjs"
    script.write_text(documented("js") + FOLLOW)
    async with thinking_server(tmp_path, public_url=public_url) as api:
        client = await sign_in(api.address)
        accepted = await say(client, await new_room(client), QUESTION)
        await client.aclose()
        pipe, given = asyncio.subprocess.PIPE, json.dumps([api.address, accepted])
        node = await asyncio.create_subprocess_exec(
            "node", "--experimental-eventsource", "--no-warnings", str(script), given, stdout=pipe, stderr=pipe
        )
        async with asyncio.timeout(PATIENCE):
            out, errors = await node.communicate()
    assert (node.returncode, errors) == (0, b"")
    assert json.loads(out) == {"reasoning": THOUGHT, "text": ANSWER, "end": "done"}
