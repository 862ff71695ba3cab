"""Traces of real processes, sent to a real collector, and no cost where traces are off."""

import asyncio
import json
import signal
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.process import ended, free_port, new_room, run_to_end, say, served, sign_in
from tests.e2e.scaled_out import ScaledOut, scaled_out, texted_code
from tests.servers.sms_gateway import SmsGateway
from tests.servers.trace_collector import TraceCollector, trace_collector

RAVI = {"mobile_number": "+919876543210"}
SECRET = "a thought of Ravi's"
# Spans are sent only at shutdown.
AT_SHUTDOWN_ONLY = {"OTEL_BSP_SCHEDULE_DELAY": "3600000"}
# opentelemetry itself is left out, since Litestar looks for it.
LOADED = """
import json, sys
import parley.asgi
names = ("opentelemetry.sdk", "opentelemetry.trace", "opentelemetry.exporter", "google.protobuf", "requests",
         "parley.adapters.tracing", "parley.bootstrap.opentelemetry")
print(json.dumps([name for name in names if name in sys.modules]))
"""
HIDE = """
import sys
sys.modules["opentelemetry.sdk"] = None
"""


async def test_one_trace_from_the_post_to_the_last_write_on_another_process(tmp_path: Path) -> None:
    with trace_collector() as collector:
        async with scaled_out(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **AT_SHUTDOWN_ONLY) as deployment:
            token, code = await _signed_in(deployment)
            async with deployment.visitor(0, token) as ravi:
                reply = (await say(ravi, await new_room(ravi), SECRET))["reply"]
                assert (await ended(ravi, reply))["status"] == "completed"
            await _shut_down(deployment)
        _check_message(collector, reply["id"])
        _check_code(collector)
        sent = b"\n".join(collector.bodies)
        assert [word for word in (SECRET, token, RAVI["mobile_number"], code) if word.encode() in sent] == []


@pytest.mark.parametrize("hanging", [False, True])
async def test_a_collector_that_does_not_answer_delays_nothing(tmp_path: Path, hanging: bool) -> None:
    async with SmsGateway().running() as silent:
        silent.hanging = True
        address = silent.url if hanging else f"http://127.0.0.1:{free_port()}"
        # Longer than any timeout of this test.
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_EXPORTER_OTLP_TIMEOUT": "300"}
        async with served(tmp_path, OFFLINE_DELAY_SECONDS="0", **endpoint) as api:
            async with aclosing(await sign_in(api.address)) as mira:
                reply = (await say(mira, await new_room(mira), "Hello"))["reply"]
                assert (await ended(mira, reply))["status"] == "completed"
            api.signal(signal.SIGTERM)
            assert await api.ended() in {0, -signal.SIGTERM}


@pytest.mark.parametrize("settings", [{}, {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}])
async def test_nothing_is_imported_for_traces_that_are_off(tmp_path: Path, settings: dict[str, str]) -> None:
    loaded, logged = await _python(tmp_path, LOADED, settings)
    assert loaded == []
    assert "traces_off" not in logged


async def test_opentelemetry_is_imported_for_traces_that_are_on(tmp_path: Path) -> None:
    loaded, _ = await _python(tmp_path, LOADED, {"OTEL_TRACES_EXPORTER": "console"})
    assert {"opentelemetry.sdk", "parley.adapters.tracing"} <= set(loaded)


@pytest.mark.parametrize(("code", "exporter"), [(HIDE + LOADED, "console"), (LOADED, "zipkin")])
async def test_traces_that_cannot_work_are_reported_and_end_nothing(tmp_path: Path, code: str, exporter: str) -> None:
    _, logged = await _python(tmp_path, code, {"OTEL_TRACES_EXPORTER": exporter})
    assert "traces_off" in logged


def _check_message(collector: TraceCollector, reply_id: str) -> None:
    [post] = collector.named("POST /chatroom/{chatroom_id}/message")
    [work] = collector.named("write_reply", **{"parley.reply_id": reply_id})
    steps = {span.name: span for span in collector.spans if span.parent == work.id}
    assert steps.keys() - {"replies.renew"} == {"replies.claim", "ask_model", "replies.end"}
    assert {span.trace for span in (post, work, *steps.values())} == {post.trace}
    assert (post.parent, work.parent) == ("", post.id)
    assert post.process != work.process == steps["replies.end"].process
    assert {post.service, work.service} == {"parley"}
    assert post.attributes["http.response.status_code"] == 202
    assert work.attributes["parley.end"] == "completed"
    assert steps["ask_model"].events == ["first_text"]


def _check_code(collector: TraceCollector) -> None:
    [asked] = collector.named("POST /auth/send-otp")
    [delivered] = collector.named("deliver_code")
    assert (delivered.trace, delivered.parent) == (asked.trace, asked.id)


async def _signed_in(deployment: ScaledOut) -> tuple[str, str]:
    """Ravi's access token and code."""
    assert (await deployment.post(0, "/auth/send-otp", RAVI)).is_success
    code = await texted_code(deployment.gateway, RAVI)
    answer = await deployment.post(0, "/auth/verify-otp", {**RAVI, "otp": code})
    return answer.json()["access_token"], code


async def _shut_down(deployment: ScaledOut) -> None:
    """End all processes with SIGTERM."""
    processes = [*deployment.apis, *deployment.workers]
    for process in processes:
        process.signal(signal.SIGTERM)
    await asyncio.gather(*(process.ended() for process in processes))


async def _python(folder: Path, code: str, settings: dict[str, str]) -> tuple[Any, str]:
    """The JSON that the code printed, and its log."""
    exit_code, out, err = await run_to_end(folder, sys.executable, "-c", code, **settings)
    assert exit_code == 0, err
    return json.loads(out), err
