"""Domain records as the JSON objects that the `*_schemas` document: amounts and times as strings, unknown as null."""

from decimal import Decimal
from typing import Any

from dropcopyd.domain import instrument as instruments
from dropcopyd.domain.balance import Balance
from dropcopyd.domain.command import Command
from dropcopyd.domain.event import Trade
from dropcopyd.domain.instrument import Instrument
from dropcopyd.domain.money import render
from dropcopyd.domain.order import Order
from dropcopyd.domain.position import Position
from dropcopyd.record import AccountRecord
from dropcopyd.rest.times import render_time

Json = dict[str, Any]


def intent_action(command: Command) -> Json:
    """`order_schemas.IntentAction`."""
    terms = command.terms
    return {
        "account_id": command.account_id,
        "organization_id": command.organization_id,
        "intent_id": command.intent_id,
        "seq": command.seq,
        "action_type": command.action_type,
        "symbol": command.instrument.symbol,
        "order_side": command.order_side,
        "order_type": terms.order_type,
        "quantity": render(terms.quantity),
        "limit_price": _amount(terms.limit_price),
        "stop_price": _amount(terms.stop_price),
        "trail_amount": _amount(terms.trail_amount),
        "trail_percent": _amount(terms.trail_percent),
        "order_venue": command.order_venue,
        "time_in_force": terms.time_in_force,
        "client_reference_id": command.client_reference_id,
        "principal_type": command.principal_type,
        "received_at": render_time(command.stamps.received_ns),
        "created_at": render_time(command.stamps.committed_ns),
        "order_id": command.order_id,
        "strategy_id": command.strategy_id,
        "outcome": command.outcome,
        "outcome_reason_code": command.reason_code,
        "outcome_reason": command.reason,
        "outcome_at": render_time(command.outcome_at_ns),
    }


def command(record: Command) -> Json:
    """`record_schemas.CommandRecord`: an action with who asked, its broker command id and the stamps of its legs."""
    stamps = record.stamps
    return {
        **intent_action(record),
        "principal_id": record.principal_id,
        "broker_command_id": record.broker_command_id,
        "attempt_begun_at": _time(stamps.attempt_begun_ns),
        "acknowledged_at": _time(stamps.acknowledged_ns),
        "first_fill_at": _time(stamps.first_fill_ns),
        "last_fill_at": _time(stamps.last_fill_ns),
    }


def balance(record: Balance) -> Json:
    """`account_schemas.Balance`."""
    return {
        "account_id": record.account_id,
        "organization_id": record.organization_id,
        "currency": record.currency,
        "cash": _amount(record.cash),
        "buying_power": _amount(record.buying_power),
        "equity": _amount(record.equity),
        "initial_margin": _amount(record.initial_margin),
        "maintenance_margin": _amount(record.maintenance_margin),
        "received_at": render_time(record.received_at_ns),
    }


def account(record: AccountRecord) -> Json:
    """`account_schemas.Account`."""
    return {
        "account_id": record.account.account_id,
        "organization_id": record.account.organization_id,
        "name": record.account.name,
        "broker": record.account.broker,
        "connection": record.status.connection,
        "connection_since": render_time(record.status.since_ns),
        "reason_code": record.status.reason_code or None,
        "reason": record.status.reason or None,
        "created_at": render_time(record.created_at_ns),
        "disabled_at": _time(record.account.disabled_at_ns),
        "time_zone": record.account.time_zone,
        "roll_time": record.account.roll_time,
        "reconcile_s": record.account.reconcile_s,
        "reconcile_version": record.account.reconcile_version,
        "head": record.head,
        "oldest": record.oldest,
    }


def order(record: Order) -> Json:
    """`order_schemas.Order`."""
    terms = record.terms
    return {
        "order_id": record.order_id,
        "intent_id": record.intent_id,
        "command_seq": record.command_seq,
        "external_order_id": record.external_order_id,
        "account_id": record.account_id,
        "broker": record.broker,
        "symbol": record.instrument.symbol,
        "order_state": record.state,
        "order_status": record.status,
        "order_type": terms.order_type,
        "order_side": record.order_side,
        "limit_price": _amount(terms.limit_price),
        "stop_price": _amount(terms.stop_price),
        "average_price": _amount(record.average_price),
        "order_venue": record.order_venue,
        "quantity": render(terms.quantity),
        "filled_quantity": render(record.filled_quantity),
        "time_in_force": terms.time_in_force,
        "received_at": render_time(record.received_at_ns),
        "organization_id": record.organization_id,
        "client_reference_id": record.client_reference_id,
        "broker_sent_at": _time(record.broker_sent_at_ns),
        "instrument": instrument(record.instrument),
        "in_doubt_since": _time(record.in_doubt_since_ns),
        "reason_code": record.reason_code,
        "reason": record.reason,
        "leaves_quantity": render(record.leaves_quantity),
        "origin": record.origin,
        "strategy_id": record.strategy_id,
        "raw_status": record.raw_status,
        "trail_amount": _amount(terms.trail_amount),
        "trail_percent": _amount(terms.trail_percent),
        "created_at": render_time(record.created_at_ns),
    }


def trade(record: Trade) -> Json:
    """`order_schemas.Trade`."""
    return {
        "account_id": record.account_id,
        "order_id": record.external_order_id,
        "client_order_id": record.order_id,
        "symbol": record.instrument.symbol,
        "side": record.order_side,
        "quantity": render(record.quantity),
        "price": render(record.price),
        "received_at": render_time(record.received_at_ns),
        "organization_id": record.organization_id,
        "exec_id": record.exec_id,
        "cumulative_quantity": render(record.cumulative_quantity),
        "order_quantity": render(record.order_quantity),
        "leaves_quantity": render(record.leaves_quantity),
        "broker_sent_at": _time(record.broker_sent_at_ns),
        "instrument": instrument(record.instrument),
        "intent_id": record.intent_id,
        "origin": record.origin,
        "strategy_id": record.strategy_id,
        "fees": [{"kind": fee.kind, "amount": render(fee.amount), "currency": fee.currency} for fee in record.fees],
        "trade_date": record.trade_date,
        "venue": record.venue,
        "liquidity": record.liquidity,
    }


def position(record: Position) -> Json:
    """`account_schemas.Position`."""
    return {
        "account_id": record.account_id,
        "symbol": record.instrument.symbol,
        "quantity": render(record.quantity),
        "average_cost": render(record.average_cost),
        "received_at": render_time(record.received_at_ns),
        "organization_id": record.organization_id,
        "broker": record.broker,
        "broker_sent_at": _time(record.broker_sent_at_ns),
        "instrument": instrument(record.instrument),
        "realized_pnl": render(record.realized_pnl),
        "daily_pnl": _amount(record.daily_pnl),
        "value_bought": render(record.value_bought),
        "value_sold": render(record.value_sold),
    }


def instrument(record: Instrument) -> Json:
    """`instrument_schemas.Instrument`: the asset class, the symbol, and what the contract says of the class."""
    return {"asset_class": record.asset_class, "symbol": record.symbol} | _terms(record)


def _terms(record: Instrument) -> Json:
    match record:
        case instruments.Equity():
            return {"exchange": record.exchange}
        case instruments.Future():
            return {
                "root": record.root,
                "exchange": record.exchange,
                "expiration": render_time(record.expiration_ns),
                "tick_size": render(record.tick_size),
                "multiplier": render(record.multiplier),
                "currency": record.currency,
            }
        case instruments.OptionInstrument():
            return {
                "underlying": record.underlying,
                "expiration": render_time(record.expiration_ns),
                "strike": render(record.strike),
                "option_type": record.option_type,
                "exercise_style": record.exercise_style,
                "multiplier": render(record.multiplier),
                "exchange": record.exchange,
                "tick_size": _amount(record.tick_size),
            }
        case instruments.Currency():
            return {"base": record.base, "quote": record.quote}
        case instruments.Crypto():
            return {
                "base": record.base,
                "quote": record.quote,
                "venue": record.venue,
                "price_increment": render(record.tick_size),
                "quantity_increment": render(record.quantity_increment),
            }
        case instruments.Perpetual():
            return {
                "base": record.base,
                "quote": record.quote,
                "venue": record.venue,
                "underlying": record.underlying,
                "settlement": record.settlement,
                "multiplier": render(record.multiplier),
                "funding": {"interval_seconds": record.funding_interval_s},
                "tick_size": render(record.tick_size),
                "quantity_increment": render(record.quantity_increment),
            }
        case instruments.Prediction():
            return {
                "market": record.market,
                "outcome": record.outcome,
                "venue": record.venue,
                "payout": render(record.payout),
                "currency": record.currency,
                "tick_size": render(record.tick_size),
                "expiration": _time(record.expiration_ns),
            }


def _amount(value: Decimal | None) -> str | None:
    return None if value is None else render(value)


def _time(at_ns: int | None) -> str | None:
    return None if at_ns is None else render_time(at_ns)
