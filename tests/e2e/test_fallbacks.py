"""A provider that cannot be reached, and a fallback that answers in its place."""

from pathlib import Path

from tests.e2e.events import Reader
from tests.e2e.process import free_port, model_server, new_room, run_parley, say, served, sign_in


def settings(fallback_url: str) -> dict[str, str]:
    return {
        "OPENAI_BASE_URL": f"http://127.0.0.1:{free_port()}/v1",
        "OPENAI_MODELS": "away",
        "GROQ_API_KEY": "any",
        "GROQ_BASE_URL": f"{fallback_url}/v1",
        "GROQ_MODELS": "local",
        "MODEL_FALLBACKS": "groq/local",
        "BASIC_DAILY_LIMIT": "50",
    }


async def test_replies_are_written_by_the_fallback_while_the_first_model_is_away(tmp_path: Path) -> None:
    async with model_server("--delay", "0") as url, served(tmp_path, **settings(url)) as api:
        client = await sign_in(api.address)
        for attempts in (5, 2, 1):
            accepted = await say(client, await new_room(client), "Hello")
            assert accepted["reply"]["model"] == "openai/away"
            reader = Reader()
            await reader.follow(client, accepted["stream_url"])
            assert reader.final is not None
            message = reader.final.data["message"]
            assert (message["status"], message["model"]) == ("completed", "groq/local")
            assert message["content"] == reader.text == "Answer to: Hello"
            assert [event.data for event in reader.seen if event.name == "start"][-1] == {"attempt": attempts}
        metrics = (await client.get("/metrics")).text
        await client.aclose()

    assert 'parley_model_fallbacks_total{model="openai/away",to="groq/local"} 3.0' in metrics
    assert 'parley_model_circuit_changes_total{model="openai/away",state="open"} 1.0' in metrics


async def test_check_asks_each_provider_and_shows_the_fallbacks(tmp_path: Path) -> None:
    async with model_server() as url:
        code, out, _ = await run_parley(tmp_path, "check", **settings(url) | {"TITLE_MODEL": "groq/local"})
        assert code == 1
        lines = [line for line in out.splitlines() if "models" in line]
        assert lines[0].startswith("WRONG  models of openai: The connection to openai failed.")
        assert lines[1] == "ok     models of groq: groq answers and lists 1 models."
        assert lines[2].endswith("by default openai/away; titles by groq/local; fallbacks groq/local")

        code, out, _ = await run_parley(tmp_path, "check", **settings(url) | {"GROQ_MODELS": "other"})
        assert code == 1
        assert "MODEL_FALLBACKS: groq/local is not one of the models on offer" in out
