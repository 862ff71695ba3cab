"""A worker that stops or is killed between sending a webhook and noting its answer, with PostgreSQL and Redis."""

import signal
from pathlib import Path

from parley.core.webhooks.deliver import LEASE_SECONDS
from tests.faults.cluster import PATIENCE, cluster
from tests.servers.webhook_receiver import SECRET, WebhookReceiver


async def test_another_worker_sends_the_event_again_under_its_id(tmp_path: Path) -> None:
    async with WebhookReceiver().running() as receiver:
        receiver.hanging = True
        settings = {"WEBHOOK_URL": receiver.url, "WEBHOOK_SECRET": SECRET}
        async with cluster(tmp_path, apis=1, workers=1, **settings) as running:
            [worker] = running.workers
            await receiver.next(1, within=PATIENCE)

            # One that shuts down hands the event over at once.
            worker.signal(signal.SIGTERM)
            await worker.ended()
            await worker.start()
            await receiver.next(2, within=LEASE_SECONDS / 2)

            # That of a killed one waits for the end of its lease.
            await worker.kill()
            receiver.hanging = False
            await worker.start()
            received = await receiver.next(3, within=LEASE_SECONDS + PATIENCE)
    assert {(each.id, str(each.event)) for each in received} == {(received[0].id, str(received[0].event))}
    assert received[0].event["type"] == "account.created"
