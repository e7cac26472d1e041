"""Check that the links of a built site lead somewhere: `python scripts/site_links.py build/site`.

Every address of a page that names no other host must be a file of the site, and its fragment the
id of an element there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ADDRESSES = {"href", "src", "poster"}


class Page(HTMLParser):
    """The addresses that a page names, and the ids of its elements."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.addresses: set[str] = set()
        self.ids: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the addresses and the id of an element."""
        for name, value in attrs:
            if value and name in ADDRESSES and (tag, name) != ("link", "href"):
                self.addresses.add(value)
            elif value and name in {"id", "name"}:
                self.ids.add(value)


def faults(site: Path) -> Iterator[str]:
    """Links that lead nowhere, each as a line."""
    found = [path for path in sorted(site.resolve().rglob("*.html")) if "_static" not in path.parts]
    pages = {path: Page(path) for path in found}
    for path, page in pages.items():
        for address in sorted(page.addresses):
            url = urlsplit(address)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            where = f"{path.relative_to(site.resolve())}: {address}"
            if not target.is_file():
                yield f"{where}: no such file"
            elif target in pages and unquote(url.fragment) not in pages[target].ids | {""}:
                yield f"{where}: no element has this id"


def main() -> int:
    """Print every fault; the status is 1 if there is any."""
    found = list(faults(Path(sys.argv[1])))
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
