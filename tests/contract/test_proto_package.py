"""dropcopy.proto: what it exports, how its classes behave, and that it is what scripts/gen.py makes of proto/."""

import ast
import asyncio
import copy
import pickle
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, assert_type

import grpclib.const
import grpclib.server
import pytest
from google.protobuf import timestamp_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import Default, DescriptorPool
from grpclib.reflection.service import ServerReflection
from grpclib.reflection.v1.reflection_grpc import ServerReflectionStub
from grpclib.reflection.v1.reflection_pb2 import ServerReflectionRequest
from grpclib.testing import ChannelFor

from dropcopy import proto

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "sdk" / "python" / "src" / "dropcopy" / "proto"


# --- what it exports


def contract_names() -> set[str]:
    files = [FileDescriptorProto.FromString(serialized) for serialized in proto.FILE_DESCRIPTORS.values()]
    messages = {message.name for file in files for message in file.message_type}
    enums = {enum.name for file in files for enum in file.enum_type}
    values = {value.name for file in files for enum in file.enum_type for value in enum.value}
    return messages | enums | values


def test_all_is_the_contract_and_six_constants() -> None:
    constants = {
        "POOL",
        "FILE_DESCRIPTORS",
        "SERVICES",
        "STREAM_PATH",
        "STREAM_EVENTS_PATH",
        "SUBSCRIBE_EVENTS_PATH",
    }
    assert set(proto.__all__) == contract_names() | constants
    assert proto.__all__ == sorted(proto.__all__)


def test_all_is_every_public_name_of_the_module() -> None:
    assert {name for name in vars(proto) if not name.startswith("_")} == set(proto.__all__)


def stub() -> ast.Module:
    return ast.parse((PACKAGE / "__init__.pyi").read_text("utf-8"))


def test_stub_declares_exactly_the_public_names() -> None:
    declared = set()
    for node in stub().body:
        if isinstance(node, ast.ClassDef):
            declared.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            declared.add(node.target.id)
    assert {name for name in declared if not name.startswith("_")} == set(proto.__all__)


def test_stub_has_every_field_of_every_message_as_attribute_and_argument() -> None:
    messages = [node for node in stub().body if isinstance(node, ast.ClassDef) and hasattr(proto, node.name)]
    checked = 0
    for node in messages:
        descriptor = getattr(proto, node.name).DESCRIPTOR
        if not hasattr(descriptor, "fields"):
            continue
        targets = [part.target for part in node.body if isinstance(part, ast.AnnAssign)]
        annotated = {target.id for target in targets if isinstance(target, ast.Name)}
        functions = {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
        names = {field.name for field in descriptor.fields}
        assert names <= annotated | functions.keys(), node.name
        assert {f"{name.upper()}_FIELD_NUMBER" for name in names} <= annotated, node.name
        assert {argument.arg for argument in functions["__init__"].args.kwonlyargs} == names
        checked += 1
    assert checked == sum(1 for name in contract_names() if isinstance(getattr(proto, name), type))


def test_types_are_precise() -> None:
    """Checked by mypy: the ignores below would be reported if the stub let these lines pass."""
    request = proto.Subscribe(subscriptions=[proto.EVENT_TYPE_BROKER_ORDER, proto.EventType.EVENT_TYPE_BROKER_TRADE])
    kind = assert_type(request.subscriptions[0], proto.EventType.ValueType)
    assert assert_type(proto.EventType.Name(kind), str) == "EVENT_TYPE_BROKER_ORDER"
    assert assert_type(proto.TradingEvent.FromString(b""), proto.TradingEvent).sequence == 0
    with pytest.raises(ValueError, match="nonsense"):
        request.HasField("nonsense")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unknown enum label"):
        proto.Subscribe(subscriptions=["EVENT"])  # type: ignore[list-item]
    with pytest.raises(AttributeError):
        request.resume = []  # type: ignore[misc, assignment]
    with pytest.raises(TypeError):
        proto.Heartbeat(sent_at=timestamp_pb2.Timestamp(seconds=1))  # type: ignore[arg-type]


# --- how its classes behave


def test_nothing_is_registered_in_the_default_pool() -> None:
    for name in ("trading/trading_service.proto", "streaming.proto"):
        with pytest.raises(KeyError):
            Default().FindFileByName(name)


def test_enum_numbers_of_a_later_version_are_kept() -> None:
    later = proto.EventType.ValueType(4711)
    received = proto.Subscribe.FromString(proto.Subscribe(subscriptions=[later]).SerializeToString())
    assert list(received.subscriptions) == [4711]
    primed = proto.Primed.FromString(proto.Primed(event_type=later).SerializeToString())
    assert primed.event_type == 4711


def test_enum_constants_agree_with_their_enum() -> None:
    files = [FileDescriptorProto.FromString(serialized) for serialized in proto.FILE_DESCRIPTORS.values()]
    for enum in (enum for file in files for enum in file.enum_type):
        wrapper = getattr(proto, enum.name)
        assert {name: getattr(proto, name) for name in wrapper.keys()} == dict(wrapper.items())  # noqa: SIM118


def test_timestamp_has_the_methods_of_the_well_known_type() -> None:
    stamp = proto.Timestamp()
    stamp.FromNanoseconds(1_700_000_000_123_456_789)
    assert stamp.ToNanoseconds() == 1_700_000_000_123_456_789
    assert stamp.ToDatetime(UTC) == datetime(2023, 11, 14, 22, 13, 20, 123456, UTC)
    assert stamp.ToJsonString() == "2023-11-14T22:13:20.123456789Z"
    stamp.GetCurrentTime()
    assert stamp.seconds > 1_700_000_000
    event = proto.TradingEvent(heartbeat=proto.Heartbeat(sent_at=stamp))
    assert type(event.heartbeat.sent_at) is proto.Timestamp


def test_presence_tells_absent_from_empty() -> None:
    order = proto.BrokerOrder(limit_price="")
    assert order.HasField("limit_price")
    assert not order.HasField("stop_price")
    received = proto.BrokerOrder.FromString(order.SerializeToString())
    assert received.HasField("limit_price")


def test_messages_can_be_pickled_and_copied() -> None:
    event = proto.TradingEvent(sequence=3, status=proto.Status(message="subscribed"))
    assert proto.TradingEvent.__module__ == "dropcopy.proto"  # else pickle guesses among all modules
    assert pickle.loads(pickle.dumps(event)) == event
    assert copy.deepcopy(event) == event


def test_import_is_quick() -> None:
    """Beyond protobuf itself the package may take 50 ms, the best of three; it takes about 5."""
    code = (
        "import time\n"
        "from google.protobuf import descriptor_pool, message_factory\n"
        "from google.protobuf.internal import enum_type_wrapper\n"
        "import dropcopy\n"
        "start = time.perf_counter()\n"
        "import dropcopy.proto\n"
        "print(time.perf_counter() - start)\n"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(3)]
    assert min(map(float, runs)) < 0.05


# --- server reflection


class Servable:
    """A service of the contract without behaviour, so that reflection has something to list."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def _handle(self, stream: Any) -> None:
        raise NotImplementedError

    def __mapping__(self) -> Mapping[str, grpclib.const.Handler]:
        cardinality = grpclib.const.Cardinality.STREAM_STREAM
        handler = grpclib.const.Handler(self._handle, cardinality, proto.StreamEventsRequest, proto.TradingEvent)
        return {self._path: handler}


async def reflect(request: ServerReflectionRequest) -> Any:
    services: list[Any] = [Servable(proto.STREAM_PATH), Servable(proto.STREAM_EVENTS_PATH)]
    async with ChannelFor(ServerReflection.extend(services, pool=proto.POOL)) as channel:
        answers = await asyncio.wait_for(ServerReflectionStub(channel).ServerReflectionInfo([request]), timeout=20)
    return answers[0]


async def test_reflection_lists_the_services() -> None:
    answer = await reflect(ServerReflectionRequest(list_services=""))
    assert tuple(service.name for service in answer.list_services_response.service) == proto.SERVICES


@pytest.mark.parametrize("service", proto.SERVICES)
async def test_a_reflection_client_rebuilds_the_contract_from_answers_alone(service: str) -> None:
    pool = DescriptorPool()

    async def learn(request: ServerReflectionRequest) -> None:
        answer = await reflect(request)
        (serialized,) = answer.file_descriptor_response.file_descriptor_proto
        for imported in FileDescriptorProto.FromString(serialized).dependency:
            await learn(ServerReflectionRequest(file_by_filename=imported))
        pool.AddSerializedFile(serialized)

    await learn(ServerReflectionRequest(file_containing_symbol=service))

    learned = pool.FindServiceByName(service)
    assert {method.output_type.full_name for method in learned.methods} == {"trading.TradingEvent"}
    assert learned.methods[0].output_type.fields_by_name["chain"].number == 1003


# --- that it is generated


def gen(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "gen.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_package_is_up_to_date() -> None:
    done = gen("--check")
    assert done.returncode == 0, done.stderr


def test_check_reports_a_changed_contract_and_writes_nothing(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "proto", tmp_path / "proto")
    models = tmp_path / "proto" / "trading" / "trading_models.proto"
    models.write_text(models.read_text("utf-8").replace("string symbol = 7;", "string symbol = 1777;"), "utf-8")
    before = {path.name: path.read_bytes() for path in PACKAGE.glob("*.py*")}
    done = gen("--check", "--proto", str(tmp_path / "proto"))
    assert done.returncode == 1
    assert "_files.py is stale" in done.stderr
    assert {path.name: path.read_bytes() for path in PACKAGE.glob("*.py*")} == before


def test_generation_restores_what_was_edited_and_removes_what_is_left_over(tmp_path: Path) -> None:
    package = tmp_path / "proto"
    package.mkdir()
    (package / "__init__.py").write_text("edited = True\n", "utf-8")
    (package / "old.py").write_text("left_over = True\n", "utf-8")
    assert gen("--package", str(package)).returncode == 0
    there = {path.name: path.read_bytes() for path in package.iterdir()}
    assert there == {path.name: path.read_bytes() for path in PACKAGE.glob("*.py*")}


def test_generation_leaves_an_up_to_date_package_alone(tmp_path: Path) -> None:
    package = tmp_path / "proto"
    assert gen("--package", str(package)).returncode == 0
    before = {path.name: path.stat().st_mtime_ns for path in package.iterdir()}
    assert gen("--package", str(package)).returncode == 0
    assert {path.name: path.stat().st_mtime_ns for path in package.iterdir()} == before


def test_a_contract_that_does_not_compile_is_reported(tmp_path: Path) -> None:
    (tmp_path / "broken.proto").write_text('syntax = "proto3";\nmessage Broken { Missing field = 1; }\n', "utf-8")
    done = gen("--proto", str(tmp_path), "--package", str(tmp_path / "out"))
    assert done.returncode == 1
    assert '"Missing" is not defined' in done.stderr
    assert not (tmp_path / "out").exists()
