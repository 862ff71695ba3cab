"""JwtAccessTokens and JwtStreamTickets, the adapters for access tokens and stream tickets."""

import base64
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt
import pytest

from parley.adapters.security.jwt_tokens import JwtAccessTokens, JwtStreamTickets
from parley.core.accounts.errors import TokenInvalid
from parley.core.accounts.model import Caller
from parley.core.chat.tickets import Ticket, TicketInvalid

ACCOUNT, SESSION, ROOM, REPLY = (UUID(int=number) for number in range(1, 5))
TICKET = Ticket(ACCOUNT, SESSION, ROOM, REPLY)
SECRET = "an old secret of thirty-two bytes"
NEW_SECRET = "a new secret of thirty-two bytes!"
NOW = datetime(2026, 3, 14, 12, 0, 0, 500_000, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LIFE = timedelta(minutes=15)


def access_tokens(*secrets: str, remember: int = 10) -> JwtAccessTokens:
    return JwtAccessTokens(secrets or [SECRET], life=LIFE, remember=remember)


def forged(key: str = SECRET, algorithm: str = "HS256", kid: object = None, **changes: object) -> str:
    """A token like those of JwtAccessTokens, with `changes`; a claim of None is left out."""
    real = access_tokens().issue(ACCOUNT, SESSION, NOW)
    claims = jwt.decode(real, options={"verify_signature": False}) | changes
    headers = {"kid": kid or jwt.get_unverified_header(real)["kid"]}
    present = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(present, None if algorithm == "none" else key, algorithm, headers=headers)


def raw(header: bytes, payload: bytes = b"{}") -> str:
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (header, payload, b"signature"))


def test_token_names_its_caller_until_it_expires():
    tokens = access_tokens()
    token = tokens.issue(ACCOUNT, SESSION, NOW)
    expires_at = NOW.replace(microsecond=0) + LIFE

    assert tokens.expires_in == 15 * 60
    assert tokens.read(token, NOW) == Caller(ACCOUNT, SESSION, expires_at)
    assert tokens.read(token, expires_at - SECOND) == Caller(ACCOUNT, SESSION, expires_at)
    for later in (expires_at, expires_at + LIFE):
        with pytest.raises(TokenInvalid):
            tokens.read(token, later)
        with pytest.raises(TokenInvalid):
            access_tokens().read(token, later)


@pytest.mark.parametrize("year", [2001, 2150])
def test_only_the_given_time_counts(year):
    now = NOW.replace(year=year)

    assert access_tokens().read(access_tokens().issue(ACCOUNT, SESSION, now), now).account_id == ACCOUNT
    tickets = JwtStreamTickets([SECRET])
    assert tickets.read(tickets.issue(TICKET, now), now).room_id == ROOM


def test_claims_are_those_of_rfc_7519():
    token = access_tokens().issue(ACCOUNT, SESSION, NOW)
    seconds = int(NOW.timestamp())

    assert jwt.decode(token, options={"verify_signature": False}) == {
        "iss": "parley",
        "aud": "parley:access",
        "sub": str(ACCOUNT),
        "sid": str(SESSION),
        "iat": seconds,
        "exp": seconds + 900,
    }
    header = jwt.get_unverified_header(token)
    assert header["alg"] == "HS256"
    assert len(header["kid"]) == 8
    assert SECRET not in str(header)


def test_first_secret_signs_and_all_verify():
    old = access_tokens(SECRET).issue(ACCOUNT, SESSION, NOW)
    both = access_tokens(NEW_SECRET, SECRET)

    assert both.read(old, NOW).session_id == SESSION
    assert access_tokens(NEW_SECRET).read(both.issue(ACCOUNT, SESSION, NOW), NOW).session_id == SESSION
    with pytest.raises(TokenInvalid):
        access_tokens(NEW_SECRET).read(old, NOW)


def test_unchanged_forgery_is_accepted():
    # Shows that the refusals below are due to their changes.
    assert access_tokens().read(forged(), NOW).account_id == ACCOUNT


@pytest.mark.parametrize(
    "changes",
    [
        {"key": NEW_SECRET},
        {"key": SECRET * 2, "algorithm": "HS512"},
        {"algorithm": "none"},
        {"kid": "unknown"},
        {"iss": "another"},
        {"iss": None},
        {"aud": "parley:stream"},
        {"aud": ["parley:access", "parley:stream"]},
        {"aud": None},
        {"sub": None},
        {"sub": "no id"},
        {"sid": None},
        {"sid": 7},
        {"sid": "no id"},
        {"iat": None},
        {"iat": "yesterday"},
        {"iat": int(NOW.timestamp()) + 120},
        {"exp": None},
        {"exp": "never"},
        {"exp": 10**30},
        {"exp": -1},
    ],
    ids=str,
)
def test_forged_token_is_refused(changes):
    with pytest.raises(TokenInvalid):
        access_tokens().read(forged(**changes), NOW)


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "tok\u00e9n.a.b",
        "\ud800",
        "\x00",
        raw(b"{}"),
        raw(b"[]"),
        raw(b"\xff"),
        raw(b"[" * 3000),
        raw(json.dumps({"alg": "HS256", "kid": 7}).encode()),
        raw(json.dumps({"alg": "HS256", "kid": {"a": []}}).encode()),
        raw(json.dumps({"alg": "HS256", "typ": "JWT"}).encode()),
    ],
    ids=range(15),
)
def test_malformed_token_is_refused(token):
    with pytest.raises(TokenInvalid):
        access_tokens().read(token, NOW)
    with pytest.raises(TicketInvalid):
        JwtStreamTickets([SECRET]).read(token, NOW)


def test_changed_token_is_refused():
    header, payload, signature = access_tokens().issue(ACCOUNT, SESSION, NOW).split(".")
    swapped = "B" if signature[0] == "A" else "A"

    with pytest.raises(TokenInvalid):
        access_tokens().read(f"{header}.{payload}.{swapped}{signature[1:]}", NOW)


def test_clock_of_the_signing_machine_may_be_a_minute_ahead():
    token = access_tokens().issue(ACCOUNT, SESSION, NOW + 59 * SECOND)

    assert access_tokens().read(token, NOW).account_id == ACCOUNT


def test_verified_token_is_cached():
    tokens = access_tokens()
    token = tokens.issue(ACCOUNT, SESSION, NOW)

    assert tokens.read(token, NOW) is tokens.read(token, NOW)


def test_cache_of_verified_tokens_is_bounded():
    tokens = access_tokens(remember=2)
    issued = [tokens.issue(ACCOUNT, SESSION, NOW + number * SECOND) for number in range(3)]
    callers = [tokens.read(token, NOW) for token in issued]

    assert tokens.read(issued[2], NOW) is callers[2]
    assert tokens.read(issued[1], NOW) is callers[1]
    assert tokens.read(issued[0], NOW) is not callers[0]
    assert tokens.read(issued[0], NOW) == callers[0]


@pytest.mark.parametrize("secrets", [[], [""], ["a" * 31], [SECRET, "short"]])
def test_secret_that_is_too_short_is_refused_and_not_shown(secrets):
    with pytest.raises(ValueError, match="32 bytes") as refusal:
        JwtAccessTokens(secrets, life=LIFE)
    assert SECRET not in str(refusal.value)
    with pytest.raises(ValueError, match="32 bytes"):
        JwtStreamTickets(secrets)


def test_ticket_is_valid_for_ten_minutes():
    tickets = JwtStreamTickets([NEW_SECRET, SECRET])
    ticket = tickets.issue(TICKET, NOW)
    expires_at = NOW.replace(microsecond=0) + timedelta(minutes=10)

    assert tickets.read(ticket, NOW) == TICKET
    assert tickets.read(ticket, expires_at - SECOND) == Ticket(
        account_id=ACCOUNT, session_id=SESSION, room_id=ROOM, reply_id=REPLY
    )
    with pytest.raises(TicketInvalid):
        tickets.read(ticket, expires_at)


def test_tickets_issued_at_the_same_time_are_equal():
    first, second = JwtStreamTickets([SECRET]), JwtStreamTickets([SECRET])

    assert first.issue(TICKET, NOW) == second.issue(TICKET, NOW)
    assert first.issue(TICKET, NOW) != first.issue(TICKET, NOW + SECOND)


def test_ticket_of_an_older_secret_is_valid_while_that_secret_is_listed():
    ticket = JwtStreamTickets([SECRET]).issue(TICKET, NOW)

    assert JwtStreamTickets([NEW_SECRET, SECRET]).read(ticket, NOW).reply_id == REPLY
    with pytest.raises(TicketInvalid):
        JwtStreamTickets([NEW_SECRET]).read(ticket, NOW)


def test_tokens_and_tickets_are_not_interchangeable():
    tokens, tickets = access_tokens(), JwtStreamTickets([SECRET])

    with pytest.raises(TokenInvalid):
        tokens.read(tickets.issue(TICKET, NOW), NOW)
    with pytest.raises(TicketInvalid):
        tickets.read(tokens.issue(ACCOUNT, SESSION, NOW), NOW)


def test_token_of_an_earlier_setting_is_valid_for_a_day_at_most():
    """Ended sessions are remembered for a day."""
    day = timedelta(days=1)
    token = JwtAccessTokens([SECRET], life=day * 30).issue(ACCOUNT, SESSION, NOW)
    expires_at = NOW.replace(microsecond=0) + day

    assert access_tokens().read(token, expires_at - SECOND).expires_at == expires_at
    with pytest.raises(TokenInvalid):
        access_tokens().read(token, expires_at)
