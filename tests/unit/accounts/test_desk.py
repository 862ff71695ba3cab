"""What an operator reads and does of other people's accounts, and that the audit trail has it."""

from uuid import UUID

import pytest

from parley.core.accounts.desk import end_all_sessions, erase_other_account, list_accounts, read_other_account
from parley.core.accounts.directory import read_search
from parley.core.accounts.errors import AccountNotFound, RefreshTokenInvalid
from parley.core.accounts.model import AuditEvent, Identity, IdentityKind, SignedIn
from parley.core.errors import InvalidInput
from tests.fakes.account_ports import AuditNote
from tests.unit.accounts.environment import MIRA, RAVI, AccountsEnvironment

BY = "cli:root"
GONE = UUID(int=404)


async def listed(
    env: AccountsEnvironment, search: str | None = None, *, cursor: str | None = None, limit: int = 50
) -> tuple[list[Identity], str | None]:
    found, following = await list_accounts(
        env.ports, search=search, plan=None, cursor=cursor, limit=limit, by=BY
    )  # fmt: skip
    return [each.account.identity for each in found], following


async def sign_in_later(env: AccountsEnvironment) -> SignedIn:
    """After the time between two codes."""
    env.advance(minutes=2)
    return await env.sign_in()


def email(value: str) -> Identity:
    return Identity(IdentityKind.EMAIL, value)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("mira@", email("mira@")),
        (" MIRA@Example", email("mira@example")),
        ("m", email("m")),
        ("+91 98765-43", Identity(IdentityKind.MOBILE_NUMBER, "+919876543")),
        ("(91) 98", Identity(IdentityKind.MOBILE_NUMBER, "+9198")),
        ("9", Identity(IdentityKind.MOBILE_NUMBER, "+9")),
        ("9a", email("9a")),
        ("01A1FE30-5c00-7a31-8d52-6f0b1c9e4a01", UUID("01a1fe30-5c00-7a31-8d52-6f0b1c9e4a01")),
        ("01a1fe30", email("01a1fe30")),
        ("+", email("+")),
        ("%", email("%")),
    ],
)
def test_a_search_is_read_as_an_id_a_number_or_an_address(typed, meant):
    assert read_search(typed) == meant


@pytest.mark.parametrize("text", ["", "x" * 255, "a\x00", "\ud800"])
def test_a_search_that_no_identity_can_begin_with_is_refused(text):
    with pytest.raises(InvalidInput):
        read_search(text)


async def test_pages_of_all_accounts_go_from_the_newest_to_the_oldest(env):
    for number in range(5):
        await env.sign_in(email(f"person{number}@example.com"))
    everyone, _ = await listed(env)
    assert [each.value for each in everyone] == [f"person{number}@example.com" for number in (4, 3, 2, 1, 0)]

    first, following = await listed(env, limit=2)
    second, more = await listed(env, cursor=following, limit=2)
    third, end = await listed(env, cursor=more, limit=2)
    assert first + second + third == everyone
    assert end is None


async def test_pages_of_a_search_are_ordered_by_what_is_searched(env):
    for name in ("nila", "mira.c", "mira.a", "mira.b", "mirb"):
        await env.sign_in(email(f"{name}@example.com"))
    first, following = await listed(env, "mira", limit=2)
    second, end = await listed(env, "mira", cursor=following, limit=2)

    assert [each.value for each in first + second] == [f"mira.{letter}@example.com" for letter in "abc"]
    assert end is None


async def test_an_account_is_found_by_its_id_and_its_number(env):
    await env.sign_in()
    ravi = await env.sign_in(RAVI)

    assert await listed(env, str(ravi.account.id)) == ([RAVI], None)
    assert await listed(env, "91 98765") == ([RAVI], None)
    assert await listed(env, str(GONE)) == ([], None)


async def test_a_cursor_that_is_no_id_is_refused(env):
    with pytest.raises(InvalidInput):
        await listed(env, cursor="mira@example.com")


async def test_the_audit_trail_names_every_account_that_was_shown(env):
    mira, ravi = await env.sign_in(), await env.sign_in(RAVI)
    await listed(env)
    await listed(env, "mira")
    await read_other_account(env.ports, account_id=mira.account.id, by=BY)

    assert env.audit.notes[-3:] == [
        AuditNote(AuditEvent.ACCOUNTS_LISTED, by=BY, account_ids=(ravi.account.id, mira.account.id)),
        AuditNote(AuditEvent.ACCOUNTS_LISTED, by=BY, account_ids=(mira.account.id,)),
        AuditNote(AuditEvent.ACCOUNT_READ, identity=MIRA, account_id=mira.account.id, by=BY),
    ]


async def test_all_sessions_end_and_known_devices_are_forgotten(env, database):
    pairs = [await sign_in_later(env) for _ in range(3)]
    ravi = await env.sign_in(RAVI)
    assert await end_all_sessions(env.ports, account_id=pairs[0].account.id, by=BY) == 3

    for pair in pairs:
        with pytest.raises(RefreshTokenInvalid):
            await env.refresh(pair.refresh_token)
    await env.refresh(ravi.refresh_token)
    assert {identity for identity, _ in database.committed.devices.values()} == {RAVI}
    ended = AuditNote(AuditEvent.SESSIONS_ENDED, identity=MIRA, account_id=pairs[0].account.id, by=BY)
    assert ended in env.audit.notes
    assert await end_all_sessions(env.ports, account_id=pairs[0].account.id, by=BY) == 0


async def test_an_erasure_by_the_operator_needs_no_proof_and_is_audited(env):
    mira = await env.sign_in()
    await erase_other_account(env.ports, account_id=mira.account.id, by=BY)

    assert await env.account() is None
    assert env.audit.notes[-1] == AuditNote(AuditEvent.ACCOUNT_ERASED, account_id=mira.account.id, by=BY)


@pytest.mark.parametrize("act", [read_other_account, end_all_sessions, erase_other_account])
async def test_an_account_that_is_gone_is_not_found(env, act):
    with pytest.raises(AccountNotFound):
        await act(env.ports, account_id=GONE, by=BY)
    assert env.audit.notes == []
