"""The operator's routes under /admin: who may call them, and what they answer."""

from typing import Any

import httpx
import pytest

from tests.http.answers import refused
from tests.http.conftest import Logs, OpenSite
from tests.http.site import ADMIN_TOKEN, MIRA, RAVI, Person, Site

GONE = "0199f3c6-0000-7000-8000-000000000000"
ROUTES = [
    ("GET", "/admin/stats"),
    ("GET", "/admin/accounts"),
    ("GET", f"/admin/accounts/{GONE}"),
    ("PATCH", f"/admin/accounts/{GONE}"),
    ("DELETE", f"/admin/accounts/{GONE}"),
    ("POST", f"/admin/accounts/{GONE}/sessions/end"),
    ("GET", "/admin/webhooks"),
    ("POST", f"/admin/webhooks/{GONE}/redeliver"),
]
each_route = pytest.mark.parametrize(("method", "path"), ROUTES)


@pytest.fixture
def operator(site: Site) -> Person:
    operator = site.visitor()
    operator.identify(ADMIN_TOKEN)
    return operator


async def account(site: Site, mobile_number: str = MIRA) -> tuple[Person, str]:
    """A person who is signed in, and the address of their account under /admin."""
    person = site.visitor()
    signed_in = await person.sign_in(mobile_number)
    return person, f"/admin/accounts/{signed_in['user']['id']}"


async def changed(operator: Person, address: str, **change: Any) -> dict[str, Any]:
    answer = await operator.patch(address, json=change)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def listed(operator: Person, **query: Any) -> dict[str, Any]:
    answer = await operator.get("/admin/accounts", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


@each_route
async def test_without_a_token_in_the_settings_there_are_no_such_addresses(
    open_site: OpenSite, method: str, path: str
) -> None:
    site = await open_site(ADMIN_TOKEN="")
    operator, mira = site.visitor(), await site.person()
    operator.identify(ADMIN_TOKEN)
    for person in (operator, mira, site.visitor()):
        refused(await person.request(method, path, json={}), 404, "not_found")


@each_route
async def test_only_the_token_of_the_settings_opens_them(site: Site, method: str, path: str) -> None:
    mira = await site.person()
    for authorization in ("", "Bearer", f"Basic {ADMIN_TOKEN}", f"Bearer {ADMIN_TOKEN}x", "Bearer é", mira.token):
        headers = {"Authorization": authorization.encode("latin-1")}
        answer = await site.visitor().request(method, path, headers=headers, json={})
        refused(answer, 401, "admin_token_invalid")
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_the_operators_token_opens_nothing_else(site: Site, operator: Person) -> None:
    refused(await operator.get("/user/me"), 401, "token_invalid")


async def test_guesses_of_one_address_are_limited_and_logged(site: Site, logs: Logs) -> None:
    async def guess(address: str, token: str) -> httpx.Response:
        visitor = site.visitor(address)
        visitor.identify(token)
        return await visitor.get("/admin/accounts")

    for number in range(30):
        refused(await guess("192.0.2.1", f"guess {number}"), 401, "admin_token_invalid")
    last = await guess("192.0.2.1", "one more")
    refused(last, 429, "rate_limited")
    assert 0 < int(last.headers["retry-after"]) <= 60
    # A right token learns no more than a wrong one now; elsewhere it works.
    refused(await guess("192.0.2.1", ADMIN_TOKEN), 429, "rate_limited")
    assert (await guess("192.0.2.2", ADMIN_TOKEN)).status_code == 200
    events = [entry["event"] for entry in logs if entry["event"] in {"operator_refused", "throttled"}]
    assert events == ["operator_refused"] * 30 + ["throttled"] * 2
    assert "guess" not in str([entry for entry in logs if entry["event"] == "operator_refused"])


async def test_the_operators_own_requests_are_no_guesses(operator: Person) -> None:
    for _ in range(35):
        await listed(operator)


async def test_a_missing_token_is_no_guess(site: Site) -> None:
    for _ in range(35):
        refused(await site.visitor().get("/admin/accounts"), 401, "admin_token_invalid")


async def test_accounts_are_listed_by_pages_the_newest_first(site: Site, operator: Person) -> None:
    for number in range(5):
        await site.person(f"+91987654321{number}")
    first = await listed(operator, limit=2)
    second = await listed(operator, limit=2, cursor=first["next_cursor"])
    third = await listed(operator, limit=2, cursor=second["next_cursor"])

    numbers = [each["mobile_number"] for page in (first, second, third) for each in page["items"]]
    assert numbers == [f"+91987654321{number}" for number in (4, 3, 2, 1, 0)]
    assert third["next_cursor"] is None


async def test_accounts_are_found_by_number_and_by_id(site: Site, operator: Person) -> None:
    mira, address = await account(site)
    await account(site, RAVI)
    me = (await mira.get("/user/me")).json()

    for search in (me["id"], MIRA, "91 98765 43210"):
        assert (await listed(operator, q=search))["items"] == [me | {"suspended_at": None}]
    found = await listed(operator, q="+91 98765", limit=1)
    assert [each["mobile_number"] for each in found["items"]] == [MIRA]
    found = await listed(operator, q="+91 98765", cursor=found["next_cursor"])
    assert [each["mobile_number"] for each in found["items"]] == [RAVI]
    assert (await listed(operator, q="mira@"))["items"] == []
    assert address.endswith(me["id"])


async def test_accounts_are_listed_by_their_plan(site: Site, operator: Person) -> None:
    _, mira = await account(site)
    await account(site, RAVI)
    await changed(operator, mira, plan="pro")

    assert [each["mobile_number"] for each in (await listed(operator, plan="pro"))["items"]] == [MIRA]
    assert [each["mobile_number"] for each in (await listed(operator, plan="basic"))["items"]] == [RAVI]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"plan": "gold"}, "plan"),
        ({"q": ""}, "q"),
        ({"q": "x" * 255}, "q"),
        ({"q": "a\x00"}, "q"),
        ({"limit": 101}, "limit"),
        ({"cursor": "nonsense!"}, "cursor"),
        ({"cursor": "bm8gaWQ"}, "cursor"),
    ],
)
async def test_a_query_that_means_nothing_is_refused(operator: Person, query: dict[str, Any], field: str) -> None:
    refused(await operator.get("/admin/accounts", params=query), 400, "invalid_input", field)


async def test_an_account_is_shown_with_what_it_uses_and_pays_but_not_what_it_wrote(
    site: Site, operator: Person
) -> None:
    mira, address = await account(site)
    room = await mira.new_room("A secret room")
    await mira.hear(room, "A secret text")
    answer = await operator.get(address)

    shown = answer.json()
    me, usage, subscription = [
        (await mira.get(path)).json() for path in ("/user/me", "/user/usage", "/subscription/status")
    ]
    assert shown | me == shown
    assert (shown["usage"], shown["subscription"]) == (usage, subscription)
    assert usage["used"] == 1
    assert [each["opened_by"] for each in shown["sessions"]] == ["code"]
    assert (shown["plan_override"], shown["suspended_at"]) == (None, None)
    assert "secret" not in answer.text


async def test_a_plan_of_the_operator_wins_until_it_is_auto_again(site: Site, operator: Person) -> None:
    mira, address = await account(site)
    room = await mira.new_room()
    shown = await changed(operator, address, plan="pro")
    assert (shown["plan"], shown["plan_override"]) == ("pro", "pro")
    assert (await mira.get("/user/me")).json()["plan"] == "pro"
    assert (await mira.get("/user/usage")).json()["limit"] is None
    accepted = await mira.say(room)
    assert accepted.status_code == 202
    refused(await mira.post("/subscribe/pro"), 409, "plan_overridden")

    shown = await changed(operator, address, plan="auto")
    assert (shown["plan"], shown["plan_override"]) == ("basic", None)
    assert (await mira.get("/user/usage")).json()["limit"] == 1000
    assert (await mira.post("/subscribe/pro")).status_code == 200


async def test_a_plan_that_does_not_exist_changes_nothing(site: Site, operator: Person) -> None:
    _, address = await account(site)
    answer = await operator.patch(address, json={"plan": "gold", "suspended": True})

    refused(answer, 400, "invalid_input", "plan")
    shown = (await operator.get(address)).json()
    assert (shown["plan"], shown["suspended_at"]) == ("basic", None)


@pytest.mark.parametrize("change", [{"plan": None}, {"suspended": None}, {"suspended": "yes"}, {"name": "Mallory"}])
async def test_a_change_that_means_nothing_is_refused(site: Site, operator: Person, change: dict[str, Any]) -> None:
    _, address = await account(site)
    assert (await operator.patch(address, json=change)).status_code == 400


async def test_sessions_are_ended_and_the_person_may_sign_in_again(site: Site, operator: Person) -> None:
    mira, address = await account(site)
    await mira.sign_in(MIRA)
    answer = await operator.post(f"{address}/sessions/end")

    assert answer.json() == {"ended": 2}
    refused(await mira.get("/user/me"), 401, "token_invalid")
    assert (await operator.get(address)).json()["sessions"] == []
    await mira.sign_in(MIRA)
    assert (await mira.get("/user/me")).status_code == 200


async def test_an_erased_account_is_gone_for_everyone(site: Site, operator: Person) -> None:
    mira, address = await account(site)
    await mira.hear(await mira.new_room())
    assert (await operator.delete(address)).status_code == 204

    refused(await mira.get("/user/me"), 401, "token_invalid")
    refused(await operator.get(address), 404, "account_not_found")
    rows = await site.rows()
    assert [name for name in ("accounts", "rooms", "messages", "sessions", "usage_days") if rows[name]] == []


@pytest.mark.parametrize(("method", "path"), [each for each in ROUTES if GONE in each[1] and "accounts" in each[1]])
async def test_an_unknown_account_is_not_found(operator: Person, method: str, path: str) -> None:
    for change in ({"suspended": True}, {"plan": "pro"}) if method == "PATCH" else ({},):
        refused(await operator.request(method, path, json=change or None), 404, "account_not_found")


async def test_all_that_an_operator_does_or_reads_of_an_account_is_in_the_audit_log(
    site: Site, operator: Person, logs: Logs
) -> None:
    _, address = await account(site)
    account_id = address.rpartition("/")[2]
    before = len(logs)
    await listed(operator)
    await operator.get(address)
    await operator.patch(address, json={"suspended": True})
    await operator.patch(address, json={"suspended": False})
    await operator.patch(address, json={"plan": "pro"})
    await operator.post(f"{address}/sessions/end")
    await operator.delete(address)

    lines = [entry for entry in logs[before:] if entry.get("by")]
    assert [entry["event"] for entry in lines if entry["event"] != "account_read"] == [
        "accounts_listed",
        "account_suspended",
        "account_resumed",
        "plan_overridden",
        "sessions_ended",
        "account_erased",
    ]
    assert sum(entry["event"] == "account_read" for entry in lines) >= 4
    for entry in lines:
        assert (entry["by"], entry["address"]) == ("operator", "127.0.0.1")
        assert account_id in entry.get("account_ids", [entry.get("account_id")])
    assert MIRA[1:] not in str(lines)
    assert ADMIN_TOKEN not in str(logs)
