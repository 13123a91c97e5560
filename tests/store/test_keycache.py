"""Keys in memory: read once while nobody changes them, anew as soon as anybody did, and anew each second."""

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from dropcopyd.domain.account import Scope
from dropcopyd.domain.audit import AuditAction, AuditEntry
from dropcopyd.domain.keys import KeyRecord, KeySettings
from dropcopyd.store.admin import Admin
from dropcopyd.store.keycache import KeyCache, Mark
from tests.domain.build import START_NS
from tests.doubles import ManualClock
from tests.store.build import ORGANIZATIONS, make_folder, opened

KEY = KeyRecord(
    key_id="k1",
    organization_id=ORGANIZATIONS[0],
    settings=KeySettings(name="bot", scopes=frozenset({Scope.STREAM_READ})),
    digest=b"d" * 32,
    created_at_ns=START_NS,
)
ENTRY = AuditEntry(
    organization_id=ORGANIZATIONS[0],
    at_ns=START_NS,
    principal_id="k0",
    action=AuditAction.KEY_REVOKED,
    subject="k1",
    detail={},
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_folder(tmp_path / "data")
    admin = Admin(tmp_path / "data", START_NS)
    admin.add_key(KEY.key_id, KEY.organization_id, KEY.name, KEY.digest, KEY.scopes)
    admin.close()
    return tmp_path / "data"


async def test_a_key_is_read_once_and_anew_each_second(folder: Path) -> None:
    clock = ManualClock(START_NS)
    async with opened(folder, clock=clock) as store:
        assert await store.find_key("k1") == KEY
        with sqlite3.connect(folder / "dropcopy.db") as by_hand:  # who leaves no mark
            by_hand.execute("UPDATE api_keys SET disabled_at_ns = 1")
        clock.advance(0.9)
        kept = await store.find_key("k1")
        assert kept is not None
        assert not kept.is_disabled
        clock.advance(0.1)
        read = await store.find_key("k1")
        assert read is not None
        assert read.is_disabled


async def test_what_the_operator_or_the_daemon_changes_is_known_at_once(folder: Path) -> None:
    async with opened(folder) as store:
        assert await store.find_key("k1") == KEY
        admin = Admin(folder, START_NS)
        admin.set_stream_quota(KEY.organization_id, 3)
        assert await store.find_key("k1") == replace(KEY, streams_max=3)
        await store.registry.disable_key("k1", 7, ENTRY)
        assert await store.find_key("k1") == replace(KEY, streams_max=3, disabled_at_ns=7)
        admin.close()


async def test_what_was_read_before_a_change_is_not_kept(tmp_path: Path) -> None:
    going_on, reads = asyncio.Event(), [KEY, replace(KEY, generation=2)]

    async def read(_key_id: str) -> KeyRecord:
        record = reads.pop(0)
        await going_on.wait()
        return record

    cache = KeyCache(read, Mark(tmp_path), ManualClock())
    finding = asyncio.create_task(cache.find("k1"))
    await asyncio.sleep(0)
    cache.forget()
    going_on.set()
    assert (await finding) == KEY, "it asked before"
    assert (await cache.find("k1")) == replace(KEY, generation=2)
    assert (await cache.find("k1")) == replace(KEY, generation=2), "kept"
    cache.close()


async def test_a_key_that_is_not_there_is_looked_for_each_time(tmp_path: Path) -> None:
    reads: list[KeyRecord | None] = [None, KEY]

    async def read(_key_id: str) -> KeyRecord | None:
        return reads.pop(0)

    cache = KeyCache(read, Mark(tmp_path), ManualClock())
    assert (await cache.find("k1"), await cache.find("k1")) == (None, KEY)
    cache.close()


def test_a_mark_is_seen_through_every_map_of_the_file(tmp_path: Path) -> None:
    one, other = Mark(tmp_path), Mark(tmp_path)
    before = one.value
    assert other.value == before
    other.leave()
    assert one.value == other.value != before
    one.close()
    other.close()
