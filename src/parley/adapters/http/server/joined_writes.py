"""Sends the head of a response together with the beginning of its body.

uvicorn writes them separately: two system calls and two packets for each response.
"""

from typing import Any, cast

from litestar.enums import HttpMethod
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class JoinedWrites:
    """A transport that holds back what is written first until more is written or the transport is closed.

    An ASGI server may do so: it need not send a head before there is a body (ASGI HTTP specification, response start).
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._head: bytes | None = None
        self._begun = False

    def write(self, data: bytes) -> None:
        if not self._begun:
            self._begun, self._head = True, data
        elif self._head is None:
            self._transport.write(data)
        else:
            head, self._head = self._head, None
            self._transport.write(head + data)

    def close(self) -> None:
        if self._head is not None:
            self._transport.write(self._head)
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def join_writes(cycle: RequestResponseCycle) -> None:
    """A response to HEAD has no body that would follow, and 100 Continue must not wait for the response."""
    if cycle.scope["method"] != HttpMethod.HEAD and not cycle.waiting_for_100_continue:
        cycle.transport = cast("Any", JoinedWrites(cycle.transport))
