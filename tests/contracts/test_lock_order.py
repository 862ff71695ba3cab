"""Every pair of operations that lock rows of one account runs in parallel on PostgreSQL without a deadlock.

A deadlock would surface as Unavailable, which none of these operations may raise here.
"""

import itertools
import os
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from uuid import UUID

import pytest

from parley.adapters.sql.accounts.unit_of_work import SqlAccountsUnitOfWork
from parley.adapters.sql.billing.plans import PlanLimits
from parley.adapters.sql.billing.unit_of_work import SqlBillingUnitOfWork
from parley.adapters.sql.chat.acceptance import sql_acceptance
from parley.adapters.sql.chat.unit_of_work import SqlChatUnitOfWork
from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import usage_days
from parley.core.accounts.api_keys import make_key, revoke_key
from parley.core.accounts.erase import erase_account
from parley.core.accounts.model import SignedIn
from parley.core.billing import BillingPorts
from parley.core.billing.events import process_event, receive_event
from parley.core.billing.model import Customer, Subscription, SubscriptionStatus
from parley.core.billing.usage import override_plan
from parley.core.chat.delete_message import delete_last_message
from parley.core.chat.lease_renewals import LeaseRenewals
from parley.core.chat.messages import regenerate_reply
from parley.core.chat.model import Conversation, Message, Role, Turn
from parley.core.chat.prompts import answer_prompt
from parley.core.chat.reply_requests import forget_reply
from parley.core.chat.rooms import show_branch
from parley.core.chat.search import index_waiting, search
from parley.core.chat.sharing import end_sharing, share_room
from parley.core.chat.write_reply import write_reply
from parley.core.chat.write_title import write_title
from parley.core.errors import DomainError, Unavailable
from parley.core.plans import PRO
from tests.contracts.billing_fixtures import NOW, PERIOD_END, an_event
from tests.contracts.databases import postgresql
from tests.fakes.plans import PLANS, plans_of
from tests.fakes.stored_events import ALL
from tests.unit.accounts.environment import AccountsEnvironment, outcomes
from tests.unit.billing.scenario import RecordingQueue, billing_ports
from tests.unit.billing.scripted_provider import SIGNATURE, ScriptedProvider, body_of
from tests.unit.chat.environment import LIMITS, ChatEnvironment

# Only some rounds meet at the rows where it matters.
ROUNDS = 100 if os.environ.get("FAULTS") == "long" else 6
MANY = 1_000
FORGET_USAGE = Statement(usage_days.delete())


class Round:
    """An account with a session, a sign-in code, two customers, a room with a pending reply, and one without a title.

    With `is_first_of_day` it has no row of today's usage: only inserting one locks the account.
    """

    def __init__(
        self, database: Database, *, accounts: AccountsEnvironment, chat: ChatEnvironment, is_first_of_day: bool
    ) -> None:
        self.database = database
        self.is_first_of_day = is_first_of_day
        self.accounts = accounts
        self.chat = chat
        self.queue = RecordingQueue()
        self.provider = ScriptedProvider()
        # Every operation writes its event, too.
        self.accounts.webhooks = ALL
        self.chat.chat = replace(self.chat.chat, webhooks=ALL)
        self.billing: BillingPorts = replace(
            billing_ports(
                SqlBillingUnitOfWork(database, PlanLimits(PLANS)), self.provider, self.queue, now=lambda: NOW
            ),
            webhooks=ALL,
        )

    async def prepare(self) -> None:
        # Beyond the limit of codes an hour.
        self.accounts.advance(minutes=61)
        self.signed_in: SignedIn = await self.accounts.sign_in()
        self.accounts.advance(minutes=2)
        self.code = await self.accounts.send()
        # Without a name: the end of the first reply requests a title. That of the second room is to be written.
        self.room, self.answered = [await self.chat.room(account_id=self.account_id, name=None) for _ in range(2)]
        replies = [
            (await self.chat.post(room, account_id=self.account_id)).reply for room in (self.room, self.answered)
        ]
        self.reply: Message = replies[0]
        self.answer: Message = replies[1]
        await write_reply(self.chat.chat, replies[1].id)
        await self._add_customer("a")
        await self._add_customer("b")
        if self.is_first_of_day:
            async with self.database.transaction() as transaction:
                await transaction.execute(FORGET_USAGE)
                await transaction.commit()

    @property
    def account_id(self) -> UUID:
        return self.signed_in.account.id

    @property
    def customer_id(self) -> str:
        return f"cus_b_{self.account_id}"

    async def post_message(self) -> None:
        await self.chat.post(self.room, account_id=self.account_id)

    async def end_reply(self) -> None:
        await write_reply(self.chat.chat, self.reply.id)

    async def write_title(self) -> None:
        await write_title(self.chat.chat, self.answered.id)

    async def search(self) -> None:
        """Indexes what waits, as workers do too."""
        await index_waiting(self.chat.chat)
        await search(self.chat.chat, account_id=self.account_id, query="question", after=None, limit=10)

    async def share_room(self) -> None:
        of_room = {"account_id": self.account_id, "room_id": self.room.id}
        await share_room(self.chat.chat, **of_room)
        await end_sharing(self.chat.chat, **of_room)

    async def delete_room(self) -> None:
        await self.chat.delete(self.room, self.account_id)

    async def change_branch(self) -> None:
        of_room = {"account_id": self.account_id, "room_id": self.room.id}
        await show_branch(self.chat.chat, message_id=self.reply.id, **of_room)
        await regenerate_reply(self.chat.chat, reply_id=self.reply.id, model=None, key="a key", **of_room)

    async def post_in_new_room(self) -> None:
        await self.chat.post(await self.chat.room(account_id=self.account_id), account_id=self.account_id)

    async def forget_and_delete_reply(self) -> None:
        await forget_reply(self.chat.chat, account_id=self.account_id, reply_id=self.answer.id)
        await delete_last_message(
            self.chat.chat, account_id=self.account_id, room_id=self.answered.id, message_id=self.answer.id
        )

    async def change_room(self) -> None:
        """The name makes the title to be written void."""
        await self.chat.change(self.answered, self.account_id, name="Mine", instructions="Be brief.")

    async def erase_account(self) -> None:
        await erase_account(self.accounts.ports, account_id=self.account_id)

    async def synchronize_customer(self) -> None:
        await receive_event(self.billing, body=body_of(an_event(self.customer_id, None).event), signature=SIGNATURE)
        await process_event(self.billing, self.queue.ids.pop())

    async def override_plan(self) -> None:
        await override_plan(self.billing, account_id=self.account_id, plan=PRO)

    async def sign_in(self) -> None:
        await self.accounts.verify(self.code)

    async def refresh(self) -> None:
        await self.accounts.refresh(self.signed_in.refresh_token)

    async def log_out(self) -> None:
        await self.accounts.end(self.accounts.caller(self.signed_in))

    async def make_and_revoke_key(self) -> None:
        made = await make_key(self.accounts.ports, account_id=self.account_id, name="A key", expires_at=None)
        await self.accounts.ports.api_keys.caller(made.secret, self.accounts.now)
        await revoke_key(self.accounts.ports, account_id=self.account_id, key_id=made.key.id)

    async def answer_prompt(self) -> None:
        prompt = Conversation("Be brief.", (Turn(Role.USER, "question"),))
        events = answer_prompt(
            self.chat.chat,
            account_id=self.account_id,
            prompt=prompt,
            model=None,
            keep_alive_seconds=10.0,
            may_read=self.chat.may_read,
        )
        async with aclosing(events):
            await anext(events)

    async def _add_customer(self, name: str) -> None:
        customer = Customer(f"cus_{name}_{self.account_id}", self.account_id)
        async with self.billing.uow() as unit:
            await unit.customers.add(customer, now=NOW)
            await unit.commit()
        self.provider.set(
            Subscription(
                f"sub_{name}_{self.account_id}", customer.id, None, SubscriptionStatus.ACTIVE, PERIOD_END, False
            )
        )


OPERATIONS: tuple[Callable[[Round], Awaitable[None]], ...] = (
    Round.post_message,
    Round.change_branch,
    Round.end_reply,
    Round.write_title,
    Round.search,
    Round.share_room,
    Round.delete_room,
    Round.post_in_new_room,
    Round.change_room,
    Round.forget_and_delete_reply,
    Round.erase_account,
    Round.synchronize_customer,
    Round.override_plan,
    Round.sign_in,
    Round.refresh,
    Round.log_out,
    Round.make_and_revoke_key,
    Round.answer_prompt,
)


@pytest.mark.parametrize("first", OPERATIONS, ids=lambda operation: operation.__name__)
async def test_no_pair_of_operations_on_one_account_deadlocks(first, tmp_path) -> None:
    """`first` with itself and with each operation after it in OPERATIONS."""
    async with postgresql(tmp_path) as database:
        accounts, chat = AccountsEnvironment(SqlAccountsUnitOfWork(database)), ChatEnvironment()
        chat.uow = SqlChatUnitOfWork(database, PlanLimits(plans_of(MANY)))
        chat.chat = replace(
            chat.chat,
            uow=chat.uow,
            acceptance=sql_acceptance(database, PlanLimits(plans_of(MANY))),
            renewals=LeaseRenewals(chat.uow, lease=LIMITS.lease),
        )
        chat.model.will("An answer")
        others = OPERATIONS[OPERATIONS.index(first) :]
        for second, number in itertools.product(others, range(ROUNDS)):
            current = Round(database, accounts=accounts, chat=chat, is_first_of_day=number % 2 == 0)
            await current.prepare()
            _, raised = await outcomes(operation(current) for operation in (first, second) * 2)
            unexpected = [each for each in raised if isinstance(each, Unavailable) or not isinstance(each, DomainError)]
            assert not unexpected, (second.__name__, unexpected)
            await outcomes([current.erase_account()])
