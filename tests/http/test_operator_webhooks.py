"""The operator's view of the deliveries of webhooks."""

from typing import Any

import pytest

from tests.contracts.webhook_fixtures import ENDPOINT, a_delivery
from tests.http.answers import refused
from tests.http.conftest import Logs
from tests.http.site import ADMIN_TOKEN, Person, Site

GONE = "0199f3c6-0000-7000-8000-000000000000"


@pytest.fixture
def operator(site: Site) -> Person:
    operator = site.visitor()
    operator.identify(ADMIN_TOKEN)
    return operator


async def listed(operator: Person, **query: Any) -> dict[str, Any]:
    answer = await operator.get("/admin/webhooks", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_deliveries_are_shown_without_what_they_tell_and_repeated(
    site: Site, operator: Person, logs: Logs
) -> None:
    assert await listed(operator) == {"items": [], "next_cursor": None}
    waiting, failed = a_delivery(personal={"email": "mira@example.com"}), a_delivery()
    async with site.parley.accounts.uow() as unit:
        await unit.outgoing_events.add([failed, waiting])
        await unit.commit()
    async with site.parley.webhooks.uow() as unit:
        claimed = {each.id: each for each in await unit.deliveries.claim(ENDPOINT, lease=60, limit=10)}
        await unit.deliveries.fail(claimed[failed.id], error="The endpoint answered with status 410.")
        await unit.commit()

    page = await listed(operator)
    assert {each["id"]: each["status"] for each in page["items"]} == {
        str(waiting.id): "pending",
        str(failed.id): "failed",
    }
    assert "mira@example.com" not in str(page)
    [shown] = (await listed(operator, status="failed"))["items"]
    assert {name: shown[name] for name in ("event_id", "type", "endpoint", "attempts", "last_error")} == {
        "event_id": str(failed.event.id),
        "type": "reply.completed",
        "endpoint": ENDPOINT,
        "attempts": 1,
        "last_error": "The endpoint answered with status 410.",
    }
    assert (shown["next_attempt_at"], shown["ended_at"] is None) == (None, False)

    answer = await operator.post(f"/admin/webhooks/{failed.id}/redeliver")
    assert (answer.status_code, answer.json()["status"], answer.json()["attempts"]) == (200, "pending", 0)
    refused(await operator.post(f"/admin/webhooks/{GONE}/redeliver"), 404, "delivery_not_found")
    notes = {entry["event"]: entry for entry in logs if entry["event"] in {"webhooks_listed", "webhook_repeated"}}
    assert notes["webhook_repeated"]["account_id"] == str(failed.event.account_id)
    assert notes["webhook_repeated"]["by"] == notes["webhooks_listed"]["by"] == "operator"


async def test_pages_lead_through_all_deliveries(site: Site, operator: Person) -> None:
    deliveries = [a_delivery() for _ in range(5)]
    async with site.parley.accounts.uow() as unit:
        await unit.outgoing_events.add(deliveries)
        await unit.commit()
    seen: list[str] = []
    page = await listed(operator, limit=2)
    while True:
        seen += [each["id"] for each in page["items"]]
        if page["next_cursor"] is None:
            break
        page = await listed(operator, limit=2, cursor=page["next_cursor"])
    assert seen == sorted((str(each.id) for each in deliveries), reverse=True)
    refused(await operator.get("/admin/webhooks", params={"cursor": "hunter2"}), 400, "invalid_input", "cursor")
    refused(await operator.get("/admin/webhooks", params={"status": "lost"}), 400, "invalid_input", "status")
