"""Adapters of the meter ports, which count what happens elsewhere."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from uuid import UUID

import structlog

from parley.adapters.metrics import Metrics
from parley.core.accounts.model import AuditEvent, Identity, OpenedBy
from parley.core.accounts.ports import AuditTrail
from parley.core.chat.circuit_breaker import CircuitState
from parley.core.chat.model import Claim, Ending
from parley.core.chat.rating import Rating
from parley.core.outgoing_events import EventKind

log = structlog.get_logger("parley.replies")
webhook_log = structlog.get_logger("parley.webhooks")


class HttpMeter:
    """The HTTP adapter's RequestMeter. It caches the series of requests, since there are only as many as routes."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._requests = cache(metrics.requests.labels)
        self._answers = cache(metrics.answers.labels)

    def answered(self, method: str, route: str, status: int, seconds: float | None) -> None:
        self._requests(method, route, str(status)).inc()
        if seconds is not None:
            self._answers(method, route).observe(seconds)

    def refused(self, code: str) -> None:
        self._metrics.refusals.labels(code).inc()

    def stream_opened(self) -> None:
        self._metrics.streams.inc()

    def stream_closed(self) -> None:
        self._metrics.streams.dec()


class LoggedReplies:
    """A ReplyMeter that also logs, and adds the ids of a reply to all log lines of its task."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def claimed(self, claim: Claim) -> None:
        structlog.contextvars.bind_contextvars(**_ids(claim))

    def first_text(self, claim: Claim, at: datetime) -> None:
        self._metrics.first_texts.labels(claim.model).observe(_seconds(claim, at))

    def attempt_failed(self, claim: Claim, code: str) -> None:
        self._metrics.failed_attempts.labels(claim.model, code).inc()
        log.warning("attempt_failed", **_ids(claim), model=claim.model, attempt=claim.attempt, code=code)

    def fell_back(self, model: str, to: str) -> None:
        self._metrics.fallbacks.labels(model, to).inc()
        log.warning("model_fallback", model=model, to=to)

    def rated(self, model: str, rating: Rating) -> None:
        self._metrics.feedback.labels(model, rating.value).inc()

    def circuit_changed(self, model: str, state: CircuitState) -> None:
        self._metrics.circuit_changes.labels(model, state.value).inc()
        log.warning("model_circuit_changed", model=model, state=state.value)

    def ended(self, claim: Claim, ending: Ending) -> None:
        seconds = _seconds(claim, ending.at)
        self._metrics.replies.labels(claim.model, ending.status.value).observe(seconds)
        log.info("reply_ended", **_ids(claim), model=claim.model, end=ending.status.value, seconds=round(seconds, 3))

    def titled(self, model: str) -> None:
        self._metrics.titles.labels(model, "written").inc()

    def title_failed(self, model: str, code: str) -> None:
        self._metrics.titles.labels(model, "failed").inc()
        log.warning("title_failed", model=model, code=code)


class CountedAudit:
    """An audit trail that counts the events by kind of event and of identity, and codes that were sent and verified."""

    def __init__(self, audit: AuditTrail, metrics: Metrics) -> None:
        self._audit = audit
        self._metrics = metrics

    def note(
        self,
        event_kind: AuditEvent,
        *,
        identity: Identity | None = None,
        account_id: UUID | None = None,
        session_id: UUID | None = None,
        api_key_id: UUID | None = None,
        how: str | None = None,
        by: str | None = None,
        account_ids: Sequence[UUID] | None = None,
    ) -> None:
        kind = identity.kind.value if identity else ""
        self._metrics.account_events.labels(event_kind.value, kind).inc()
        if event_kind is AuditEvent.CODE_DELIVERED:
            self._metrics.codes.labels("sent", kind).inc()
        elif event_kind is AuditEvent.PASSWORD_RESET or (
            event_kind is AuditEvent.SIGNED_IN and how == OpenedBy.CODE.value
        ):
            self._metrics.codes.labels("verified", kind).inc()
        self._audit.note(
            event_kind,
            identity=identity,
            account_id=account_id,
            session_id=session_id,
            api_key_id=api_key_id,
            how=how,
            by=by,
            account_ids=account_ids,
        )


class LoggedDeliveries:
    """A DeliveryMeter that also logs what an operator should look at."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def delivered(self, endpoint: str) -> None:
        self._metrics.deliveries.labels(endpoint, "delivered").inc()

    def postponed(self, endpoint: str) -> None:
        self._metrics.deliveries.labels(endpoint, "postponed").inc()

    def failed(self, endpoint: str, kind: EventKind, event_id: UUID, reason: str) -> None:
        self._metrics.deliveries.labels(endpoint, "failed").inc()
        webhook_log.error(
            "webhook_not_delivered", endpoint=endpoint, event_kind=kind.value, event_id=str(event_id), reason=reason
        )

    def paused(self, endpoint: str, seconds: float, reason: str) -> None:
        webhook_log.warning("webhook_endpoint_paused", endpoint=endpoint, seconds=seconds, reason=reason)

    def resumed(self, endpoint: str) -> None:
        webhook_log.info("webhook_endpoint_resumed", endpoint=endpoint)


class SweepMeter:
    """The sweeper's SweepMeter."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def swept(self, sweep: str, found: int) -> None:
        self._metrics.sweeps.labels(sweep, "done").inc()
        self._metrics.swept.labels(sweep).inc(found)

    def failed(self, sweep: str) -> None:
        self._metrics.sweeps.labels(sweep, "failed").inc()


class RedisMeter:
    """The RedisMeter of the connections to Redis."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def outage(self, lasts: bool) -> None:
        self._metrics.redis_outage.set(lasts)

    def failed(self, code: str) -> None:
        self._metrics.redis_failures.labels(code).inc()

    def hint_lost(self) -> None:
        self._metrics.hints_lost.inc()


class LagMeter:
    """The event loop's LagMeter."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def lagged(self, seconds: float) -> None:
        self._metrics.loop_lag.set(seconds)

    def overloaded(self, now: bool) -> None:
        self._metrics.overloaded.set(now)


def _ids(claim: Claim) -> dict[str, str]:
    return {"reply_id": str(claim.reply_id), "room_id": str(claim.room_id), "account_id": str(claim.account_id)}


def _seconds(claim: Claim, at: datetime) -> float:
    """Seconds since the message; 0 if the clocks of two machines disagree."""
    return max(0.0, (at - claim.created_at).total_seconds())
