import uuid

import pytest

from parley.core.accounts.errors import TokenInvalid
from parley.core.accounts.model import Identity, IdentityKind
from parley.core.accounts.profile import change_name, read_account, read_identity
from parley.core.errors import InvalidInput


class FakeMobileNumbers:
    def e164(self, text: str) -> str:
        if not text.startswith("+"):
            raise InvalidInput("mobile_number", "has no plus")
        return text.replace(" ", "")


NUMBERS = FakeMobileNumbers()


def test_mobile_number_is_normalised_by_the_port():
    identity = read_identity("+91 98765", None, NUMBERS)

    assert identity == Identity(IdentityKind.MOBILE_NUMBER, "+9198765")
    assert str(identity) == "mobile_number:+9198765"


def test_invisible_and_full_width_characters_of_a_mobile_number_do_not_count():
    identity = read_identity("\u202a\uff0b\uff19\uff11\u3000987\u200b65\u202c", None, NUMBERS)

    assert identity == Identity(IdentityKind.MOBILE_NUMBER, "+9198765")


def test_unreadable_mobile_number_names_its_field():
    with pytest.raises(InvalidInput) as refusal:
        read_identity("98765", None, NUMBERS)

    assert refusal.value.field == "mobile_number"


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("mira@example.com", "mira@example.com"),
        ("  Mira.Rao+chat@Mail.Example.COM\n", "mira.rao+chat@mail.example.com"),
        ("m@xn--bcher-kva.example", "m@xn--bcher-kva.example"),
        ("o'hara_1@a-b.example", "o'hara_1@a-b.example"),
        ("l" * 64 + "@example.com", "l" * 64 + "@example.com"),
        ("\ufeff\u202amira\u200b@exam\u00adple.com\u202c\u00a0", "mira@example.com"),
        ("\uff4d\uff49\uff52\uff41\uff20\uff45\uff58\uff0e\uff43\uff4f\u3000", "mira@ex.co"),
        ("m@" + "d" * 63 + "." + "d" * 63 + "." + "d" * 63 + "." + "d" * 60, None),
    ],
)
def test_email_is_trimmed_and_lowered(written, stored):
    identity = read_identity(None, written, NUMBERS)

    assert identity == Identity(IdentityKind.EMAIL, stored or written)
    assert str(identity) == f"email:{stored or written}"


@pytest.mark.parametrize(
    "email",
    [
        "",
        " ",
        "mira",
        "mira@",
        "@example.com",
        "mira@example",
        "mira@@example.com",
        "mira@example..com",
        "mira@-example.com",
        "mira@example-.com",
        "mira@example.com.",
        ".mira@example.com",
        "mira.@example.com",
        "mi..ra@example.com",
        "mi ra@example.com",
        "=?utf-8?q?mira?=@example.com",
        "a=?b@example.com",
        "mira\u200b\u200e@\ufeffexample",
        "mira@exam\x00ple.com",
        "mi\rra@example.com",
        "mira@example.com\nBcc: all@example.com",
        "mira@example.com, ravi@example.com",
        "Mira <mira@example.com>",
        "mir\u00e1@example.com",
        "mira@ex\u212ample.com",
        "\ud800@example.com",
        "l" * 65 + "@example.com",
        "m@" + "d" * 64 + ".example",
        "m@" + "d" * 63 + "." + "d" * 63 + "." + "d" * 63 + "." + "d" * 61,
        "m@" + "a." * 100_000 + "!",
    ],
)
def test_invalid_email_is_refused(email):
    with pytest.raises(InvalidInput) as refusal:
        read_identity(None, email, NUMBERS)

    assert refusal.value.field == "email"


@pytest.mark.parametrize(
    ("mobile_number", "email", "field"),
    [(None, None, "mobile_number"), ("+91 98765", "mira@example.com", "email"), ("", "", "email")],
    ids=["none", "both", "both empty"],
)
def test_exactly_one_identity_must_be_given(mobile_number, email, field):
    with pytest.raises(InvalidInput) as refusal:
        read_identity(mobile_number, email, NUMBERS)

    assert refusal.value.field == field


async def test_account_is_read(env):
    signed_in = await env.sign_in()

    assert await read_account(env.ports, account_id=signed_in.account.id) == signed_in.account


async def test_missing_account_voids_the_token(env):
    with pytest.raises(TokenInvalid):
        await read_account(env.ports, account_id=uuid.UUID(int=404))
    with pytest.raises(TokenInvalid):
        await change_name(env.ports, account_id=uuid.UUID(int=404), name="Nobody")


@pytest.mark.parametrize("name", ["Mira Rao", "n" * 200, "ମୀରା", None], ids=["plain", "200", "odia", "none"])
async def test_name_is_changed(env, name):
    account = (await env.sign_in(signup_token=await env.sign_up(name="Before"))).account

    changed = await change_name(env.ports, account_id=account.id, name=name)

    assert changed.name == name
    assert await read_account(env.ports, account_id=account.id) == changed


@pytest.mark.parametrize("name", ["", "n" * 201, "n\x00"], ids=["0", "201", "nul"])
async def test_refused_name_changes_nothing(env, name):
    account = (await env.sign_in()).account

    with pytest.raises(InvalidInput) as refusal:
        await change_name(env.ports, account_id=account.id, name=name)

    assert refusal.value.field == "name"
    assert await read_account(env.ports, account_id=account.id) == account
