"""docs/clients/ prints the programs that the interop tests run, and names the packages that the set-up installs."""

import json
import re

import pytest

from tests.interop.toolchain import DOCUMENTS, HERE, NATIVE, ROOT, Client, block, require

PRINTED = (
    ("python.md", "The synchronous client", "clients/python/sync_client.py"),
    ("python.md", "The asyncio client", "clients/python/aio_client.py"),
    ("node.md", "The client", "clients/node/client.ts"),
    ("go.md", "The client", "clients/go/main.go"),
    ("java.md", "The client", "clients/java/Client.java"),
    ("browser.md", "Connect's library", "browser/connect.ts"),
    ("browser.md", "The grpc-web library", "browser/grpcweb.ts"),
    ("browser.md", "Server-sent events", "browser/sse.ts"),
    ("browser.md", "What they share", "browser/page.ts"),
)
INSTALLED = ("node.md", "go.md", "java.md", "browser.md")
SETUP = (ROOT / "scripts" / "interop-setup.sh").read_text("utf-8")


def words(document: str, command: str) -> list[str]:
    """What the document's install commands that begin so name, options left out."""
    joined = block(document, "Install").replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if line.startswith(command)]
    return [word for line in lines for word in line.removeprefix(command).split() if not word.startswith("-")]


@pytest.mark.parametrize(("document", "heading", "file"), PRINTED, ids=[file for _, _, file in PRINTED])
def test_the_page_prints_the_program_that_runs(document: str, heading: str, file: str) -> None:
    assert block(document, heading) == (HERE / file).read_text("utf-8")


@pytest.mark.parametrize("client", NATIVE, ids=lambda client: client.name)
def test_the_page_runs_the_client_as_the_tests_do(client: Client) -> None:
    assert " ".join(client.run) in block(client.document, "Run").splitlines()


@pytest.mark.parametrize("document", INSTALLED)
def test_the_set_up_installs_what_the_page_names(document: str) -> None:
    named = words(document, "apt-get install")
    assert named
    assert not [package for package in named if not re.search(rf"(?<![\w-]){re.escape(package)}(?![\w-])", SETUP)]


@pytest.mark.parametrize("document", ["node.md", "browser.md"])
def test_the_page_names_the_npm_versions_that_were_run(document: str) -> None:
    package = json.loads((HERE / "package.json").read_text("utf-8"))
    pinned = package["dependencies"] | package["devDependencies"]
    named = dict(word.rsplit("@", 1) for word in words(document, "npm install"))
    assert named
    assert named.items() <= pinned.items()


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((HERE / "package-lock.json").read_text("utf-8"))
    packages = [entry for name, entry in lock["packages"].items() if name]
    assert all("integrity" in entry and "resolved" not in entry for entry in packages)


def test_every_language_of_the_guide_has_a_page() -> None:
    index = (DOCUMENTS / "README.md").read_text("utf-8")
    for name in ("python", "node", "go", "java", "csharp", "rust", "browser"):
        assert (DOCUMENTS / f"{name}.md").is_file()
        assert f"({name}.md)" in index


@pytest.mark.parametrize("is_required", [False, True])
def test_a_missing_toolchain_is_named_and_skipped_or_fails(monkeypatch: pytest.MonkeyPatch, is_required: bool) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("DROPCOPY_REQUIRE_INTEROP", "1" if is_required else "")
    go = next(client for client in NATIVE if client.name == "go")
    outcome = pytest.fail.Exception if is_required else pytest.skip.Exception
    with pytest.raises(outcome, match=r"go: there is no go, protoc.*interop-setup\.sh"):
        require(go)
