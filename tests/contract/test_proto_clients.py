"""Clients that generate the contract for themselves: as the guide tells them to, and beside the SDK."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import dropcopy.proto

ROOT = Path(__file__).resolve().parents[2]
CLONE = "anthid-proto"
COMMANDS = """
cd anthid-proto
mkdir -p ../generated/python
python -m grpc_tools.protoc \\
  -I . \\
  --python_out=../generated/python \\
  --grpc_python_out=../generated/python \\
  $(find . -name "*.proto")
"""

USES_THE_GUIDE_S_NAMES = """
import grpc
import streaming_pb2, streaming_pb2_grpc
from trading import trading_service_pb2, trading_service_pb2_grpc
from trading import trading_models_pb2, trading_types_pb2, trading_instruments_pb2

request = streaming_pb2.StreamRequest(
    subscribe=streaming_pb2.Subscribe(
        trading_account_id="a",
        subscriptions=[streaming_pb2.EVENT_TYPE_BROKER_ORDER, streaming_pb2.EVENT_TYPE_BROKER_POSITION],
    )
)
assert request.subscribe.subscriptions == [1, 2]
farewell = streaming_pb2.StreamRequest(unsubscribe=streaming_pb2.Unsubscribe(trading_account_id="a"))
assert farewell.WhichOneof("msg") == "unsubscribe"
assert streaming_pb2.Subscribe is trading_service_pb2.Subscribe
assert streaming_pb2.BrokerOrder is trading_models_pb2.BrokerOrder
assert streaming_pb2.Instrument is trading_instruments_pb2.Instrument
assert streaming_pb2.OrderSide is trading_types_pb2.OrderSide
same = trading_service_pb2.StreamEventsRequest.FromString(request.SerializeToString())
assert same.subscribe == request.subscribe

class Channel:
    paths = []
    def stream_stream(self, path, *args, **kwargs): self.paths.append(path)
    unary_stream = stream_stream

streaming_pb2_grpc.StreamingServiceStub(Channel())
trading_service_pb2_grpc.TradingServiceStub(Channel())
"""

READS_THE_PATHS = """
assert Channel.paths == {paths!r}, Channel.paths
"""

# argv: which copy is imported first. Fills an event in one copy, a request in the other, and reads each in both.
LIVES_BESIDE_THE_SDK = """
import sys
def own(): global streaming_pb2; import streaming_pb2
def sdk(): global proto; import dropcopy.proto as proto
for load in {"own": (own, sdk), "sdk": (sdk, own)}[sys.argv[1]]: load()

event = proto.TradingEvent(sequence=7, chain=2**63 + 1, account_id="a")
event.broker_order.order_id = "o"
event.broker_order.limit_price = "0.000000000000000001"
event.broker_order.order_status = proto.ORDER_STATUS_PARTIALLY_FILLED
event.broker_order.broker = proto.BROKER_PAPER
event.broker_order.received_at.FromNanoseconds(1_700_000_000_000_000_001)
event.broker_order.instrument.equity.symbol = "AAPL"
received = streaming_pb2.TradingEvent.FromString(event.SerializeToString())
assert type(received) is not type(event)
assert str(received) == str(event)
assert received.SerializeToString() == event.SerializeToString()
assert received.broker_order.received_at.ToNanoseconds() == 1_700_000_000_000_000_001
assert received.broker_order.instrument.equity.symbol == "AAPL"

request = streaming_pb2.StreamRequest(
    subscribe=streaming_pb2.Subscribe(
        trading_account_id="a",
        subscriptions=[streaming_pb2.EVENT_TYPE_BROKER_TRADE, 77],
        resume=[streaming_pb2.Cursor(account_id="a", epoch="e", sequence=3, chain=4)],
    )
)
heard = proto.StreamRequest.FromString(request.SerializeToString())
assert str(heard) == str(request)
assert heard.SerializeToString() == request.SerializeToString()
assert list(heard.subscribe.subscriptions) == [proto.EVENT_TYPE_BROKER_TRADE, 77]
"""


def run_clean(command: list[str], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run with nothing in the environment but a path on which `python` is this interpreter."""
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    env = {"PATH": path, "PYTHONWARNINGS": "error", "PYTHONDONTWRITEBYTECODE": "1"} | environment
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=100, check=False)


def run_python(code: str, generated: Path, *argv: str, **environment: str) -> None:
    done = run_clean(
        [sys.executable, "-c", code, *argv], cwd=generated.parent, PYTHONPATH=str(generated), **environment
    )
    assert done.returncode == 0, done.stderr


def generate(commands: str, folder: Path) -> Path:
    """Run the commands beside a clone of proto/; the folder with the generated modules."""
    shutil.copytree(ROOT / "proto", folder / CLONE)
    done = run_clean(["/bin/sh", "-ec", commands], cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return folder / "generated" / "python"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A client's own generated copy of the contract."""
    return generate(COMMANDS, tmp_path_factory.mktemp("client"))


def guide_text() -> str:
    folder = os.environ.get("DROPCOPY_SPEC")
    if not folder:
        pytest.skip("DROPCOPY_SPEC does not name the folder that holds spec/streaming-guide.txt")
    return Path(folder, "spec", "streaming-guide.txt").read_text("utf-8")


def names_check() -> str:
    paths = [dropcopy.proto.STREAM_PATH, dropcopy.proto.STREAM_EVENTS_PATH, dropcopy.proto.SUBSCRIBE_EVENTS_PATH]
    return USES_THE_GUIDE_S_NAMES + READS_THE_PATHS.format(paths=paths)


def test_generated_modules_have_the_names_that_the_guide_uses(generated: Path) -> None:
    run_python(names_check(), generated)


def test_generation_makes_nothing_but_streaming_and_trading(generated: Path) -> None:
    assert {path.name for path in generated.iterdir()} == {"streaming_pb2.py", "streaming_pb2_grpc.py", "trading"}


@pytest.mark.parametrize("first", ["own", "sdk"])
@pytest.mark.parametrize("implementation", ["upb", "python"])
def test_a_generated_copy_lives_beside_the_sdk(generated: Path, first: str, implementation: str) -> None:
    run_python(LIVES_BESIDE_THE_SDK, generated, first, PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=implementation)


def test_the_sdk_installs_no_module_that_a_client_generates(tmp_path: Path) -> None:
    names = ("streaming_pb2", "streaming_pb2_grpc", "trading")
    code = f"""
import importlib.util, sys
import dropcopy.proto
assert not [name for name in {names} if importlib.util.find_spec(name)]
assert not [name for name in sys.modules if name.startswith({names})]
"""
    run_python(code, tmp_path)


@pytest.mark.spec
def test_the_guide_s_own_commands_and_names_work(tmp_path: Path) -> None:
    guide = guide_text()
    blocks = re.findall(rf"^cd {CLONE}\n.*?^  \$\(find .*?\)$", guide, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    assert len(set(blocks)) == 1, "macOS and Linux differ: run both"
    generated = generate(blocks[0], tmp_path)
    run_python(names_check(), generated)

    used = set(re.findall(r"\b(streaming_pb2(?:_grpc)?)\.(\w+)", guide))
    assert ("streaming_pb2_grpc", "StreamingServiceStub") in used
    tests = "".join(f"{module}.{name}\n" for module, name in sorted(used))
    asked = re.findall(r"HasField\((.*)\)", guide)
    assert '"broker_order"' in asked
    kinds = "".join(f"streaming_pb2.TradingEvent().HasField({kind})\n" for kind in asked)
    run_python(f"import streaming_pb2, streaming_pb2_grpc\n{tests}{kinds}", generated)


@pytest.mark.spec
def test_the_guide_s_printed_messages_are_part_of_the_contract() -> None:
    guide = guide_text()
    printed = re.findall(r"^(message|enum) (\w+) \{\n(.*?)^\}", guide, flags=re.MULTILINE | re.DOTALL)
    assert {name for _, name, _ in printed} == {"Subscribe", "Unsubscribe", "Status", "EventType"}
    for sort, name, body in printed:
        numbers = {member: int(number) for member, number in re.findall(r"(\w+) = (\d+);", body)}
        assert numbers
        if sort == "enum":
            ours = dict(getattr(dropcopy.proto, name).items())
        else:
            ours = {field.name: field.number for field in getattr(dropcopy.proto, name).DESCRIPTOR.fields}
        assert numbers.items() <= ours.items()
