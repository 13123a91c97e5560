"""The stamp of a journal event is written by hand: protobuf's own bytes are the measure."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from dropcopy import proto as pb
from dropcopyd.wire import ProtobufEncoder

NUMBERS = st.integers(1, 2**63 - 1) | st.integers(1, 300) | st.sampled_from([127, 128, 16_383, 16_384])


@given(
    encoded=st.binary(max_size=20), account=st.uuids(), sequence=NUMBERS, kind=NUMBERS, before=st.binary(max_size=32)
)
def test_the_stamp_is_protobufs(encoded: bytes, account: object, sequence: int, kind: int, before: bytes) -> None:
    name = str(account)
    payload, digest = ProtobufEncoder().stamp(encoded, name, sequence, kind, before)
    fields = pb.TradingEvent(sequence=sequence, account_id=name, kind_sequence=kind)
    numbered = encoded + fields.SerializeToString(deterministic=True)
    assert digest == hashlib.sha256(before + numbered).digest()
    chain = int.from_bytes(digest[:8], "big")
    assert payload == numbered + pb.TradingEvent(chain=chain).SerializeToString()
