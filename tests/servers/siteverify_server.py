"""A real HTTP server that verifies tokens as Turnstile does.

https://developers.cloudflare.com/turnstile/get-started/server-side-validation/
"""

import asyncio
import json
from urllib.parse import parse_qs

from tests.servers.http_server import HttpServer, head, read_request
from tests.servers.sms_gateway import Request

SECRET = "1x0000000000000000000000000000000AA"


class SiteVerifyServer(HttpServer):
    """Each of `tokens`, with the host of its page, passes once. `given` replaces the body of every answer.

    While `hanging`, it takes requests and answers none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.requests: asyncio.Queue[Request] = asyncio.Queue()
        self.status = 200
        self.tokens: dict[str, str] = {}
        self.given: bytes | None = None
        self.hanging = False
        self._used: set[str] = set()

    @property
    def url(self) -> str:
        return f"{self.address}/siteverify"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = Request(*await read_request(reader))
        self.requests.put_nowait(request)
        if self.hanging:
            await reader.read()
            return
        body = json.dumps(self._verified(request)).encode() if self.given is None else self.given
        headers = {"Connection": "close", "Content-Type": "application/json", "Content-Length": f"{len(body)}"}
        writer.write(head(self.status, headers) + body)
        await writer.drain()

    def _verified(self, request: Request) -> dict[str, object]:
        fields = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        token = fields.get("response", "")
        if fields.get("secret") != SECRET:
            return {"success": False, "error-codes": ["invalid-input-secret"]}
        if token in self._used:
            return {"success": False, "error-codes": ["timeout-or-duplicate"], "messages": []}
        if token not in self.tokens:
            return {"success": False, "error-codes": ["invalid-input-response"], "messages": []}
        self._used.add(token)
        return {
            "success": True,
            "challenge_ts": "2026-03-14T12:00:00.000Z",
            "hostname": self.tokens[token],
            "error-codes": [],
            "action": "",
            "cdata": "",
        }
