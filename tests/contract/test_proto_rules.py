"""proto/buf.yaml: the contract obeys it, its exceptions are all needed, and it sees a breaking change."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROTO = Path(__file__).resolve().parents[2] / "proto"
RELEASED = PROTO / "released.binpb"


def buf(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run buf. The proxy variables point nowhere: nothing may be fetched."""
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    env = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"} | nowhere
    command = [str(Path(sys.executable).with_name("buf")), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    """A copy of proto/ to change."""
    return Path(shutil.copytree(PROTO, tmp_path / "proto"))


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), "utf-8")


def test_contract_obeys_the_rules_and_does_not_break_the_release() -> None:
    lint = buf("lint", str(PROTO))
    assert lint.returncode == 0, lint.stdout + lint.stderr
    breaking = buf("breaking", str(PROTO), "--against", str(RELEASED))
    assert breaking.returncode == 0, breaking.stdout + breaking.stderr


def test_every_exception_is_needed(edited: Path) -> None:
    config = (edited / "buf.yaml").read_text("utf-8")
    head, exceptions, tail = re.split(r"^(?=  except:|breaking:)", config, flags=re.MULTILINE)
    excepted, only = re.sub(r"#.*", "", exceptions).split("  ignore_only:")
    (edited / "buf.yaml").write_text(head + tail, "utf-8")

    found: dict[str, set[str]] = {}
    for line in buf("lint", "--error-format=json", str(edited)).stdout.splitlines():
        refusal = json.loads(line)
        found.setdefault(refusal["type"], set()).add(str(Path(refusal["path"]).relative_to(edited)))

    everywhere = set(re.findall(r"[A-Z_]{4,}", excepted))
    narrow = {
        rule: set(re.findall(r"\S+\.proto", files)) for rule, files in re.findall(r"([A-Z_]{4,}):([^A-Z]*)", only)
    }
    assert found.keys() == everywhere | narrow.keys()
    assert {rule: found[rule] for rule in narrow} == narrow


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("string symbol = 7;", "string ticker = 7;"),
        ("string symbol = 7;", "string symbol = 1777;"),
        ("optional string limit_price = 12;", "string limit_price = 12;"),
        ("  int64 command_seq = 3;\n", ""),
    ],
)
def test_breaking_change_is_refused(edited: Path, old: str, new: str) -> None:
    replace(edited / "trading" / "trading_models.proto", old, new)
    assert buf("breaking", str(edited), "--against", str(RELEASED)).returncode != 0


def test_new_field_is_no_breaking_change(edited: Path) -> None:
    last = "  optional string trail_percent = 1008;\n}\n\n// BrokerPosition"
    new = last.replace("}\n", "  // New.\n  string new = 1009;\n}\n", 1)
    replace(edited / "trading" / "trading_models.proto", last, new)
    done = buf("breaking", str(edited), "--against", str(RELEASED))
    assert done.returncode == 0, done.stdout
