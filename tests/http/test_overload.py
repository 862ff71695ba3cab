"""What an overloaded API process refuses, and what it goes on doing."""

from dataclasses import replace
from pathlib import Path

from parley.runtime.loop_lag import SAMPLES
from tests.fakes.virtual_lag import LATE, ON_TIME, VirtualLag
from tests.http.answers import refused
from tests.http.document import Document
from tests.http.scripted_model import ScriptedModel
from tests.http.site import Clock, address, opened, wired


async def test_only_new_streams_are_refused_until_the_process_has_caught_up(
    tmp_path: Path, clock: Clock, model: ScriptedModel, document: Document
) -> None:
    virtual = VirtualLag()
    parley = replace(wired(tmp_path / "parley.db", clock, model), loop_lag=virtual.lag)
    async with opened(parley, clock, model, document) as site:
        mira = await site.person()
        reply = await mira.hear(await mira.new_room())
        stream = f"{address(reply)}/stream"
        assert await virtual.sample(*[LATE] * SAMPLES)
        answer = await mira.get(stream)
        refused(answer, 503, "overloaded")
        assert answer.headers["retry-after"] == "5"
        refused(await site.visitor().get(stream), 401, "token_invalid")
        assert (await mira.get(address(reply))).status_code == 200
        assert not await virtual.sample(*[ON_TIME] * SAMPLES)
        assert (await mira.get(stream)).status_code == 200
