"""Timing and limits of accounts, measured on one `parley run` with SQLite in a temporary folder.

    python -m benchmarks.accounts [--pairs 500] [--burst 200] [--only login --only signup]

Run it from the root of a checkout with the test dependencies, on an otherwise idle machine; it takes some minutes. It
measures over keep-alive connections: (i) whether known and unknown identities get the same answers in the same time,
(ii) how fast other endpoints answer during a burst of logins, (iii) how often a code submitted in parallel counts.
"""

import argparse
import asyncio
import json
import random
import secrets
import sqlite3
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.process import served

ACCOUNTS = 20
EVERY_SECONDS = 0.01
BEFORE_SECONDS = 5.0
PASSWORD = "the password of all accounts here"
WRONG = "a password of none of the accounts"
# These fields differ in every answer.
UNIQUE_FIELDS = {"otp", "signup_token", "access_token", "refresh_token", "id"}
SETTINGS = {
    "AUTH_REQUESTS_PER_MINUTE": "0",
    "OTP_RESEND_SECONDS": "0",
    "OTP_MAX_SENDS_PER_HOUR": "1000000",
    "LOG_LEVEL": "ERROR",
}


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    ms: float

    @property
    def comparable(self) -> tuple[int, Any]:
        """Status and body without the fields that differ in every answer."""
        return self.status, {name: value for name, value in self.body.items() if name not in UNIQUE_FIELDS}


class Connection:
    """A keep-alive connection for one request at a time. Faster than a library's client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def request(self, method: str, path: str, body: Any = None, token: str = "") -> Answer:
        data = b"" if body is None else json.dumps(body).encode()
        bearer = f"Authorization: Bearer {token}\r\n" if token else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{bearer}"
        started = time.perf_counter()
        self._writer.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        fields = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        length = next(int(field.split(":")[1]) for field in fields if field.startswith("content-length:"))
        found = await self._reader.readexactly(length)
        ms = (time.perf_counter() - started) * 1000
        return Answer(int(fields[0].split()[1]), json.loads(found), ms)

    def close(self) -> None:
        self._writer.close()


@dataclass
class Server:
    port: int
    folder: Path

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        connection = Connection(*await asyncio.open_connection("127.0.0.1", self.port))
        try:
            yield connection
        finally:
            connection.close()

    def stored(self, query: str, *values: str) -> Any:
        with closing(sqlite3.connect(f"file:{self.folder / 'parley.db'}?mode=ro", uri=True)) as database:
            return database.execute(query, values).fetchone()[0]


async def create_account(connection: Connection, email: str) -> str:
    """Create an account with PASSWORD; returns its access token."""
    signup = await connection.request("POST", "/auth/signup", {"email": email, "password": PASSWORD})
    code = (await connection.request("POST", "/auth/send-otp", {"email": email})).body["otp"]
    body = {"email": email, "otp": code, "signup_token": signup.body["signup_token"]}
    return str((await connection.request("POST", "/auth/verify-otp", body)).body["access_token"])


def new_email() -> str:
    return f"{secrets.token_hex(6)}@example.com"


# (i) Known and unknown.

Call = Callable[[Connection, str], Awaitable[Answer]]


def simple(path: str, **fields: str) -> Call:
    async def call(connection: Connection, email: str) -> Answer:
        return await connection.request("POST", path, {"email": email, **fields})

    return call


def with_a_wrong_code(send_path: str, path: str, **fields: str) -> Call:
    """Submits a wrong code while a right one exists."""

    async def call(connection: Connection, email: str) -> Answer:
        code = (await connection.request("POST", send_path, {"email": email})).body["otp"]
        wrong = f"{(int(code) + 1) % 1_000_000:06d}"
        return await connection.request("POST", path, {"email": email, "otp": wrong, **fields})

    return call


CALLS: dict[str, Call] = {
    "login": simple("/auth/login", password=WRONG),
    "send-otp": simple("/auth/send-otp"),
    "forgot-password": simple("/auth/forgot-password"),
    "verify-otp, wrong": with_a_wrong_code("/auth/send-otp", "/auth/verify-otp"),
    "verify-otp, none sent": simple("/auth/verify-otp", otp="123456"),
    "reset-password, wrong": with_a_wrong_code("/auth/forgot-password", "/auth/reset-password", new_password=WRONG),
    "reset-password, none sent": simple("/auth/reset-password", otp="123456", new_password=WRONG),
    "signup with a password": simple("/auth/signup", password=WRONG),
    "signup without": simple("/auth/signup"),
}


async def compare(server: Server, known: list[str], pairs: int, only: list[str]) -> None:
    print(
        f"\n(i) {pairs} pairs each, interleaved; medians in ms. «by chance»: the difference stays below it in 95 of 100"
    )
    print("cases if the two of each pair are swapped at random; a difference below it means nothing")
    print(f"{'':27}{'bodies':>11}{'known':>9}{'unknown':>9}{'difference':>12}{'by chance':>11}{'status':>8}")
    for name in [name for name in CALLS if not only or any(word in name for word in only)]:
        call = CALLS[name]
        async with server.connect() as connection:
            print(
                _compared(name, [await pair(connection, call, random.choice(known)) for _ in range(pairs)]), flush=True
            )


async def pair(connection: Connection, call: Call, known: str) -> tuple[Answer, Answer]:
    order = [known, new_email()]
    random.shuffle(order)
    answers = {email: await call(connection, email) for email in order}
    unknown = next(email for email in order if email != known)
    return answers[known], answers[unknown]


def _compared(name: str, answers: list[tuple[Answer, Answer]]) -> str:
    same = sum(known.comparable == unknown.comparable for known, unknown in answers)
    times = [(known.ms, unknown.ms) for known, unknown in answers]
    known, unknown = (statistics.median(each) for each in zip(*times, strict=True))
    bodies = "identical" if same == len(answers) else f"{len(answers) - same} differ"
    statuses = "/".join(str(status) for status in sorted({answer.status for both in answers for answer in both}))
    figures = f"{known:9.2f}{unknown:9.2f}{known - unknown:+12.2f}{_by_chance(times):11.2f}"
    return f"{name:27}{bodies:>11}{figures}{statuses:>8}"


def _by_chance(times: list[tuple[float, float]], rounds: int = 1_000) -> float:
    def drawn() -> float:
        pairs = [both if random.random() < 0.5 else both[::-1] for both in times]
        return abs(statistics.median(known for known, _ in pairs) - statistics.median(unknown for _, unknown in pairs))

    return sorted(drawn() for _ in range(rounds))[rounds * 95 // 100]


# (ii) A burst of logins.


async def measure_login_burst(server: Server, known: list[str], token: str, burst: int) -> None:
    probes: dict[str, list[float]] = {path: [] for path in ("/chatroom", "/user/me")}
    async with server.connect() as connection:
        await connection.request("POST", "/chatroom", {"name": "a room"}, token)
    before = await _probed(server, token, list(probes), asyncio.sleep(BEFORE_SECONDS))
    started = time.perf_counter()
    logins: list[Answer] = []
    during = await _probed(server, token, list(probes), _log_in(server, known, burst, logins))
    took = time.perf_counter() - started
    right = sum(answer.status == 200 for answer in logins)
    print(f"\n(ii) {burst} parallel logins took {took:.1f} s, {right} succeeded; others meanwhile, in ms")
    print(
        f"{'':27}{'before: median':>15}{'p99':>8}{'during: median':>17}{'p99':>8}{'ratio of medians':>18}{'asked':>8}"
    )
    for path in probes:
        (idle, idle_99), (busy, busy_99) = _figures(before[path]), _figures(during[path])
        asked = f"{len(before[path])}/{len(during[path])}"
        print(f"{path:27}{idle:15.2f}{idle_99:8.2f}{busy:17.2f}{busy_99:8.2f}{busy / idle:18.2f}{asked:>10}")


async def _probed(server: Server, token: str, paths: list[str], until: Awaitable[None]) -> dict[str, list[float]]:
    """Request each path every EVERY_SECONDS, or after the previous answer, until `until` ends. Returns times in ms."""
    times: dict[str, list[float]] = {path: [] for path in paths}

    async def probe(path: str) -> None:
        async with server.connect() as connection:
            while True:
                due = time.perf_counter() + EVERY_SECONDS
                answer = await connection.request("GET", path, token=token)
                assert answer.status == 200, answer
                times[path].append(answer.ms)
                await asyncio.sleep(max(0.0, due - time.perf_counter()))

    probing = [asyncio.create_task(probe(path)) for path in paths]
    await until
    for task in probing:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return times


async def _log_in(server: Server, known: list[str], burst: int, answers: list[Answer]) -> None:
    async def one(number: int) -> Answer:
        async with server.connect() as connection:
            who = {"email": known[number % len(known)], "password": PASSWORD}
            return await connection.request("POST", "/auth/login", who)

    answers += await asyncio.gather(*(one(number) for number in range(burst)))


def _figures(times: list[float]) -> tuple[float, float]:
    return statistics.median(times), statistics.quantiles(times, n=100)[-1]


# (iii) One code, many hands.


async def measure_parallel_codes(server: Server, parallel: int) -> None:
    async def submissions(email: str, shift: int) -> list[Answer]:
        async with server.connect() as connection:
            code = int((await connection.request("POST", "/auth/send-otp", {"email": email})).body["otp"])

        async def one(number: int) -> Answer:
            async with server.connect() as connection:
                guess = f"{(code + number * shift) % 1_000_000:06d}"
                return await connection.request("POST", "/auth/verify-otp", {"email": email, "otp": guess})

        return await asyncio.gather(*(one(number) for number in range(1, parallel + 1)))

    guessed, owner = new_email(), new_email()
    wrong, right = await submissions(guessed, 1), await submissions(owner, 0)
    tries = server.stored("SELECT tries FROM code_challenges WHERE identity = ?", f"email:{guessed}")
    opened = server.stored(
        "SELECT count(*) FROM sessions JOIN accounts ON accounts.id = account_id WHERE email = ?", owner
    )
    print(f"\n(iii) {parallel} parallel submissions of one code")
    print(f"wrong: {tries} compared, {sum(answer.status == 200 for answer in wrong)} answered 200")
    print(f"right: {opened} sessions opened, {sum(answer.status == 200 for answer in right)} answered 200")


async def main() -> None:
    arguments = argparse.ArgumentParser(description="Measures timing and limits of accounts.")
    arguments.add_argument("--pairs", type=int, default=500)
    arguments.add_argument("--burst", type=int, default=200)
    arguments.add_argument("--only", action="append", default=[], help="in (i), calls whose name contains this")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        async with served(Path(name), **SETTINGS) as api:
            server = Server(api.port, Path(name))
            known = [new_email() for _ in range(ACCOUNTS)]
            async with server.connect() as connection:
                tokens = [await create_account(connection, email) for email in known]
            await measure_login_burst(server, known, tokens[0], given.burst)
            await measure_parallel_codes(server, given.burst)
            await compare(server, known, given.pairs, given.only)


if __name__ == "__main__":
    asyncio.run(main())
