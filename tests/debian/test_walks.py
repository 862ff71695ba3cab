"""The walks of docs/conversations.md and docs/search.md as printed there, by curl and jq, as a new user."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx

from tests.container.image import REPOSITORY
from tests.e2e.process import model_server, served

MAY, JUNE, JULY = "Where is it warm in May?", "Where is it warm in June?", "And in July?"


def documented(page: str) -> str:
    [block] = re.findall(r"```sh\n(.*?)```", (REPOSITORY / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)
    return str(block)


def walked(api: str, *pages: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The JSON objects that the commands print, and the lines between them."""
    script = "set -euo pipefail\n" + "".join(map(documented, pages))
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "API": api}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    objects, lines, rest = [], [], done.stdout
    while rest:
        if rest.startswith("{"):
            found, end = json.JSONDecoder().raw_decode(rest)
            objects.append(found)
            rest = rest[end:]
        else:
            line, _, rest = rest.partition("\n")
            lines.append(line)
    return objects, lines


def answer(question: str) -> str:
    return f"Answer to: {question}"


async def test_a_new_user_walks_through_branches_sharing_archive_export_and_search(tmp_path: Path) -> None:
    async with model_server("--delay", "0") as model:
        settings = {"OPENAI_BASE_URL": f"{model}/v1", "OPENAI_MODELS": "scripted"}
        async with served(tmp_path, **settings) as api:
            objects, lines = walked(api.address, "conversations.md", "search.md")
        async with httpx.AsyncClient() as client:
            asked = (await client.get(f"{model}/_requests")).json()

    branch = [MAY, answer(MAY), JULY, answer(JULY)]
    assert lines[: len(branch)] == branch
    assert lines[len(branch) : 2 * len(branch)] == branch
    code, name, exported, *snippets = lines[2 * len(branch) :]
    assert (code, name, exported) == ("share_not_found", "Holiday plans", "7")
    assert sorted(snippets) == sorted([MAY, answer(MAY)])
    edited, regenerated, shown, waited, archived = objects
    assert (edited["message"]["siblings"]["index"], regenerated["reply"]["siblings"]["index"]) == (1, 1)
    assert waited["content"] == answer(JULY)
    assert shown["id"] == archived["id"]
    assert archived["archived"] is True
    # Each reply's context is exactly its branch.
    contexts = [[message["content"] for message in request["body"]["messages"]] for request in asked["requests"]]
    assert contexts == [[MAY], [JUNE], [MAY], [MAY, answer(MAY), JULY]]
