"""What accounts promise, measured on one real `parley run` with SQLite in a folder of its own.

    python -m benchmarks.accounts [--pairs 500] [--burst 200] [--only login --only signup]

from the root of a clone with the test dependencies, on a machine that does nothing else; it takes some minutes. It asks
over keep-alive connections: (i) whether known and unknown identities get the same answers after the same time, (ii) how
other endpoints answer during a burst of logins, (iii) how many of parallel guesses and submissions of a code count.
"""

import argparse
import asyncio
import json
import operator
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
PASSWORD = "a password of nobody in particular"
WRONG = "another password of nobody at all"
# New in every answer.
PARTICULAR = {"otp", "signup_token", "access_token", "refresh_token", "id"}
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
    def told(self) -> tuple[int, Any]:
        """What it says, without what is new in every answer."""
        return self.status, {name: value for name, value in self.body.items() if name not in PARTICULAR}


class Line:
    """One keep-alive connection, over which one request at a time goes. Costs less than a library's client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, method: str, path: str, body: Any = None, token: str = "") -> Answer:
        data = b"" if body is None else json.dumps(body).encode()
        bearer = f"Authorization: Bearer {token}\r\n" if token else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{bearer}"
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
class Bench:
    port: int
    folder: Path

    @asynccontextmanager
    async def line(self) -> AsyncIterator[Line]:
        line = Line(*await asyncio.open_connection("127.0.0.1", self.port))
        try:
            yield line
        finally:
            line.close()

    def stored(self, query: str, *values: str) -> Any:
        with closing(sqlite3.connect(f"file:{self.folder / 'parley.db'}?mode=ro", uri=True)) as database:
            return database.execute(query, values).fetchone()[0]


async def made_account(line: Line, email: str) -> str:
    """An account with PASSWORD; its access token."""
    signup = await line.ask("POST", "/auth/signup", {"email": email, "password": PASSWORD})
    code = (await line.ask("POST", "/auth/send-otp", {"email": email})).body["otp"]
    body = {"email": email, "otp": code, "signup_token": signup.body["signup_token"]}
    return str((await line.ask("POST", "/auth/verify-otp", body)).body["access_token"])


def stranger() -> str:
    return f"{secrets.token_hex(6)}@example.com"


# (i) Known and unknown.

Call = Callable[[Line, str], Awaitable[Answer]]


def simple(path: str, **fields: str) -> Call:
    async def call(line: Line, email: str) -> Answer:
        return await line.ask("POST", path, {"email": email, **fields})

    return call


def with_a_wrong_code(asking: str, path: str, **fields: str) -> Call:
    """A wrong code where a right one is about."""

    async def call(line: Line, email: str) -> Answer:
        code = (await line.ask("POST", asking, {"email": email})).body["otp"]
        wrong = f"{(int(code) + 1) % 1_000_000:06d}"
        return await line.ask("POST", path, {"email": email, "otp": wrong, **fields})

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


async def compare(bench: Bench, known: list[str], pairs: int, only: list[str]) -> None:
    print(
        f"\n(i) {pairs} pairs each, interleaved; medians in ms. «by chance»: the difference stays below it in 95 of 100"
    )
    print("cases where it is drawn by lot which of a pair counts as known; what is below it shows nothing")
    print(f"{'':27}{'bodies':>11}{'known':>9}{'unknown':>9}{'difference':>12}{'by chance':>11}{'status':>8}")
    for name in [name for name in CALLS if not only or any(word in name for word in only)]:
        call = CALLS[name]
        async with bench.line() as line:
            print(_compared(name, [await pair(line, call, random.choice(known)) for _ in range(pairs)]), flush=True)


async def pair(line: Line, call: Call, known: str) -> tuple[Answer, Answer]:
    order = [known, stranger()]
    random.shuffle(order)
    answers = {email: await call(line, email) for email in order}
    unknown = next(email for email in order if email != known)
    return answers[known], answers[unknown]


def _compared(name: str, answers: list[tuple[Answer, Answer]]) -> str:
    same = sum(known.told == unknown.told for known, unknown in answers)
    times = [(known.ms, unknown.ms) for known, unknown in answers]
    known, unknown = (statistics.median(each) for each in zip(*times, strict=True))
    bodies = "identical" if same == len(answers) else f"{len(answers) - same} differ"
    statuses = "/".join(str(status) for status in sorted({answer.status for both in answers for answer in both}))
    figures = f"{known:9.2f}{unknown:9.2f}{known - unknown:+12.2f}{_by_chance(times):11.2f}"
    return f"{name:27}{bodies:>11}{figures}{statuses:>8}"


def _by_chance(times: list[tuple[float, float]], rounds: int = 1_000) -> float:
    def drawn() -> float:
        pairs = [both if random.random() < 0.5 else both[::-1] for both in times]
        return abs(operator.sub(*(statistics.median(each) for each in zip(*pairs, strict=True))))

    return sorted(drawn() for _ in range(rounds))[rounds * 95 // 100]


# (ii) A burst of logins.


async def withstand(bench: Bench, known: list[str], token: str, burst: int) -> None:
    probes = {path: [] for path in ("/chatroom", "/user/me")}
    async with bench.line() as line:
        await line.ask("POST", "/chatroom", {"name": "a room"}, token)
    before = await _probed(bench, token, list(probes), asyncio.sleep(BEFORE_SECONDS))
    started = time.perf_counter()
    logins: list[Answer] = []
    during = await _probed(bench, token, list(probes), _log_in(bench, known, burst, logins))
    took = time.perf_counter() - started
    right = sum(answer.status == 200 for answer in logins)
    print(f"\n(ii) {burst} parallel logins took {took:.1f} s, {right} succeeded; others meanwhile, in ms")
    print(
        f"{'':27}{'before: median':>15}{'p99':>8}{'during: median':>17}{'p99':>8}{'ratio of medians':>18}{'asked':>8}"
    )
    for path in probes:
        (quiet, quiet_99), (busy, busy_99) = _figures(before[path]), _figures(during[path])
        asked = f"{len(before[path])}/{len(during[path])}"
        print(f"{path:27}{quiet:15.2f}{quiet_99:8.2f}{busy:17.2f}{busy_99:8.2f}{busy / quiet:18.2f}{asked:>10}")


async def _probed(bench: Bench, token: str, paths: list[str], until: Awaitable[None]) -> dict[str, list[float]]:
    """Every path asked every EVERY_SECONDS, or as soon as the answer before is there, until `until` ends."""
    times: dict[str, list[float]] = {path: [] for path in paths}

    async def probe(path: str) -> None:
        async with bench.line() as line:
            while True:
                due = time.perf_counter() + EVERY_SECONDS
                answer = await line.ask("GET", path, token=token)
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


async def _log_in(bench: Bench, known: list[str], burst: int, answers: list[Answer]) -> None:
    async def one(number: int) -> Answer:
        async with bench.line() as line:
            who = {"email": known[number % len(known)], "password": PASSWORD}
            return await line.ask("POST", "/auth/login", who)

    answers += await asyncio.gather(*(one(number) for number in range(burst)))


def _figures(times: list[float]) -> tuple[float, float]:
    return statistics.median(times), statistics.quantiles(times, n=100)[-1]


# (iii) One code, many hands.


async def exhaust(bench: Bench, parallel: int) -> None:
    async def submissions(email: str, shift: int) -> list[Answer]:
        async with bench.line() as line:
            code = int((await line.ask("POST", "/auth/send-otp", {"email": email})).body["otp"])

        async def one(number: int) -> Answer:
            async with bench.line() as line:
                guess = f"{(code + number * shift) % 1_000_000:06d}"
                return await line.ask("POST", "/auth/verify-otp", {"email": email, "otp": guess})

        return await asyncio.gather(*(one(number) for number in range(1, parallel + 1)))

    guessed, owner = stranger(), stranger()
    wrong, right = await submissions(guessed, 1), await submissions(owner, 0)
    tries = bench.stored("SELECT tries FROM challenges WHERE identity = ?", f"email:{guessed}")
    opened = bench.stored(
        "SELECT count(*) FROM sessions JOIN accounts ON accounts.id = account_id WHERE email = ?", owner
    )
    print(f"\n(iii) {parallel} parallel submissions of one code")
    print(f"wrong: {tries} compared, {sum(answer.status == 200 for answer in wrong)} answered 200")
    print(f"right: {opened} sessions opened, {sum(answer.status == 200 for answer in right)} answered 200")


async def main() -> None:
    arguments = argparse.ArgumentParser(description="What accounts promise, measured.")
    arguments.add_argument("--pairs", type=int, default=500)
    arguments.add_argument("--burst", type=int, default=200)
    arguments.add_argument("--only", action="append", default=[], help="of (i), calls with this word in their name")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        async with served(Path(name), **SETTINGS) as api:
            bench = Bench(api.port, Path(name))
            known = [stranger() for _ in range(ACCOUNTS)]
            async with bench.line() as line:
                tokens = [await made_account(line, email) for email in known]
            await withstand(bench, known, tokens[0], given.burst)
            await exhaust(bench, given.burst)
            await compare(bench, known, given.pairs, given.only)


if __name__ == "__main__":
    asyncio.run(main())
