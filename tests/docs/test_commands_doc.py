"""docs/operations.md names each command of `dropcopyd` once."""

import re
from pathlib import Path

import typer

from dropcopyd.cli import app

TABLE = Path("docs/operations.md").read_text("utf-8").partition("## Commands")[2]


def commands(of: typer.Typer, prefix: str = "") -> set[str]:
    names = {prefix + str(one.name) for one in of.registered_commands}
    for group in of.registered_groups:
        assert group.typer_instance is not None
        names |= commands(group.typer_instance, f"{prefix}{group.name} ")
    return names


def test_each_command_is_there_once() -> None:
    told = [name for row in re.findall(r"^\| (`.*?) \|", TABLE, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)]
    assert sorted(told) == sorted(commands(app))
