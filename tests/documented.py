"""The code of README and documentation: what the tests run, and why they leave out the rest."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))

NOT_RUN = {
    "python3 -m venv": ".ci/run and scripts/bare run the README's in new environments",
    "pip install": "a registry is asked by .ci/run alone",
    "python -m benchmarks": "takes minutes; tests/cli/test_benchmarks.py runs shorter ones",
    "u = ": "a formula",
    "v = ": "a formula",
    "picture 1: ": "what a command prints",
    "colours converted": "what a command prints",
}
"""Lines that begin so."""

ELSEWHERE = {
    "--workers": "Ray takes longer to start than all others together; test_workers.py has it",
    "--ray": "needs a cluster; docs/tutorials/many-views.md runs two workers",
    ":": "two viewpoints take half a minute; test_ball.py has them",
}
"""Words of commands that the tests of documented commands leave to others."""

PYTHON = re.compile(r"\bei\.|^from envmap_inverse", re.MULTILINE)
FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?<=\n\n)(?:(?: {4}.*)?\n)+")
INLINE = re.compile(r"`envmap-inverse\s([^`]+)`")
PLACEHOLDER = re.compile(r"\.\.\.|\b[A-Z]{2,}\b|^\S+$")


def fences(page: Path) -> list[tuple[str, str]]:
    """Kind and body of each fenced block."""
    return FENCE.findall(page.read_text(encoding="utf-8"))


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("\n", page.read_text(encoding="utf-8"))


def indented(page: Path) -> list[str]:
    """The indented blocks, without the indent; lines that go on are one."""
    found = [block.replace("\\\n", " ") for block in INDENTED.findall(prose(page))]
    return [re.sub(r"^ {4}", "", block, flags=re.MULTILINE) for block in found if block.strip()]


def is_python(block: str) -> bool:
    """Whether a block, or what follows the commands in it, is Python."""
    return PYTHON.search(block) is not None


def python_blocks(page: Path) -> list[str]:
    """Fenced Python, and indented, where commands may stand between."""
    fenced = [body for kind, body in fences(page) if kind == "python"]
    commands = re.compile(r"^envmap-inverse.*", re.MULTILINE)
    return fenced + [commands.sub("", block) for block in indented(page) if is_python(block)]


def other_lines(page: Path) -> list[str]:
    """Lines of indented blocks that are neither Python nor commands."""
    lines = [line for block in indented(page) if not is_python(block) for line in block.split("\n")]
    return [line.strip() for line in lines if line and not line.startswith("envmap-inverse ")]


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each command, in blocks and in the text, that names no placeholders."""
    lines = [line for block in indented(page) for line in block.split("\n")]
    named = [
        line.removeprefix("envmap-inverse ") for line in lines if "envmap-inverse" in line[:14]
    ]
    inline = [" ".join(each.split()) for each in INLINE.findall(prose(page))]
    for text in named + [each for each in inline if not PLACEHOLDER.search(each)]:
        yield shlex.split(text, comments=True)
