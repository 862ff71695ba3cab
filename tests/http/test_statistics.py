"""GET /admin/stats: what an operator sees of each day."""

import pytest

from parley.core.chat.errors import ModelRefused
from tests.http.answers import refused
from tests.http.scripted_model import ScriptedModel
from tests.http.site import ADMIN_TOKEN, MIRA, RAVI, Clock, Person, Site


@pytest.fixture
def operator(site: Site) -> Person:
    operator = site.visitor()
    operator.identify(ADMIN_TOKEN)
    return operator


async def test_a_day_has_what_happened_on_it_also_of_erased_accounts(
    site: Site, operator: Person, model: ScriptedModel, clock: Clock
) -> None:
    mira, ravi = await site.person(MIRA), await site.person(RAVI)
    model.on("Fail", "some text", ModelRefused("model_refused", "No."))
    room = await mira.new_room()
    await mira.hear(room)
    await mira.hear(room, model="scripted/two")
    await mira.hear(room, "Fail")
    usage = (await mira.get("/user/usage")).json()["tokens"]
    account = (await mira.get("/user/me")).json()["id"]
    await operator.patch(f"/admin/accounts/{account}", json={"plan": "pro"})
    holder = site.parley.billing.worker_id
    await site.parley.statistics.collect(holder, now=clock())
    await operator.delete(f"/admin/accounts/{account}")
    await ravi.get("/user/me")
    await site.parley.statistics.collect(holder, now=clock())

    answer = await operator.get("/admin/stats", params={"days": 2})
    today, yesterday = answer.json()["items"]
    assert (today["day"], yesterday["day"]) == ("2026-03-14", "2026-03-13")
    assert (today["signups"], today["active_accounts"], today["messages"]) == (2, 1, 3)
    assert today["failures"] == {"model_refused": 1}
    assert today["plans"] == {"basic": 1, "pro": 0}
    for kind in ("input", "output"):
        assert sum(tokens[kind] for tokens in today["tokens"].values()) == usage[kind]
    assert yesterday == {
        "day": "2026-03-13",
        "signups": 0,
        "active_accounts": 0,
        "messages": 0,
        "tokens": {},
        "failures": {},
        "plans": {},
    }


async def test_the_number_of_days_is_30_unless_it_is_given(operator: Person) -> None:
    assert len((await operator.get("/admin/stats")).json()["items"]) == 30
    for days in (0, 401, "x"):
        refused(await operator.get("/admin/stats", params={"days": days}), 400, "invalid_input", "days")
