"""SmtpOtp beyond the contract: the texts, the addresses, and the meaning of the server's replies."""

import re
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser

import pytest

from parley.adapters.otp.smtp import SmtpOtp
from parley.core.accounts.model import Identity, IdentityKind, Notice, Purpose
from parley.core.accounts.ports import SenderFailed, SenderRefused, SenderUnavailable
from tests.contracts.smtp_fixtures import ADDRESS, CODE, failure, send, smtp
from tests.servers.mail_server import mail_server


class Shown(HTMLParser):
    """The visible text of a page, and the resources that it would load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.loaded: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.texts += [data.strip()] if data.strip() else []

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [value for name, value in attrs if name in {"src", "href", "background"}]


async def test_both_parts_say_the_same() -> None:
    async with mail_server() as server:
        await send(smtp(server))
        mail = await server.mail()
    plain = mail.get_body(("plain",)).get_content().strip()
    html = Shown(mail.get_body(("html",)).get_content())
    assert plain == (
        "Your sign-in code for Acme Chat is 190472. It works once, for 10 minutes. Nobody of Acme Chat will ever ask "
        "for it. If you did not ask for it, you can ignore this mail."
    )
    title, *shown = html.texts
    assert title == mail["Subject"]
    assert CODE in shown
    assert " ".join(shown).replace(CODE, f"{CODE}.") == plain
    assert html.loaded == []


@pytest.mark.parametrize(
    ("purpose", "subject"),
    [(Purpose.SIGN_IN, "Sign-in code for Acme Chat"), (Purpose.RESET, "Password reset code for Acme Chat")],
)
async def test_no_header_contains_the_code(purpose: Purpose, subject: str) -> None:
    async with mail_server() as server:
        await send(smtp(server), purpose=purpose)
        mail = await server.mail()
    assert mail["Subject"] == subject
    assert (mail["From"], mail["To"]) == ("Acme Chat <codes@acme.example>", ADDRESS)
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@acme.example>")
    assert parsedate_to_datetime(mail["Date"]).tzinfo is not None
    assert not [name for name, value in mail.items() if CODE in value]


async def test_a_product_name_with_special_characters_is_written_unchanged() -> None:
    async with mail_server() as server:
        await send(smtp(server, sender='"Müller & <b>Söhne</b>, {code} 日本" <codes@acme.example>'))
        mail = await server.mail()
    name = "Müller & <b>Söhne</b>, {code} 日本"
    assert mail["From"].addresses[0].display_name == name
    assert f"sign-in code for {name} is 190472" in mail.get_body(("plain",)).get_content()
    assert f"Your sign-in code for {name} is" in Shown(mail.get_body(("html",)).get_content()).texts


async def test_without_a_product_name_none_is_mentioned() -> None:
    async with mail_server() as server:
        await send(smtp(server, sender="codes@acme.example"))
        mail = await server.mail()
    assert mail["Subject"] == "Sign-in code"
    text = mail.get_body(("plain",)).get_content()
    assert text.startswith("Your sign-in code is 190472. It works once, for 10 minutes. Nobody will ever ask for it.")


@pytest.mark.parametrize(
    "sender",
    [
        "",
        "Acme",
        "codes@",
        "codes@münchen.example",
        "Acme <codes@acme.example>\r\nBcc: eve@example.com",
        "a@acme.example, b@acme.example",
    ],
)
def test_a_sender_without_an_address_is_an_error(sender: str) -> None:
    with pytest.raises(ValueError, match="SMTP_FROM"):
        SmtpOtp("127.0.0.1", 25, "", "", sender, "auto")


ODD = [
    "mira@example.com\r\nBcc: eve@example.com", "mira@example.com\nRCPT TO:<eve@example.com>", "Mira <eve@example.com>",
    "<eve@example.com>", "mira@example.com, eve@example.com", "mira@example.com (eve)", "mira@example.com> SIZE=1",
    "mira", "", "@", "a@b@c", "mira@\x00example.com", "mira@exam\u2028ple.com", "mira\ud800@example.com",
    "mira:eve@example.com;", "müra@example.com", "mira@münchen.example", '"@example.com',
]  # fmt: skip


async def test_no_identity_becomes_another_address_or_a_header() -> None:
    async with mail_server() as server:
        sender = smtp(server)
        for address in ODD:
            with pytest.raises(SenderRefused):
                await send(sender, address)
        assert [event["event"] for event in await server.rest()] == []


@pytest.mark.parametrize("address", ["o'hara+codes@example.com", "{mira}&#%$*!?^`|~=/@example.com"])
async def test_an_unusual_address_is_written_unchanged(address: str) -> None:
    async with mail_server() as server:
        await send(smtp(server), address)
        [message] = [event for event in await server.rest() if event["event"] == "message"]
    assert message["recipients"] == [address]


REPLIES = [
    ("MAIL", 451, SenderUnavailable), ("MAIL", 553, SenderRefused), ("MAIL", 530, SenderUnavailable),
    ("RCPT", 421, SenderUnavailable), ("RCPT", 552, SenderRefused), ("RCPT", 251, None),
    ("DATA", 452, SenderUnavailable), ("DATA", 554, SenderRefused), ("QUIT", 500, None),
]  # fmt: skip


@pytest.mark.parametrize(("command", "reply", "expected"), REPLIES)
async def test_replies(command: str, reply: int, expected: type[SenderFailed] | None) -> None:
    async with mail_server("--reply", command, str(reply), f"{ADDRESS} {CODE}") as server:
        if expected is None:
            await send(smtp(server))
        else:
            error = await failure(smtp(server))
            assert isinstance(error, expected)
            assert f"answered {reply}" in str(error)


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
async def test_a_server_that_stops_answering_is_unavailable_in_time(command: str) -> None:
    async with mail_server("--hang", command) as server:
        assert isinstance(await failure(smtp(server, seconds=0.3)), SenderUnavailable)


async def test_a_message_counts_as_sent_if_the_server_does_not_answer_quit() -> None:
    async with mail_server("--hang", "QUIT") as server:
        await send(smtp(server, seconds=5.0, quit_seconds=0.1))
        assert CODE in str(await server.mail())


@pytest.mark.parametrize(
    ("product", "subject", "of"),
    [("Acme Chat ", "Failed sign-ins for Acme Chat", " of Acme Chat"), ("", "Failed sign-ins", "")],
)
async def test_a_notice_is_a_mail_without_a_code(product: str, subject: str, of: str) -> None:
    async with mail_server() as server:
        sender = smtp(server, sender=f"{product}<codes@acme.example>")
        await sender.send_notice(Identity(IdentityKind.EMAIL, ADDRESS), Notice.GUESSING)
        mail = await server.mail()
    assert (mail["Subject"], mail["To"], mail["Auto-Submitted"]) == (subject, ADDRESS, "auto-generated")
    text = " ".join(mail.get_body(("plain",)).get_content().split())
    assert text.startswith(
        f"Someone has tried several wrong codes or passwords for your account{of}. They were refused."
    )
    assert not re.search(r"\d{6}", text)


async def test_a_refused_recipient_of_a_notice_is_final() -> None:
    async with mail_server() as server:
        with pytest.raises(SenderRefused):
            await smtp(server).send_notice(Identity(IdentityKind.EMAIL, "müller@example.com"), Notice.GUESSING)
