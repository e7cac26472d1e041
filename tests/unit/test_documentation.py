from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path

import documented
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


def test_links_of_a_site_that_lead_nowhere_are_found(tmp_path: Path) -> None:
    faults = runpy.run_path(str(DOCS.parent / "scripts" / "site_links.py"))["faults"]
    (tmp_path / "a page.html").write_text('<p id="here"><img src="no.png"><a href="https://x.org">')
    good = '<a href="a%20page.html#here"><a href="#top"><b id="top">'
    (tmp_path / "index.html").write_text(good + '<a href="a%20page.html#gone">')
    assert list(faults(tmp_path)) == [
        "a page.html: no.png: no such file",
        "index.html: a%20page.html#gone: no element has this id",
    ]


def test_every_line_of_a_block_is_run_or_named_with_the_reason() -> None:
    pages = documented.PAGES + documented.TUTORIALS
    others = [line for page in pages for line in documented.other_lines(page)]
    unknown = [line for line in others if not line.startswith(tuple(documented.NOT_RUN))]
    assert unknown == []
    words = {word for page in pages for line in documented.commands(page) for word in line}
    stale = {start for start in documented.NOT_RUN if not any(map(starting(start), others))}
    assert stale | (documented.ELSEWHERE.keys() - words) == set()


def starting(start: str) -> Callable[[str], bool]:
    return lambda line: line.startswith(start)


def test_fenced_blocks_are_python_or_of_sphinx() -> None:
    kinds = {kind for page in documented.PAGES for kind, _ in documented.fences(page)}
    assert kinds <= {"python", "{eval-rst}", "{toctree}", "{list-table}"}
    kinds = {kind for page in documented.TUTORIALS for kind, _ in documented.fences(page)}
    assert kinds <= {"{code-cell}", "{toctree}"}  # cells run when the site is built
