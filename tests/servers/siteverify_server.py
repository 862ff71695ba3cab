"""A real HTTP server that verifies tokens as Turnstile does.

https://developers.cloudflare.com/turnstile/get-started/server-side-validation/
"""

import json
from urllib.parse import parse_qs

from tests.servers.sms_gateway import Request, SmsGateway

SECRET = "1x0000000000000000000000000000000AA"


class SiteVerifyServer(SmsGateway):
    """Each of `tokens`, with the host of its page, passes once. `given` replaces the body of every answer."""

    def __init__(self) -> None:
        super().__init__()
        self.status = 200
        self.tokens: dict[str, str] = {}
        self.given: bytes | None = None
        self._used: set[str] = set()

    def body(self, request: Request) -> bytes:
        return json.dumps(self._verified(request)).encode() if self.given is None else self.given

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
