"""An SmtpOtp for a local mail server, and functions that send a code with it."""

import asyncio
import traceback
from typing import Any

import pytest

from parley.adapters.otp.smtp import Security, SmtpOtp
from parley.core.accounts.model import Identity, IdentityKind, Purpose
from parley.core.accounts.ports import SenderFailed
from tests.servers.mail_server import MailServer

CODE = "190472"
ADDRESS = "mira@example.com"
PASSWORD = "the-password"


def smtp(server: MailServer, security: Security = "auto", **changes: Any) -> SmtpOtp:
    arguments = {
        "server": "127.0.0.1", "port": server.port, "username": "", "password": "",
        "sender": "Acme Chat <codes@acme.example>", "security": security,
    }  # fmt: skip
    return SmtpOtp(**(arguments | changes))


async def send(sender: SmtpOtp, address: str = ADDRESS, purpose: Purpose = Purpose.SIGN_IN) -> None:
    async with asyncio.timeout(10):
        await sender.send(Identity(IdentityKind.EMAIL, address), CODE, purpose, minutes=10)


async def failure(sender: SmtpOtp, address: str = ADDRESS) -> SenderFailed:
    with pytest.raises(SenderFailed) as caught:
        await send(sender, address)
    shown = "".join(traceback.format_exception(caught.value))
    assert not [word for word in (CODE, address, PASSWORD) if word in shown]
    return caught.value
