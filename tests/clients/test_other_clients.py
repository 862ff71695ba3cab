"""Other clients of OpenAI's protocol, by the examples of docs/openai-clients.md."""

import re
from pathlib import Path

import pytest

from tests.clients.pypi import installed, run_pasted
from tests.clients.test_openai import new_key
from tests.e2e.process import served, sign_in

PAGE = Path(__file__).parents[2] / "docs" / "openai-clients.md"
PACKAGES = ("pydantic-ai-slim[openai]==2.38.0", "instructor==1.17.0", "llm==0.36")
QUESTION = "Where is it warm in May?"
EXAMPLES = {
    "pydantic-ai": ("python", f"You said: {QUESTION}\nYou said: And in June?\n"),
    "instructor": ("python", "Rome\nRome\n"),
    "llm": ("sh", f"You said: {QUESTION}\nYou said: And in June?\n"),
}


def example(heading: str, language: str) -> str:
    section = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    [text] = [each for each in section if each.startswith(f"{heading}\n")]
    [block] = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return str(block)


@pytest.mark.parametrize("client", EXAMPLES)
async def test_the_documented_example_answers_and_then_meets_the_end_of_the_day(tmp_path: Path, client: str) -> None:
    language, expected = EXAMPLES[client]
    text, programs = example(client, language), installed(*PACKAGES)
    async with served(tmp_path, BASIC_DAILY_LIMIT="2", OFFLINE_DELAY_SECONDS="0") as parley:
        person = await sign_in(parley.address)
        variables = {"PARLEY_URL": parley.address, "PARLEY_KEY": await new_key(person)}
        code, out, errors = await run_pasted(programs, tmp_path / "first", language, text, **variables)
        refused = await run_pasted(programs, tmp_path / "second", language, text, **variables)
        await person.aclose()
    assert (code, out) == (0, expected), errors
    assert refused[0] != 0
    assert "insufficient_quota" in refused[2]
