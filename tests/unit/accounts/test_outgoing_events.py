"""Events of accounts for the operator's servers."""

from dataclasses import replace

import pytest

from parley.core.accounts.erase import erase_account
from parley.core.outgoing_events import EventKind, Webhooks
from tests.fakes.stored_events import ALL, stored_events
from tests.unit.accounts.environment import MIRA, RAVI


@pytest.fixture
def env(env):
    env.webhooks = ALL
    return env


async def sign_in(env, identity=MIRA):
    return await env.verify(await env.send(identity), identity)


@pytest.mark.parametrize(
    ("identity", "personal"), [(MIRA, {"email": MIRA.value}), (RAVI, {"mobile_number": RAVI.value})]
)
async def test_a_new_account_is_told_once(env, database, identity, personal):
    signed_in = await sign_in(env, identity)
    env.advance(minutes=2)
    await sign_in(env, identity)
    [event] = stored_events(database)
    assert (event.kind, event.account_id) == (EventKind.ACCOUNT_CREATED, signed_in.account.id)
    assert (event.at, event.data, event.personal) == (signed_in.account.created_at, {}, personal)


async def test_an_erasure_is_told_by_the_id_alone_and_what_waits_loses_what_is_personal(env, database):
    account_id = (await sign_in(env)).account.id
    await erase_account(env.ports, account_id=account_id)
    created, erased = stored_events(database)
    assert (erased.kind, erased.account_id) == (EventKind.ACCOUNT_ERASED, account_id)
    assert (created.personal, erased.data, erased.personal) == ({}, {}, {})


@pytest.mark.parametrize(
    "webhooks", [Webhooks(), replace(ALL, kinds=frozenset({EventKind.PLAN_CHANGED})), replace(ALL, endpoints=())]
)
async def test_what_nobody_wants_is_not_stored(env, database, webhooks):
    env.webhooks = webhooks
    await erase_account(env.ports, account_id=(await sign_in(env)).account.id)
    assert stored_events(database) == []
