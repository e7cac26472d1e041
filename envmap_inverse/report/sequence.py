"""The report of a sequence: the maps over time, and the curves of the brightest lights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from envmap_inverse.errors import InputError, cannot_write
from envmap_inverse.images import write_bytes
from envmap_inverse.report import figures, tables
from envmap_inverse.report.numbers import number
from envmap_inverse.report.phases import phases, workers_in_words
from envmap_inverse.report.pictures import Sheet
from envmap_inverse.report.repeating import command_to_repeat
from envmap_inverse.report.shots import is_relative
from envmap_inverse.report.standalone import frame_of, safe_json, template
from envmap_inverse.run.summary import fit_in_words
from envmap_inverse.run.thumbnails import Thumbnails
from envmap_inverse.solving import layout
from envmap_inverse.system.reading import read_whole
from envmap_inverse.system.structured import parse_json

__all__ = ["is_sequence", "write_sequence_report"]

STYLES = ("vendor/uPlot.min.css", "page.css")
SCRIPTS = (
    *("vendor/uPlot.iife.min.js", "rasters.js", "canvases.js", "curves.js", "scrubber.js"),
    *("theme.js", "sequence.js"),
)

WORDS = {
    "maps": "frames that have a map, in frames/",
    "lights followed": "lights that stand out in some frame, told apart by their direction",
    figures.WAIT: figures.WORDS[figures.WAIT],
    "seconds of recording": "tracing the light transport, once for all frames",
    "frames a second, with reading and writing": "after the first frame; higher is better",
    "frames a second, solving alone": "of those, without files; higher is better",
}
"""What each figure is."""


@dataclass(frozen=True, kw_only=True)
class LightOverTime:
    """A light over the frames of a sequence.

    Attributes:
        name: its number in words.
        history: a line per frame: index, irradiance (the mean of red, green and blue), azimuth and
            elevation in degrees.
    """

    name: str
    history: list[dict[str, float]]

    @classmethod
    def of(cls, number: int, track: Mapping[str, Any]) -> LightOverTime:
        """Args: number: from 1; track: an entry of `lights.json`."""
        lines = zip(track["frames"], track["directions"], track["irradiances"], strict=True)
        return cls(
            name=f"light {number}",
            history=[
                {
                    "index": frame,
                    "irradiance": float(np.mean(irradiance)),
                    "azimuth": float(np.degrees(np.arctan2(x, -z)) % 360),
                    "elevation": float(np.degrees(np.arcsin(np.clip(y, -1, 1)))),
                }
                for frame, (x, y, z), irradiance in lines
            ],
        )

    @property
    def cells(self) -> list[str]:
        """A line of the table: first and last frame, where it is in both, and its irradiance."""
        first, last = self.history[0], self.history[-1]
        irradiances = [line["irradiance"] for line in self.history]
        return [
            f"{first['index']}–{last['index']}",
            *(
                f"{line['azimuth']:.1f}°, {line['elevation']:.1f}°".replace("-", "−")
                for line in (first, last)
            ),
            f"{min(irradiances):.3g} to {max(irradiances):.3g}",
        ]


def is_sequence(folder: Path) -> bool:
    """Whether a folder holds a sequence."""
    return (folder / layout.LIGHTS).exists()


def write_sequence_report(folder: Path, output: Path | None = None) -> Path:
    """Show a sequence on one page.

    Args:
        folder: a folder that `envmap-inverse estimate --sequence` made.
        output: file of the page; by default `report.html` in the folder.

    Returns:
        The file of the page.

    Raises:
        InputError: if the folder holds no finished sequence, or the page cannot be written.
    """
    path = output or folder / layout.REPORT
    try:
        summary = parse_json(read_whole(folder / layout.SUMMARY))
        tracks = parse_json(read_whole(folder / layout.LIGHTS))["lights"]
        lights = [LightOverTime.of(number, track) for number, track in enumerate(tracks, 1)]
        lines = read_whole(folder / layout.HISTORY).splitlines()
        history = [{**line, "index": line["index"] + 1} for line in map(parse_json, lines)]
        kept = Thumbnails.read(folder / layout.THUMBNAILS)
        text = _page(folder, path.parent, summary, history, kept, lights)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"{folder}: holds no whole sequence; repeat it: {error}") from None
    try:
        write_bytes(path, text.encode())
    except OSError as error:
        raise cannot_write(str(path), error) from None
    return path


def _page(
    folder: Path,
    output: Path,
    summary: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    kept: Thumbnails,
    lights: Sequence[LightOverTime],
) -> str:
    frames = [int(index) + 1 for index in kept.indices]
    shown = [line for line in history if line["index"] in set(frames)]
    data = {
        "runs": [{"name": "", "frames": frames, "history": shown}],
        "lights": [vars(light) for light in lights],
        "isRelative": is_relative(summary),
    }
    return template("sequence.html").render(
        **frame_of(STYLES, SCRIPTS),
        title=folder.resolve().name,
        summary=summary,
        size=kept.envmaps.shape[2:0:-1],
        words=WORDS,
        is_relative=is_relative(summary),
        bar=phases([summary])[0],
        workers=workers_in_words(summary),
        fit=tables.in_a_sentence(fit_in_words(summary["fit"])) if summary.get("fit") else "",
        date=figures.date(folder),
        files=figures.files_beside(folder, output),
        figures=_figures(summary, lights),
        sheets=[("The picture", Sheet.of(kept.images)), ("The map", Sheet.of(kept.envmaps))],
        frames=frames,
        lights=lights,
        command=command_to_repeat(folder),
        settings=tables.by_name([summary["settings"]], [""]),
        versions=tables.by_name([summary["versions"]], [""]),
        data=Markup(safe_json(data)),
    )


def _figures(summary: Mapping[str, Any], lights: Sequence[LightOverTime]) -> dict[str, str]:
    """The most important numbers, by name."""
    found = {
        "maps": str(summary["frames"]),
        "lights followed": str(len(lights)),
        "seconds in all": number(summary["seconds"]["total"]),
        "seconds of recording": number(summary["seconds"].get("record", 0.0)),
    }
    if summary["followed"]:
        found["frames a second, with reading and writing"] = number(summary["frames_per_second"])
        found["frames a second, solving alone"] = number(summary["solved_per_second"])
    return found
