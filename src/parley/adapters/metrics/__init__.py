"""Prometheus metrics of one process. No label contains an id, a path with an id, or client input."""

from functools import partial

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# The creation times would double the number of series and are not used.
prometheus_client.disable_created_metrics()

ANSWER_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
FIRST_TEXT_SECONDS = (0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)
REPLY_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0)


class Metrics:
    """All metrics. docs/metrics.md documents each of them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = partial(Counter, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry)
        self.requests = counter("parley_http_requests", "Requests that were answered", ["method", "route", "status"])
        self.answers = histogram(
            "parley_http_answer_seconds",
            "From a request to the first byte of its answer",
            ["method", "route"],
            buckets=ANSWER_SECONDS,
        )
        self.refusals = counter("parley_http_refusals", "Problems that were answered", ["code"])
        self.streams = Gauge(
            "parley_streams_open", "Reply streams with a reader", registry=self.registry, multiprocess_mode="livesum"
        )
        self.loop_lag = Gauge(
            "parley_event_loop_lag_seconds",
            "By how much the event loop runs late",
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self.overloaded = Gauge(
            "parley_overloaded",
            "Processes that take no new work until they have caught up",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.redis_outage = Gauge(
            "parley_redis_outage",
            "Whether Redis does not do what parley needs",
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self.redis_failures = counter("parley_redis_failures", "What Redis did not do", ["code"])
        self.hints_lost = counter("parley_queue_hints_lost", "Ids that could not be put on the queue")
        self._add_replies()
        self.account_events = counter("parley_account_events", "Lines of the audit trail", ["event", "identity"])
        self.codes = counter(
            "parley_codes", "One-time codes that were sent, and that were verified", ["step", "identity"]
        )
        self.deliveries = counter(
            "parley_webhook_deliveries", "Attempts to deliver an event to an endpoint", ["endpoint", "outcome"]
        )
        self.sweeps = counter("parley_sweeps", "Rounds of a sweep", ["sweep", "outcome"])
        self.swept = counter("parley_swept", "What a sweep found", ["sweep"])

    def _add_replies(self) -> None:
        counter = partial(Counter, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry)
        self.first_texts = histogram(
            "parley_reply_first_text_seconds",
            "From a message to the first text of its reply",
            ["model"],
            buckets=FIRST_TEXT_SECONDS,
        )
        self.replies = histogram(
            "parley_reply_seconds", "From a message to the end of its reply", ["model", "end"], buckets=REPLY_SECONDS
        )
        self.failed_attempts = counter(
            "parley_reply_failed_attempts", "Attempts at a reply that its model failed", ["model", "code"]
        )
        self.fallbacks = counter(
            "parley_model_fallbacks", "Replies that were asked of a fallback instead of their model", ["model", "to"]
        )
        self.titles = counter("parley_titles", "Titles of chatrooms that were asked of a model", ["model", "end"])
        self.feedback = counter(
            "parley_reply_feedback", "Ratings of replies by accounts, each change of one too", ["model", "rating"]
        )
        self.circuit_changes = counter(
            "parley_model_circuit_changes", "Changes of a model's circuit breaker to a state", ["model", "state"]
        )
