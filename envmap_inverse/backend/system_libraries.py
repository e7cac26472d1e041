"""Libraries of the system that Mitsuba's wheels need and do not carry, and how to install them."""

from __future__ import annotations

import ctypes
import re
import sys

__all__ = ["NEEDED", "how_to_install", "is_missing", "missing_libraries", "missing_library"]

_SYSTEMS = {
    "apt-get install": "Debian, Ubuntu",
    "dnf install": "Fedora, RHEL",
    "apk add": "Alpine",
    "pacman -S": "Arch",
}
_PACKAGES = {
    "libatomic.so.1": ("libatomic1", "libatomic", "libatomic", "gcc-libs"),
    "libgcc_s.so.1": ("libgcc-s1", "libgcc", "libgcc", "gcc-libs"),
    "libstdc++.so.6": ("libstdc++6", "libstdc++", "libstdc++", "gcc-libs"),
    "libz.so.1": ("zlib1g", "zlib", "zlib", "zlib"),
}
"""Which package has a library, in the order of `_SYSTEMS`."""

NEEDED = tuple(_PACKAGES) if sys.platform == "linux" else ()
"""Minimal systems lack the first: Dr.Jit needs it, and so does the libc++ of the LLVM wheel."""


def missing_libraries() -> list[str]:
    """List the libraries that Mitsuba needs and the system lacks."""
    return [library for library in NEEDED if is_missing(library)]


def is_missing(library: str) -> bool:
    """Report whether a library does not load."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return True
    return False


def missing_library(error: BaseException | None) -> str | None:
    """Name the library whose lack led to an error, if that is what happened.

    Where it is libatomic, importing Dr.Jit 1.5 ends in a NameError: its handler of the ImportError
    stumbles over a name of its own. So the whole chain of errors is searched.
    """
    while error is not None:
        match = re.search(r"(lib[^\s:/]+\.so[.\d]*): cannot open shared object file", str(error))
        if match:
            return match[1]
        error = error.__cause__ or error.__context__
    return None


def how_to_install(library: str) -> str:
    """Give the command that installs a library, for each common package manager."""
    packages = _PACKAGES.get(library)
    if packages is None:
        return f"install the package of your system that has {library}"
    commands = [
        f"'{command} {package}' ({systems})"
        for (command, systems), package in zip(_SYSTEMS.items(), packages, strict=True)
    ]
    return f"install it with {', '.join(commands[:-1])} or {commands[-1]}"
