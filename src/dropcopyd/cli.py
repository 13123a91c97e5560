"""The operator's command line: start the daemon, add organizations, accounts, keys and instruments."""

import asyncio
import csv
import json
import signal
import sqlite3
import sys
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import structlog
import typer

from dropcopyd import administration, config, dev, replay, scenarios
from dropcopyd.administration import (
    CashOption,
    Data,
    ParameterOption,
    ProfileOption,
    ScenarioOption,
    SeedOption,
    opened,
    plan,
)
from dropcopyd.brokers.paper import SessionMode
from dropcopyd.brokers.paper.calendars import check_calendars
from dropcopyd.collecting import tune_collector
from dropcopyd.config import Settings
from dropcopyd.domain.catalogue import instruments_of
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.node import Addresses, Node
from dropcopyd.observe import configure_logs
from dropcopyd.store.audit import audit
from dropcopyd.store.backup import backup, restore
from dropcopyd.system import RandomIds, SystemClock, allow_open_files

app = typer.Typer(
    name="dropcopyd",
    help="The Dropcopy gateway: orders in over REST, live broker context out over gRPC.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
instruments = typer.Typer(help="The instrument catalogue.", no_args_is_help=True)
lifecycles = typer.Typer(help="Published order lifecycles.", no_args_is_help=True)
for name, group in (
    ("orgs", administration.orgs),
    ("accounts", administration.accounts),
    ("keys", administration.keys),
    ("instruments", instruments),
    ("scenarios", lifecycles),
):
    app.add_typer(group, name=name)

_PRICES_HELP: Final = (
    "synthetic[:SEED], or bars|quotes|trades:SYMBOL=PATH\\[@SPEED], CSV or Parquet (repeatable);"
    " instruments without a file stay synthetic"
)
_CHAOS_HELP: Final = "make the broker misbehave, from a seed (repeatable): mild, seed=7, drops=0.02; see docs/paper.md"
_CLOCK_HELP: Final = "the time to begin at, as 2026-11-24T09:25:00-05:00, with @60 at sixty times its pace"


_FILE_AT_FAULT: Final = (sqlite3.DatabaseError, sqlite3.OperationalError)
"""These themselves; what is derived from them finds fault with a statement."""
_WRONG_USAGE: Final = frozenset((Code.INVALID_ARGUMENT, Code.INVALID_CONFIGURATION, Code.NOT_SUPPORTED))
"""What another command line or settings file would have avoided."""


def main() -> None:
    """Run the command line; a failure is one line on stderr and exit code 1 (2 for wrong usage or configuration)."""
    try:
        sys.exit(app(standalone_mode=False))
    except Exception as error:
        if hasattr(error, "format_message"):  # of the library of command lines, under whichever name it has it
            _fail(_usage_fault(error), 2)
        cause = _cause(error)
        if cause is None:
            raise
        is_usage = isinstance(cause, DropcopyError) and cause.code in _WRONG_USAGE
        _fail(_text_of(cause), 2 if is_usage else 1)


def _fail(text: str, code: int) -> NoReturn:
    if text:
        sys.stderr.write(f"dropcopyd: {' '.join(text.split())}\n")
    sys.exit(code)


def _usage_fault(error: Any) -> str:
    """What is wrong with the words, and where to look; "" where the help has been printed instead."""
    text, context = error.format_message(), getattr(error, "ctx", None)
    return f"{text.rstrip('.')}; see {context.command_path} --help" if text and context is not None else text


def _cause(error: BaseException) -> DropcopyError | OSError | sqlite3.DatabaseError | None:
    """The failure that has an explanation, also from within a TaskGroup; None for a bug."""
    if isinstance(error, BaseExceptionGroup):
        return next((found for inner in error.exceptions if (found := _cause(inner)) is not None), None)
    if isinstance(error, sqlite3.DatabaseError) and type(error) not in (
        sqlite3.DatabaseError,
        sqlite3.OperationalError,
    ):
        return None  # what is wrong is a statement, not the file
    return error if isinstance(error, DropcopyError | OSError | sqlite3.DatabaseError) else None


def _text_of(cause: DropcopyError | OSError | sqlite3.DatabaseError) -> str:
    if isinstance(cause, sqlite3.DatabaseError):
        return f"the database of the folder cannot be used: {cause}"
    if isinstance(cause, OSError) and cause.filename and cause.strerror:
        return f"{cause.filename}: {cause.strerror}"
    return str(cause)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"dropcopyd {metadata.version('dropcopyd')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version and end")
    ] = False,
) -> None:
    """The Dropcopy gateway: orders in over REST, live broker context out over gRPC."""


@app.command(name="dev")
def run_dev(
    *,
    data: Data = Path("data/dev"),
    rest_port: Annotated[int, typer.Option(help="REST port; 0 = any free one")] = 8080,
    grpc_port: Annotated[int, typer.Option(help="plaintext gRPC port (loopback); 0 = any")] = 50051,
    grpc_tls_port: Annotated[int, typer.Option(help="TLS gRPC port; 0 = any")] = 50052,
    prices: Annotated[list[str] | None, typer.Option(help=_PRICES_HELP)] = None,
    sessions: Annotated[SessionMode | None, typer.Option(help="hours of the paper broker's instruments")] = None,
    clock: Annotated[str | None, typer.Option(metavar="START[@SPEED]", help=_CLOCK_HELP)] = None,
    profile: ProfileOption = None,
    seed: SeedOption = None,
    cash: CashOption = None,
    profile_option: ParameterOption = None,
    scenario: ScenarioOption = None,
    chaos: Annotated[list[str] | None, typer.Option(metavar="NAME=RATE", help=_CHAOS_HELP)] = None,
    heartbeat_s: Annotated[float | None, typer.Option(help="seconds between heartbeats")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one line of JSON when ready")] = False,
) -> None:
    """One process, no set-up: makes folder, organization, paper account and key, and says how to connect."""
    asked = (profile, seed, cash, profile_option, scenario)
    wanted = plan(*asked)
    identity = dev.settle_identity(data, SystemClock(), RandomIds(), wanted)
    if any(word is not None for word in asked) and dev.account_settings(data, SystemClock(), identity) != wanted:
        raise DropcopyError(
            Code.INVALID_CONFIGURATION, f"the account in {data} was opened with another profile; use another --data"
        )
    files = dev.settle_certificate(data)
    limits = dict(config.load().limits)
    if heartbeat_s is not None:
        limits["heartbeat_s"] = heartbeat_s
    settings = config.load(
        data=data,
        rest_port=rest_port,
        grpc_port=grpc_port,
        grpc_tls_port=grpc_tls_port,
        tls_certificate=files.certificate,
        tls_key=files.key,
        prices=prices or None,
        chaos=chaos or None,
        sessions=sessions,
        clock=clock,
        limits=limits,
    )

    def on_ready(addresses: Addresses) -> None:
        if as_json:
            line = {
                "rest": addresses.rest,
                "grpc": addresses.grpc,
                "grpc_tls": addresses.grpc_tls,
                "ca": str(files.ca.resolve()),
                "api_key": identity.api_key,
                "organization_id": identity.organization_id,
                "account_id": identity.account_id,
            }
            typer.echo(json.dumps(line))
        else:
            typer.echo(_welcome(addresses, files.ca, identity))
        sys.stdout.flush()

    _run(settings, on_ready)


@lifecycles.command("run")
def run_scenarios(file: Annotated[Path, typer.Argument(metavar="FILE", help="scenarios, JSON")]) -> None:
    """Play every path of a file through a whole gateway; a line per path, exit code 1 when one failed."""
    configure_logs("error")
    failed = asyncio.run(_play(file))
    raise typer.Exit(code=1 if failed else 0)


async def _play(file: Path) -> int:
    passed = failed = 0
    try:
        paths = scenarios.read_file(file)
    except ValueError as error:
        raise DropcopyError(Code.INVALID_ARGUMENT, f"{file}: {error}") from error
    async for verdict in scenarios.play(paths):
        typer.echo(verdict.line)
        passed, failed = passed + (verdict.problem is None), failed + (verdict.problem is not None)
    typer.echo(f"{passed} passed, {failed} failed")
    return failed


@app.command(name="serve")
def serve(
    settings_file: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="settings, TOML")] = None,
) -> None:
    """Run the gateway from a settings file and the environment (DROPCOPYD_...)."""
    settings = config.load(settings_file)
    _run(
        settings,
        lambda addresses: typer.echo(f"ready: REST {addresses.rest}, gRPC {addresses.grpc_tls or addresses.grpc}"),
    )


@app.command(name="replay")
def replay_journal(
    *,
    data: Data = Path("data"),
    account: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="an account to replay (repeatable); all when left out")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="date or RFC 3339 time; the first event when left out")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="the same, not included; now when left out")
    ] = None,
    speed: Annotated[float, typer.Option(min=0.001, max=1000, help="times the events' own pace")] = 1.0,
    grpc_port: Annotated[int | None, typer.Option(help="plaintext gRPC port (loopback); 0 = any")] = None,
    stop_at_end: Annotated[bool, typer.Option("--stop-at-end", help="end when all has been delivered")] = False,
    settings_file: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="settings, TOML")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one line of JSON when ready")] = False,
) -> None:
    """Stream a past stretch of the journal again, as it was, at 1 to 1000 times its pace; see docs/replay.md."""
    settings = config.load(settings_file, data=data, grpc_port=grpc_port)
    wish = replay.Wish(
        account or (), replay.time_of(since, "--from"), replay.time_of(until, "--to"), speed, stop_at_end
    )

    def on_ready(started: replay.Started) -> None:
        line = asdict(started)
        where = started.grpc_tls or started.grpc
        typer.echo(json.dumps(line) if as_json else f"ready: gRPC {where}, {started.events} events to come")
        sys.stdout.flush()

    async def run(stop: asyncio.Event) -> None:
        def on_over(count: int) -> None:
            typer.echo(f"over: {count} events", err=True)

        await replay.ReplayNode(settings, wish).run(on_ready, on_over, stop)

    _run_until_signal(settings, run)


@app.command(name="backup")
def back_up(target: Annotated[Path, typer.Argument(help="the new folder")], *, data: Data = Path("data")) -> None:
    """Copy the daemon's folder while it runs; the copy is proven before it counts. It holds the folder's secrets."""
    copied = backup(data, target)
    typer.echo(f"{target}: {copied.accounts} accounts, {copied.events} events, hash chains verified")


@app.command(name="restore")
def put_back(
    source: Annotated[Path, typer.Argument(metavar="BACKUP", help="a folder that `backup` made")],
    *,
    data: Data = Path("data"),
    force: Annotated[bool, typer.Option(help="move what the folder holds aside")] = False,
) -> None:
    """Put a backup into the folder of a stopped daemon; the epoch is renewed, so clients attach anew."""
    copied = restore(source, data, RandomIds().uuid(), is_forced=force, at_ns=SystemClock().now_ns())
    typer.echo(f"{data}: {copied.accounts} accounts, {copied.events} events, new epoch")


@app.command(name="verify")
def verify_journal(
    *,
    account: Annotated[str | None, typer.Option(metavar="ID", help="one account; all when left out")] = None,
    data: Data = Path("data"),
) -> None:
    """Prove the hash chains, fold every account again from its journal and compare; exit code 1 for a difference."""
    found = audit(data, account)
    for difference in found.differences:
        typer.echo(difference)
    typer.echo(f"{found.accounts} accounts, {found.events} events verified, {len(found.differences)} differences")
    if found.differences:
        raise typer.Exit(1)


@instruments.command("import")
def import_instruments(file: Path, *, data: Data = Path("data")) -> None:
    """Add instruments from a CSV file, all or none; see docs/instruments.md for its columns."""
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            rows = csv.DictReader(lines)
            if missing := {"asset_class", "symbol"}.difference(rows.fieldnames or ()):
                raise ValueError(f"the header lacks {', '.join(sorted(missing))}")
            found = instruments_of(rows)
        calendars = {name for one in found if (name := getattr(one, "calendar", None))}
        if calendars:
            check_calendars(sorted(calendars))
    except (ValueError, csv.Error) as error:
        raise DropcopyError(Code.INVALID_ARGUMENT, f"{file}: {error}") from error
    with opened(data, creates=True) as admin:
        added = admin.add_instruments(found)
    typer.echo(f"{added} new of {len(found)} instruments")


def _run(settings: Settings, on_ready: Callable[[Addresses], None]) -> None:
    open_files_max = allow_open_files()

    def ready(addresses: Addresses) -> None:
        tune_collector()
        structlog.get_logger().info("process.ready", open_files_max=open_files_max)
        on_ready(addresses)

    _run_until_signal(settings, lambda stop: Node(settings).run(ready, stop))


def _run_until_signal(settings: Settings, serve: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    configure_logs(settings.log_level, as_json=settings.log_json)

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await serve(stop)

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(run())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:  # a platform without it
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _welcome(addresses: Addresses, ca: Path, identity: dev.Identity) -> str:
    return f"""Dropcopy is ready.

  REST        {addresses.rest}   (docs: {addresses.rest}/docs)
  gRPC        {addresses.grpc}   (plaintext, this machine only)
  gRPC TLS    {addresses.grpc_tls}   (CA: {ca})
  API key     {identity.api_key}
  account     {identity.account_id}

Try, in another terminal:
  export DROPCOPY_REST={addresses.rest}
  export DROPCOPY_GRPC={addresses.grpc}
  export DROPCOPY_API_KEY={identity.api_key}
  export DROPCOPY_ACCOUNT={identity.account_id}
  dropcopy watch
  dropcopy submit --symbol AAPL --side buy --quantity 10

Ctrl-C ends it; started again on the same folder it carries on."""
