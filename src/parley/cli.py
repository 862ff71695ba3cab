"""The command line."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from importlib.metadata import version
from tempfile import TemporaryDirectory

import click

from parley.kept import kept_for_good
from parley.settings import Settings, SettingsError, read_settings

GRACE_SECONDS = 3
# Longer than proxies keep a connection that they do not use (nginx: 60 s): whoever closes first may cut a request off.
KEEP_ALIVE_SECONDS = 75


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("parley"), prog_name="parley")
def commands() -> None:
    """The backend of an AI chat product. Settings come from the environment and from .env; see .env.example."""


@commands.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="The port to listen on.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="API processes.")
def run(host: str, port: int, workers: int) -> None:
    """Serve the API, with the worker that writes replies."""
    settings = read_settings()
    if workers > 1 and not settings.redis_url:
        raise SettingsError("--workers: several API processes must share Redis: set REDIS_URL, or leave it at 1.")
    with kept_for_good():
        import uvicorn  # noqa: PLC0415  the other commands start without it

        from parley.bootstrap import bootstrap  # noqa: PLC0415
        from parley.bootstrap.databases import database_name  # noqa: PLC0415
        from parley.logs import configure_logs  # noqa: PLC0415
        from parley.operations import check_start  # noqa: PLC0415

        configure_logs(form=settings.log_format, level=settings.log_level)
        parley = bootstrap(settings)
        app = parley.app if workers == 1 else "parley.asgi:app"
    # What would stop the server when it starts is told here, in one line.
    asyncio.run(check_start(settings))
    _tell(
        settings,
        {
            "listens_on": f"http://{host}:{port}",
            "docs": f"http://{host}:{port}/docs",
            "database": database_name(settings),
            "model": parley.ports.catalogue.default,
            "codes": _codes(settings),
            "payments": "Stripe" if settings.stripe_secret_key else "a sandbox where no money moves",
        },
    )
    with TemporaryDirectory(prefix="parley-metrics-") as folder:
        if workers > 1:
            # Any of them may be asked for the counts of all. prometheus-client reads this when it is imported.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        uvicorn.run(
            # Several processes each wire themselves.
            app,
            workers=workers,
            host=host,
            port=port,
            access_log=False,
            log_config=None,
            server_header=False,
            # The application itself reads them, so that it does the same under any server.
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            lifespan="on",
            ws="none",
        )


@commands.command()
def migrate() -> None:
    """Bring the database to the schema of this version."""
    from parley.operations import migrate_database  # noqa: PLC0415

    asyncio.run(migrate_database(read_settings()))
    click.echo("The database has the schema of this version.")


@commands.command()
def check() -> None:
    """Look at the settings and every connection; exit with 1 when something is wrong."""
    from parley.logs import configure_logs  # noqa: PLC0415
    from parley.operations import check_everything  # noqa: PLC0415

    settings = read_settings()
    # What is wrong is told in the findings.
    configure_logs(form=settings.log_format, level="ERROR")
    findings = asyncio.run(check_everything(settings))
    for finding in findings:
        click.echo(f"{'ok   ' if finding.ok else 'WRONG'}  {finding.what}: {finding.detail}")
    raise SystemExit(0 if all(finding.ok for finding in findings) else 1)


@commands.command()
def openapi() -> None:
    """Write the OpenAPI document to standard output."""
    from parley.operations import openapi_document  # noqa: PLC0415

    click.echo(json.dumps(openapi_document(), indent=2, sort_keys=True, ensure_ascii=False))


@commands.command()
@click.argument("number_or_email")
@click.argument("plan_name", metavar="basic|pro|auto", type=click.Choice(["basic", "pro", "auto"]))
def plan(number_or_email: str, plan_name: str) -> None:
    """Put an account on a plan, whatever it pays; auto takes the word back."""
    from parley.operations import set_plan  # noqa: PLC0415

    asyncio.run(set_plan(read_settings(), number_or_email, plan_name))
    click.echo(f"{number_or_email}: {plan_name}")


def _tell(settings: Settings, facts: Mapping[str, str]) -> None:
    """What was chosen: for people, or as one line of the log where that is JSON throughout."""
    if settings.log_format == "json":
        import structlog  # noqa: PLC0415  the other commands start without it

        log = structlog.get_logger("parley.cli")
        log.info("starting", version=version("parley"), environment=settings.environment, **facts)
        return
    lines = [f"  {name.replace('_', ' '):<12}{fact}" for name, fact in facts.items()]
    click.echo("\n".join([f"parley {version('parley')} ({settings.environment})", *lines]), err=True)


def _codes(settings: Settings) -> str:
    ways = {"response": "shown in the answer", "email": f"by {settings.smtp_server}", "sms": "by the SMS gateway"}
    return ", ".join(f"{sender} ({ways[sender]})" for sender in settings.otp_sender)


def main() -> None:
    """Run a command; what an operator got wrong is one line, not a traceback."""
    try:
        commands(prog_name="parley")
    except SettingsError as error:
        click.echo(f"parley: {error}", err=True)
        sys.exit(2)
