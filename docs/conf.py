"""Settings of the documentation: `sphinx-build -W docs build/site`."""

from __future__ import annotations

import io
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy.typing
import typer


class _Named:
    """Stands for `ArrayLike`, of which Sphinx shows all members."""


class _Array(Generic[TypeVar("T")]):  # type: ignore[misc]
    """Stands for `NDArray`, of which Sphinx shows that it is an `ndarray[tuple[Any, ...], ...]`."""


for _name, _kind in (("ArrayLike", _Named), ("NDArray", _Array)):
    _kind.__module__, _kind.__name__, _kind.__qualname__ = "numpy.typing", _name, _name
    setattr(numpy.typing, _name, _kind)

import envmap_inverse  # noqa: E402
from envmap_inverse.cli import app  # noqa: E402

ROOT = Path(__file__).parent.parent
GENERATED = Path(__file__).parent / "generated"

os.environ.update(COLUMNS="78", NO_COLOR="1", TERM="dumb")
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

project = "envmap_inverse"
author = "the authors of envmap_inverse"
version = release = envmap_inverse.__version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = [
    "generated/examples",
    "generated/gallery/*.ipynb",
    "generated/gallery/*.py",
    "**/sg_execution_times.rst",
]
nitpicky = True
nitpick_ignore_regex = [  # types of other libraries, and of modules that have no page
    ("py:.*", r"(numpy|pathlib|collections|envmap_inverse\.\w+)\..*"),
    ("py:class", r"ArrayLike|Figure"),
]
suppress_warnings = ["config.cache"]  # the gallery's settings hold functions

# Pages in Markdown: code cells run when the site is built, and any error ends the build.
myst_enable_extensions = ["dollarmath", "colon_fence", "html_image"]
myst_heading_anchors = 4
nb_execution_mode = "cache"
nb_execution_cache_path = str(ROOT / "build" / "notebooks")
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

linkcheck_timeout = 20
linkcheck_retries = 2
linkcheck_anchors = False  # pages of others name theirs by scripts

html_theme = "pydata_sphinx_theme"
html_title = "envmap_inverse"
html_theme_options = {
    "navbar_align": "left",
    "show_prev_next": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {  # those of sections alone have anything to show
    **{page.stem: [] for page in Path(__file__).parent.glob("*.md")},
    "generated/commands": [],
}
html_static_path = ["_static"]
html_css_files = ["site.css"]

GALLERY_SIZE = 128
"""Of the examples' pictures: large enough to look at, and quick."""


def _gallery_arguments(_: Any, variables: Any) -> list[str]:
    """Command line of an example: small pictures, in the folder that it runs in."""
    name = Path(variables["src_file"]).stem
    return ["--size", str(GALLERY_SIZE), "-o", f"{name}-example"]


class _Written:
    """Shows the pictures that an example has written."""

    def __repr__(self) -> str:
        return "Written"

    def __call__(self, _: Any, variables: Any, gallery: Any) -> str:
        from PIL import Image  # noqa: PLC0415
        from sphinx_gallery.scrapers import figure_rst  # noqa: PLC0415

        source = Path(variables["src_file"])
        shown: list[str] = []
        for path in sorted(Path(f"{source.stem}-example").glob("*.png")):
            target = next(variables["image_path_iterator"])
            with Image.open(path) as picture:
                scale = max(1, 360 // picture.width)
                size = picture.width * scale, picture.height * scale
                picture.convert("RGB").resize(size, Image.Resampling.NEAREST).save(target)
            shown.append(target)
        return str(figure_rst(shown, gallery["src_dir"]))


def _relight_first(name: str) -> tuple[bool, str]:
    """Key by which the examples are sorted."""
    return name != "relight.py", name


sphinx_gallery_conf = {
    "examples_dirs": "generated/examples",
    "gallery_dirs": "generated/gallery",
    "filename_pattern": r"\.py$",
    "within_subsection_order": _relight_first,
    "image_scrapers": (_Written(),),
    "reset_argv": _gallery_arguments,
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1e9,
    "remove_config_comments": True,
}


def _commands() -> str:
    """A page with the help of every command."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    parts = ["# Options of every command\n"]
    for name in ("", *(name for name in commands if name != "help")):
        said = io.StringIO()
        with redirect_stdout(said):
            app([*name.split(), "--help"], prog_name="envmap-inverse", standalone_mode=False)
        title = f"envmap-inverse {name}".strip()
        parts.append(f"## {title}\n\n```text\n{said.getvalue().rstrip()}\n```\n")
    return "\n".join(parts)


GALLERY = """\
Gallery
=======

Scripts to start from. Each runs as it stands, such as ``python examples/relight.py``, in a minute
at most; here they ran with pictures of 128 pixels.
"""


def _generated() -> dict[str, str]:
    """The pages that are made of the program, by name: commands, and examples with titles."""
    found = {"commands.md": _commands(), "examples/README.rst": GALLERY}
    for path in sorted((ROOT / "examples").glob("*.py")):
        title = path.stem.replace("_", " ").capitalize()
        heading = f'"""\n{title}\n{"=" * len(title)}\n\n'
        text = path.read_text(encoding="utf-8").replace('"""', heading, 1)
        found[f"examples/{path.name}"] = text.replace("\n    python ", "\n::\n\n    python ", 1)
    return found


for _name, _text in _generated().items():
    _path = GENERATED / _name
    if not _path.exists() or _path.read_text(encoding="utf-8") != _text:
        _path.parent.mkdir(parents=True, exist_ok=True)
        _path.write_text(_text, encoding="utf-8")
