from __future__ import annotations

import re
from pathlib import Path

import pytest

import envmap_inverse as ei

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(
    path.relative_to(DOCS) for path in DOCS.rglob("*.md") if "generated" not in path.parts
)
FENCED = re.compile(r"```\{toctree\}(.*?)```", re.DOTALL)


def test_the_reference_has_every_public_name_once() -> None:
    names = re.findall(r"auto\w+:: envmap_inverse\.(\w+)", (DOCS / "api.md").read_text())
    assert sorted(names) == sorted(ei.__all__)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_page_is_in_a_table_of_contents(page: Path) -> None:
    entries = {
        index.parent / line
        for index in (DOCS / "index.md", DOCS / "tutorials" / "index.md")
        for body in FENCED.findall(index.read_text())
        for line in body.split()
    }
    assert page.name == "index.md" or (DOCS / page).with_suffix("") in entries


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_to_other_files_lead_somewhere(page: Path) -> None:
    for target in re.findall(
        r"\]\((?!https?:)([^)#\s]*)(?:#[^)\s]*)?\)", (DOCS / page).read_text()
    ):
        assert target == "" or (DOCS / page).parent.joinpath(target).exists(), target
