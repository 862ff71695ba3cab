"""A real SMTP server as a process of its own: `python -m tests.servers.mail_server --help`.

It prints its port, and then one JSON object for each thing that happens, always before the client hears of it. It
leaves when its standard input ends.
"""

import argparse
import asyncio
import json
import ssl
import subprocess
import sys
import warnings
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from email import message_from_string, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

PATIENCE = 30.0
ROOT = Path(__file__).parents[2]
Event = dict[str, Any]


class Certificates:
    """A certificate for `names` and its key, in one file, and the authority that signed it."""

    def __init__(self, folder: Path, *names: str) -> None:
        import trustme

        self._authority = trustme.CA()
        self.file = folder / "certificate.pem"
        self._authority.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(str(self.file))
        self.authority_file = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(str(self.authority_file))

    def trusting(self) -> ssl.SSLContext:
        """What a client has that knows the authority."""
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        return context

    def serving(self) -> ssl.SSLContext:
        return _serving(self.file)


class MailServer:
    """The process, as the tests see it."""

    port: int

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def mail(self) -> EmailMessage:
        """The next message that arrived; what else happened before it is passed over."""
        while (event := await self.event())["event"] != "message":
            pass
        return message_from_string(event["data"], policy=policy.default)

    async def event(self) -> Event:
        async with asyncio.timeout(PATIENCE):
            return json.loads(await self._process.stdout.readline())

    async def rest(self) -> list[Event]:
        """Stop the server: everything that happened and was not asked for yet."""
        self._process.stdin.close()
        async with asyncio.timeout(PATIENCE):
            output = await self._process.stdout.read()
            await self._process.wait()
        return [json.loads(line) for line in output.splitlines()]


@asynccontextmanager
async def mail_server(*options: str | Path) -> AsyncGenerator[MailServer, None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.servers.mail_server", *map(str, options),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    server = MailServer(process)
    try:
        server.port = (await server.event())["port"]
        yield server
    finally:
        await server.rest()


class Handler:
    """aiosmtpd's hooks: tells what happens, and answers the commands as the options say."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._replies = {command: f"{code} {text}" for command, code, text in given.reply}
        self._hanging = set(given.hang)
        self._login = (given.username, given.password)

    async def _answer(self, command: str, usual: str) -> str:
        if command in self._hanging:
            _tell("hanging", command=command)
            await asyncio.Event().wait()
        return self._replies.get(command, usual)

    async def handle_MAIL(self, _server, _session, envelope, address, _options) -> str:  # noqa: N802 - aiosmtpd's name
        reply = await self._answer("MAIL", "250 OK")
        envelope.mail_from = address
        return reply

    async def handle_RCPT(self, _server, _session, envelope, address, _options) -> str:  # noqa: N802
        reply = await self._answer("RCPT", "250 OK")
        if reply.startswith("2"):
            envelope.rcpt_tos.append(address)
        return reply.replace("{recipient}", address)

    async def handle_DATA(self, server, _session, envelope) -> str:  # noqa: N802
        reply = await self._answer("DATA", "250 OK")
        if reply.startswith("250"):
            data = envelope.content.decode()
            _tell("message", tls=_is_tls(server), sender=envelope.mail_from, recipients=envelope.rcpt_tos, data=data)
        return reply

    async def handle_QUIT(self, server, _session, _envelope) -> str:  # noqa: N802
        _tell("quit", tls=_is_tls(server))
        return await self._answer("QUIT", "221 Bye")

    def authenticate(self, server, _session, _envelope, _mechanism, data) -> Any:
        from aiosmtpd.smtp import AuthResult

        known = (data.login.decode(), data.password.decode()) == self._login
        _tell("login", tls=_is_tls(server), known=known)
        return AuthResult(success=known, handled=False)


def _is_tls(server: Any) -> bool:
    return server.transport.get_extra_info("sslcontext") is not None


def _tell(event: str, **facts: Any) -> None:
    print(json.dumps({"event": event, **facts}), flush=True)  # noqa: T201 - what it is for


def _serving(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


def _arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(description="An SMTP server for tests.")
    arguments.add_argument("--port", type=int, default=0, help="0 for a free one")
    arguments.add_argument("--certificate", type=Path, help="PEM file with a key and its certificate")
    arguments.add_argument("--tls", choices=["implicit", "offered", "required"], help="needs a certificate")
    arguments.add_argument("--username", help="refuses mail without this login")
    arguments.add_argument("--password", default="")
    arguments.add_argument(
        "--reply", nargs=3, action="append", default=[], metavar=("COMMAND", "CODE", "TEXT"),
        help="answer to MAIL, RCPT, DATA or QUIT; {recipient} stands for the recipient",
    )  # fmt: skip
    arguments.add_argument("--hang", action="append", default=[], help="CONNECT, MAIL, RCPT, DATA or QUIT: no answer")
    return arguments.parse_args()


def _protocol(given: argparse.Namespace, context: ssl.SSLContext | None) -> asyncio.Protocol:
    from aiosmtpd.smtp import SMTP

    handler = Handler(given)
    return SMTP(
        handler,
        hostname="mail.example.com",
        loop=asyncio.get_running_loop(),
        tls_context=context if given.tls in {"offered", "required"} else None,
        require_starttls=given.tls == "required",
        auth_required=given.username is not None,
        auth_require_tls=given.tls in {"offered", "required"},
        authenticator=handler.authenticate,
        enable_SMTPUTF8=False,
    )


async def _serve(given: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    context = _serving(given.certificate) if given.certificate else None
    implicit = context if given.tls == "implicit" else None
    # A server that hangs from the start has not even TLS.
    silent = "CONNECT" in given.hang
    server = await loop.create_server(
        asyncio.Protocol if silent else lambda: _protocol(given, context),
        "127.0.0.1", given.port, ssl=None if silent else implicit,
    )  # fmt: skip
    _tell("listening", port=server.sockets[0].getsockname()[1])
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    # aiosmtpd warns of logins without TLS, and uses what newer Pythons deprecate.
    warnings.simplefilter("ignore")
    asyncio.run(_serve(_arguments()))
