"""Links between pages lead to a file, and to a heading of it; files that pages name exist."""

import re
from pathlib import Path

import pytest

PAGES = [*Path().glob("*.md"), *Path("docs").rglob("*.md")]


def anchors(page: Path) -> set[str]:
    """As GitHub makes them: lower case, without punctuation, spaces as hyphens."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_files_that_are_named_exist(page: Path) -> None:
    for name in re.findall(
        r"`((?:src/dropcopyd|tests|bench|scripts|sdk|docs|examples)/[\w./-]+)`", page.read_text("utf-8")
    ):
        assert Path(name).exists(), name


def test_each_page_is_reached_from_the_readme() -> None:
    reached, waiting = set[Path](), [Path("README.md")]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        links = re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8"))
        for link in links:
            target = (page.parent / link).resolve()
            found = target.relative_to(Path.cwd()) if target.is_relative_to(Path.cwd()) else None
            waiting += [found] if found is not None and found.is_file() else []
            waiting += [] if found is None or not found.is_dir() else list(found.glob("*.md"))
    assert set(Path("docs").rglob("*.md")) <= reached
