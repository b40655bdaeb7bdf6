"""What the pages name exists: files, make targets, playbooks, and the number of promises."""

from __future__ import annotations

import re

import pytest

from tests.unit.filters.support import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("roles/*/README.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def anchors(text: str) -> set[str]:
    """Return the anchors that a page's headings make."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text()), link


@pytest.mark.parametrize("name", NAMES)
def test_commands_exist(name: str) -> None:
    text = (ROOT / name).read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)) <= targets
    for path in re.findall(
        r"\b(?:playbooks|tests|verify|tools|roles|lab|filter_plugins)/[\w/]+\.(?:py|yml|sh)\b", text
    ):
        if not re.search(r"[A-Z]{3}", path):  # NAME stands for any
            assert (ROOT / path).exists(), path


def test_the_readme_counts_the_promises() -> None:
    said = re.search(r"(\d+) promises", (ROOT / "README.md").read_text())
    assert said
    assert int(said[1]) == len(list(ROOT.glob("verify/test_*.py")))


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs/decisions"
    listed = set(re.findall(r"\((\d{4}[^)]*\.md)\)", (folder / "README.md").read_text()))
    assert {path.name for path in folder.glob("0*.md")} == listed
