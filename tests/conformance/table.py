"""The table of outcomes, docs/conformance.md."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import astuple

from trials import EQUAL, NUM_RUNS, SPP, Outcome

from envmap_inverse.backend import mi

HEAD = """# Mitsuba's plugins

Each BSDF, emitter, sensor, film, filter, shape and integrator that Mitsuba {version} has, as its
plugin folder says, in a scene of two spheres under an uneven map. *equal* means that {runs}
pictures of {spp} samples per pixel have the mean of as many by `mi.render`, by a Z-test of each
pixel and of the whole; *refused* is an error of one line, here without its remedy.

- `render`: `ei.render`.
- `T x + c`: the recorded light transport, which `Transport` and `coverage` use.
- Adam: the pictures that it compares. *not replayed*: Dr.Jit cannot freeze the scene, so each step
  is rendered anew; *by the scene's own integrator*: Mitsuba's `prb` cannot differentiate it.

`python tests/conformance -o docs/conformance.md` writes this page (it takes minutes).
`pytest tests/conformance` compares a quarter of its lines with what is so, another quarter for
each version of Mitsuba; `--all` compares all.

| | plugin | `render` | `T x + c` | Adam |
| --- | --- | --- | --- | --- |
"""


def page(outcomes: Mapping[tuple[str, str], Outcome]) -> str:
    """The whole page."""
    head = HEAD.format(version=mi.__version__, runs=NUM_RUNS, spp=SPP)
    return head + "".join(row(*pair, outcome) + "\n" for pair, outcome in outcomes.items())


def row(kind: str, name: str, outcome: Outcome) -> str:
    """A plugin's line of the table."""
    texts = [_cell(text) for text in astuple(outcome)]
    if len(set(texts)) == 1 and texts[0] != EQUAL:
        texts[1:] = ["the same"] * 2
    return f"| {kind} | `{name}` | {' | '.join(texts)} |"


def rows(text: str) -> dict[tuple[str, str], str]:
    """The lines of a page by kind and plugin."""
    found = re.findall(r"^(\| (\w+) \| `(\w+)` \|.*)$", text, re.MULTILINE)
    return {(kind, name): line for line, kind, name in found}


def _cell(text: str) -> str:
    """A text without its remedy, and without what would end a cell."""
    reason = text.removeprefix("refused: the dictionary: ").removeprefix("refused: ")
    reason = reason.partition("; ")[0].replace("|", "\\|").replace("<", "&lt;")
    return f"refused: {reason}" if text.startswith("refused: ") else reason or "-"
