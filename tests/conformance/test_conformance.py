"""Each plugin of Mitsuba gives what `mi.render` gives, or is refused; the page says which."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from installed import installed
from table import row, rows
from trials import tried

from envmap_inverse.backend import mi

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
SHARES = 4
"""CI tries one part in so many; each version of Mitsuba another one."""


def is_due(kind: str, name: str) -> bool:
    digest = hashlib.sha256(f"{mi.__version__} {kind} {name}".encode()).digest()
    return digest[0] % SHARES == 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("plugin", installed(), ids="/".join)
def test_a_plugin_is_as_the_page_says(
    plugin: tuple[str, str], request: pytest.FixtureRequest
) -> None:
    if not (request.config.getoption("--all", default=False) or is_due(*plugin)):
        pytest.skip("of another share; --all tries it")
    outcome = tried(*plugin)
    assert outcome.is_good, outcome
    line = rows(PAGE.read_text(encoding="utf-8")).get(plugin)
    assert row(*plugin, outcome) == line, "python tests/conformance -o docs/conformance.md"


def test_the_page_has_all_plugins_and_no_others() -> None:
    assert list(rows(PAGE.read_text(encoding="utf-8"))) == installed()
