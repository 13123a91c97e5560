"""Compiles the compiled parts into a folder of the virtual environment, and says what the machine lacks."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.fanout.plan import Server

HERE = Path(__file__).parent
DEBIAN_GOPATH = Path("/usr/share/gocode")


class MissingError(Exception):
    """Something is not installed; the text is the line that brings it."""


def folder() -> Path:
    """Where the programs are kept."""
    path = Path(sys.prefix) / "bench-fanout"
    path.mkdir(exist_ok=True)
    return path


def client() -> Path:
    """The load client. Raises MissingError."""
    return _compiled("client", HERE / "client.cc", ["g++", "-O2", "-std=c++17"], "g++")


def floor() -> Path:
    """The kernel's floor. Raises MissingError."""
    return _compiled("floor", HERE / "floor.c", ["gcc", "-O2"], "gcc")


def go_server() -> Path:
    """The grpc-go server, from Debian's sources and without a network. Raises MissingError."""
    if shutil.which("go") is None or not (DEBIAN_GOPATH / "src/google.golang.org/grpc").is_dir():
        raise MissingError("apt-get install golang-go golang-google-grpc-dev")
    cache = folder() / "go-cache"
    environment = {"GO111MODULE": "off", "GOPATH": str(DEBIAN_GOPATH), "GOCACHE": str(cache), "CGO_ENABLED": "0"}
    return _compiled("go-server", HERE / "go/main.go", ["go", "build"], "golang-go", environment)


def h2load() -> str:
    """The independent client. Raises MissingError."""
    found = shutil.which("h2load")
    if found is None:
        raise MissingError("apt-get install nghttp2-client")
    return found


def command(server: Server) -> list[str]:
    """What starts the server, before its arguments. Raises MissingError."""
    if server.kind == "go":
        return [str(go_server())]
    for module in server.modules:
        if importlib.util.find_spec(module) is None:
            raise MissingError(f"make setup (the Python package {module})")
    return [sys.executable, "-m", "bench.fanout.server"]


def _compiled(
    name: str, source: Path, compiler: list[str], package: str, environment: dict[str, str] | None = None
) -> Path:
    """The program, built anew when its source has changed."""
    if shutil.which(compiler[0]) is None:
        raise MissingError(f"apt-get install {package}")
    program = folder() / f"{name}-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}"
    if not program.exists():
        building = program.with_suffix(f".{os.getpid()}")
        subprocess.run(
            [*compiler, "-o", str(building), str(source)], check=True, env={**os.environ, **(environment or {})}
        )
        building.rename(program)
    return program
