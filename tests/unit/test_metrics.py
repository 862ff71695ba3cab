"""Metrics, and the documentation page that lists them."""

import re
from pathlib import Path

import promql_parser
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from parley.adapters.metrics import Metrics
from parley.adapters.metrics.meters import CountedAudit
from parley.adapters.metrics.scrape import Scrape
from parley.bootstrap.telemetry import process_number
from parley.core.accounts.model import AuditEvent, Identity, IdentityKind
from parley.core.backlog import Backlog, Waiting
from parley.core.errors import Unavailable
from tests.fakes.account_ports import FakeAuditTrail

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
BACKLOG = Backlog(3, 2, Waiting(1, 4.5), Waiting(0, 0.0), Waiting(6, 70.0), 8, Waiting(9, 5.0))


class CountingReader:
    """A BacklogReader that counts its calls."""

    def __init__(self, *answers: Backlog | Exception) -> None:
        self.calls = 0
        self.now = 100.0
        self._answers = answers

    async def __call__(self) -> Backlog:
        answer = self._answers[min(self.calls, len(self._answers) - 1)]
        self.calls += 1
        if isinstance(answer, Exception):
            raise answer
        return answer


def samples(text: bytes) -> dict[str, float]:
    """The values by name and labels."""
    return {
        f"{sample.name}{dict(sample.labels) or ''}": sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


async def test_the_documentation_lists_every_metric_with_its_type_and_labels():
    metrics = Metrics()
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*?) ?\|", PAGE, re.MULTILINE)
    documented = {name: (kind, re.findall(r"\w+", labels)) for name, kind, labels in rows}
    own = {each.describe()[0].name: each for each in vars(metrics).values() if each is not metrics.registry}
    for name, (_, labels) in documented.items():
        metric = own.get(name.removesuffix("_total"))
        if metric is not None and labels:
            # Creates a sample. Raises ValueError unless these are the metric's labels.
            metric.labels(**dict.fromkeys(labels, "any"))
    scrape = (await Scrape(metrics, CountingReader(BACKLOG), monotonic=lambda: 0.0)()).decode()
    found = dict(re.findall(r"^# TYPE (\w+) (\w+)$", scrape, re.MULTILINE))
    assert {name: kind for name, (kind, _) in documented.items()} == found
    for family in text_string_to_metric_families(scrape):
        name = family.name + "_total" * (family.type == "counter")
        assert {label for each in family.samples for label in each.labels} - {"le"} == set(documented[name][1])


def test_the_documented_alerts_are_promql_over_existing_metrics():
    rules = re.findall(r"^ +expr: (.+)$", PAGE, re.MULTILINE)
    assert len(rules) >= 6
    known = set(re.findall(r"^\| `(\w+)`", PAGE, re.MULTILINE))
    for rule in rules:
        promql_parser.parse(rule)
        for name in re.findall(r"parley_\w+", rule):
            assert re.sub(r"_(bucket|count|sum)$", "", name) in known


async def test_the_backlog_is_reported():
    values = samples(await Scrape(Metrics(), CountingReader(BACKLOG), monotonic=lambda: 0.0)())
    assert values["parley_replies_unfinished{'status': 'pending'}"] == 3
    assert values["parley_replies_unfinished{'status': 'generating'}"] == 2
    assert values["parley_replies_due_seconds"] == 4.5
    assert values["parley_webhooks_waiting"] == 6
    assert values["parley_closures_waiting"] == 8
    assert values["parley_database_up"] == 1


async def test_the_database_is_queried_at_most_once_a_second():
    reader = CountingReader(BACKLOG, Unavailable())
    scrape = Scrape(Metrics(), reader, monotonic=lambda: reader.now)
    for _ in range(3):
        assert samples(await scrape())["parley_database_up"] == 1
    assert reader.calls == 1
    reader.now += 1.0
    values = samples(await scrape())
    assert reader.calls == 2
    assert values["parley_database_up"] == 0
    assert "parley_replies_due" not in values


def test_audit_events_are_counted_and_still_written():
    metrics, book = Metrics(), FakeAuditTrail()
    audit = CountedAudit(book, metrics)
    audit.note(AuditEvent.CODE_DELIVERED, identity=Identity(IdentityKind.EMAIL, "mira@example.com"), how="sign_in")
    audit.note(AuditEvent.REFRESH_FAILED)
    values = samples(generate_latest(metrics.registry))
    assert values["parley_account_events_total{'event': 'code_delivered', 'identity': 'email'}"] == 1
    assert values["parley_account_events_total{'event': 'refresh_failed', 'identity': ''}"] == 1
    assert len(book.notes) == 2


def test_the_number_of_a_worker_process():
    assert [process_number(name) for name in ("worker-0", "worker-3", "MainProcess", "SpawnProcess-2")] == [0, 3, 0, 0]


def test_codes_that_were_sent_and_verified_are_counted_by_kind_of_identity():
    metrics = Metrics()
    audit = CountedAudit(FakeAuditTrail(), metrics)
    mira, ravi = (
        Identity(IdentityKind.EMAIL, "mira@example.com"),
        Identity(IdentityKind.MOBILE_NUMBER, "+919876543210"),
    )
    for event_kind, identity, how in (
        (AuditEvent.CODE_DELIVERED, mira, "sign_in"),
        (AuditEvent.CODE_DELIVERED, ravi, "reset"),
        (AuditEvent.CODE_DELIVERED, ravi, "sign_in"),
        (AuditEvent.SIGNED_IN, mira, "code"),
        (AuditEvent.SIGNED_IN, mira, "password"),
        (AuditEvent.PASSWORD_RESET, ravi, None),
        (AuditEvent.OWNER_NOTIFIED, ravi, "guessing"),
    ):
        audit.note(event_kind, identity=identity, how=how)
    values = samples(generate_latest(metrics.registry))

    found = {key: value for key, value in values.items() if key.startswith("parley_codes_total")}
    assert found == {
        "parley_codes_total{'identity': 'email', 'step': 'sent'}": 1,
        "parley_codes_total{'identity': 'mobile_number', 'step': 'sent'}": 2,
        "parley_codes_total{'identity': 'email', 'step': 'verified'}": 1,
        "parley_codes_total{'identity': 'mobile_number', 'step': 'verified'}": 1,
    }
