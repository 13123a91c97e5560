"""Random histories against the models, a few of them; `make history-campaign` plays a million."""

from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dropcopyd.domain.instrument import AssetClass
from tests.domain.classes import ALL
from tests.histories.campaign import play
from tests.histories.history import History
from tests.histories.ledger import TERMS


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.randoms(use_true_random=False), st.integers(1, 30))
def test_the_product_is_what_the_models_make_of_what_was_heard(chance: Random, steps: int) -> None:
    History(chance).run(steps)


def test_histories_of_the_campaign() -> None:
    """Longer ones, by number, as the campaign plays them."""
    for number in range(150):
        play(7, number, 3)


def test_a_seed_plays_the_same_history_again() -> None:
    assert play(3, 5, 1).told == play(3, 5, 1).told


def test_the_models_are_of_every_class() -> None:
    assert {one.asset_class for one in ALL} == set(AssetClass)
    assert {one.symbol for one in ALL} == set(TERMS)
