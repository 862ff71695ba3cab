"""A worker's HTTP port: metrics for Prometheus, and health for what supervises it."""

import asyncio
import hmac
import json
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import structlog
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from parley.adapters.metrics import Metrics
from parley.core.health import CHECK_SECONDS, Checks, known_causes, what_is_down

# A second for an event loop that is busy, beside the time of the checks.
PATIENCE_SECONDS = CHECK_SECONDS + 1.0

log = structlog.get_logger("parley.metrics")


@contextmanager
def listening(
    metrics: Metrics, *, port: int, token: str, checks: Checks, patience: float = PATIENCE_SECONDS
) -> Generator[None, None, None]:
    """Serve /metrics, /health/live and /health/ready while the context is open. Call it in a running event loop.

    Locally if `token` is empty, else to every client; /metrics needs the token. The worker is live while its event
    loop answers within `patience` seconds, and ready while all `checks` are true too.
    A port that is in use is logged and does not stop the worker.
    """
    host = "0.0.0.0" if token else "127.0.0.1"  # noqa: S104  requests are authenticated by the token
    health = _Health(checks, asyncio.get_running_loop(), patience)
    application = _application(metrics, token, health)
    try:
        server = make_server(host, port, application, _Server, _Handler)
    except OSError as error:
        log.error("metrics_port_not_opened", port=port, error=error.strerror)  # noqa: TRY400  the traceback adds nothing
        yield
        return
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    log.info("metrics_port_opened", host=host, port=port)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingMixIn, WSGIServer):
    """A thread per request, so that a slow client does not delay others."""

    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = 10

    def log_message(self, *_: Any) -> None:
        """Scrapes are not logged."""


class _Health:
    """Asked in threads beside the event loop whose health it is."""

    def __init__(self, checks: Checks, loop: asyncio.AbstractEventLoop, patience: float) -> None:
        self._checks = checks
        self._loop = loop
        self._patience = patience

    def down(self, *, live: bool) -> dict[str, str]:
        """What is down of what a `live` process needs, or a ready one."""
        asked = asyncio.run_coroutine_threadsafe(what_is_down({} if live else self._checks), self._loop)
        try:
            return asked.result(self._patience)
        except TimeoutError:
            asked.cancel()
            return {"event loop": ""}


def _application(
    metrics: Metrics, token: str, health: _Health
) -> Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]:
    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] in {"/health/live", "/health/ready"}:
            return _health(health.down(live=environ["PATH_INFO"] == "/health/live"), start)
        given = environ.get("HTTP_AUTHORIZATION", "")
        if token and not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            start("401 Unauthorized", [("WWW-Authenticate", "Bearer"), ("Content-Length", "0")])
            return []
        if environ["PATH_INFO"] != "/metrics":
            start("404 Not Found", [("Content-Length", "0")])
            return []
        start("200 OK", [("Content-Type", CONTENT_TYPE_PLAIN_0_0_4)])
        return [generate_latest(metrics.registry)]

    return answer


def _health(down: dict[str, str], start: Callable[..., Any]) -> Iterable[bytes]:
    status = HTTPStatus.SERVICE_UNAVAILABLE if down else HTTPStatus.OK
    causes = {"causes": known_causes(down)} if any(down.values()) else {}
    body = json.dumps({"status": "unavailable" if down else "ok", "down": list(down), **causes}).encode()
    start(
        f"{status.value} {status.phrase}",
        [("Content-Type", "application/json"), ("Content-Length", str(len(body)))],
    )
    return [body]
