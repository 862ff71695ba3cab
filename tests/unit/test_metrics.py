"""What is counted, and the page that tells of it."""

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
BACKLOG = Backlog(3, 2, Waiting(1, 4.5), Waiting(0, 0.0), Waiting(6, 70.0), 8)


class Asked:
    """A BacklogReader that counts how often it is asked."""

    def __init__(self, *answers: Backlog | Exception) -> None:
        self.times = 0
        self.now = 100.0
        self._answers = answers

    async def __call__(self) -> Backlog:
        answer = self._answers[min(self.times, len(self._answers) - 1)]
        self.times += 1
        if isinstance(answer, Exception):
            raise answer
        return answer


def samples(text: bytes) -> dict[str, float]:
    """Values by name and labels."""
    return {
        f"{sample.name}{dict(sample.labels) or ''}": sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


async def test_the_page_lists_every_metric_with_its_type_and_labels():
    metrics = Metrics()
    told = set(re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*?) ?\|", PAGE, re.MULTILINE))
    scrape = await Scrape(metrics, Asked(BACKLOG), monotonic=lambda: 0.0)()
    kinds = re.findall(r"^# TYPE (\w+) (\w+)$", scrape.decode(), re.MULTILINE)
    counted = {each._name: each._labelnames for each in metrics.registry._collector_to_names}
    labels = {name: counted.get(name.removesuffix("_total"), ()) for name, _ in kinds}
    labels["parley_replies_unfinished"] = ("status",)
    assert told == {(name, kind, ", ".join(f"`{label}`" for label in labels[name])) for name, kind in kinds}


def test_its_alerts_are_promql_over_metrics_that_there_are():
    rules = re.findall(r"^ +expr: (.+)$", PAGE, re.MULTILINE)
    assert len(rules) >= 6
    known = set(re.findall(r"^\| `(\w+)`", PAGE, re.MULTILINE))
    for rule in rules:
        promql_parser.parse(rule)
        for name in re.findall(r"parley_\w+", rule):
            assert re.sub(r"_(bucket|count|sum)$", "", name) in known


async def test_what_waits_is_told():
    told = samples(await Scrape(Metrics(), Asked(BACKLOG), monotonic=lambda: 0.0)())
    assert told["parley_replies_unfinished{'status': 'pending'}"] == 3
    assert told["parley_replies_unfinished{'status': 'generating'}"] == 2
    assert told["parley_replies_due_seconds"] == 4.5
    assert told["parley_webhooks_waiting"] == 6
    assert told["parley_closures_waiting"] == 8
    assert told["parley_database_up"] == 1


async def test_the_database_is_asked_once_a_second():
    asked = Asked(BACKLOG, Unavailable())
    scrape = Scrape(Metrics(), asked, monotonic=lambda: asked.now)
    for _ in range(3):
        assert samples(await scrape())["parley_database_up"] == 1
    assert asked.times == 1
    asked.now += 1.0
    told = samples(await scrape())
    assert asked.times == 2
    assert told["parley_database_up"] == 0
    assert "parley_replies_due" not in told


def test_the_audit_is_counted_and_still_written():
    metrics, book = Metrics(), FakeAuditTrail()
    audit = CountedAudit(book, metrics)
    audit.note(AuditEvent.CODE_DELIVERED, identity=Identity(IdentityKind.EMAIL, "mira@example.com"), how="sign_in")
    audit.note(AuditEvent.REFRESH_FAILED)
    told = samples(generate_latest(metrics.registry))
    assert told["parley_account_events_total{'event': 'code_delivered', 'identity': 'email'}"] == 1
    assert told["parley_account_events_total{'event': 'refresh_failed', 'identity': ''}"] == 1
    assert len(book.notes) == 2


def test_processes_of_a_worker_have_numbers():
    assert [process_number(name) for name in ("worker-0", "worker-3", "MainProcess", "SpawnProcess-2")] == [0, 3, 0, 0]
