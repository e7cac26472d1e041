"""Folders of finished runs in which one file is damaged, changed, or of another kind."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from generate import REAL, WHOLE, Random, Trial
from mutate import mutated

__all__ = ["run"]

TEXT = {".json", ".jsonl", ".toml", ".csv"}
ODD = (*WHOLE, *REAL, None, "", "x", [], {}, [[]], [1, "x"], {"a": {}}, True, "<b>", "1" * 5000)


def run(random: Random) -> Trial:
    """A command that reads the folder of a run."""
    source = "sequence" if random.random() < 0.3 else "finished"
    shutil.rmtree("run", ignore_errors=True)
    shutil.copytree(source, "run")
    files = sorted(path for path in Path("run").rglob("*") if path.suffix not in {".png", ".html"})
    weights = np.array([5.0 if path.suffix in TEXT else 1.0 for path in files])
    changed = files[random.choice(len(files), p=weights / weights.sum())]
    _change(random, changed)
    export = ("export", "run", "--overwrite", "-o")
    commands: list[tuple[str, ...]] = [
        ("report", "run", "-o", "made.html"),
        ("report", "run", "finished", "-o", "made.html"),
        (*export, "made.json", "--to", "sh"),
        (*export, "made.json", "--to", "lamps"),
        ("estimate", "--config", "run/run.toml", "-o", "out", "--iterations", "1", "--no-report"),
        ("estimate", "--config", "run/run.toml", "-o", "run", "--resume", "--no-report"),
    ]
    chances = [0.35, 0.15, 0.1, 0.1, 0.1, 0.2]
    if changed.suffix == ".toml":
        chances = [0.1, 0, 0.1, 0, 0.4, 0.4]
    return Trial(commands[random.choice(6, p=chances)])


def _change(random: Random, path: Path) -> None:
    """Change a file's content as a text, a tree of values or bytes; or put something else there."""
    if path.is_dir() or random.random() < 0.1:
        _replace(random, path)
    elif path.suffix in {".json", ".jsonl"} and random.random() < 0.7:
        lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
        at = int(random.integers(len(lines)))
        lines[at] = json.dumps(_with_odd(random, json.loads(lines[at])))
        path.write_text("\n".join(lines))
    else:
        path.write_bytes(mutated(path.read_bytes(), random, is_text=path.suffix in TEXT))


def _replace(random: Random, path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    match random.integers(5):
        case 0:
            path.mkdir()
        case 1:
            os.mkfifo(path)
        case 2:
            path.symlink_to("/dev/zero")
        case 3:
            path.symlink_to(path.name)
        case _:
            with contextlib.suppress(OSError):
                path.symlink_to("../map.exr")


def _with_odd(random: Random, tree: Any) -> Any:
    """The tree with an odd value at a random place, or without that place."""
    if random.random() < 0.15 or not (isinstance(tree, dict | list) and tree):
        return ODD[random.integers(len(ODD))]
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    key = keys[random.integers(len(keys))]
    if random.random() < 0.1:
        del tree[key]
    else:
        tree[key] = _with_odd(random, tree[key])
    return tree
