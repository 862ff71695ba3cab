"""The commands.

Each imports what it needs when it runs, so that the others start without it, and after it has read the settings, so
that a wrong one is reported at once.
"""

import asyncio
import json
from importlib.metadata import version
from uuid import UUID

import click

from parley.runtime.settings_errors import exit_on_settings_error
from parley.settings import Settings, read_settings


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
    from parley.cli.run import serve  # noqa: PLC0415

    serve(settings, host=host, port=port, workers=workers)


@commands.command()
def migrate() -> None:
    """Bring the database to the schema of this version."""
    settings = read_settings()
    from parley.cli.admin import migrate_database  # noqa: PLC0415

    click.echo(asyncio.run(migrate_database(settings)))


@commands.command("copy-database")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def copy_database(source: str, target: str) -> None:
    """Copy a whole SQLite file, FROM, to an empty PostgreSQL database, TO: all of it or nothing.

    FROM is an address such as sqlite:///parley.db, and no process may serve it. TO is one such as
    postgresql://user:password@host/name; it gets its tables first.
    """
    from parley.cli.admin import copy_installation_to  # noqa: PLC0415

    asyncio.run(copy_installation_to(source, target))
    click.echo(
        "Everything is copied. Set DATABASE_URL to the new address. Set JWT_SECRET to the same value as before, which "
        "is in .parley-secret if it was not set: then everybody stays signed in."
    )


@commands.command()
def check() -> None:
    """Check the settings and every connection; exit with 1 when something is wrong."""
    settings = read_settings()
    from parley.cli.check import check_everything  # noqa: PLC0415
    from parley.runtime.logging import configure_logs  # noqa: PLC0415
    from parley.settings.advice import advise  # noqa: PLC0415

    # The findings already say what is wrong.
    configure_logs(form=settings.log_format, level="ERROR")
    findings = asyncio.run(check_everything(settings))
    for finding in findings:
        click.echo(f"{'ok   ' if finding.ok else 'WRONG'}  {finding.subject}: {finding.detail}")
    for subject, advice in advise(settings):
        click.echo(f"unwise {subject}: {advice}")
    raise SystemExit(0 if all(finding.ok for finding in findings) else 1)


@commands.command()
def openapi() -> None:
    """Write the OpenAPI document to standard output."""
    from parley.cli.admin import api_document  # noqa: PLC0415

    click.echo(json.dumps(api_document(), indent=2, sort_keys=True, ensure_ascii=False))


@commands.command()
@click.argument("who")
@click.argument("plan_name", metavar="PLAN|auto")
def plan(who: str, plan_name: str) -> None:
    """Put an account on a plan, whether it pays or not; auto returns it to the plan that it pays for.

    WHO is its number with the country code, its e-mail address, or its id.
    """
    settings = _logged_settings()
    from parley.cli.account import set_plan  # noqa: PLC0415

    asyncio.run(set_plan(settings, who, plan_name))
    click.echo(f"{who}: {plan_name}")


@commands.group()
def account() -> None:
    """Look after accounts: find, suspend and resume them, end their sessions, erase them.

    WHO is a number with its country code, an e-mail address, or the id of an account. What is done is a line of the
    audit log, on standard error. Exit code 2 means that there is no such account, or that the command cannot run.
    """


@account.command()
@click.argument("search", required=False)
@click.option("--plan", "plan_name", help="Only accounts on this plan.")
def find(search: str | None, plan_name: str | None) -> None:
    """List accounts: id, identity, plan, active or suspended, and the day of the sign-up.

    SEARCH is the beginning of an e-mail address or of a number with its country code, or an id; without it the newest
    accounts are listed. Exit code 1 means that none was found.
    """
    settings = _logged_settings()
    from parley.cli import account as desk  # noqa: PLC0415

    found = asyncio.run(desk.find(settings, search, plan_name))
    raise SystemExit(0 if found else 1)


@account.command()
@click.argument("who")
def suspend(who: str) -> None:
    """Refuse all tokens of an account within a second, and every sign-in, until it is resumed."""
    settings = _logged_settings()
    from parley.cli import account as desk  # noqa: PLC0415

    asyncio.run(desk.suspend(settings, who))
    click.echo(f"{who}: suspended")


@account.command()
@click.argument("who")
def resume(who: str) -> None:
    """End the suspension of an account; its sessions are there again."""
    settings = _logged_settings()
    from parley.cli import account as desk  # noqa: PLC0415

    asyncio.run(desk.resume(settings, who))
    click.echo(f"{who}: resumed")


@account.group()
def sessions() -> None:
    """The sessions of an account."""


@sessions.command("end")
@click.argument("who")
def end_sessions(who: str) -> None:
    """Sign the person out on all devices; they may sign in again."""
    settings = _logged_settings()
    from parley.cli import account as desk  # noqa: PLC0415

    ended = asyncio.run(desk.end_sessions(settings, who))
    click.echo(f"{who}: {ended} ended")


@account.command()
@click.argument("who")
@click.confirmation_option("--yes", prompt="This erases the account with all that it owns, for good. Go on?")
def erase(who: str) -> None:
    """Erase an account with all that it owns, as its owner would."""
    settings = _logged_settings()
    from parley.cli import account as desk  # noqa: PLC0415

    asyncio.run(desk.erase(settings, who))
    click.echo(f"{who}: erased")


def _logged_settings() -> Settings:
    """The settings, for a command whose audit lines go to standard error."""
    settings = read_settings()
    from parley.runtime.logging import configure_logs  # noqa: PLC0415

    configure_logs(form=settings.log_format, level=settings.log_level)
    return settings


@commands.command()
@click.argument("key_id", type=click.UUID)
@click.argument("metering", type=click.Choice(["unmetered", "metered"]))
def key(key_id: UUID, metering: str) -> None:
    """Let the chat completions of an API key use up no quota, or quota again. GET /user/keys shows the id."""
    settings = _logged_settings()
    from parley.cli.account import set_metering  # noqa: PLC0415

    asyncio.run(set_metering(settings, key_id, unmetered=metering == "unmetered"))
    click.echo(f"{key_id}: {metering}, within a minute")


def main() -> None:
    with exit_on_settings_error():
        commands(prog_name="parley")
