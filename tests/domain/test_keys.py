"""Keys: when one is good, from where, and what its holder may hand on."""

from dataclasses import replace

import pytest

from dropcopyd.domain.account import Scope
from dropcopyd.domain.attenuation import Attenuation, attenuation_from_json, attenuation_to_json
from dropcopyd.domain.keys import KeyRecord, KeySettings, excess_of, is_admitted, lapse_of, network_of
from dropcopyd.domain.money import parse

SETTINGS = KeySettings(name="bot", scopes=frozenset(Scope))
RECORD = KeyRecord(
    key_id="k", organization_id="o", settings=SETTINGS, digest=b"", created_at_ns=0, generation=3, previous_until_ns=50
)


@pytest.mark.parametrize(
    ("record", "generation", "address", "now_ns", "lapse"),
    [
        (RECORD, 3, "", 10, None),
        (RECORD, 2, "", 49, None),
        (RECORD, 2, "", 50, "rotated"),
        (RECORD, 1, "", 10, "rotated"),
        (RECORD, 4, "", 10, "rotated"),
        (replace(RECORD, disabled_at_ns=5), 3, "", 10, "disabled"),
        (replace(RECORD, settings=replace(SETTINGS, expires_at_ns=11)), 3, "", 10, None),
        (replace(RECORD, settings=replace(SETTINGS, expires_at_ns=10)), 3, "", 10, "expired"),
        (replace(RECORD, settings=replace(SETTINGS, addresses=("10.0.0.0/8",))), 3, "10.1.1.1", 10, None),
        (replace(RECORD, settings=replace(SETTINGS, addresses=("10.0.0.0/8",))), 3, "11.1.1.1", 10, "address"),
        (replace(RECORD, settings=replace(SETTINGS, addresses=("10.0.0.0/8",))), 3, "", 10, "address"),
    ],
)
def test_when_a_key_is_good(record: KeyRecord, generation: int, address: str, now_ns: int, lapse: str | None) -> None:
    assert lapse_of(record, generation, address, now_ns) == lapse


@pytest.mark.parametrize(
    ("address", "is_in"),
    [
        ("203.0.113.9", True),
        ("203.0.114.9", False),
        ("::ffff:203.0.113.9", True),
        ("2001:db8::5", True),
        ("2001:db9::5", False),
        ("fe80::1%eth0", False),
        ("localhost", False),
        ("203.0.113.9:80", False),
    ],
)
def test_addresses(address: str, is_in: bool) -> None:
    assert is_admitted(("203.0.113.0/24", "2001:db8::/32"), address) is is_in
    assert is_admitted(None, address)
    assert not is_admitted((), address)


def test_networks_are_kept_in_one_form() -> None:
    assert network_of("10.0.0.1") == "10.0.0.1/32"
    assert network_of("2001:DB8::/32") == "2001:db8::/32"
    for text in ("10.0.0.1/8", "", "x", "10.0.0.0/33", "1"):
        with pytest.raises(ValueError, match="is no network such as"):
            network_of(text)


def test_the_secret_before_lasts_as_long_as_the_overlap() -> None:
    assert RECORD.principal(3, "").expires_at_ns is None
    assert RECORD.principal(2, "").expires_at_ns == RECORD.previous_until_ns
    for ends_ns, expected in ((49, 49), (51, 50)):
        ending = replace(RECORD, settings=replace(SETTINGS, expires_at_ns=ends_ns))
        assert ending.principal(2, "").expires_at_ns == expected
        assert ending.principal(3, "").expires_at_ns == ends_ns


def test_nothing_more_is_handed_on() -> None:
    maker = replace(RECORD, settings=replace(SETTINGS, account_ids=frozenset("ab"), expires_at_ns=100)).principal(3, "")
    own = ("10.0.0.0/8",)
    wanted = KeySettings(
        name="x", scopes=frozenset(Scope), account_ids=frozenset("a"), expires_at_ns=100, addresses=("10.1.0.0/16",)
    )
    assert excess_of(wanted, maker, own) is None
    for more, member in (
        (replace(wanted, account_ids=None), "account_ids"),
        (replace(wanted, account_ids=frozenset("ac")), "account_ids"),
        (replace(wanted, expires_at_ns=None), "expires_at"),
        (replace(wanted, expires_at_ns=101), "expires_at"),
        (replace(wanted, addresses=None), "allowed_addresses"),
        (replace(wanted, addresses=("10.1.0.0/16", "::/0")), "allowed_addresses"),
        (replace(wanted, addresses=("0.0.0.0/0",)), "allowed_addresses"),
    ):
        excess = excess_of(more, maker, own)
        assert excess is not None
        assert excess.member == member
    lesser = replace(maker, scopes=frozenset({Scope.KEYS_ADMIN}))
    excess = excess_of(wanted, lesser, own)
    assert excess is not None
    assert excess.member == "scopes"
    attenuated = replace(maker, attenuation=Attenuation(is_reduce_only=True))
    assert excess_of(wanted, attenuated, own) is not None


def test_limits_are_kept_as_json() -> None:
    for limits in (
        Attenuation(),
        Attenuation(
            allowed_symbols=frozenset({"AAPL", "MSFT"}),
            allowed_sides=frozenset({"BUY"}),
            order_notional_max=parse("1.5"),
            day_notional_max=parse("100"),
            orders_per_minute_max=3,
            is_reduce_only=True,
            allows_live_trading=False,
        ),
    ):
        assert attenuation_from_json(attenuation_to_json(limits)) == limits
    assert attenuation_from_json({"of a later version": 1}) == Attenuation()
