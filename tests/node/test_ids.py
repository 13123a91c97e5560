"""Ids of the real system: well formed, and none twice, whoever draws them."""

import os
import re
import threading
import uuid

from dropcopyd.system import RandomIds


def test_a_uuid_is_one_of_version_4_in_canonical_form() -> None:
    ids = RandomIds()
    for text in (ids.uuid() for _ in range(1_000)):
        parsed = uuid.UUID(text)
        assert (str(parsed), parsed.version, parsed.variant) == (text, 4, uuid.RFC_4122)


def test_every_bit_that_is_random_is() -> None:
    ids = RandomIds()
    numbers = [uuid.UUID(ids.uuid()).int for _ in range(1_000)]
    once, always = 0, -1
    for number in numbers:
        once, always = once | number, always & number
    assert (once & ~always).bit_count() == 122


def test_a_command_id_has_90_bits_in_18_characters() -> None:
    ids = RandomIds()
    drawn = {ids.command_id() for _ in range(1_000)}
    assert len(drawn) == 1_000
    assert all(re.fullmatch("[0-9A-HJKMNP-TV-Z]{18}", text) for text in drawn)
    assert all(len({text[place] for text in drawn}) == 32 for place in range(18))


def test_threads_draw_different_ids() -> None:
    ids, drawn = RandomIds(), list[str]()
    threads = [threading.Thread(target=lambda: drawn.extend([ids.uuid() for _ in range(5_000)])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(drawn)) == len(drawn) == 20_000


def test_a_forked_process_draws_others() -> None:
    ids = RandomIds()
    ids.uuid()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, ids.uuid().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 36).decode() != ids.uuid()
    os.close(reading)
    os.close(writing)
