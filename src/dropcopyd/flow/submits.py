"""Submits: what a caller asks for, as parsed at the edge, and the one text that equal submits have."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dropcopyd.domain.instrument import AssetClass
from dropcopyd.domain.money import render
from dropcopyd.domain.order import ActionType, OrderSide, OrderTerms, OrderVenue
from dropcopyd.domain.order_rules import spec_name


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRequest:
    """A new order: the instrument by symbol (and class, where the symbol names several)."""

    symbol: str
    asset_class: AssetClass | None
    order_side: OrderSide
    order_venue: OrderVenue
    terms: OrderTerms
    valid_until_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendRequest:
    """A replace (with terms) or cancel (without) of an intent, or of an order that has none."""

    ref_intent_id: str | None
    ref_order_id: str | None = None
    terms: OrderTerms | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRequest:
    """One submit as parsed at the edge. `received_ns` is when the request arrived."""

    command: CreateRequest | AmendRequest
    received_ns: int
    client_reference_id: str | None = None
    strategy_id: str | None = None

    @property
    def action_type(self) -> ActionType:
        if isinstance(self.command, CreateRequest):
            return ActionType.CREATE
        return ActionType.CANCEL if self.command.terms is None else ActionType.REPLACE


def canonical(request: SubmitRequest) -> str:
    """The request as parsed, in the body's own shape, so that equal commands are equal strings."""
    command = request.command
    payload: dict[str, Any]
    if isinstance(command, CreateRequest):
        payload = {
            "symbol": command.symbol,
            "asset_class": command.asset_class,
            "spec": _spec(command.terms),
            "order_side": command.order_side,
            "order_venue": command.order_venue,
            "valid_until": command.valid_until_ns,
        }
    else:
        payload = {"ref_intent_id": command.ref_intent_id, "ref_order_id": command.ref_order_id}
        if command.terms is not None:
            payload["spec"] = _spec(command.terms)
    body = {
        "command": {"action_type": request.action_type, "payload": payload},
        "client_reference_id": request.client_reference_id,
        "strategy_id": request.strategy_id,
    }
    return json.dumps(body, separators=(",", ":"))


def _spec(terms: OrderTerms) -> dict[str, dict[str, str]]:
    name = spec_name(terms.order_type)
    fields = {"quantity": render(terms.quantity), "time_in_force": terms.time_in_force.value}
    prices = {
        "price": terms.limit_price,
        "stop_price": terms.stop_price,
        "trail_amount": terms.trail_amount,
        "trail_percent": terms.trail_percent,
    }
    fields.update({field: render(value) for field, value in prices.items() if value is not None})
    return {name: fields}


def first_difference(first: Mapping[str, Any], second: Mapping[str, Any], pointer: str = "") -> str:
    """JSON pointer of the first member in which two objects differ, in the order of the first; "" when equal."""
    for name in (*first, *(name for name in second if name not in first)):
        one, other = first.get(name), second.get(name)
        if one == other:
            continue
        here = f"{pointer}/{name}"
        if isinstance(one, dict) and isinstance(other, dict) and one.keys() & other.keys():
            deeper = first_difference(one, other, here)
            if deeper:
                return deeper
            continue
        return here
    return ""
