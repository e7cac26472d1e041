"""Help, and messages about wrong command lines, in this process."""

from __future__ import annotations

import logging
import os
import re
import shlex
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.main import get_command

from envmap_inverse import cli
from envmap_inverse.console import output, parsing
from envmap_inverse.console.parsing import PANELS
from envmap_inverse.errors import InputError
from envmap_inverse.images import write_image
from envmap_inverse.losses import LOSSES
from envmap_inverse.parameterizations import CHOICES
from envmap_inverse.priors import PRIORS
from envmap_inverse.run.notes import collected_warnings
from envmap_inverse.scene.materials import MATERIALS

Said = tuple[int, str, str]
Say = Callable[..., Said]

GROUP = get_command(cli.app)
NAMES = list(GROUP.commands)  # type: ignore[attr-defined]


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Say]:
    """Exit status, output and errors of a command line."""
    logger = logging.getLogger("envmap_inverse")
    before = (logger.handlers, logger.level, logging.raiseExceptions, output.console.quiet)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)

    def run(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["envmap-inverse", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)
    for handler in logger.handlers:
        handler.close()
    logger.handlers, level, logging.raiseExceptions, quiet = before
    logger.setLevel(level)
    output.set_quiet(quiet)


@pytest.fixture
def map_file(tmp_path: Path, random_map: Callable[..., NDArray[np.float32]]) -> Path:
    path = tmp_path / "map.exr"
    write_image(path, random_map())
    return path


def errors(said: Said) -> list[str]:
    """The faults of a refused command line."""
    status, out, err = said
    assert (status, out) == (2, "")
    lines = err.splitlines()
    assert all(line.startswith("error: ") for line in lines)
    return [line.removeprefix("error: ") for line in lines]


# Help


@pytest.mark.parametrize("name", NAMES)
def test_help_has_three_names(say: Say, name: str) -> None:
    asked = [say(name, "-h"), say(name, "--help"), say("help", name)]
    assert asked[0] == asked[1] == asked[2]
    assert asked[0][0] == 0
    assert asked[0][1].startswith(f"Usage: envmap-inverse {name} ")


def test_help_alone_lists_the_commands_with_whole_summaries(say: Say) -> None:
    status, text, _ = say("help")
    assert (status, text) == say("-h")[:2] == say()[:2]
    listed = text.partition("Commands:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^  (\S+) +((?:.*\n)(?:^ {4,}.*\n?)*)", f"{listed}\n", re.MULTILINE)
    assert [name for name, _ in entries] == NAMES
    for _, words in entries:
        assert re.search(r"\w\.$", words.strip())
        assert "..." not in words


def test_help_of_nothing_that_there_is_proposes_the_nearest(say: Say) -> None:
    (line,) = errors(say("help", "estimte"))
    assert line == "estimte: no such command; did you mean 'estimate'?"


def test_the_options_of_estimate_stand_in_panels(say: Say) -> None:
    _, text, _ = say("estimate", "-h")
    titles = re.findall(r"^(\S.*):$", text, re.MULTILINE)
    assert titles == ["Arguments", *PANELS, "Examples"]
    panels = dict(zip(titles, re.split(r"^\S.*:$", text, flags=re.MULTILINE)[1:], strict=True))
    for option, panel in {
        "--size": "Pictures",
        "--initial": "Light",
        "--optimizer": "Optimizer",
        "--prior": "Loss and priors",
        "--frames": "Output",
        "--quiet": "Running",
    }.items():
        assert f"{option} " in panels[panel], option


@pytest.mark.parametrize("name", NAMES)
def test_help_has_no_jargon_of_types(say: Say, name: str) -> None:
    _, text, _ = say(name, "-h")
    assert not re.search(r"<\w+|list\[|\bNone\b|Optional|\bstr\b|x[<>]=", text)
    for line in text.partition("Examples:")[0].splitlines():
        assert len(line) <= 80


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_command_lines_that_parse(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.toml").write_text("scene = 's.xml'\nreference = ['a.exr']\n")
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"^ +(envmap-inverse .*)", GROUP.commands[name].help, re.MULTILINE)  # type: ignore[attr-defined]
    assert 1 <= len(examples) <= 5
    assert f"envmap-inverse {name}" in examples[0]
    for example in examples:
        assert len(example) < 90
        _, command, *words = shlex.split(example)
        with (
            GROUP.make_context("envmap-inverse", [command]) as parent,
            GROUP.commands[command].make_context(command, words, parent=parent),  # type: ignore[attr-defined]
        ):
            pass


@pytest.mark.parametrize(
    ("command", "members"),
    [
        ("losses", LOSSES),
        ("priors", PRIORS),
        ("parameterizations", CHOICES),
    ],
)
def test_choices_are_listed_with_keys_and_defaults(
    say: Say, command: str, members: tuple[type, ...]
) -> None:
    status, text, _ = say(command)
    assert status == 0
    assert re.findall(r"^--\w+ (\w+)$", text, re.MULTILINE) == [m.__name__ for m in members]
    assert all(len(line) <= 88 for line in text.splitlines())
    if command == "priors":
        assert re.search(r"^ +weight=0\.04 +how much it counts", text, re.MULTILINE)


def test_materials_are_listed_with_their_keys(say: Say) -> None:
    _, text, _ = say("materials")
    assert re.findall(r"^--material ([\w-]+)", text, re.MULTILINE) == list(MATERIALS)
    assert re.findall(r"^ +(\w+)  +\w+ of ", text, re.MULTILINE) == ["reflectance", "roughness"]
    assert all(len(line) <= 88 for line in text.splitlines())


def test_optimizers_are_listed_with_their_settings(say: Say) -> None:
    _, text, _ = say("optimizers")
    assert re.search(r"^ +learning_rate=0\.02 +step size at the start", text, re.MULTILINE)
    assert re.search(r"^ +tolerance=0\.001 ", text, re.MULTILINE)
    robust = " ".join(text.partition("--optimizer robust")[2].split())
    assert "step size begins at 0.4 / sqrt(iterations)" in robust
    assert re.search(r"learning_rate=0\.02 step size .*; the default is that of 400 iter", robust)
    assert text.count("that of 400 iterations") == 1


# Options of the program


@pytest.mark.parametrize(
    "words", [("-vv", "convert"), ("convert", "-vv"), ("-v", "convert", "-v"), ("convert", "-v")]
)
def test_verbosity_may_stand_before_and_after_the_command(
    say: Say, map_file: Path, words: tuple[str, ...]
) -> None:
    out = map_file.with_name("out.npy")
    status, _, said = say(*words, map_file, out, "--trust-input")
    assert status == 0
    assert ("debug: wrote" in said) == (" ".join(words).count("v") - 1 > 1)


def test_quiet_may_stand_after_the_command(say: Say, map_file: Path) -> None:
    for words in (("-q", "losses"), ("losses", "-q")):
        assert say(*words)[0] == 0
        assert output.console.quiet
    say("losses")
    assert not output.console.quiet


def test_a_log_file_may_be_named_after_the_command(say: Say, map_file: Path) -> None:
    out, log = map_file.with_name("out.npy"), map_file.with_name("log.txt")
    say("convert", map_file, out, "--trust-input", "--log-file", log)
    assert "wrote" in log.read_text()


def test_a_log_file_that_is_a_pipe_which_nobody_reads_is_refused(say: Say, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (fault,) = errors(say("losses", "--log-file", tmp_path / "pipe"))
    assert fault.startswith(f"--log-file {tmp_path}/pipe: cannot be written: ")


def test_links_in_a_circle_are_refused(say: Say, map_file: Path, tmp_path: Path) -> None:
    (tmp_path / "circle.xml").symlink_to("circle.xml")
    faults = errors(say("estimate", tmp_path / "circle.xml", map_file, "-o", tmp_path / "run"))
    assert any("circle.xml" in fault for fault in faults)


@pytest.mark.parametrize("words", [("--stall-limit", 3, "losses"), ("losses", "--stall-limit", 3)])
def test_the_limit_of_a_stall_is_reported_in_seconds(
    say: Say, monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...]
) -> None:
    limits: list[object] = []
    monkeypatch.setattr(parsing, "beat", lambda *, stall_limit: limits.append(stall_limit))
    assert say(*words)[0] == 0
    assert [limit for limit in limits if limit is not None] == [180]


def test_a_wrong_variable_of_completion_is_refused(
    say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_ENVMAP_INVERSE_COMPLETE", "x")
    assert errors(say("losses")) == [
        "_ENVMAP_INVERSE_COMPLETE=x: a shell's completion sets it; unset it"
    ]


# Wrong command lines


def test_all_that_is_wrong_with_options_is_told_at_once(say: Say) -> None:
    words = ("--spp", "many", "--orientation", "uprigt", "--iteration", 3, "--threads", 0)
    assert errors(say("estimate", "scene.xml", "photo.exr", *words)) == [
        "--iteration: no such option; did you mean '--iterations'?",
        "--output is missing: Folder for the results",
        "--spp many: give a whole number",
        "--orientation 'uprigt': unknown; choose one of auto, upright, stored; did you mean "
        "'upright'?",
        "--threads 0: give a whole number from 1 to 1024",
    ]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("estimte",), "estimte: no such command; did you mean 'estimate'?"),
        (("--quit",), "--quit: no such option; did you mean '--quiet'?"),
        (("render", "s.xml", "-o"), "-o: its value is missing; give IMAGE"),
        (("render", "-o", "a.exr"), "SCENE is missing: Mitsuba scene (XML)"),
        (("params", "s.xml", "t.xml"), "too many arguments: t.xml; "),
        (("coverage", "s.xml", "--noise", "low"), "--noise low: give a number"),
        (
            ("estimate", "s", "p", "-o", "x", "--live-port", 70000),
            "--live-port 70000: give a whole number from 0 to 65535",
        ),
        (("convert", "a", "b", "--to", "bal"), "--to 'bal': unknown; .*; did you mean 'ball'?"),
        (("evaluate", "a", "b", "--protocol", "spheres"), "--protocol 'spheres': unknown; "),
        (("params", "s.xml", "--trust-input=3"), "--trust-input: takes no value"),
        (("params", "s.xml", "-z"), "-z: no such option; 'envmap-inverse params --help' lists"),
    ],
)
def test_an_error_says_what_was_found_and_what_is_allowed(
    say: Say, words: tuple[object, ...], line: str
) -> None:
    found, *_ = errors(say(*words))
    assert re.match(line.replace("?", r"\?").replace("(", r"\(").replace(")", r"\)"), found), found


@pytest.mark.parametrize("text", ["iterations = 'many'", "frames = 'perhaps'"])
def test_an_option_of_a_config_is_checked_as_one_of_the_command_line(
    say: Say, tmp_path: Path, text: str
) -> None:
    (tmp_path / "run.toml").write_text(text)
    line, *_ = errors(say("estimate", "s", "p", "-o", "x", "--config", tmp_path / "run.toml"))
    option, value = text.split(" = ")
    assert line.startswith(f"--config: --{option} ")
    assert value.strip("'") in line


def test_unknown_options_of_a_config_are_all_named(say: Say, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("iteration = 3\nlos = 'MSE'\n")
    found = errors(say("estimate", "s", "p", "-o", "x", "--config", tmp_path / "run.toml"))
    assert [line.partition(": ")[2] for line in found] == [
        "unknown option 'iteration'; did you mean 'iterations'?",
        "unknown option 'los'; did you mean 'loss'?",
    ]


def test_a_config_that_cannot_be_read_hides_no_other_fault(say: Say, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("scene: s.xml")
    words = ("--config", tmp_path / "run.toml", "--noise", "rad=1", "--spp", "many")
    found = errors(say("estimate", *words))
    assert [line.split()[0] for line in found] == ["--config", "--spp", "--noise"]


def test_unlike_mistakes_are_told_at_once(
    say: Say, scene_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(scene_file.parent)
    Path("run.toml").write_text("iterations = 'many'\n")
    write_image("there.exr", np.ones((8, 8, 3)))
    found = errors(
        say(
            *("estimate", "scene.xml", "there.exr", "missing.exr", "-o", "out"),
            *("--optimizer", "adam:lr=1", "--noise", "rad=1", "--map-size", "64x"),
            *("--sensor", "0,7", "--config", "run.toml", "--quite"),
        )
    )
    assert found == [
        "--quite: no such option; did you mean '--quiet'?",
        "--config: --iterations many: give a whole number",
        *(line for line in found[2:6] if line.startswith("--")),
        "missing.exr: no such image file",
        "--sensor 7: the scene has 1 sensor, numbered from 0",
    ]
    assert [line.split()[0] for line in found[2:5]] == ["--optimizer", "--map-size", "--noise"]
    assert "did you mean 'learning_rate'" in found[2]
    assert found[3] == "--map-size 64x: give pixels, e.g. 512 or 512x256"


@pytest.mark.parametrize("word", ["--iteration", "--iteration=3"])
def test_the_value_of_a_mistyped_option_is_no_picture(say: Say, word: str) -> None:
    value = () if "=" in word else (3,)
    found = errors(say("estimate", word, *value, "s.xml", "p.exr", "-o", "out"))
    assert [line.split()[0] for line in found] == ["--iteration:", "p.exr:", "s.xml:"]


def test_help_is_given_whatever_else_is_wrong(say: Say) -> None:
    assert say("estimate", "--spp", "many", "-h")[0] == 0


# Warnings


def test_each_run_collects_its_own_warnings() -> None:
    shown: list[str] = []

    def warn_of_the_same() -> None:
        warnings.warn("the map is dark", UserWarning, stacklevel=1)

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = lambda message, *_, **__: shown.append(str(message))
        with collected_warnings() as first:
            warn_of_the_same()
        with collected_warnings() as second:
            warn_of_the_same()
            warnings.warn("another", UserWarning, stacklevel=1)
        warnings.warn("of no run", UserWarning, stacklevel=1)
    assert (first, second) == (["the map is dark"], ["the map is dark", "another"])
    assert shown == ["the map is dark", "the map is dark", "another", "of no run"]


def test_each_fault_of_an_input_is_a_line(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise InputError("a.exr: damaged\nb.exr: damaged")

    monkeypatch.setattr(cli, "app", refuse)
    assert errors(say()) == ["a.exr: damaged", "b.exr: damaged"]
