"""Signatures and secrets of the Standard Webhooks specification, version 1.0.0.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hmac
from collections.abc import Sequence
from uuid import UUID

PREFIX = "whsec_"
SHORTEST_BYTES, LONGEST_BYTES = 24, 64


def secret_key(secret: str) -> bytes:
    """The bytes of a secret such as `whsec_MfKQ…`. Raises ValueError, without a part of the secret."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        raise ValueError("is not base64") from None
    if not secret.startswith(PREFIX) or not SHORTEST_BYTES <= len(key) <= LONGEST_BYTES:
        raise ValueError(f"is not {PREFIX} and {SHORTEST_BYTES} to {LONGEST_BYTES} bytes as base64")
    return key


def signed_headers(event_id: UUID, body: bytes, *, seconds: int, keys: Sequence[bytes]) -> dict[str, str]:
    """The three headers, with a signature by each key, so that receivers can change theirs one after the other."""
    content = f"{event_id}.{seconds}.".encode() + body
    signatures = [base64.b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys]
    return {
        "webhook-id": str(event_id),
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
