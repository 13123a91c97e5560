"""Write the package dropcopy.proto of the SDK from the contract in proto/.

    python scripts/gen.py           writes sdk/python/src/dropcopy/proto
    python scripts/gen.py --check   writes nothing; ends with 1 if that package is not what would be written

protoc's own Python output registers its files in the default descriptor pool, which refuses them a second time: a
program that has generated the contract for itself could not import the SDK. Hence a package with a pool of its own,
made here out of protoc's descriptors. The output depends on proto/ and on the pinned protoc alone.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
PACKAGE = ROOT / "sdk" / "python" / "src" / "dropcopy" / "proto"
WIDTH = 116
HEADER = "# Generated from proto/ by scripts/gen.py (`make gen`); change those instead.\n# ruff: noqa\n# fmt: off\n"

# Field numbers inside FileDescriptorProto and its parts: the steps of a SourceCodeInfo path.
FILE_MESSAGE, FILE_ENUM, MESSAGE_FIELD, ENUM_VALUE = 4, 5, 2, 2

SCALARS = {
    FieldDescriptorProto.TYPE_STRING: "str",
    FieldDescriptorProto.TYPE_BOOL: "bool",
    FieldDescriptorProto.TYPE_BYTES: "bytes",
    FieldDescriptorProto.TYPE_INT32: "int",
    FieldDescriptorProto.TYPE_INT64: "int",
    FieldDescriptorProto.TYPE_UINT32: "int",
    FieldDescriptorProto.TYPE_FIXED64: "int",
}

INIT = '''"""The messages of the streaming contract: `from dropcopy.proto import Subscribe, EVENT_TYPE_BROKER_ORDER`.

Messages are protobuf classes, enums are EnumTypeWrappers, enum values are ints at module level. Enums are open: a
number that this version does not know is kept as it is.

All of it lives in POOL, a descriptor pool of this package alone, so that a program may load its own generated copy of
the same contract beside it. Nothing here is registered in the default pool. The price: a message of another copy,
google.protobuf.timestamp_pb2.Timestamp included, is another class and is refused as a field's value (TypeError). Use
the Timestamp of this module, or hand over bytes.

POOL also answers server reflection. FILE_DESCRIPTORS maps each file's name to its serialized FileDescriptorProto,
imported files first; SERVICES holds the full names of the services; each *_PATH is the HTTP/2 path of a method.
"""

from google.protobuf.descriptor_pool import DescriptorPool as _DescriptorPool
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper as _EnumTypeWrapper
from google.protobuf.message_factory import GetMessageClass as _GetMessageClass

from dropcopy.proto._files import FILE_DESCRIPTORS


def _new_pool():
    pool = _DescriptorPool()
    for serialized in FILE_DESCRIPTORS.values():
        pool.AddSerializedFile(serialized)
    return pool


def _message(full_name):
    message = _GetMessageClass(POOL.FindMessageTypeByName(full_name))
    message.__module__ = __name__  # so that pickle finds this class, and a traceback names it
    return message


def _enum(full_name):
    return _EnumTypeWrapper(POOL.FindEnumTypeByName(full_name))


POOL = _new_pool()
'''

STUB = '''from collections.abc import Iterable, Mapping
from typing import Final, Literal, Never, NewType, final

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.internal.containers import RepeatedCompositeFieldContainer, RepeatedScalarFieldContainer
from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper
from google.protobuf.internal.well_known_types import Timestamp as _TimestampMethods
from google.protobuf.message import Message

POOL: Final[DescriptorPool]
"""The descriptor pool that holds the contract, and nothing else."""
FILE_DESCRIPTORS: Final[Mapping[str, bytes]]
"""File name -> serialized FileDescriptorProto, imported files first."""
'''

FILES = '''"""The contract's descriptors, as protoc made them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

FILE_DESCRIPTORS: Final[Mapping[str, bytes]] = MappingProxyType({
'''


class GenerationError(Exception):
    """The contract does not compile, or uses a feature that this generator does not know."""


def compile_contract(proto: Path) -> FileDescriptorSet:
    """All .proto files below `proto` and what they import, imported files first, comments included."""
    sources = sorted(str(path.relative_to(proto)) for path in proto.rglob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "contract.binpb"
        command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", "--include_imports", "--include_source_info"]
        done = subprocess.run(
            [*command, f"--descriptor_set_out={image}", *sources],
            cwd=proto,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise GenerationError(done.stderr)
        return FileDescriptorSet.FromString(image.read_bytes())


def comments(file: FileDescriptorProto) -> dict[tuple[int, ...], str]:
    """SourceCodeInfo path -> the comment in front of that element."""
    found = {}
    for location in file.source_code_info.location:
        text = re.sub(r"^ ", "", location.leading_comments, flags=re.MULTILINE).strip()
        if '"""' in text or "\\" in text:
            raise GenerationError(f"{file.name}: this comment would break a docstring: {text}")
        if text:
            found[tuple(location.path)] = text
    return found


def docstring(text: str | None, indent: str) -> Iterator[str]:
    """The comment as a docstring; nothing if there is none."""
    if not text:
        return
    first, *rest = text.splitlines()
    if not rest:
        # A last character of its own kind keeps a closing quote from growing into four.
        yield f'{indent}"""{first}{" " if first.endswith(chr(34)) else ""}"""'
        return
    yield f'{indent}"""{first}'
    yield from (f"{indent}{line}".rstrip() for line in rest)
    yield f'{indent}"""'


def literal(names: Iterable[str]) -> str:
    """The type of a string that is one of `names`; Never if there are none."""
    listed = ", ".join(f'"{name}"' for name in names)
    return f"Literal[{listed}]" if listed else "Never"


def field_type(field: FieldDescriptorProto) -> str:
    """The Python type of one value of the field."""
    name = field.type_name.rpartition(".")[2]
    if field.type == FieldDescriptorProto.TYPE_MESSAGE:
        return name
    if field.type == FieldDescriptorProto.TYPE_ENUM:
        return f"{name}.ValueType"
    if field.type not in SCALARS:
        raise GenerationError(f"{field.name}: no Python type known for field type {field.type}")
    return SCALARS[field.type]


def attribute(field: FieldDescriptorProto) -> tuple[str, str, bool]:
    """How the field reads, what the constructor takes for it, and whether it can be assigned."""
    one = field_type(field)
    is_message = field.type == FieldDescriptorProto.TYPE_MESSAGE
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        container = "RepeatedCompositeFieldContainer" if is_message else "RepeatedScalarFieldContainer"
        return f"{container}[{one}]", f"Iterable[{one}] | None", False
    return one, f"{one} | None" if is_message or field.HasField("oneof_index") else one, not is_message


def stub_field(field: FieldDescriptorProto, doc: str | None) -> Iterator[str]:
    """A field as an attribute, or as a property where protobuf refuses an assignment."""
    read, _, assignable = attribute(field)
    if assignable:
        yield f"    {field.name}: {read}"
        yield from docstring(doc, "    ")
        return
    yield "    @property"
    if doc is None:
        yield f"    def {field.name}(self) -> {read}: ..."
        return
    yield f"    def {field.name}(self) -> {read}:"
    yield from docstring(doc, "        ")


def stub_methods(message: DescriptorProto) -> Iterator[str]:
    """The constructor, and the methods that take a field's name."""
    groups = [
        oneof.name
        for index, oneof in enumerate(message.oneof_decl)
        if not any(field.proto3_optional and field.oneof_index == index for field in message.field)
    ]
    if len(groups) > 1:
        raise GenerationError(f"{message.name}: more than one oneof")
    singular_messages = {
        field.name
        for field in message.field
        if field.type == FieldDescriptorProto.TYPE_MESSAGE and field.label != FieldDescriptorProto.LABEL_REPEATED
    }
    present = [
        field.name for field in message.field if field.HasField("oneof_index") or field.name in singular_messages
    ]
    yield "    def __init__("
    yield "        self,"
    yield "        *,"
    yield from (f"        {field.name}: {attribute(field)[1]} = ...," for field in message.field)
    yield "    ) -> None: ..."
    yield f"    def HasField(self, field_name: {literal([*present, *groups])}) -> bool: ..."
    names = [field.name for field in message.field]
    yield f"    def ClearField(self, field_name: {literal([*names, *groups])}) -> None: ..."
    if groups:
        members = [f.name for f in message.field if f.HasField("oneof_index") and not f.proto3_optional]
        yield f"    def WhichOneof(self, oneof_group: {literal(groups)}) -> {literal(members)} | None: ..."


def stub_message(message: DescriptorProto, path: tuple[int, ...], docs: Mapping[tuple[int, ...], str]) -> Iterator[str]:
    """The class of one message."""
    if message.nested_type or message.enum_type:
        raise GenerationError(f"{message.name}: nested types are not supported")
    mixin = ", _TimestampMethods" if message.name == "Timestamp" else ""
    yield "@final"
    yield f"class {message.name}(Message{mixin}):"
    yield from docstring(docs.get(path), "    ")
    yield "    DESCRIPTOR: Descriptor"
    for field in message.field:
        yield f"    {field.name.upper()}_FIELD_NUMBER: Final = {field.number}"
    for index, field in enumerate(message.field):
        yield from stub_field(field, docs.get((*path, MESSAGE_FIELD, index)))
    yield from stub_methods(message)


def stub_enum(enum: EnumDescriptorProto, path: tuple[int, ...], docs: Mapping[tuple[int, ...], str]) -> Iterator[str]:
    """The wrapper of one enum, its number type, and its values at module level.

    The wrapper is an object that acts as a namespace and as the home of a type. mypy can be told both only by a
    class with a metaclass, as mypy-protobuf does it.
    """
    yield f"class _{enum.name}Values:"
    yield '    ValueType = NewType("ValueType", int)'
    yield f"class _{enum.name}Wrapper(_EnumTypeWrapper[_{enum.name}Values.ValueType]):"
    yield from (f"    {value.name}: _{enum.name}Values.ValueType" for value in enum.value)
    yield f"class {enum.name}(_{enum.name}Values, metaclass=_{enum.name}Wrapper):"
    yield from docstring(docs.get(path) or f"{enum.name}.", "    ")
    for index, value in enumerate(enum.value):
        yield f"{value.name}: {enum.name}.ValueType  # {value.number}"
        yield from docstring(docs.get((*path, ENUM_VALUE, index)), "")


def methods(files: Iterable[FileDescriptorProto]) -> dict[str, str]:
    """Constant name -> HTTP/2 path of each method."""
    paths: dict[str, str] = {}
    for file in files:
        for service in file.service:
            for method in service.method:
                name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", method.name).upper() + "_PATH"
                if name in paths:
                    raise GenerationError(f"{name} would name two methods")
                paths[name] = f"/{file.package}.{service.name}/{method.name}"
    return paths


def service_names(files: Iterable[FileDescriptorProto]) -> tuple[str, ...]:
    """Full names of the services, sorted."""
    return tuple(sorted(f"{file.package}.{service.name}" for file in files for service in file.service))


def public_names(files: Iterable[FileDescriptorProto]) -> list[str]:
    """Everything that the package exports, sorted."""
    names = ["POOL", "FILE_DESCRIPTORS", "SERVICES", *methods(files)]
    for file in files:
        names += [message.name for message in file.message_type]
        for enum in file.enum_type:
            names += [enum.name, *(value.name for value in enum.value)]
    return sorted(names)


def render_exports(files: Iterable[FileDescriptorProto]) -> str:
    return "__all__ = [\n" + "".join(f'    "{name}",\n' for name in public_names(files)) + "]\n"


def render_module(files: list[FileDescriptorProto]) -> str:
    """__init__.py: the classes and constants at run time."""
    lines = ["SERVICES = (" + ", ".join(f'"{name}"' for name in service_names(files)) + ",)"]
    lines += [f'{name} = "{path}"' for name, path in methods(files).items()]
    for file in files:
        lines += ["", f"# {file.name}"]
        lines += [f'{message.name} = _message("{file.package}.{message.name}")' for message in file.message_type]
        for enum in file.enum_type:
            lines.append(f'{enum.name} = _enum("{file.package}.{enum.name}")')
            lines += [f"{value.name} = {value.number}" for value in enum.value]
    return HEADER + INIT + "\n".join(lines) + "\n\n" + render_exports(files)


def render_stub(files: list[FileDescriptorProto]) -> str:
    """__init__.pyi: the same for type checkers and editors, with the contract's comments."""
    lines = [
        "SERVICES: Final[tuple[str, ...]]",
        '"""Full names of the services, sorted."""',
        *(f'{name}: Final = "{path}"' for name, path in methods(files).items()),
    ]
    for file in files:
        # Comments of files that others own are theirs, and the well-known Timestamp's are very long.
        docs = comments(file) if file.package == "trading" else {}
        lines += ["", f"# {file.name}"]
        for index, enum in enumerate(file.enum_type):
            lines += stub_enum(enum, (FILE_ENUM, index), docs)
        for index, message in enumerate(file.message_type):
            lines += stub_message(message, (FILE_MESSAGE, index), docs)
    return HEADER + STUB + "\n".join(lines) + "\n\n" + render_exports(files)


def bytes_lines(data: bytes) -> Iterator[str]:
    """`data` as adjacent bytes literals, one a line."""
    line = ""
    for byte in data:
        char = chr(byte)
        escaped = char if " " <= char <= "~" and char not in '"\\' else f"\\x{byte:02x}"
        if len(line) + len(escaped) > WIDTH - len('        b""'):
            yield f'        b"{line}"'
            line = ""
        line += escaped
    yield f'        b"{line}"'


def render_files(files: list[FileDescriptorProto]) -> str:
    """_files.py: the descriptors, without comments and positions."""
    lines = []
    for file in files:
        bare = FileDescriptorProto()
        bare.CopyFrom(file)
        bare.ClearField("source_code_info")
        lines += [f'    "{file.name}": (', *bytes_lines(bare.SerializeToString(deterministic=True)), "    ),"]
    return HEADER + FILES + "\n".join(lines) + "\n})\n"


def generate(proto: Path) -> dict[str, str]:
    """File name -> content of the whole package. Raises GenerationError."""
    files = list(compile_contract(proto).file)
    return {"__init__.py": render_module(files), "__init__.pyi": render_stub(files), "_files.py": render_files(files)}


def stale(package: Path, wanted: Mapping[str, str]) -> list[str]:
    """Names of the files in `package` that are missing, different or not to be there."""
    there = {path.name: path.read_text("utf-8") for path in package.glob("*.py*") if path.is_file()}
    return sorted(name for name in there.keys() | wanted.keys() if there.get(name) != wanted.get(name))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 if the package is stale")
    parser.add_argument("--proto", type=Path, default=PROTO, help="folder of the contract")
    parser.add_argument("--package", type=Path, default=PACKAGE, help="folder of the package")
    options = parser.parse_args()
    try:
        wanted = generate(options.proto)
    except GenerationError as error:
        print(error, file=sys.stderr)
        return 1
    changed = stale(options.package, wanted)
    if options.check:
        for name in changed:
            print(f"{options.package.name}/{name} is stale: run `make gen`", file=sys.stderr)
        return 1 if changed else 0
    options.package.mkdir(parents=True, exist_ok=True)
    for name in changed:
        target = options.package / name
        if name in wanted:
            target.write_text(wanted[name], "utf-8")
        else:
            target.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
