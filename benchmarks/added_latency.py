"""What parley adds to the time of a request while the server is far from its limit."""

from functools import partial
from statistics import median

from benchmarks import rooms, wrk
from benchmarks.baselines import bare_handler
from benchmarks.filled_account import CONNECTIONS, FilledAccount
from benchmarks.measurement import Goal, Measurement
from benchmarks.rounds import Effort, alternate
from benchmarks.wrk import Load

RATE = 1_000
PARTS = ("p50", "p99")


async def measure(account: FilledAccount, effort: Effort) -> list[Measurement]:
    # The list is in the cache from the first request on.
    async with bare_handler(await account.body(rooms.PATH)) as bare:
        bearer = {"Authorization": f"Bearer {await account.deployment.sign_in(account.email)}"}
        addresses = {"parley": account.deployment.api + rooms.PATH, "bare": bare}
        loads = {
            name: partial(wrk.paced_get, address, bearer, connections=CONNECTIONS, rate=RATE)
            for name, address in addresses.items()
        }
        rounds = await alternate(effort, loads)
    return [_added(part, rounds) for part in PARTS]


def _added(part: str, rounds: list[dict[str, Load]]) -> Measurement:
    figures = [
        {name: getattr(load, f"{part}_ms") for name, load in each.items()} | {"rate": each["parley"].rate}
        for each in rounds
    ]
    value = median(each["parley"] - each["bare"] for each in figures)
    times = [median(each[name] for each in figures) for name in ("parley", "bare", "rate")]
    return Measurement(
        f"added-{part}",
        f"GET /chatroom, cached, at {RATE:,} requests a second: added latency, {part}",
        rooms.BASELINE + ", at the same rate",
        Goal(unit="ms"),
        value,
        "{:.2f} ms against {:.2f} ms, at {:,.0f}/s".format(*times),
        figures,
    )
