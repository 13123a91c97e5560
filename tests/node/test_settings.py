"""Settings and words that cannot be: each is one line that names what is wrong, and exit code 2."""

import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from dropcopyd import cli, config
from dropcopyd.domain.limits import MAY_BE_ZERO, Limits, TransportLimits
from dropcopyd.errors import Code, DropcopyError

FAULTS = {
    "rest_prot = 1": "there is no setting 'rest_prot'; did you mean rest_port?",
    "zzz = 1": "there is no setting 'zzz'; docs/settings.md lists them",
    'log_level = "loud"': "log_level: Input should be 'debug', 'info', 'warning' or 'error'",
    "[limits]\nheartbeat = 1": "there is no limit 'heartbeat'; did you mean heartbeat_s?",
    "[limits]\nheartbeat_s = nan": "the limit heartbeat_s takes a number, not nan",
    "[limits]\nheartbeat_s = 0": "the limit heartbeat_s must be above zero",
    "[limits]\nreconcile_s = -1": "the limit reconcile_s must not be negative",
    "[limits]\nstreams_per_organization = inf": "the limit streams_per_organization takes a whole number, not inf",
    "[limits]\nstreams_per_organization = 1.5": "the limit streams_per_organization takes a whole number, not 1.5",
    "[transport]\nping_s = 1": "there is no limit 'ping_s'; did you mean",
}


def refused(path: Path | None = None) -> str:
    with pytest.raises(DropcopyError) as caught:
        config.load(path)
    assert caught.value.code == Code.INVALID_CONFIGURATION
    return caught.value.message


@pytest.mark.parametrize("text", list(FAULTS))
def test_a_setting_that_cannot_be_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "dropcopy.toml"
    file.write_text(text)
    assert refused(file).startswith(FAULTS[text])


def test_zero_is_taken_where_none_has_a_meaning() -> None:
    names = {field.name for kind in (Limits, TransportLimits) for field in fields(kind)}
    assert names >= MAY_BE_ZERO
    assert config.load(limits={"reconcile_s": 0}).effective_limits.reconcile_s == 0
    assert config.load(log_level="WARNING").log_level == "warning"


def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROPCOPYD_REST_PROT", "1")
    assert refused() == "DROPCOPYD_REST_PROT: there is no setting 'rest_prot'; did you mean rest_port?"


def test_what_kubernetes_puts_there_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SERVICE_HOST", "SERVICE_PORT_REST", "PORT", "PORT_8080_TCP", "PORT_8080_TCP_ADDR"):
        monkeypatch.setenv(f"DROPCOPYD_{name}", "tcp://10.0.0.1:8080")
    monkeypatch.setenv("DROPCOPYD_LIMITS__STALL_S", "7")
    assert config.load().effective_limits.stall_s == 7


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line in this process: exit code, stdout, stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["dropcopyd", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, error = capsys.readouterr()
        return int(ended.value.code or 0), out, error

    return run


def started(*words: str) -> tuple[int, str]:
    """A daemon that does not start: exit code and its one line among the log's."""
    done = subprocess.run(
        [sys.executable, "-m", "dropcopyd", *words], capture_output=True, text=True, timeout=120, check=False
    )
    assert "Traceback" not in done.stderr
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("dropcopyd: "))
    return done.returncode, line


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("frobnicate",), "No such command 'frobnicate'"),
        (("dev", "--seed", "x"), "Invalid value for '--seed'"),
        (("serve", "--config", "/no/such/file"), "there is no settings file /no/such/file"),
        (("replay", "--data", "/no/such/folder"), "no daemon has run on /no/such/folder yet"),
        (("scenarios", "run", "examples/scenario.json"), "examples/scenario.json: must be a list of scenarios"),
        (("orgs", "list", "--data", "/no/such/folder"), "there is no journal in /no/such/folder"),
        (("orgs", "add", "", "--data", "/no/such/folder"), "a name has 1 to 64 printable characters"),
    ],
)
def test_wrong_words_end_in_one_line(run: Run, words: tuple[str, ...], told: str) -> None:
    code, out, error = run(*words)
    assert (code, out) == (2, "")
    assert error.startswith(f"dropcopyd: {told}")
    assert error.count("\n") == 1
    assert not Path("/no/such").exists()


def test_files_that_are_something_else_are_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "dev.json").write_text("{}")
    code, _, error = run("dev", "--data", str(tmp_path))
    assert (code, error.count("\n")) == (2, 1)
    assert "dev.json is not what `dropcopyd dev` wrote there" in error
    (tmp_path / "dropcopy.db").write_text("junk")
    code, _, error = run("orgs", "list", "--data", str(tmp_path))
    assert (code, error) == (1, "dropcopyd: the database of the folder cannot be used: file is not a database\n")
    (tmp_path / "mine.csv").write_text("a,b\n")
    code, _, error = run("instruments", "import", str(tmp_path / "mine.csv"), "--data", str(tmp_path / "new"))
    assert (code, error) == (2, f"dropcopyd: {tmp_path / 'mine.csv'}: the header lacks asset_class, symbol\n")


def test_a_key_without_any_amount_is_none(run: Run, tmp_path: Path) -> None:
    data = ("--data", str(tmp_path))
    assert run("orgs", "add", "acme", *data)[0] == 0
    for amount in ("-3", "0", "1e3"):
        code, out, error = run("keys", "add", "bot", "--org", "acme", f"--order-notional={amount}", *data)
        assert (code, out) == (2, "")
        assert error.startswith("dropcopyd: --order-notional: ")
    assert run("keys", "list", "--org", "acme", *data) == (0, "", "")


@pytest.mark.parametrize("setting", ["rest_port", "grpc_port", "grpc_tls_port"])
def test_a_port_in_use_is_named_with_its_setting(tmp_path: Path, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = {"rest_port": 0, "grpc_port": 0, "grpc_tls_port": 0} | {setting: port}
        options = [word for name, value in ports.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        code, line = started("dev", "--data", str(tmp_path / "data"), *options)
    assert code == 2
    assert line == f"dropcopyd: {setting}: cannot listen on 127.0.0.1:{port}: {os.strerror(errno.EADDRINUSE)}"


def test_unusable_certificates_are_named(tmp_path: Path) -> None:
    file = tmp_path / "dropcopy.toml"
    files = 'grpc_tls_port = 0\ntls_certificate = "/no/certificate"\ntls_key = "/no/key"\n'
    file.write_text(f"data = {json.dumps(str(tmp_path / 'data'))}\nrest_port = 0\ngrpc_port = 0\n{files}")
    code, line = started("serve", "--config", str(file))
    assert code == 2
    assert line.startswith("dropcopyd: the TLS port cannot use /no/certificate and /no/key: [Errno 2]")


def test_the_version_and_the_prices_are_told_in_full(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    assert run("--version") == (0, "dropcopyd 0.1.0\n", "")
    code, out, _ = run("dev", "--help")
    assert code == 0
    assert "SYMBOL=PATH[@SPEED]" in out
