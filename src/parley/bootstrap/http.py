"""What the HTTP adapter is given."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from uuid_utils.compat import uuid7

from parley.adapters.common_passwords import common_passwords
from parley.adapters.http.ports import HttpPorts
from parley.adapters.phone_numbers import PhoneNumbers
from parley.bootstrap.accounts import SigningIn
from parley.bootstrap.metering import Metering
from parley.bootstrap.payments import Paying
from parley.bootstrap.wires import WRITE_REPLY, Wire
from parley.core.accounts.codes import CodePolicy
from parley.core.accounts.password_rules import PasswordRules
from parley.core.chat.catalogue import ModelCatalogue
from parley.core.chat.ports import ChatUnitOfWork
from parley.core.chat.rooms import SharedReads
from parley.core.ports import Clock
from parley.settings import Settings


def new_code() -> str:
    return f"{secrets.randbelow(1_000_000):06d}"


def http_ports(
    settings: Settings,
    chat: ChatUnitOfWork,
    signing: SigningIn,
    payments: Paying,
    wire: Wire,
    metering: Metering,
    health_checks: Mapping[str, Callable[[], Awaitable[bool]]],
    catalogue: ModelCatalogue,
    now: Clock,
) -> HttpPorts:
    return HttpPorts(
        now=now,
        new_id=uuid7,
        new_code=new_code,
        new_token=lambda: secrets.token_urlsafe(32),
        throttle=wire.throttle,
        health_checks=health_checks,
        public_url=settings.public_url.rstrip("/"),
        meter=metering.requests,
        scrape=metering.scrape,
        metrics_token=settings.metrics_token,
        accounts=signing.uow,
        passwords=signing.passwords,
        password_rules=PasswordRules(common_passwords()),
        mobile_numbers=PhoneNumbers(),
        post=signing.post,
        turns=signing.turns,
        audit=signing.audit,
        tokens=signing.tokens,
        revoked=signing.revoked,
        code_keys=signing.code_keys,
        refresh_keys=signing.refresh_keys,
        code_policy=CodePolicy(
            settings.otp_expire_seconds, settings.otp_resend_seconds, settings.otp_max_sends_per_hour
        ),
        session_life=timedelta(days=settings.refresh_token_expire_days),
        auth_requests_per_minute=settings.auth_requests_per_minute,
        chat=chat,
        catalogue=catalogue,
        reply_queue=wire.queues[WRITE_REPLY],
        reply_stream=wire.stream,
        stop_signals=wire.signals,
        reply_meter=metering.replies,
        room_list_cache=wire.cache,
        room_list_reads=SharedReads(),
        tickets=signing.tickets,
        max_pending=settings.max_pending_replies,
        billing=payments.uow,
        basic_daily_limit=settings.basic_daily_limit,
        payments=payments.provider,
        sandbox=payments.sandbox,
        event_queue=payments.queue,
        sandbox_events=payments,
        subscription_grace=payments.grace,
        frontend_url=settings.frontend_url,
        webhook_open=bool(settings.stripe_webhook_secret),
    )
