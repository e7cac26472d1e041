"""Mutate files and give them to the command line: `python tests/faults --mutants 20000`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))  # of zygote

from fuzz import SHARES, fuzz, work


def main() -> int:
    """Run what the options ask for; returns 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=500, help="how many files are mutated")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations")
    parser.add_argument("--only", choices=SHARES, help="kind of files; all if not given")
    parser.add_argument("--first", type=int, default=0, help="number of the first mutant")
    parser.add_argument("-o", "--output", type=Path, help="folder in which failures are kept")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        os.environ["FAULTS_ONLY"] = options.only  # the workers inherit it
    folder = (options.output or Path(tempfile.mkdtemp(prefix="faults-"))).resolve()
    if options.worker:
        work(options.first, options.first + options.mutants, options.seed, folder)
    numbers = range(options.first, options.first + options.mutants)
    findings = fuzz(numbers, options.seed, num_workers=os.cpu_count() or 1, folder=folder)
    sys.stdout.write(f"{findings}\nfailures are in {folder}\n")
    return 1 if findings.failures else 0


sys.exit(main())
