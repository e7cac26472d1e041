"""Try all of Mitsuba's plugins: `python tests/conformance -o docs/conformance.md`."""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # for z_test

from installed import installed
from table import page, row
from trials import tried


def main() -> int:
    """Run what the options ask for; returns 1 if a plugin differs or fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="plugins or kinds to try; by default all")
    parser.add_argument("-o", "--output", type=Path, help="page to write; needs all plugins")
    options = parser.parse_args()
    if options.output and options.names:
        parser.error("the page is of all plugins; leave out the names")
    warnings.simplefilter("ignore")
    outcomes = {}
    for kind, name in installed():
        if not options.names or {kind, name} & set(options.names):
            outcomes[kind, name] = tried(kind, name)
            sys.stderr.write(row(kind, name, outcomes[kind, name]) + "\n")
    if options.output:
        options.output.write_text(page(outcomes), encoding="utf-8")
    return 0 if all(outcome.is_good for outcome in outcomes.values()) else 1


sys.exit(main())
