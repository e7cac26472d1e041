"""Pages that stand alone: they hold their scripts and styles, and request nothing."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from envmap_inverse.report.numbers import number, three_digits
from envmap_inverse.version import __version__

if TYPE_CHECKING:
    import jinja2

__all__ = ["frame_of", "policy_of", "resource", "safe_json", "template"]


def safe_json(value: Any) -> str:
    """JSON that is safe in a script element, which `</script` would end."""
    return json.dumps(value).replace("<", "\\u003c")


def policy_of(styles: Sequence[str], scripts: Sequence[str]) -> str:
    """The content security policy: no requests, and no scripts or styles but these."""
    allowed = {"style-src": styles, "script-src": scripts}
    rules = [f"{key} {' '.join(map(_hash, texts))}" for key, texts in allowed.items()]
    return "; ".join(
        ["default-src 'none'", "img-src data:", *rules, "base-uri 'none'", "form-action 'none'"]
    )


def frame_of(styles: Sequence[str], scripts: Sequence[str]) -> dict[str, Any]:
    """What the templates of all pages need, from the names of files beside this one."""
    texts = [[resource(name) for name in names] for names in (styles, scripts)]
    return {
        "version": __version__,
        "policy": policy_of(*texts),
        "styles": [Markup(text) for text in texts[0]],
        "scripts": [Markup(text) for text in texts[1]],
        "licence": Markup(resource("vendor/uPlot.LICENSE")),
    }


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@functools.cache
def resource(name: str) -> str:
    """The text of a file of this package."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


@functools.cache
def template(name: str) -> jinja2.Template:
    """The template of a page; what it shows is escaped."""
    import jinja2  # noqa: PLC0415 - only pages need it

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(resource),
    )
    environment.filters["number"] = number
    environment.filters["three_digits"] = three_digits
    return environment.get_template(name)
