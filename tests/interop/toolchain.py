"""Builds the client programs, by the very commands that docs/clients/ prints, once for each state of their sources."""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROTO = ROOT / "proto"
DOCUMENTS = ROOT / "docs" / "clients"
HERE = Path(__file__).parent
CACHE = Path(sys.prefix) / "interop"
PACKAGES = CACHE / "npm" / "node_modules"
_BUILD_S = 200.0


@dataclass(frozen=True)
class Client:
    """One client program: how it is built and run is what its document says."""

    name: str
    document: str
    files: tuple[str, ...]
    run: tuple[str, ...]
    commands: tuple[str, ...] = ()
    """Programs that must be on the path."""
    paths: tuple[Path, ...] = ()
    """Files or folders that must exist."""

    @property
    def sources(self) -> list[Path]:
        return [HERE / name for name in self.files]


_GO = Path("/usr/share/gocode/src")
_JAVA = Path("/usr/share/java")
NATIVE = (
    Client("python-sync", "python.md", ("clients/python/sync_client.py",), ("python", "sync_client.py")),
    Client("python-aio", "python.md", ("clients/python/aio_client.py",), ("python", "aio_client.py")),
    Client(
        "node",
        "node.md",
        ("clients/node/client.ts", "clients/node/tsconfig.json"),
        ("node", "build/client.js"),
        ("node", "protoc"),
        (PACKAGES / "@grpc/grpc-js", PACKAGES / "@bufbuild/protoc-gen-es"),
    ),
    Client(
        "go",
        "go.md",
        ("clients/go/main.go",),
        ("./client",),
        ("go", "protoc", "protoc-gen-go", "protoc-gen-go-grpc"),
        (_GO / "google.golang.org/grpc", _GO / "google.golang.org/protobuf"),
    ),
    Client(
        "java",
        "java.md",
        ("clients/java/Client.java",),
        ("java", "-Djava.library.path=.", "@java.options", "Client"),
        ("java", "javac", "protoc", "grpc_java_plugin"),
        tuple(
            _JAVA / f"{name}.jar" for name in ("grpc-netty", "netty-tcnative", "protobuf-util", "gson", "perfmark-api")
        ),
    ),
)
BROWSER = Client(
    "browser",
    "browser.md",
    tuple(
        f"browser/{name}" for name in ("page.ts", "connect.ts", "grpcweb.ts", "sse.ts", "index.html", "tsconfig.json")
    ),
    (),
    ("node", "protoc", "chromium"),
    (PACKAGES / "@connectrpc/connect-web", PACKAGES / "grpc-web", PACKAGES / "eventsource", PACKAGES / "esbuild"),
)


def block(document: str, heading: str) -> str:
    """The first code block below a heading of a document."""
    _, _, text = (DOCUMENTS / document).read_text("utf-8").partition(f"\n## {heading}\n")
    section, _, _ = text.partition("\n## ")
    found = re.search(r"^```\w+\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert found is not None, f"{document} has no code block below {heading!r}"
    return found[1]


def require(client: Client) -> None:
    """Skip the test where the machine lacks what the client needs; fail where DROPCOPY_REQUIRE_INTEROP is set."""
    missing = [name for name in client.commands if shutil.which(name) is None]
    missing += [str(path) for path in client.paths if not path.exists()]
    if not missing:
        return
    reason = f"{client.name}: there is no {', '.join(missing)}; scripts/interop-setup.sh installs it"
    if os.environ.get("DROPCOPY_REQUIRE_INTEROP"):
        pytest.fail(reason)
    pytest.skip(reason)


def build(client: Client) -> Path:
    """The folder with the built client; made if its sources or commands have changed."""
    commands = block(client.document, "Generate and build")
    folder = CACHE / f"{client.name}-{_digest(client, commands)}"
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE, prefix=f"building-{client.name}-") as scratch:
            draft = Path(scratch) / "client"
            _lay_out(client, draft)
            _run(commands, draft)
            draft.rename(folder)
        for stale in CACHE.glob(f"{client.name}-*"):
            if stale != folder:
                shutil.rmtree(stale)
    return folder


def environment() -> dict[str, str]:
    """This process's, with this interpreter as `python` and Go's cache below the virtual environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "GOCACHE": str(CACHE / "gocache")}


def _digest(client: Client, commands: str) -> str:
    digest = hashlib.sha256(shlex.join(client.run).encode() + commands.encode())
    for path in (*client.sources, *sorted(PROTO.rglob("*.proto")), HERE / "package-lock.json"):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _lay_out(client: Client, folder: Path) -> None:
    """What the documents tell the reader to start from: proto/, the client's files and, for npm, its packages."""
    folder.mkdir()
    shutil.copytree(PROTO, folder / "proto")
    for path in client.sources:
        shutil.copy(path, folder)
    if PACKAGES in {parent for path in client.paths for parent in path.parents}:
        shutil.copy(HERE / "package.json", folder)
        (folder / "node_modules").symlink_to(PACKAGES)


def _run(commands: str, folder: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-ec", commands],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=_BUILD_S,
        check=False,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
