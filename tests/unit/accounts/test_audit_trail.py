"""The audit notes of every use case."""

import itertools
from contextlib import suppress

import pytest

from parley.core.accounts.erase import erase_own_account
from parley.core.accounts.model import AuditEvent, Purpose, SignedIn
from parley.core.accounts.sessions import log_out
from parley.core.errors import DomainError
from tests.fakes.account_ports import AuditNote
from tests.unit.accounts.environment import MIRA, PASSWORD, AccountsEnvironment, wrong_code

NEW = "the new password of Mira"


@pytest.fixture
async def owned(env: AccountsEnvironment) -> SignedIn:
    signed_in = await env.sign_in(signup_token=await env.sign_up())
    env.advance(minutes=2)
    return signed_in


async def sign_up(env: AccountsEnvironment, _owned: SignedIn) -> None:
    await env.sign_up()


async def request_code(env: AccountsEnvironment, _owned: SignedIn) -> None:
    await env.request_code()


async def sign_in(env: AccountsEnvironment, _owned: SignedIn) -> None:
    await env.sign_in()


async def sign_in_with_a_wrong_code(env: AccountsEnvironment, _owned: SignedIn) -> None:
    await env.verify(wrong_code(await env.send()))


async def sign_in_with_a_spent_code(env: AccountsEnvironment, _owned: SignedIn) -> None:
    code = await env.send()
    await env.verify(code)
    await env.verify(code)


async def log_in(env: AccountsEnvironment, _owned: SignedIn) -> None:
    await env.log_in()


async def log_in_with_another_password(env: AccountsEnvironment, _owned: SignedIn) -> None:
    await env.log_in(NEW)


async def reset(env: AccountsEnvironment, _owned: SignedIn) -> None:
    await env.reset(await env.send(MIRA, Purpose.RESET), NEW)


async def reset_with_a_wrong_code(env: AccountsEnvironment, _owned: SignedIn) -> None:
    await env.reset(wrong_code(await env.send(MIRA, Purpose.RESET)), NEW)


async def change(env: AccountsEnvironment, owned: SignedIn) -> None:
    await env.change(owned, NEW, current=PASSWORD)


async def change_with_another_password(env: AccountsEnvironment, owned: SignedIn) -> None:
    await env.change(owned, NEW, current=NEW)


async def refresh(env: AccountsEnvironment, owned: SignedIn) -> None:
    await env.refresh(owned.refresh_token)


async def refresh_with_an_unknown_token(env: AccountsEnvironment, _owned: SignedIn) -> None:
    await env.refresh("unknown")


async def reuse(env: AccountsEnvironment, owned: SignedIn) -> None:
    await env.refresh(owned.refresh_token)
    env.advance(minutes=1)
    await env.refresh(owned.refresh_token)


async def reuse_again(env: AccountsEnvironment, owned: SignedIn) -> None:
    with suppress(DomainError):
        await reuse(env, owned)
    await env.refresh(owned.refresh_token)


async def end(env: AccountsEnvironment, owned: SignedIn) -> None:
    await env.end(env.caller(owned))


async def end_again(env: AccountsEnvironment, owned: SignedIn) -> None:
    await end(env, owned)
    await end(env, owned)


async def erase(env: AccountsEnvironment, owned: SignedIn) -> None:
    await erase_own_account(env.ports, caller=env.caller(owned), current_password=PASSWORD)


async def erase_with_another_password(env: AccountsEnvironment, owned: SignedIn) -> None:
    await erase_own_account(env.ports, caller=env.caller(owned), current_password=NEW)


async def log_out_of_a_session(env: AccountsEnvironment, owned: SignedIn) -> None:
    await log_out(env.ports, caller=env.caller(owned))


SENT = [AuditEvent.CODE_REQUESTED, AuditEvent.CODE_DELIVERED]
EXPECTED = [
    (sign_up, [AuditEvent.SIGNED_UP]),
    (request_code, [AuditEvent.CODE_REQUESTED]),
    (sign_in, [*SENT, AuditEvent.SIGNED_IN]),
    (sign_in_with_a_wrong_code, [*SENT, AuditEvent.SIGN_IN_FAILED]),
    (sign_in_with_a_spent_code, [*SENT, AuditEvent.SIGNED_IN, AuditEvent.SIGN_IN_FAILED]),
    (log_in, [AuditEvent.SIGNED_IN]),
    (log_in_with_another_password, [AuditEvent.SIGN_IN_FAILED]),
    (reset, [*SENT, AuditEvent.PASSWORD_RESET]),
    (reset_with_a_wrong_code, [*SENT, AuditEvent.RESET_FAILED]),
    (change, [AuditEvent.PASSWORD_CHANGED]),
    (change_with_another_password, [AuditEvent.CHANGE_FAILED]),
    (refresh, []),
    (refresh_with_an_unknown_token, [AuditEvent.REFRESH_FAILED]),
    (reuse, [AuditEvent.TOKEN_REUSED]),
    (reuse_again, [AuditEvent.TOKEN_REUSED, AuditEvent.REFRESH_FAILED]),
    (end, [AuditEvent.SESSION_ENDED]),
    (end_again, [AuditEvent.SESSION_ENDED]),
    (log_out_of_a_session, [AuditEvent.SESSION_ENDED]),
    (erase, [AuditEvent.ACCOUNT_ERASED]),
    (erase_with_another_password, [AuditEvent.ERASURE_FAILED]),
]


@pytest.mark.parametrize(("action", "expected"), EXPECTED)
async def test_every_action_leaves_exactly_its_notes(env, owned, action, expected):
    before = len(env.audit.notes)
    with suppress(DomainError):
        await action(env, owned)

    assert env.audit.events[before:] == expected


def test_every_event_is_tested():
    seen = set(itertools.chain.from_iterable(expected for _, expected in EXPECTED))

    # These are tested elsewhere.
    elsewhere = {
        AuditEvent.CODE_POSTPONED,
        AuditEvent.CODE_NOT_DELIVERED,
        AuditEvent.OWNER_NOTIFIED,
        AuditEvent.TOKEN_REFUSED,
        AuditEvent.FOREIGN_ID,
        AuditEvent.API_KEY_MADE,
        AuditEvent.API_KEY_REVOKED,
        AuditEvent.API_KEY_CHANGED,
        AuditEvent.PLAN_OVERRIDDEN,
        AuditEvent.ACCOUNTS_LISTED,
        AuditEvent.ACCOUNT_READ,
        AuditEvent.ACCOUNT_SUSPENDED,
        AuditEvent.ACCOUNT_RESUMED,
        AuditEvent.SESSIONS_ENDED,
        AuditEvent.OPERATOR_REFUSED,
        AuditEvent.WEBHOOKS_LISTED,
        AuditEvent.WEBHOOK_REPEATED,
    }
    assert set(AuditEvent) - seen == elsewhere | {AuditEvent.THROTTLED, AuditEvent.BUDGET_SPENT}


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        (log_in, {"identity", "account_id", "session_id", "how"}),
        (log_in_with_another_password, {"identity", "how"}),
        (sign_in_with_a_wrong_code, {"identity", "how"}),
        (reset, {"identity", "account_id"}),
        (change, {"account_id", "session_id"}),
        (reuse, {"account_id", "session_id"}),
        (end, {"account_id", "session_id", "how"}),
        (erase, {"account_id"}),
    ],
)
async def test_note_names_the_account_and_session(env, owned, action, fields):
    with suppress(DomainError):
        await action(env, owned)

    note = env.audit.notes[-1]
    given = {name for name in AuditNote.__dataclass_fields__ if getattr(note, name) is not None} - {"event_kind"}
    assert given == fields
    assert note.identity in {None, MIRA}
    assert note.account_id in {None, owned.account.id}


async def test_no_note_contains_a_secret(env):
    codes, tokens = (itertools.count(start) for start in (314159, 1))
    env.new_code = lambda: f"{next(codes)}"
    env.new_token = lambda: f"token-{next(tokens)}"
    for action, _ in EXPECTED:
        env.advance(hours=2)
        owned = await env.sign_in(signup_token=await env.sign_up())
        env.advance(minutes=2)
        with suppress(DomainError):
            await action(env, owned)
        with suppress(DomainError):
            await erase(env, owned)

    written = repr(env.audit.notes)
    assert len(env.audit.notes) > len(EXPECTED)
    for secret in ("3141", "token-", PASSWORD, NEW, "eyJ"):
        assert secret not in written
