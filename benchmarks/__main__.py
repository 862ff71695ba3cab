"""parley's speed, measured side by side with what limits it; benchmarks/README.md says how.

python -m benchmarks [--only rooms --only post] [--rounds 3] [--quick] [--publish]
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks import embedded, history, posting, report, rooms, sizes, streams, tokens
from benchmarks.place import big_place, small_place
from benchmarks.rounds import Effort
from benchmarks.row import Row
from benchmarks.town import town_up
from benchmarks.wrk import require_wrk

OVER_HTTP = ("rooms", "history", "post", "sizes")
GROUPS = (*OVER_HTTP, "token", "streams", "embedded")
QUICK = Effort(rounds=1, seconds=1.0)


async def measured(only: frozenset[str], effort: Effort, folder: Path) -> AsyncIterator[list[Row]]:
    """Rows as they come. `only` are some of GROUPS."""
    if "token" in only:
        yield await tokens.rows(effort)
    if "embedded" in only:
        yield await embedded.rows(folder / "embedded", effort=effort)
    if only & {*OVER_HTTP}:
        async for rows in _over_http(only, effort, folder):
            yield rows
    if "streams" in only:
        yield await streams.rows(folder / "streams", big="sizes" in only, effort=effort)


async def _over_http(only: frozenset[str], effort: Effort, folder: Path) -> AsyncIterator[list[Row]]:
    """No worker runs: what it does is measured elsewhere."""
    async with town_up(folder / "small", workers=0) as town:
        place = await small_place(town)
        for group, rows in {"rooms": rooms.rows, "history": history.rows, "post": posting.rows}.items():
            if group in only:
                yield await rows(place, effort)
        if "sizes" in only:
            async with town_up(folder / "big", workers=0) as large:
                yield await sizes.rows(place, await big_place(large), effort)


async def run(only: frozenset[str], effort: Effort, rows: list[Row]) -> None:
    """Adds to `rows` what it has measured."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="parley-benchmarks-") as name:
        async for found in measured(only, effort, Path(name)):
            for row in found:
                reached = "reached" if row.reached else "NOT REACHED"
                print(f"{row.name:20}{report.figure(row):>10}  goal {row.goal!s:20}{reached:12} {row.said}", flush=True)
            rows += found
    print(f"{len(rows)} rows in {time.monotonic() - started:.0f} s")


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks", description="parley's speed, side by side.")
    arguments.add_argument("--only", action="append", default=[], choices=GROUPS, help="one group of rows; repeatable")
    arguments.add_argument("--rounds", type=int, default=Effort.rounds, help="of each figure (default: %(default)s)")
    arguments.add_argument("--quick", action="store_true", help="one short round, to see that all of it works")
    arguments.add_argument("--publish", action="store_true", help="write the table and the plot to docs/ too")
    given = arguments.parse_args()
    if given.publish and (given.only or given.quick):
        arguments.error("--publish is for a whole run")
    require_wrk()
    effort = QUICK if given.quick else Effort(rounds=given.rounds)
    rows: list[Row] = []
    try:
        asyncio.run(run(frozenset(given.only or GROUPS), effort, rows))
    finally:
        # When something failed, what came before it.
        report.write_results(rows)
        print(f"written to {report.RESULTS}")
    if given.publish:
        report.publish()


if __name__ == "__main__":
    main()
