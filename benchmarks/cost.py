"""The processor time that the API and the worker spend on a reply that is read as a stream."""

from statistics import median

from benchmarks.measurement import NOTHING, Goal, Measurement
from benchmarks.processes import cpu_seconds
from benchmarks.rounds import Effort
from benchmarks.stream_clients import CLIENTS, DELTAS, StreamClients

MANY_DELTAS = 500


async def measure(clients: StreamClients, effort: Effort) -> list[Measurement]:
    return [await _of_replies(clients, effort, deltas) for deltas in (DELTAS, MANY_DELTAS)]


async def _of_replies(clients: StreamClients, effort: Effort, deltas: int) -> Measurement:
    processes = {"api": clients.deployment.api_pid, "worker": clients.deployment.worker_pid}
    rounds = []
    for _ in range(effort.rounds):
        rooms = await clients.new_rooms(CLIENTS)
        before = {name: cpu_seconds(pid) for name, pid in processes.items()}
        read = await clients.read_in_parallel(rooms, effort.seconds, deltas)
        used = {name: cpu_seconds(pid) - before[name] for name, pid in processes.items()}
        rounds.append({name: 1_000 * seconds / read["finished"] for name, seconds in used.items()})
    api, worker = (median(each[name] for each in rounds) for name in processes)
    return Measurement(
        f"cost-{deltas}",
        f"processor time of API and worker for a reply of {deltas} deltas, {CLIENTS} clients",
        NOTHING,
        Goal(unit="ms"),
        median(each["api"] + each["worker"] for each in rounds),
        f"API {api:.2f} ms, worker {worker:.2f} ms",
        rounds,
    )
