"""The operator's commands about organizations, accounts and keys: beside the running daemon or without one.

Whoever may write the folder is the operator; the audit log calls him that.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from dropcopyd.brokers.paper import Profile, parse_plan, render_plan
from dropcopyd.domain import money
from dropcopyd.domain.account import NAME_CHARACTERS_MAX, BrokerKind, Scope
from dropcopyd.domain.attenuation import Attenuation
from dropcopyd.domain.keys import KeyRecord, KeySettings, network_of
from dropcopyd.domain.order import OrderSide
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.flow.access import digest, mint_key, mint_secret
from dropcopyd.flow.keyring import OVERLAP_S_MAX
from dropcopyd.node import read_pepper, seed_instruments
from dropcopyd.store.admin import Admin
from dropcopyd.store.migrate import DATABASE_NAME
from dropcopyd.system import RandomIds, SystemClock

orgs = typer.Typer(help="Organizations.", no_args_is_help=True)
accounts = typer.Typer(help="Trading accounts.", no_args_is_help=True)
keys = typer.Typer(help="API keys.", no_args_is_help=True)

_NS: Final = 1_000_000_000
_CASH_HELP: Final = "CURRENCY=AMOUNT that a paper account begins with (repeatable), or unlimited; ample when left out"
_OPTION_HELP: Final = "NAME=VALUE, a parameter of the profile (repeatable); see docs/paper.md"
ProfileOption = Annotated[Profile | None, typer.Option(help="how a paper account's orders are filled")]
SeedOption = Annotated[int | None, typer.Option(min=0, help="seed of a paper account's chance")]
CashOption = Annotated[list[str] | None, typer.Option(metavar="CURRENCY=AMOUNT", help=_CASH_HELP)]
ParameterOption = Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help=_OPTION_HELP)]
ScenarioOption = Annotated[Path | None, typer.Option(metavar="FILE", help="scenario of a scripted paper account")]
TimeZoneOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="time zone of the account's days (America/New_York); UTC when new"),
]
RollTimeOption = Annotated[
    str | None, typer.Option(metavar="HH:MM", help="when the account's day begins there; 00:00 when new")
]
Data = Annotated[Path, typer.Option("--data", metavar="DIR", help="the daemon's folder")]
Organization = Annotated[str, typer.Option(help="name or id of the organization")]


# --- organizations ------------------------------------------------------------------------------------------------


@orgs.command("add")
def add_organization(name: str, *, data: Data = Path("data")) -> None:
    """Add an organization; prints its id."""
    organization_id, checked = RandomIds().uuid(), _name(name)
    with opened(data, creates=True) as admin:
        admin.add_organization(organization_id, checked)
    typer.echo(organization_id)


@orgs.command("list")
def list_organizations(*, data: Data = Path("data")) -> None:
    """All organizations, a line of JSON each."""
    with opened(data) as admin:
        for one in admin.organizations():
            told = {"organization_id": one.organization_id, "name": one.name, "own_name": one.own_name}
            _echo({**told, "streams_max": one.streams_max})


@orgs.command("set")
def set_organization(
    org: Annotated[str, typer.Argument(metavar="ORG", help="name or id")],
    *,
    streams: Annotated[
        str, typer.Option(metavar="N|default", help="streams it may hold open at a time, from its next one on")
    ],
    data: Data = Path("data"),
) -> None:
    """Change an organization's settings; a running daemon takes them up at once."""
    if streams != "default" and not (streams.isascii() and streams.isdigit() and len(streams) < 7):
        raise DropcopyError(Code.INVALID_ARGUMENT, f"--streams takes a whole number or 'default', not {streams!r}")
    quota = None if streams == "default" else int(streams)
    with opened(data) as admin:
        admin.set_stream_quota(_organization(admin, org), quota)
    typer.echo(f"{org}: streams {streams}")


# --- accounts -----------------------------------------------------------------------------------------------------


@accounts.command("add")
def add_account(
    name: str,
    *,
    org: Organization,
    broker: Annotated[BrokerKind, typer.Option(help="the broker")] = BrokerKind.PAPER,
    profile: ProfileOption = None,
    seed: SeedOption = None,
    cash: CashOption = None,
    profile_option: ParameterOption = None,
    scenario: ScenarioOption = None,
    time_zone: TimeZoneOption = None,
    roll_time: RollTimeOption = None,
    data: Data = Path("data"),
) -> None:
    """Add a trading account to an organization; prints its id. A running daemon takes it up at once."""
    if broker is not BrokerKind.PAPER:
        raise DropcopyError(Code.NOT_SUPPORTED, "only paper accounts are supported yet")
    account_id = RandomIds().uuid()
    with opened(data) as admin:
        settings = plan(profile, seed, cash, profile_option, scenario)
        admin.add_account(
            account_id,
            _organization(admin, org),
            _name(name),
            broker,
            settings,
            time_zone=time_zone or "UTC",
            roll_time=roll_time or "00:00",
        )
    typer.echo(account_id)


@accounts.command("list")
def list_accounts(*, data: Data = Path("data")) -> None:
    """All accounts, a line of JSON each."""
    with opened(data) as admin:
        for one in admin.accounts():
            _echo(
                {
                    "account_id": one.account_id,
                    "organization_id": one.organization_id,
                    "name": one.name,
                    "broker": one.broker,
                    "is_disabled": one.disabled_at_ns is not None,
                }
            )


@accounts.command("set")
def set_account(
    account_id: str,
    *,
    time_zone: TimeZoneOption = None,
    roll_time: RollTimeOption = None,
    reconcile_s: Annotated[
        int | None,
        typer.Option(min=-1, help="seconds between reconciliations; 0 = none by the timer, -1 = as the gateway does"),
    ] = None,
    data: Data = Path("data"),
) -> None:
    """Change when an account's day begins and how often it is reconciled; a running daemon follows within seconds."""
    with opened(data) as admin:
        admin.set_day(account_id, time_zone, roll_time)
        if reconcile_s is not None:
            admin.set_reconcile(account_id, None if reconcile_s < 0 else reconcile_s)
    typer.echo(account_id)


@accounts.command("disable")
def disable_account(account_id: str, *, data: Data = Path("data")) -> None:
    """Take no creates and replaces from now on; a running daemon follows within seconds. What works stays."""
    with opened(data) as admin:
        admin.disable_account(account_id)
    typer.echo(f"{account_id} is disabled")


@accounts.command("enable")
def enable_account(account_id: str, *, data: Data = Path("data")) -> None:
    """Take creates and replaces again; a running daemon follows within seconds."""
    with opened(data) as admin:
        admin.disable_account(account_id, is_disabled=False)
    typer.echo(f"{account_id} is enabled")


# --- keys ---------------------------------------------------------------------------------------------------------


@keys.command("add")
def add_key(
    name: str,
    *,
    org: Organization,
    scope: Annotated[
        list[Scope] | None, typer.Option(help="what the key may do (repeatable); all when left out")
    ] = None,
    account: Annotated[list[str] | None, typer.Option(metavar="ID", help="for this account only (repeatable)")] = None,
    expires_in: Annotated[int | None, typer.Option(metavar="SECONDS", min=1, help="for so long from now on")] = None,
    address: Annotated[
        list[str] | None, typer.Option(metavar="CIDR", help="for callers in this network only (repeatable)")
    ] = None,
    symbol: Annotated[list[str] | None, typer.Option(help="trades this symbol only (repeatable)")] = None,
    side: Annotated[list[OrderSide] | None, typer.Option(help="trades this side only (repeatable)")] = None,
    order_notional: Annotated[str | None, typer.Option(metavar="AMOUNT", help="at most so much in one order")] = None,
    day_notional: Annotated[
        str | None, typer.Option(metavar="AMOUNT", help="sends at most so much in a day, per currency")
    ] = None,
    orders_per_minute: Annotated[int | None, typer.Option(min=1, help="sends at most so many")] = None,
    reduce_only: Annotated[bool, typer.Option("--reduce-only", help="only reduces positions")] = False,
    paper_only: Annotated[bool, typer.Option("--paper-only", help="trades paper accounts only")] = False,
    data: Data = Path("data"),
) -> None:
    """Add an API key; prints its id and the key, which is shown only now."""
    ids, clock = RandomIds(), SystemClock()
    key_id, api_key = mint_key(ids)
    settings = KeySettings(
        name=_name(name),
        scopes=frozenset(scope or Scope),
        account_ids=frozenset(account) if account else None,
        expires_at_ns=None if expires_in is None else clock.now_ns() + expires_in * _NS,
        addresses=tuple(_network(text) for text in address) if address else None,
        attenuation=Attenuation(
            allowed_symbols=frozenset(symbol) if symbol else None,
            allowed_sides=frozenset(one.value for one in side) if side else None,
            order_notional_max=_amount("--order-notional", order_notional),
            day_notional_max=_amount("--day-notional", day_notional),
            orders_per_minute_max=orders_per_minute,
            is_reduce_only=reduce_only,
            allows_live_trading=not paper_only,
        ),
    )
    with opened(data) as admin:
        organization_id = _organization(admin, org)
        admin.add_key(key_id, organization_id, name, digest(read_pepper(data, ids), api_key), (), settings)
    _echo({"key_id": key_id, "api_key": api_key})


@keys.command("list")
def list_keys(*, org: Organization, data: Data = Path("data")) -> None:
    """An organization's keys, a line of JSON each; never the keys themselves."""
    with opened(data) as admin:
        for record in admin.keys(_organization(admin, org)):
            _echo(_told(record))


@keys.command("rotate")
def rotate_key(
    key_id: str,
    *,
    overlap: Annotated[
        int, typer.Option(metavar="SECONDS", min=0, max=OVERLAP_S_MAX, help="how long the key before stays good")
    ] = 86_400,
    data: Data = Path("data"),
) -> None:
    """Give a key another secret; prints the key, which is shown only now. A running daemon takes it at once."""
    ids = RandomIds()
    api_key = mint_secret(key_id, ids)
    with opened(data) as admin:
        admin.rotate_key(key_id, digest(read_pepper(data, ids), api_key), overlap)
    _echo({"key_id": key_id, "api_key": api_key})


@keys.command("disable")
def disable_key(key_id: str, *, data: Data = Path("data")) -> None:
    """Refuse a key from now on; a running daemon does so at once, and ends its streams within a second."""
    with opened(data) as admin:
        admin.disable_key(key_id)
    typer.echo(f"{key_id} is disabled")


def _told(record: KeyRecord) -> dict[str, Any]:
    settings = record.settings
    return {
        "key_id": record.key_id,
        "name": settings.name,
        "scopes": sorted(settings.scopes),
        "account_ids": None if settings.account_ids is None else sorted(settings.account_ids),
        "allowed_addresses": settings.addresses,
        "expires_at_ns": settings.expires_at_ns,
        "last_used_at_ns": record.last_used_at_ns,
        "is_disabled": record.is_disabled,
    }


# --- shared -------------------------------------------------------------------------------------------------------


def plan(
    profile: Profile | None,
    seed: int | None,
    cash: list[str] | None,
    parameters: list[str] | None,
    scenario: Path | None,
) -> str:
    """The settings of a paper account."""
    try:
        text = "" if scenario is None else scenario.read_text("utf-8")
        chosen = parse_plan(
            profile or Profile.DISPLAYED,
            seed=seed or 0,
            cash=cash or (),
            parameters=parameters or (),
            scenario=text,
        )
    except ValueError as error:
        raise DropcopyError(Code.INVALID_ARGUMENT, str(error)) from error
    return render_plan(chosen)


@contextmanager
def opened(data: Path, *, creates: bool = False) -> Iterator[Admin]:
    """The operator's hand on a folder, its catalogue in place. Only `creates` makes a folder: names are misspelt."""
    if not creates and not (data / DATABASE_NAME).is_file():
        raise DropcopyError(Code.INVALID_ARGUMENT, f"there is no journal in {data}; `orgs add` or `dev` makes one")
    clock = SystemClock()
    seed_instruments(data, clock.now_ns())
    admin = Admin(data, clock.now_ns())
    try:
        yield admin
    finally:
        admin.close()


def _organization(admin: Admin, name_or_id: str) -> str:
    organization_id = admin.find_organization(name_or_id)
    if organization_id is None:
        raise DropcopyError(Code.INVALID_ARGUMENT, f"there is no organization {name_or_id!r}; add it first")
    return organization_id


def _network(text: str) -> str:
    try:
        return network_of(text)
    except ValueError as error:
        raise DropcopyError(Code.INVALID_ARGUMENT, f"--address: {error}") from error


def _name(text: str) -> str:
    if not (0 < len(text) <= NAME_CHARACTERS_MAX and text.isprintable()):
        raise DropcopyError(Code.INVALID_ARGUMENT, f"a name has 1 to {NAME_CHARACTERS_MAX} printable characters")
    return text


def _amount(option: str, text: str | None) -> Decimal | None:
    try:
        amount = None if text is None else money.parse(text)
    except ValueError as error:
        raise DropcopyError(Code.INVALID_ARGUMENT, f"{option}: {error}") from error
    if amount is not None and amount <= 0:
        raise DropcopyError(Code.INVALID_ARGUMENT, f"{option}: must be above zero")
    return amount


def _echo(line: dict[str, Any]) -> None:
    typer.echo(json.dumps(line))
