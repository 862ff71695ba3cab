"""Benchmarks of parley, each measured beside a baseline; see benchmarks/README.md.

python -m benchmarks [--only rooms --only post] [--rounds 3] [--quick] [--publish] [--against FOLDER]
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks import (
    added_latency,
    compared,
    embedded,
    history,
    large_account,
    own_account,
    posting,
    report,
    rooms,
    sockets,
    streams,
    tokens,
)
from benchmarks.deployment import running_deployment
from benchmarks.filled_account import filled_large_account, filled_small_account
from benchmarks.measurement import Measurement
from benchmarks.rounds import Effort
from benchmarks.wrk import require_wrk

SMALL = {
    "rooms": rooms.measure,
    "latency": added_latency.measure,
    "account": own_account.measure,
    "history": history.measure,
    "post": posting.measure,
}
OVER_HTTP = (*SMALL, "large")
GROUPS = (*OVER_HTTP, "token", "streams", "sockets", "embedded")
QUICK = Effort(rounds=1, seconds=1.0)


async def measured(only: frozenset[str], effort: Effort, folder: Path) -> AsyncIterator[list[Measurement]]:
    """Yields measurements as they are made. `only` names some of GROUPS."""
    if "token" in only:
        yield await tokens.measure(effort)
    if "embedded" in only:
        yield await embedded.measure(folder / "embedded", effort=effort)
    if only & {*OVER_HTTP}:
        async for made in _over_http(only, effort, folder):
            yield made
    if "streams" in only:
        yield await streams.measure(folder / "streams", large="large" in only, effort=effort)
    if "sockets" in only:
        yield await sockets.measure(folder / "sockets", effort)


async def _over_http(only: frozenset[str], effort: Effort, folder: Path) -> AsyncIterator[list[Measurement]]:
    """Without a worker, whose work is measured by other groups."""
    async with running_deployment(folder / "small", workers=0) as deployment:
        account = await filled_small_account(deployment)
        for group, measure in SMALL.items():
            if group in only:
                yield await measure(account, effort)
        if "large" in only:
            async with running_deployment(folder / "large", workers=0) as other:
                yield await large_account.measure(account, await filled_large_account(other), effort)


async def run(only: frozenset[str], effort: Effort, measurements: list[Measurement]) -> None:
    """Adds to `measurements` as they are made."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="parley-benchmarks-") as name:
        async for found in measured(only, effort, Path(name)):
            for each in found:
                reached = "reached" if each.reached else "NOT REACHED"
                figure = f"{each.name:20}{report.figure(each):>10}"
                print(f"{figure}  goal {each.goal!s:20}{reached:12} {each.summary}", flush=True)
            measurements += found
    print(f"{len(measurements)} measurements in {time.monotonic() - started:.0f} s")


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures parley beside baselines.")
    arguments.add_argument("--only", action="append", default=[], choices=GROUPS, help="one group; repeatable")
    arguments.add_argument(
        "--rounds", type=int, default=Effort.rounds, help="rounds of each load (default: %(default)s)"
    )
    arguments.add_argument("--quick", action="store_true", help="one short round, to check that everything works")
    arguments.add_argument("--publish", action="store_true", help="also write the table and the plot to docs/")
    arguments.add_argument("--against", type=Path, help="compare with another checkout, which has its own .venv")
    given = arguments.parse_args()
    if given.publish and (given.only or given.quick):
        arguments.error("--publish needs a complete run")
    require_wrk()
    if given.against is not None:
        compared.run(given.against, rounds=given.rounds)
        return
    effort = QUICK if given.quick else Effort(rounds=given.rounds)
    measurements: list[Measurement] = []
    try:
        asyncio.run(run(frozenset(given.only or GROUPS), effort, measurements))
    finally:
        # After a failure, the measurements before it.
        report.write_results(measurements)
        print(f"written to {report.RESULTS}")
    if given.publish:
        report.publish()


if __name__ == "__main__":
    main()
