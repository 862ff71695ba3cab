"""A local server with the part of Stripe's API that parley uses, as strict as Stripe.

It can run alone: `python -m tests.servers.stripe_server --port 9010`. These requests act as the customer:
    POST /_complete/<session>          pay
    POST /_change/<subscription>       set the form's fields on it, such as `status=past_due`
They return the resulting events, `[{"body": …, "signature": …}]`. GET /_requests counts requests by path.
"""

import argparse
import asyncio
import re
from collections import Counter, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from tests.servers.http_server import HttpServer, head, read_request
from tests.servers.stripe_account import KEY, PRICE, SECRET, Refusal, StripeAccount, as_json
from tests.servers.stripe_objects import StripeObject


@dataclass(frozen=True)
class Request:
    """`given` are the form's or the query's fields, with bracketed names turned into nested objects."""

    method: str
    path: str
    headers: dict[str, str]
    given: StripeObject


class StripeServer(HttpServer):
    """Serves `account` over HTTP, in the running event loop.

    `faults` are the statuses of the next answers. `raw`, if set, is the body of every answer, with status 200. `final`
    tells the client not to retry. While `hanging` it does not answer; otherwise it answers after `delay` seconds.
    """

    def __init__(self, account: StripeAccount) -> None:
        super().__init__()
        self.account = account
        self.requests: list[Request] = []
        self.faults: deque[int] = deque()
        self.raw: bytes | None = None
        self.delay, self.hanging, self.final = 0.0, False, False
        self._replays: dict[str, tuple[Any, bytes]] = {}

    @asynccontextmanager
    async def running(self, port: int = 0) -> AsyncGenerator[Self, None]:
        async with super().running(port):
            self.url = self.account.url = self.address
            yield self

    def counts(self) -> Counter[str]:
        return Counter(f"{request.method} {request.path}" for request in self.requests)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = _request(*await read_request(reader))
            self.requests.append(request)
            self.notify()
            if self.hanging:
                await reader.read()
            await asyncio.sleep(self.delay)
            writer.write(self._response(request))
            await writer.drain()

    def _response(self, request: Request) -> bytes:
        headers = {"Content-Type": "application/json", "Request-Id": f"req_{len(self.requests)}"}
        try:
            status, (body, replayed) = 200, self._answer(request)
            headers |= {"Idempotent-Replayed": "true"} if replayed else {}
        except Refusal as refusal:
            status, body = refusal.status, refusal.body
        headers |= {"Stripe-Should-Retry": "false"} if self.final else {}
        if self.raw is not None:
            status, body = 200, self.raw
        return head(status, headers | {"Content-Length": f"{len(body)}"}) + body

    def _answer(self, request: Request) -> tuple[bytes, bool]:
        """The body, and whether it replays an earlier answer to the same Idempotency-Key. Raises Refusal."""
        if request.path.startswith("/_"):
            return as_json(self._control(request)), False
        if self.faults:
            raise Refusal(self.faults.popleft(), "some_code", kind="api_error")
        if request.headers.get("authorization") != f"Bearer {KEY}":
            raise Refusal(401)
        if not re.fullmatch(r"\d{4}-\d\d-\d\d\.\w+", request.headers.get("stripe-version", "")):
            raise Refusal(400, "parameter_invalid_string", "Stripe-Version")
        key, fingerprint = request.headers.get("idempotency-key", ""), (request.path, request.given)
        if key in self._replays:
            earlier, answer = self._replays[key]
            if earlier != fingerprint:
                raise Refusal(400, kind="idempotency_error")
            return answer, True
        answer = as_json(self.account.api(request.method, request.path, request.given))
        if key:
            self._replays[key] = (fingerprint, answer)
        return answer, False

    def _control(self, request: Request) -> Any:
        match request.path.split("/")[1:]:
            case ["_complete", session_id]:
                events = self.account.complete(session_id)
            case ["_change", subscription_id]:
                events = self.account.change(subscription_id, **{k: _typed(v) for k, v in request.given.items()})
            case _:
                return self.counts()
        return [{"body": body.decode(), "signature": signature} for body, signature in events]


def _typed(value: str) -> str | int | bool:
    return {"true": True, "false": False}.get(value, int(value) if value.isdigit() else value)


def _unfold(form: str) -> StripeObject:
    tree: StripeObject = {}
    for name, value in parse_qsl(form, keep_blank_values=True, strict_parsing=bool(form)):
        *path, last = re.findall(r"[^\[\]]+", name)
        inner = tree
        for step in path:
            inner = inner.setdefault(step, {})
        inner[last] = value
    return tree


def _request(method: str, target: str, headers: dict[str, str], body: bytes) -> Request:
    return Request(method, urlsplit(target).path, headers, _unfold(body.decode() or urlsplit(target).query))


async def _main(port: int) -> None:
    async with StripeServer(StripeAccount()).running(port) as server:
        print(f"{server.url} accepts {KEY}, sells {PRICE} and signs with {SECRET}", flush=True)  # noqa: T201 - a command's output
        await asyncio.Event().wait()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="A local fake of Stripe's API.")
    arguments.add_argument("--port", type=int, default=9010, help="0 for a free one")
    with suppress(KeyboardInterrupt):
        asyncio.run(_main(arguments.parse_args().port))
