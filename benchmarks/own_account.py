"""The caller's own account: a request of two small queries."""

from functools import partial
from uuid import UUID

from benchmarks import wrk
from benchmarks.baselines import Query, bare_handler
from benchmarks.filled_account import CONNECTIONS, FilledAccount
from benchmarks.measurement import Goal, Measurement
from benchmarks.rounds import Effort, alternate, ratio_measurement

PATH = "/user/me"


async def measure(account: FilledAccount, effort: Effort) -> list[Measurement]:
    account_id = UUID((await account.answer(PATH)).json()["id"])
    query = Query(account.deployment.database_url, "account", account_id)
    async with bare_handler(await account.body(PATH), query) as address:
        bearer = {"Authorization": f"Bearer {await account.deployment.sign_in(account.email)}"}
        bare = partial(wrk.get, address, bearer, connections=CONNECTIONS)
        rounds = await alternate(effort, {"account": await account.load_of(PATH), "bare": bare})
    return [
        ratio_measurement(
            "account",
            "GET /user/me",
            "a bare Litestar handler that runs the same two queries by raw asyncpg and returns the same bytes",
            Goal(at_least=0.60),
            rounds,
            of="account",
            to="bare",
        )
    ]
