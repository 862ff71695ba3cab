"""`parley run`: one or several API processes."""

import asyncio
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from parley.runtime.gc_tuning import tuned_garbage_collection
from parley.runtime.optional_packages import without_optional_packages
from parley.settings import Settings, SettingsError
from parley.settings.production import is_local

if TYPE_CHECKING:
    from parley.bootstrap import Parley

GRACE_SECONDS = 3
# Longer than proxies keep an idle connection (nginx: 60 s). The side that closes it first may cut off a request.
KEEP_ALIVE_SECONDS = 75


def serve(settings: Settings, *, host: str, port: int, workers: int) -> None:
    """Serve until a signal. Raises SettingsError when no API process can start."""
    if workers > 1 and not settings.redis_url:
        raise SettingsError("--workers: several API processes must share Redis: set REDIS_URL, or leave it at 1.")
    if "response" in settings.otp_sender and not settings.allow_shown_codes and not is_local(host):
        raise SettingsError(
            "OTP_SENDER: response shows codes to every caller, so --host must be of this machine, such as 127.0.0.1; "
            "ALLOW_SHOWN_CODES=1 opens it to others."
        )
    with tuned_garbage_collection():
        with without_optional_packages():
            import uvicorn  # noqa: PLC0415  imported inside the block, so that it is excluded from garbage collection

            from parley.adapters.http.app import LARGEST_BODY  # noqa: PLC0415
            from parley.adapters.http.server.protocol import ParleyHttpProtocol  # noqa: PLC0415
            from parley.adapters.http.server.sockets import ParleySocketProtocol  # noqa: PLC0415
            from parley.bootstrap import bootstrap  # noqa: PLC0415
            from parley.bootstrap.database import check_database  # noqa: PLC0415
            from parley.bootstrap.processes import api_application  # noqa: PLC0415
            from parley.runtime.logging import configure_logs  # noqa: PLC0415

        configure_logs(form=settings.log_format, level=settings.log_level)
        parley = bootstrap(settings)
        # Each of several processes makes its own application.
        with without_optional_packages():
            app = api_application(parley) if workers == 1 else "parley.asgi:app"
    asyncio.run(check_database(settings))
    _announce(settings, _facts(settings, parley, f"http://{host}:{port}"))
    with _shared_metrics(workers):
        uvicorn.run(
            app,
            workers=workers,
            host=host,
            port=port,
            access_log=False,
            log_config=None,
            server_header=False,
            # The application reads them itself, so that it behaves the same under any server.
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            lifespan="on",
            http=ParleyHttpProtocol,
            ws=ParleySocketProtocol,
            ws_max_size=LARGEST_BODY,
            # Its buffers would take more memory than all else that an idle connection has.
            ws_per_message_deflate=False,
        )


@contextmanager
def _shared_metrics(workers: int) -> Generator[None, None, None]:
    """A folder in which several processes share their counts, so that each of them can report those of all.

    The parent process outlives a signal and removes the folder. A single process would not: uvicorn ends it by raising
    the signal that it caught once more.
    """
    if workers == 1:
        yield
        return
    with TemporaryDirectory(prefix="parley-metrics-") as folder:
        # prometheus-client reads this when it is imported.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        yield


def _facts(settings: Settings, parley: "Parley", address: str) -> Mapping[str, str]:
    from parley.bootstrap.database import database_name  # noqa: PLC0415  loaded by now

    return {
        "listens_on": address,
        "chat": f"{address}/chat" if settings.chat_page_served else "off",
        "docs": f"{address}/docs" if settings.docs_served else "off",
        "database": database_name(settings),
        "model": parley.chat.catalogue.default,
        "codes": _codes(settings),
        "payments": "Stripe" if settings.stripe_secret_key else "a sandbox where no money moves",
    }


def _announce(settings: Settings, facts: Mapping[str, str]) -> None:
    """Show what was chosen: for people, or as one line of the log where that is JSON."""
    if settings.log_format == "json":
        import structlog  # noqa: PLC0415  loaded by now

        log = structlog.get_logger("parley.cli")
        log.info("starting", version=version("parley"), environment=settings.environment, **facts)
        return
    lines = [f"  {name.replace('_', ' '):<12}{fact}" for name, fact in facts.items()]
    click.echo("\n".join([f"parley {version('parley')} ({settings.environment})", *lines]), err=True)


def _codes(settings: Settings) -> str:
    ways = {"response": "shown in the answer", "email": f"by {settings.smtp_server}", "sms": "by the SMS gateway"}
    return ", ".join(f"{sender} ({ways[sender]})" for sender in settings.otp_sender)
