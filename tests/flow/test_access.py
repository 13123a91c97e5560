"""Keys, scopes and the quota of streams."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from dropcopyd.domain.account import Principal, Scope
from dropcopyd.errors import Code, DropcopyError, InvalidError, NotFoundError
from dropcopyd.flow.access import Access, Credential, credential_of, digest, mint_key
from dropcopyd.flow.quota import StreamQuota
from dropcopyd.store.admin import Admin
from dropcopyd.system import RandomIds
from tests.domain.build import START_NS
from tests.doubles import ManualClock
from tests.store.build import ORGANIZATIONS, account_id, make_folder, opened

PEPPER = b"pepper"
A, B = (Principal(name, "key", frozenset()) for name in "ab")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_folder(tmp_path)
    return tmp_path


@pytest.fixture
async def access(folder: Path) -> AsyncIterator[Access]:
    async with opened(folder) as store:
        yield Access(store, PEPPER, ManualClock(START_NS))


def keep_key(folder: Path, *scopes: Scope, organization: int = 0, is_disabled: bool = False) -> str:
    key_id, api_key = mint_key(RandomIds())
    admin = Admin(folder, START_NS)
    admin.add_key(key_id, ORGANIZATIONS[organization], "a key", digest(PEPPER, api_key), scopes)
    if is_disabled:
        admin.disable_key(key_id)
    admin.close()
    return api_key


async def refusal_of(access: Access, api_key: str | None) -> tuple[Code, str]:
    with pytest.raises(DropcopyError) as refusal:
        await access.authenticate(None if api_key is None else Credential(api_key))
    assert refusal.value.facts == {}
    return refusal.value.code, refusal.value.message


async def test_a_key_is_its_organizations_and_has_its_scopes(access: Access, folder: Path) -> None:
    principal = await access.authenticate(Credential(keep_key(folder, Scope.STREAM_READ, organization=1)))
    assert (principal.organization_id, principal.scopes) == (ORGANIZATIONS[1], frozenset({Scope.STREAM_READ}))
    access.require(principal, Scope.STREAM_READ)
    with pytest.raises(DropcopyError) as refusal:
        access.require(principal, Scope.INTENTS_EDIT)
    assert refusal.value.code is Code.PERMISSION_DENIED
    assert refusal.value.facts == {"scope": "intents:edit"}


async def test_every_bad_key_gets_the_same_answer(access: Access, folder: Path) -> None:
    good = keep_key(folder, *Scope)
    head, key_id, secret = good.split("_")
    other = keep_key(folder, *Scope)
    bad = [
        None,
        "",
        "nonsense",
        good + "x",
        good[:-1],
        good.upper(),
        f" {good}",
        f"{good}\n",
        f"{head}_{key_id}_",
        f"{head}_{key_id}_{secret[::-1]}",
        f"{head}_{other.split('_')[1]}_{secret}",
        f"{head}_unknown_{secret}",
        f"{head}_{key_id}' OR 1=1 --_{secret}",
        "dc_" + "é" * 5 + "_" + secret,
        "x" * 1_000_000,
        keep_key(folder, *Scope, is_disabled=True),
    ]
    answers = {await refusal_of(access, api_key) for api_key in bad}
    assert len(answers) == 1
    assert answers.pop()[0] is Code.UNAUTHENTICATED
    assert (await access.authenticate(Credential(good))).scopes == set(Scope)


async def test_a_disabled_key_ends_at_once(access: Access, folder: Path) -> None:
    good = keep_key(folder, *Scope)
    principal = await access.authenticate(Credential(good))
    admin = Admin(folder, START_NS)
    admin.disable_key(principal.key_id)
    admin.close()
    await refusal_of(access, good)


async def test_another_pepper_knows_no_key(folder: Path) -> None:
    good = keep_key(folder, *Scope)
    async with opened(folder) as store:
        await refusal_of(Access(store, b"another", ManualClock(START_NS)), good)


def test_keys_are_never_the_same_and_not_in_the_database(folder: Path) -> None:
    keys = {keep_key(folder, *Scope) for _ in range(20)}
    assert len(keys) == 20
    stored = b"".join(path.read_bytes() for path in folder.iterdir())
    for api_key in keys:
        assert api_key.split("_")[2].encode() not in stored


async def test_accounts_of_others_are_not_there(access: Access, folder: Path) -> None:
    principal = await access.authenticate(Credential(keep_key(folder, *Scope)))
    assert (await access.account(principal, account_id(1).upper())).account_id == account_id(1)
    answers = set()
    for name in (account_id(2), account_id(77)):
        with pytest.raises(NotFoundError) as refusal:
            await access.account(principal, name)
        answers.add((refusal.value.code, refusal.value.message.replace(name, ""), str(refusal.value.facts)))
    assert len(answers) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        account_id(1)[:-1],
        account_id(1) + "0",
        account_id(1).replace("-", ""),
        "{" + account_id(1) + "}",
        "urn:uuid:" + account_id(1),
        account_id(1) + "\n",
        account_id(1).replace("0", "٠"),
    ],
)
async def test_what_is_no_uuid_is_said_to_be_none(access: Access, folder: Path, text: str) -> None:
    principal = await access.authenticate(Credential(keep_key(folder, *Scope)))
    with pytest.raises(InvalidError) as refusal:
        await access.account(principal, text, "/trading_account_id")
    assert refusal.value.pointer == "/trading_account_id"


# --- quota ----------------------------------------------------------------------------------------------------------


def test_a_place_is_free_again_however_the_stream_ends() -> None:
    quota = StreamQuota(2)
    for end in (None, ValueError(), KeyboardInterrupt(), GeneratorExit(), DropcopyError(Code.DRAINING, "")):
        try:
            with quota.place(A):
                assert quota.count("a") == 1
                if end is not None:
                    raise end
        except BaseException as error:
            assert error is end  # noqa: PT017
        assert quota.count("a") == 0
    assert not quota._open, "nothing is kept of who has gone"


def test_each_organization_has_its_own_places() -> None:
    quota = StreamQuota(1)
    with quota.place(A), quota.place(B):
        with pytest.raises(DropcopyError) as refusal, quota.place(A):
            raise AssertionError("one too many")
        assert refusal.value.code is Code.STREAM_QUOTA_EXCEEDED
        assert refusal.value.facts == {"limit": 1}
        assert quota.count("a") == 1
    with quota.place(A):
        assert quota.count("a") == 1


def test_an_organization_may_have_a_quota_of_its_own() -> None:
    quota = StreamQuota(1)
    wide, none = replace(A, streams_max=2), replace(B, streams_max=0)
    with quota.place(wide), quota.place(wide):
        with pytest.raises(DropcopyError) as refusal, quota.place(wide):
            raise AssertionError("one too many")
        assert refusal.value.facts == {"limit": 2}
    with pytest.raises(DropcopyError) as refusal, quota.place(none):
        raise AssertionError("none at all")
    assert refusal.value.facts == {"limit": 0}


# --- tokens ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "authorizations", "expected"),
    [
        (["dc_a_b"], [], Credential("dc_a_b")),
        ([" dc_a_b\t"], [], Credential("dc_a_b")),
        ([], ["Bearer dct_x.y"], Credential("dct_x.y", is_token=True)),
        ([], ["bearer  dct_x.y "], Credential("dct_x.y", is_token=True)),
        ([], [], None),
        (["a", "a"], [], None),
        (["a"], ["Bearer b"], None),
        ([], ["Basic YTpi"], None),
        ([], ["Bearer"], None),
        ([], ["Bearer a b"], None),
        ([b"bytes"], [], None),
    ],
)
def test_one_credential_or_none(keys: list[object], authorizations: list[object], expected: Credential | None) -> None:
    assert credential_of(keys, authorizations) == expected


async def test_a_token_is_a_part_of_its_key(folder: Path) -> None:
    clock = ManualClock(START_NS)
    api_key = keep_key(folder, Scope.STREAM_READ, Scope.RECORDS_READ)
    async with opened(folder) as store:
        access = Access(store, PEPPER, clock)
        key = await access.authenticate(Credential(api_key))
        word, grant = await access.mint_token(key, frozenset({Scope.STREAM_READ}), frozenset({account_id(1)}), 60)
        assert api_key.split("_")[2] not in word
        token = await access.authenticate(Credential(word, is_token=True))
        assert token.scopes == {Scope.STREAM_READ}
        assert token.account_ids == frozenset({account_id(1)})
        assert token.expires_at_ns == grant.expires_at_ns == START_NS + 60 * 10**9
        await access.account(token, account_id(1))
        with pytest.raises(NotFoundError):
            await access.account(token, account_id(3))
        with pytest.raises(DropcopyError) as refusal:
            access.require_all_accounts(token)
        assert refusal.value.code is Code.PERMISSION_DENIED
        access.require_all_accounts(key)
        with pytest.raises(DropcopyError) as refusal:
            await access.mint_token(token, None, None, 60)
        assert refusal.value.code is Code.PERMISSION_DENIED
        with pytest.raises(DropcopyError) as refusal:
            await access.mint_token(key, frozenset({Scope.INTENTS_EDIT}), None, 60)
        assert refusal.value.facts == {"scope": "intents:edit"}
        with pytest.raises(NotFoundError):
            await access.mint_token(key, None, frozenset({account_id(2)}), 60)
        clock.advance(60)
        with pytest.raises(DropcopyError) as refusal:
            await access.authenticate(Credential(word, is_token=True))
        assert refusal.value.code is Code.TOKEN_EXPIRED


async def test_a_token_ends_with_its_key_and_no_other_word_is_one(access: Access, folder: Path) -> None:
    key = await access.authenticate(Credential(keep_key(folder, *Scope)))
    word, _ = await access.mint_token(key, None, None, 60)
    body, signature = word.removeprefix("dct_").split(".")
    strange = [
        "",
        "dct_",
        "dct_.",
        "x" * 5_000,
        word + "A",
        word[4:],
        f"dct_{signature}.{body}",
        f"dct_{body}.",
        f"dct_é.{body}",
    ]
    strange.append("dct_" + body[:-2] + ("A" if body[-2] != "A" else "B") + body[-1] + "." + signature)
    for one in strange:
        with pytest.raises(DropcopyError) as refusal:
            await access.authenticate(Credential(one, is_token=True))
        assert refusal.value.code is Code.UNAUTHENTICATED
    with pytest.raises(DropcopyError):
        await access.authenticate(Credential(word))
    admin = Admin(folder, START_NS)
    admin.disable_key(key.key_id)
    admin.close()
    with pytest.raises(DropcopyError) as refusal:
        await access.authenticate(Credential(word, is_token=True))
    assert refusal.value.code is Code.UNAUTHENTICATED
