"""Codes in the answer to the request: for development, where nothing is delivered."""

from parley.core.accounts.model import Identity, Purpose


class ResponseOtp:
    async def send(self, identity: Identity, code: str, purpose: Purpose) -> str | None:  # noqa: ARG002  the port's
        return code
