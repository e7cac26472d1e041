"""Files and functions are short enough to be read at once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("envmap_inverse", "tests", "benchmarks", "examples", "scenes", "scripts")
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]

MAX_LINES_OF_FILE, MAX_LINES_OF_FUNCTION = 400, 60


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Names of functions, and lines of their bodies without docstring.

    Commands declare their options as parameters, which are no part of the body.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body:
                yield node.name, node.body[-1].end_lineno - body[0].lineno + 1  # type: ignore[operator]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_has_at_most_400_lines_and_its_functions_60(path: Path) -> None:
    assert path.read_text(encoding="utf-8").count("\n") <= MAX_LINES_OF_FILE
    long = {name for name, size in functions(path) if size > MAX_LINES_OF_FUNCTION}
    assert not long
