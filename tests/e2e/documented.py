"""The clients of docs/clients.md as printed there, and a server whose model thinks."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.e2e.process import Served, free_port, model_server

_PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
# The model repeats it; many libraries end lines at two of its characters.
QUESTION = "[[thought]] one\u2028two \x85 three"
ANSWER = f"Answer to: {QUESTION}"
THOUGHT = "Hm."


def documented(language: str) -> str:
    [block] = re.findall(rf"```{language}\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return str(block)


@asynccontextmanager
async def thinking_server(folder: Path, *, public_url: bool = True) -> AsyncIterator[Served]:
    """With `public_url`, `stream_url` is a whole address."""
    async with model_server("--delay", "0.01") as model:
        port = free_port()
        settings = {"OPENAI_BASE_URL": f"{model}/v1", "OPENAI_MODELS": "scripted"}
        if public_url:
            settings["PUBLIC_URL"] = f"http://127.0.0.1:{port}"
        api = Served(folder, settings, port)
        try:
            yield await api.start()
        finally:
            await api.kill()
