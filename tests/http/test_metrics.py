"""Metrics have the expected values after known requests, and contain nothing about a person."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from parley.core.chat.errors import ModelRefused, ModelUnavailable
from tests.http.answers import refused
from tests.http.conftest import OpenSite
from tests.http.scripted_model import ScriptedModel
from tests.http.site import MIRA, Clock, Person, Site, address, until
from tests.http.test_health import close_connections

TOKEN = "a token for Prometheus only"
SECRET = "a thought of Mira's"
ID = re.compile(r"[0-9a-f]{8}")


async def scraped(site: Site) -> str:
    answer = await site.visitor().get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return answer.text


async def metric(site: Site, name: str, **labels: str) -> float:
    """The sum of the samples with this name and these labels."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(await scraped(site))
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


async def test_requests_are_counted_by_their_route_and_status(site: Site, mira: Person) -> None:
    room = await mira.new_room()
    for _ in range(3):
        await mira.get(f"/chatroom/{room}")
    await mira.get(f"/chatroom/{room}/")
    await mira.get("/chatroom/0199f3c6-0000-7000-8000-000000000000")
    route = "/chatroom/{chatroom_id}"
    assert await metric(site, "parley_http_requests_total", method="GET", route=route, status="200") == 4
    assert await metric(site, "parley_http_requests_total", method="GET", route=route, status="404") == 1
    assert await metric(site, "parley_http_answer_seconds_count", method="GET", route=route) == 5
    assert await metric(site, "parley_http_refusals_total", code="chatroom_not_found") == 1


async def test_a_client_that_leaves_in_the_middle_of_a_body_is_not_an_error_of_the_server(site: Site) -> None:
    arriving = iter([{"type": "http.request", "body": b'{"email": "', "more_body": True}, {"type": "http.disconnect"}])
    scope: Any = {
        "type": "http", "http_version": "1.1", "method": "POST", "path": "/auth/send-otp", "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"40")], "root_path": "",
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "scheme": "http",
    }  # fmt: skip

    async def receive() -> Any:
        return next(arriving)

    async def send(message: object) -> None:
        """The response goes nowhere."""

    await site.app(scope, receive, send)
    assert await metric(site, "parley_http_requests_total", route="/auth/send-otp", status="0") == 1
    assert await metric(site, "parley_http_requests_total", route="/auth/send-otp") == 1
    assert await metric(site, "parley_http_refusals_total", code="client_disconnected") == 1
    assert await metric(site, "parley_http_refusals_total", code="internal_error") == 0


@pytest.mark.parametrize("path", ["/metrics/", "//metrics", "/metrics%2f", "/metrics//", "/%6detrics", "/metrics/%20"])
async def test_other_spellings_of_the_path_are_not_found(site: Site, path: str) -> None:
    """A proxy's rule that protects /metrics would not protect them."""
    answer = await site.visitor().request("GET", f"http://parley.test{path}")
    refused(answer, 404, "not_found")
    assert "parley_" not in answer.text


async def test_unknown_paths_count_as_one_route_and_unknown_methods_as_one_method(site: Site) -> None:
    visitor = site.visitor()
    for path in ("/no/such/page", f"/{MIRA}", "/chatroom/not-an-id"):
        await visitor.get(path)
    await visitor.request("SECRETS", "/user/me")
    assert await metric(site, "parley_http_requests_total", route="unmatched", method="GET", status="404") == 3
    assert await metric(site, "parley_http_requests_total", route="unmatched", method="other") == 1
    assert MIRA not in await scraped(site)
    assert "SECRETS" not in await scraped(site)


async def test_refusals_are_counted_by_their_code(open_site: OpenSite) -> None:
    site = await open_site(BASIC_DAILY_LIMIT="1")
    mira = await site.person()
    room = await mira.new_room()
    await mira.ask(room)
    refused(await mira.say(room), 429, "quota_exceeded")
    refused(await mira.say(room), 429, "quota_exceeded")
    refused(await site.visitor().get("/user/me"), 401, "token_invalid")
    assert await metric(site, "parley_http_refusals_total", code="quota_exceeded") == 2
    assert await metric(site, "parley_http_refusals_total", code="token_invalid") == 1


async def test_replies_are_counted_by_their_model_and_end(site: Site, model: ScriptedModel, mira: Person) -> None:
    room = await mira.new_room()
    model.on("Fail", "some text", ModelRefused("model_refused", "No."))
    await mira.hear(room)
    await mira.hear(room, model="scripted/two")
    await mira.hear(room, "Fail")
    one = {"model": "scripted/one"}
    assert await metric(site, "parley_reply_seconds_count", **one, end="completed") == 1
    assert await metric(site, "parley_reply_seconds_count", **one, end="failed") == 1
    assert await metric(site, "parley_reply_seconds_count", model="scripted/two", end="completed") == 1
    assert await metric(site, "parley_reply_first_text_seconds_count", **one) == 2
    assert await metric(site, "parley_reply_failed_attempts_total", **one, code="model_refused") == 1


async def test_a_retry_counts_as_a_failed_attempt_and_not_as_an_end(
    site: Site, model: ScriptedModel, mira: Person
) -> None:
    model.on("Wait", ModelUnavailable("model_rate_limited", "Later.", retry_after=60))
    await mira.ask(await mira.new_room(), "Wait")

    async def postponed() -> bool:
        return await metric(site, "parley_reply_failed_attempts_total", code="model_rate_limited") == 1

    async def waiting() -> bool:
        # The backlog is cached for a second.
        pending = await metric(site, "parley_replies_unfinished", status="pending")
        return pending == 1 and await metric(site, "parley_replies_due") == 0

    await until(postponed)
    await until(waiting)
    assert await metric(site, "parley_reply_seconds_count") == 0


async def test_sign_ins_are_counted_by_kind_of_identity(site: Site) -> None:
    visitor = site.visitor()
    await visitor.sign_in(MIRA)
    await visitor.post("/auth/login", json={"email": "nobody@example.com", "password": "not a password"})
    assert await metric(site, "parley_account_events_total", event="code_requested", identity="mobile_number") == 1
    assert await metric(site, "parley_account_events_total", event="sign_in_failed", identity="email") == 1


async def test_sweeps_are_counted_by_name(site: Site) -> None:
    async def swept() -> bool:
        return await metric(site, "parley_sweeps_total", sweep="overdue_replies", outcome="done") > 0

    await until(swept)
    assert await metric(site, "parley_sweeps_total", outcome="failed") == 0


async def test_requested_waiting_time_is_not_measured(site: Site, mira: Person) -> None:
    reply = await mira.hear(await mira.new_room())
    route = "/chatroom/{chatroom_id}/messages/{message_id}"
    assert await metric(site, "parley_http_requests_total", route=route) == 1
    assert await metric(site, "parley_http_answer_seconds_count", route=route) == 0
    await mira.get(address(reply))
    assert await metric(site, "parley_http_answer_seconds_count", route=route) == 1


async def test_an_ended_stream_is_not_counted_as_open(site: Site, mira: Person) -> None:
    accepted = await mira.ask(await mira.new_room())
    await mira.ended(accepted["reply"])
    assert (await site.visitor().get(accepted["stream_url"])).status_code == 200
    route = "/chatroom/{chatroom_id}/messages/{message_id}/stream"
    assert await metric(site, "parley_http_requests_total", route=route) == 1
    assert await metric(site, "parley_streams_open") == 0


async def test_no_metric_contains_personal_data(site: Site, model: ScriptedModel, mira: Person, clock: Clock) -> None:
    room = await mira.new_room(SECRET, instructions=SECRET)
    model.on(SECRET, SECRET)
    accepted = await mira.ask(room, SECRET, key=SECRET)
    await mira.ended(accepted["reply"])
    await site.visitor().get(accepted["stream_url"])
    await mira.say(room, SECRET, model=SECRET)
    await mira.get(f"/chatroom/{SECRET}", headers={"X-Request-ID": "canary"})
    await mira.post("/auth/login", json={"email": "mira@example.com", "password": SECRET})
    clock.fault = RuntimeError(SECRET)
    await mira.say(room, SECRET)
    clock.fault = None
    page = await scraped(site)
    assert 'status="500"' in page
    for secret in (SECRET, "thought", MIRA.strip("+"), "mira", room, mira.token, "canary", "ticket="):
        assert secret not in page
    families = text_string_to_metric_families(page)
    labels = {value for family in families for sample in family.samples for value in sample.labels.values()}
    assert not [label for label in labels if ID.search(label)]


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer nothing", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x"])
async def test_with_a_token_set_other_requests_are_refused(open_site: OpenSite, header: str | None) -> None:
    site = await open_site(METRICS_TOKEN=TOKEN)
    headers = {} if header is None else {"Authorization": header}
    answer = await site.visitor().get("/metrics", headers=headers)
    refused(answer, 401, "unauthenticated")


async def test_the_token_grants_access_and_an_access_token_does_not(open_site: OpenSite) -> None:
    site = await open_site(METRICS_TOKEN=TOKEN)
    answer = await site.visitor().get("/metrics", headers={"Authorization": f"bearer {TOKEN}"})
    assert answer.status_code == 200
    assert "parley_http_requests_total" in answer.text
    mira = await site.person()
    refused(await mira.get("/metrics"), 401, "unauthenticated")
    odd = await site.visitor().get("/metrics", headers={"Authorization": "Bearer \xfc".encode("latin-1")})
    refused(odd, 401, "unauthenticated")


async def test_without_its_database_a_process_still_reports_its_own_metrics(site: Site, tmp_path: Path) -> None:
    assert await metric(site, "parley_database_up") == 1
    await close_connections(site.parley.database)
    (tmp_path / "parley.db").rename(tmp_path / "gone.db")
    (tmp_path / "parley.db").mkdir()

    async def noticed() -> bool:
        return "parley_database_up 0.0" in await scraped(site)

    await until(noticed)
    scrape = await scraped(site)
    assert "parley_http_requests_total{" in scrape
    assert "parley_replies_unfinished" not in scrape


async def test_scrapes_and_replies_can_run_at_the_same_time(site: Site, mira: Person) -> None:
    room = await mira.new_room()
    before = await metric(site, "parley_http_requests_total", route="/metrics")
    talks = [mira.hear(room, f"Message {number}") for number in range(10)]
    scrapes = [scraped(site) for _ in range(30)]
    await asyncio.gather(*talks, *scrapes)
    assert await metric(site, "parley_reply_seconds_count", end="completed") == 10
    assert await metric(site, "parley_http_requests_total", route="/metrics") == before + 30 + 2
