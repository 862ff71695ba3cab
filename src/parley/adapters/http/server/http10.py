"""Responses to HTTP/1.0 clients, which do not understand chunks (RFC 9112, 7.1)."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

_WITHOUT_BODY = frozenset({204, 304})


def without_chunks(cycle: RequestResponseCycle, app: Any) -> Any:
    """The application for one request: a body of unknown length ends with the connection.

    uvicorn would frame it as chunks.
    """
    delimited_by_close = False

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        async def send_unframed(message: Any) -> None:
            nonlocal delimited_by_close
            if message["type"] == "http.response.start":
                delimited_by_close = _has_unknown_length(scope["method"], message)
                if delimited_by_close:
                    _start(cycle, message)
                    return
            if delimited_by_close:
                await _continue(cycle, message)
            else:
                await send(message)

        await app(scope, receive, send_unframed)

    return answer


def _has_unknown_length(method: str, start: Any) -> bool:
    length_given = any(name.lower() == b"content-length" for name, _ in start["headers"])
    return not length_given and method != "HEAD" and start["status"] not in _WITHOUT_BODY


def _start(cycle: RequestResponseCycle, message: Any) -> None:
    if cycle.disconnected:
        return
    cycle.response_started = True
    cycle.waiting_for_100_continue = False
    headers = [*cycle.default_headers, *message["headers"], (b"connection", b"close")]
    lines = [b"%s: %s\r\n" % header for header in headers]
    cycle.transport.write(b"".join([STATUS_LINE[message["status"]], *lines, b"\r\n"]))


async def _continue(cycle: RequestResponseCycle, message: Any) -> None:
    if cycle.flow.write_paused and not cycle.disconnected:
        await cycle.flow.drain()
    if cycle.disconnected:
        return
    cycle.transport.write(message.get("body", b""))
    if not message.get("more_body", False):
        cycle.response_complete = True
        cycle.message_event.set()
        cycle.transport.close()
        cycle.on_response()
