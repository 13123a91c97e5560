"""What is good input at the edges of the rules."""

import json

import pytest

from tests.rest.gateway import Gateway, create

GOOD = json.dumps(create()).encode()


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        'application/json ; charset="UTF-8"',
    ],
)
async def test_media_types(gateway: Gateway, media_type: str) -> None:
    headers = {"content-type": media_type, "content-encoding": "identity"}
    answer = await gateway.client.post(f"{gateway.account}/intents", content=GOOD, headers=headers)
    assert answer.status_code == 201, answer.text


async def test_a_body_of_exactly_the_limit(gateway: Gateway) -> None:
    body = GOOD.rjust(64 * 1024)
    headers = {"content-type": "application/json"}
    answer = await gateway.client.post(f"{gateway.account}/intents", content=body, headers=headers)
    assert answer.status_code == 201, answer.text


async def test_escapes_are_characters(gateway: Gateway) -> None:
    body = GOOD[:-1] + b', "client_reference_id": "\\ud83d\\ude00 \\u00e9"}'
    headers = {"content-type": "application/json"}
    answer = await gateway.client.post(f"{gateway.account}/intents", content=body, headers=headers)
    action = await gateway.get(f"intents/{answer.json()['intent_id']}")
    assert action["client_reference_id"] == "\U0001f600 é"
