"""`dropcopy`: submit, cancel, replace and watch from a terminal.

Errors are one line on stderr and an exit code (EXIT_CODES); the API key is never printed.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer
from rich.console import Console

from dropcopy._enums import AssetClass, OrderSide, OrderType, OrderVenue, TimeInForce
from dropcopy._errors import (
    ApiError,
    ChainBroken,
    ConfigurationError,
    ConnectionFailed,
    DropcopyError,
    SubmitInDoubt,
    UnexpectedAnswer,
)
from dropcopy._lines import clean
from dropcopy._models import Order
from dropcopy._specs import Amount, OrderSpec, amount, spec_of
from dropcopy._watch import watch as show

if TYPE_CHECKING:
    from dropcopy._client import Client

EXIT_CODES: Final = (
    "Exit codes: 0 done; 1 refused by the gateway; 2 wrong usage or configuration; 3 in doubt: the command may or"
    " may not have been accepted, ask again with the key that is printed; 4 no connection, nothing was sent; 5 an"
    " answer that makes no sense; 70 a bug; 130 interrupted."
)
_CONNECTION_HELP: Final = (
    "How to connect, first found wins: the flags behind the command; --connect FILE with the line that"
    " `dropcopyd dev --json` prints; DROPCOPY_REST, DROPCOPY_GRPC, DROPCOPY_API_KEY, DROPCOPY_CA, DROPCOPY_ACCOUNT."
)
_TIMES_IN_FORCE: Final = {
    "gtc": TimeInForce.GOOD_TILL_CANCEL,
    "ioc": TimeInForce.IMMEDIATE_OR_CANCEL,
    "fok": TimeInForce.FILL_OR_KILL,
    "open": TimeInForce.AT_OPEN,
    "close": TimeInForce.AT_CLOSE,
}
_TIF_HELP: Final = "day, gtc, ioc, fok, ext, open or close"
_TRAIL_HELP: Final = "distance of a trailing stop: an amount such as 0.50, or a percentage such as 2%"
_TYPE_HELP: Final = "order type, such as limit-on-open; by default what the prices say"
_ORDERS_SEARCHED_MAX: Final = 2_000
_ENVIRONMENT: Final = {
    "rest": "DROPCOPY_REST",
    "grpc": "DROPCOPY_GRPC",
    "api_key": "DROPCOPY_API_KEY",
    "ca": "DROPCOPY_CA",
    "account_id": "DROPCOPY_ACCOUNT",
}
_Result = TypeVar("_Result")

app = typer.Typer(
    name="dropcopy",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
Rest = Annotated[str | None, typer.Option("--rest", metavar="URL", help="REST address")]
Grpc = Annotated[str | None, typer.Option("--grpc", metavar="HOST:PORT", help="gRPC address")]
Key = Annotated[str | None, typer.Option("--api-key", help="API key; better given by environment or file")]
Ca = Annotated[str | None, typer.Option("--ca", metavar="FILE", help="certificates to trust, PEM")]
Account = Annotated[str | None, typer.Option("--account", metavar="UUID", help="trading account")]
Connect = Annotated[Path | None, typer.Option("--connect", metavar="FILE", help="line of `dropcopyd dev --json`")]
Idempotency = Annotated[str | None, typer.Option("--idempotency-key", help="ask again under the key of a doubt")]
Retries = Annotated[int, typer.Option("--retries", min=0, max=10, help="ask again under the same key so often")]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]


def main() -> None:
    """Run the command line; a failure is one line on stderr and an exit code."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its log would run through the picture; read when it is loaded
    try:
        sys.exit(app(standalone_mode=False))
    except SubmitInDoubt as error:
        _fail(3, f"in doubt: {error.reason}. Run the same command again with --idempotency-key {error.idempotency_key}")
    except ApiError as error:
        _fail(1, str(error))
    except ConnectionFailed as error:
        _fail(4, str(error))
    except (ChainBroken, UnexpectedAnswer) as error:
        _fail(5, str(error))
    except (ConfigurationError, ValueError, TypeError) as error:
        _fail(2, str(error))
    except DropcopyError as error:
        _fail(1, str(error))
    except OSError as error:
        _fail(2, str(error))
    except Exception as error:  # noqa: BLE001 # the outermost place: a bug is one line too, without the values in it
        if hasattr(error, "format_message"):  # of the library of command lines, under whichever name it has it
            _fail(2, _usage_fault(error))
        _fail(70, f"this is a bug ({type(error).__name__}); please report what you did")


def _usage_fault(error: Any) -> str:
    """What is wrong with the words, and where to look; "" where the help has been printed instead."""
    text, context = error.format_message(), getattr(error, "ctx", None)
    return f"{text.rstrip('.')}; see {context.command_path} --help" if text and context is not None else text


def _fail(code: int, message: str) -> None:
    if message:
        sys.stderr.write(f"dropcopy: {clean(' '.join(message.split()))}\n")
    sys.exit(code)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"dropcopy {metadata.version('dropcopy')}")
        raise typer.Exit


@app.callback(help=f"Trade and watch through a Dropcopy gateway.\n\n{_CONNECTION_HELP}\n\n{EXIT_CODES}")
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version and end")
    ] = False,
) -> None:
    """What comes before the command."""


@app.command(epilog=EXIT_CODES)
def submit(
    *,
    symbol: Annotated[str, typer.Option(help="symbol of the instrument")],
    side: Annotated[str, typer.Option(help="buy, sell or sell-short")],
    quantity: Annotated[str, typer.Option(help="total quantity, a plain decimal")],
    limit: Annotated[str | None, typer.Option(help="limit price; without it a market order")] = None,
    stop: Annotated[str | None, typer.Option(help="stop price: a stop order, with --limit a stop-limit order")] = None,
    trail: Annotated[str | None, typer.Option(help=_TRAIL_HELP)] = None,
    order_type: Annotated[str | None, typer.Option("--type", help=_TYPE_HELP)] = None,
    tif: Annotated[str | None, typer.Option(help=f"{_TIF_HELP}; the type's usual one when left out")] = None,
    venue: Annotated[str, typer.Option(help="where to route it")] = "smart",
    asset_class: Annotated[str | None, typer.Option(help="where a symbol names several instruments")] = None,
    reference: Annotated[str | None, typer.Option(help="your own id, shown with the order")] = None,
    strategy: Annotated[str | None, typer.Option(help="strategy id")] = None,
    valid_until: Annotated[str | None, typer.Option(help="RFC 3339 time after which it is not sent")] = None,
    idempotency_key: Idempotency = None,
    retries: Retries = 0,
    as_json: Json = False,
    rest: Rest = None,
    grpc: Grpc = None,
    api_key: Key = None,
    ca: Ca = None,
    account: Account = None,
    connect: Connect = None,
) -> None:
    """Submit an order and print the intent's id."""
    terms: dict[str, Any] = {
        "symbol": symbol,
        "side": OrderSide.parse(side),
        "spec": _spec(order_type, quantity, limit, stop, trail, tif),
        "venue": OrderVenue.parse(venue),
        "asset_class": None if asset_class is None else AssetClass.parse(asset_class),
        "client_reference_id": reference,
        "strategy_id": strategy,
        "valid_until": None if valid_until is None else datetime.fromisoformat(valid_until),
        "idempotency_key": idempotency_key,
        "retries": retries,
    }
    arguments = _arguments(rest, grpc, api_key, ca, account, connect)
    _print_intent(_with_client(arguments, lambda client, name: client.submit(name, **terms)), as_json=as_json)


@app.command(epilog=EXIT_CODES)
def cancel(
    intent: Annotated[str, typer.Argument(help="id of the intent")],
    *,
    idempotency_key: Idempotency = None,
    retries: Retries = 0,
    as_json: Json = False,
    rest: Rest = None,
    grpc: Grpc = None,
    api_key: Key = None,
    ca: Ca = None,
    account: Account = None,
    connect: Connect = None,
) -> None:
    """Ask for an order's end. It can still fill until the broker agrees; `watch` shows what became of it."""
    options: dict[str, Any] = {"idempotency_key": idempotency_key, "retries": retries}
    arguments = _arguments(rest, grpc, api_key, ca, account, connect)
    _print_intent(_with_client(arguments, lambda client, name: client.cancel(name, intent, **options)), as_json=as_json)


@app.command(epilog=EXIT_CODES)
def replace(
    intent: Annotated[str, typer.Argument(help="id of the intent")],
    *,
    quantity: Annotated[str | None, typer.Option(help="new total quantity, the filled part included")] = None,
    limit: Annotated[str | None, typer.Option(help="new limit price")] = None,
    stop: Annotated[str | None, typer.Option(help="new stop price")] = None,
    trail: Annotated[str | None, typer.Option(help=f"new {_TRAIL_HELP}")] = None,
    tif: Annotated[str | None, typer.Option(help=f"new time in force: {_TIF_HELP}")] = None,
    idempotency_key: Idempotency = None,
    retries: Retries = 0,
    as_json: Json = False,
    rest: Rest = None,
    grpc: Grpc = None,
    api_key: Key = None,
    ca: Ca = None,
    account: Account = None,
    connect: Connect = None,
) -> None:
    """Ask for new terms. What is not given stays as it is at the broker; that needs terms that are not in question."""
    options: dict[str, Any] = {"idempotency_key": idempotency_key, "retries": retries}
    if all(given is None for given in (quantity, limit, stop, trail, tif)):
        raise ValueError("nothing to change: give --quantity, --limit, --stop, --trail or --tif")

    async def run(client: "Client", name: str) -> str:
        if quantity is not None and tif is not None and (limit is not None or stop is not None or trail is not None):
            spec = _spec(None, quantity, limit, stop, trail, tif)
            await _check_type(client, name, intent, _inferred_type(limit, stop, trail))
        else:
            order = await _settled_order(client, name, intent)
            spec = _changed(order, quantity, limit, stop, trail, tif)
        return await client.replace(name, intent, spec, **options)

    _print_intent(_with_client(_arguments(rest, grpc, api_key, ca, account, connect), run), as_json=as_json)


@app.command(epilog=EXIT_CODES)
def watch(
    *,
    seconds: Annotated[float | None, typer.Option(min=0.0, help="end by itself after so long")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object for each event")] = False,
    instrument: Annotated[str, typer.Option(help="orders and positions of this symbol only")] = "",
    rest: Rest = None,
    grpc: Grpc = None,
    api_key: Key = None,
    ca: Ca = None,
    account: Account = None,
    connect: Connect = None,
) -> None:
    """Show orders, positions and executions as they change; lines instead of a picture where there is no terminal."""

    async def run(client: "Client", name: str) -> None:
        task = asyncio.current_task()
        if task is not None and sys.platform != "win32":
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # the screen is put back
        async with client.stream(name, instrument=instrument) as stream:
            await show(stream, seconds=seconds, is_json=as_json, console=Console())

    try:
        _with_client(_arguments(rest, grpc, api_key, ca, account, connect), run)
    except (typer.Exit, asyncio.CancelledError):
        return  # Ctrl-C and SIGTERM are how a view without end is left
    except BrokenPipeError:  # and so is `watch | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at its end


def _with_client(arguments: dict[str, Any], work: Callable[["Client", str], Awaitable[_Result]]) -> _Result:
    """Run one piece of work with a client and the account. Raises what the work raises; exit 130 for Ctrl-C."""
    from dropcopy._client import Client

    async def run() -> _Result:
        async with Client(**arguments) as client:
            if client.account_id is None:
                raise ConfigurationError("no account: give --account, --connect or DROPCOPY_ACCOUNT")
            return await work(client, client.account_id)

    try:
        return asyncio.run(run())
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _arguments(
    rest: str | None, grpc: str | None, api_key: str | None, ca: str | None, account: str | None, connect: Path | None
) -> dict[str, Any]:
    """The client's arguments: flags before the file before the environment. Raises ConfigurationError."""
    found: dict[str, Any] = {name: os.environ.get(variable) or None for name, variable in _ENVIRONMENT.items()}
    if connect is not None:
        from dropcopy._client import read_connection

        found |= {"ca": None} | read_connection(connect)
    flags = {"rest": rest, "grpc": grpc, "api_key": api_key, "ca": ca, "account_id": account}
    found |= {name: value for name, value in flags.items() if value is not None}
    missing = [f"--{name.replace('_', '-')} or {_ENVIRONMENT[name]}" for name in _ENVIRONMENT if not found[name]]
    needed = [text for text in missing if not text.startswith(("--ca ", "--account"))]
    if needed:
        raise ConfigurationError(f"how to connect? Missing: {', '.join(needed)}; or give --connect FILE")
    return found


def _time_in_force(word: str) -> TimeInForce:
    return _TIMES_IN_FORCE.get(word.lower()) or TimeInForce.parse(word)


def _spec(
    order_type: str | None, quantity: str, limit: str | None, stop: str | None, trail: str | None, tif: str | None
) -> OrderSpec:
    """The spec that the options mean. Raises ValueError for prices that do not go together."""
    kind = _inferred_type(limit, stop, trail) if order_type is None else OrderType.parse(order_type)
    return spec_of(
        kind,
        amount(quantity, "--quantity"),
        None if tif is None else _time_in_force(tif),
        price=None if limit is None else amount(limit, "--limit"),
        stop_price=None if stop is None else amount(stop, "--stop"),
        **_trail(trail),
    )


def _inferred_type(limit: str | None, stop: str | None, trail: str | None) -> OrderType:
    if trail is not None:
        return OrderType.TRAILING_STOP
    if stop is not None:
        return OrderType.STOP if limit is None else OrderType.STOP_LIMIT
    return OrderType.MARKET if limit is None else OrderType.LIMIT


def _trail(text: str | None) -> dict[str, Amount]:
    """`--trail` as the member of a spec that it means."""
    if text is None:
        return {}
    name = "trail_percent" if text.endswith("%") else "trail_amount"
    return {name: amount(text.removesuffix("%"), "--trail")}


async def _check_type(client: "Client", account_id: str, intent_id: str, order_type: OrderType) -> None:
    """A stop or an auction order does not become a plain one because a price was left out. Raises ValueError."""
    asked = (await client.latest_action(account_id, intent_id)).order_type
    plain = {OrderType.LIMIT, OrderType.MARKET}
    if asked is not order_type and not {asked, order_type} <= plain:
        raise ValueError(f"the order is a {asked} order; give its prices as well, or leave out what stays as it is")


async def _settled_order(client: "Client", account_id: str, intent_id: str) -> Order:
    """The intent's order, if the terms in force are beyond doubt. Raises ValueError."""
    latest = await client.latest_action(account_id, intent_id)
    searched = 0
    async for order in client.each(client.orders, account_id):
        searched += 1
        if order.intent_id == intent_id:
            asked, in_force = (latest.quantity, latest.limit_price), (order.quantity, order.limit_price)
            if asked != in_force or order.in_doubt_since_ns is not None:
                raise ValueError(
                    "the terms last asked for are not those in force (refused, or not decided yet);"
                    " give --quantity, --limit and --tif"
                )
            return order
        if searched >= _ORDERS_SEARCHED_MAX:
            break
    raise ValueError(f"no order of intent {intent_id} among the newest {searched}; give --quantity, --limit and --tif")


def _changed(
    order: Order, quantity: str | None, limit: str | None, stop: str | None, trail: str | None, tif: str | None
) -> OrderSpec:
    """The order's terms with what is given instead. A trailing stop's current stop price is not among its terms."""
    is_trailing = order.order_type is OrderType.TRAILING_STOP
    prices: dict[str, Amount | None] = {
        "price": order.limit_price if limit is None else amount(limit, "--limit"),
        "stop_price": (None if is_trailing else order.stop_price) if stop is None else amount(stop, "--stop"),
    }
    trails = {"trail_amount": order.trail_amount, "trail_percent": order.trail_percent}
    prices |= trails if trail is None else _trail(trail)
    order_type = order.order_type
    if order_type is OrderType.MARKET and limit is not None:
        order_type = OrderType.LIMIT
    return spec_of(
        order_type,
        order.quantity if quantity is None else amount(quantity, "--quantity"),
        order.time_in_force if tif is None else _time_in_force(tif),
        **prices,
    )


def _print_intent(intent_id: str, *, as_json: bool) -> None:
    typer.echo(json.dumps({"intent_id": intent_id}) if as_json else intent_id)


if __name__ == "__main__":
    main()
