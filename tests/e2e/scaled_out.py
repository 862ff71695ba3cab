"""parley on several processes that send real codes, with PostgreSQL, Redis, an SMS gateway and a scripted model."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import asyncpg
import httpx

from tests.contracts.postgres_fixtures import create_database, drop_database, migrated_template
from tests.e2e.process import PATIENCE, Served, answers, environment, free_port, model_server, parley
from tests.faults.cluster import Worker, becomes
from tests.servers.mail_server import MailServer
from tests.servers.redis_server import RedisServer
from tests.servers.sms_gateway import SmsGateway

Who = Mapping[str, str]
LONG_PATIENCE = 90.0


class Api(Served):
    """Its log includes standard output."""

    async def start(self) -> Self:
        with (self.folder / "stderr.txt").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *parley("run", "--port", str(self.port)),
                cwd=self.folder,
                env=environment(self.settings),
                stdout=log,
                stderr=log,
            )
        await answers(f"{self.address}/health/ready", self.process)
        return self


@dataclass
class ScaledOut:
    """API processes A and B, and workers in the order of their start."""

    database_url: str
    redis: RedisServer
    gateway: SmsGateway
    apis: list[Api]
    workers: list[Worker]
    settings: dict[str, str]

    def visitor(self, api: int, token: str | None = None) -> httpx.AsyncClient:
        """A client of one API process. The caller closes it."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        limits = httpx.Limits(max_connections=None)
        return httpx.AsyncClient(base_url=self.apis[api].address, headers=headers, timeout=LONG_PATIENCE, limits=limits)

    async def post(self, api: int, path: str, body: Any = None, token: str | None = None) -> httpx.Response:
        async with self.visitor(api, token) as client:
            return await client.post(path, json=body)

    async def start_worker(self) -> Worker:
        folder = Path(self.apis[0].folder.parent / f"worker{len(self.workers)}")
        folder.mkdir()
        worker = Worker(folder, self.settings)
        self.workers.append(worker)
        await worker.start()
        await becomes(lambda: "Listening started" in worker.log(), within=LONG_PATIENCE)
        return worker

    async def sql(self, statement: str, *values: object) -> Any:
        """One statement; the first value of its first row."""
        connection = await asyncpg.connect(self.database_url)
        try:
            return await connection.fetchval(statement, *values)
        finally:
            await connection.close()

    def logs(self) -> str:
        """The logs of all processes."""
        return "\n".join(process.log() for process in (*self.apis, *self.workers))


@asynccontextmanager
async def scaled_out(
    folder: Path, mail_port: int | None = None, *, database_url: str | None = None, workers: int = 1, **settings: str
) -> AsyncIterator[ScaledOut]:
    """Everything running. Uses a new database unless one is given. Without `mail_port` no mail server is reachable."""
    async with AsyncExitStack() as stack:
        if database_url is None:
            database_url = create_database(template=await migrated_template())
            stack.callback(drop_database, database_url)
        redis = RedisServer()
        stack.callback(redis.stop)
        await asyncio.to_thread(redis.start)
        gateway = await stack.enter_async_context(SmsGateway().running())
        model = await stack.enter_async_context(model_server("--delay", "0.01"))
        chosen = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis.url,
            "OPENAI_BASE_URL": f"{model}/v1",
            "OPENAI_MODELS": "scripted",
            "OTP_SENDER": "email,sms",
            "SMTP_SERVER": "127.0.0.1",
            "SMTP_PORT": str(mail_port or free_port()),
            "SMTP_FROM": "Acme Chat <codes@acme.example>",
            "SMS_WEBHOOK_URL": gateway.url,
            "PYTHONUNBUFFERED": "1",
        } | settings
        running = ScaledOut(database_url, redis, gateway, _apis(folder, chosen), [], chosen)
        stack.push_async_callback(_end, running)
        starting = (running.start_worker() for _ in range(workers))
        await asyncio.gather(*(api.start() for api in running.apis), *starting)
        yield running


async def mailed_code(server: MailServer, who: Who) -> str:
    """The code in the next mail, which must be addressed to `who`."""
    async with asyncio.timeout(LONG_PATIENCE):
        while True:
            try:
                mail = await server.mail()
            except TimeoutError:
                continue
            assert mail["To"] == who["email"]
            return code_in(mail.get_body(("plain",)).get_content())


async def texted_code(gateway: SmsGateway, who: Who) -> str:
    """The code in the next text message, which must be addressed to `who`."""
    async with asyncio.timeout(LONG_PATIENCE):
        message = (await gateway.requests.get()).message
    assert message["to"] == who["mobile_number"]
    return code_in(message["text"])


def code_in(text: str) -> str:
    [code] = re.findall(r"\b\d{6}\b", text)
    return code


async def seconds_until_refused(client: httpx.AsyncClient, since: float) -> float:
    """The time from `since` until the last accepted request was sent; 0 if none was accepted."""
    clock, last = asyncio.get_running_loop().time, since
    async with asyncio.timeout(PATIENCE):
        while True:
            sent = clock()
            answer = await client.get("/user/me")
            if answer.status_code == 401:
                assert answer.json()["code"] == "token_invalid"
                return last - since
            assert answer.status_code == 200, answer.text
            last = sent
            await asyncio.sleep(0.005)


def _apis(folder: Path, settings: dict[str, str]) -> list[Api]:
    folders = [folder / "a", folder / "b"]
    for each in folders:
        each.mkdir()
    return [Api(each, settings) for each in folders]


async def _end(running: ScaledOut) -> None:
    for worker in running.workers:
        await worker.kill()
    for api in running.apis:
        if api.process is not None and api.process.returncode is None:
            await api.kill()
