"""The Python client of docs/websocket.md as printed there."""

import json
import re
import sys
from pathlib import Path

from tests.e2e.documented import ANSWER, QUESTION, THOUGHT, thinking_server
from tests.e2e.process import new_room, sign_in
from tests.e2e.test_documented_clients import run, token_of

_PAGE = Path(__file__).parents[2] / "docs" / "websocket.md"
CALL = """
message = asyncio.run(reply(*sys.argv[1:]))
print("\\n" + json.dumps(message))
"""


async def test_python_client_prints_text_and_reasoning_apart(tmp_path: Path) -> None:
    [client_code] = re.findall(r"```python\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)
    async with thinking_server(tmp_path) as api:
        client = await sign_in(api.address)
        arguments = (api.address, token_of(client), await new_room(client), QUESTION)
        code, out, errors = await run(sys.executable, "-c", client_code + CALL, *arguments)
        again = await run(sys.executable, "-c", client_code + CALL, *arguments)
        refused = await run(sys.executable, "-c", client_code + CALL, api.address, "wrong", *arguments[2:])
        await client.aclose()

    assert (code, errors) == (0, THOUGHT)
    text, message, _ = out.removeprefix("\n").rsplit("\n", 2)
    assert text == ANSWER == json.loads(message)["content"]
    assert (again[0], again[2]) == (0, THOUGHT)
    assert json.loads(again[1].rsplit("\n", 2)[1])["id"] != json.loads(message)["id"]
    assert "access token is not valid" in refused[2]
