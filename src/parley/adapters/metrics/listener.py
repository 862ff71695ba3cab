"""A worker's HTTP port for Prometheus."""

import hmac
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import structlog
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from parley.adapters.metrics import Metrics

log = structlog.get_logger("parley.metrics")


@contextmanager
def listening(metrics: Metrics, *, port: int, token: str) -> Generator[None, None, None]:
    """Serve the metrics while the context is open: locally if `token` is empty, else to every client with the token.

    A port that is in use is logged and does not stop the worker.
    """
    host = "0.0.0.0" if token else "127.0.0.1"  # noqa: S104  requests are authenticated by the token
    try:
        server = make_server(host, port, _application(metrics, token), _Server, _Handler)
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


def _application(metrics: Metrics, token: str) -> Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]:
    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
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
