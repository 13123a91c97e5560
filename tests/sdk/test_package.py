"""The package from outside: what it exports, what it loads, and that it lives beside a user's own generated copy."""

import subprocess
import sys
from pathlib import Path

import pytest

import dropcopy

ROOT = Path(__file__).resolve().parents[2]


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_all_is_sorted_and_every_name_is_there() -> None:
    assert dropcopy.__all__ == sorted(dropcopy.__all__)
    assert all(getattr(dropcopy, name) is not None for name in dropcopy.__all__)
    assert set(dropcopy.__all__) <= set(dir(dropcopy))
    with pytest.raises(AttributeError, match="nothing"):
        _ = dropcopy.nothing


def test_all_is_every_public_name_of_a_public_class() -> None:
    public = {name for name in dir(dropcopy) if not name.startswith("_")}
    assert public - set(dropcopy.__all__) <= {"TYPE_CHECKING", "Any", "Final", "import_module", "proto"}


def test_every_exception_of_the_tree_is_exported_and_drawn() -> None:
    from dropcopy import _errors

    classes = {name for name, kind in vars(_errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert classes <= set(dropcopy.__all__)
    assert _errors.__doc__ is not None
    assert all(f" {name} " in f"{_errors.__doc__} ".replace("\n", " ") for name in classes)


def test_the_sdk_loads_nothing_of_the_daemon_and_the_protos_load_no_client() -> None:
    done = python(
        "import sys, dropcopy.proto\n"
        "assert not {'grpc', 'httpx2', 'typer', 'rich'} & set(sys.modules)\n"
        "import dropcopy, dropcopy._cli\n"
        "for name in dropcopy.__all__: getattr(dropcopy, name)\n"
        "assert 'grpc' in sys.modules\n"
        "assert not any(name.split('.')[0] == 'dropcopyd' for name in sys.modules)\n"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_it_lives_beside_a_users_own_generated_copy(tmp_path: Path) -> None:
    protos = [str(path.relative_to(ROOT / "proto")) for path in (ROOT / "proto").rglob("*.proto")]
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I", ".", f"--python_out={tmp_path}", *protos]
    subprocess.run([*command, f"--grpc_python_out={tmp_path}"], cwd=ROOT / "proto", check=True, timeout=60)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "{}\n"
        "theirs = streaming_pb2.Subscribe(trading_account_id='a', subscriptions=[1])\n"
        "ours = dropcopy.proto.Subscribe.FromString(theirs.SerializeToString())\n"
        "assert ours.trading_account_id == 'a' and type(ours) is not type(theirs)\n"
    )
    mine, ours = "import streaming_pb2, streaming_pb2_grpc", "import dropcopy, dropcopy.proto; dropcopy.Client"
    for imports in (f"{mine}; {ours}", f"{ours}; {mine}"):
        done = python(code.format(imports), str(tmp_path))
        assert (done.returncode, done.stderr) == (0, "")
