"""Check a scene's XML files, including those that they include, before Mitsuba parses them."""

from __future__ import annotations

import xml.parsers.expat
from collections.abc import Mapping, Sequence
from pathlib import Path

from envmap_inverse.errors import InputError, MissingFileError
from envmap_inverse.scene.mesh_checks import is_mesh
from envmap_inverse.system.plain_names import is_utf8

__all__ = ["check_xml"]

MAX_DEPTH = 100
"""Mitsuba's parser recurses into elements and crashes at some depth; scenes need about ten."""

MAX_INCLUDES = 15
"""Most files that include one another, as in Mitsuba."""


def check_xml(path: Path, defaults: Mapping[str, str]) -> list[Path]:
    """Refuse XML that would crash Mitsuba, or that its parser would read incompletely.

    Args:
        path: the scene's file.
        defaults: values for `$name`.

    Returns:
        The scene's file and all that it includes.

    Raises:
        InputError: if a file is not well-formed XML, declares entities, or nests its elements or
            its includes too deep.
        FileNotFoundError: if the scene's file does not exist.
    """
    if not is_utf8(path):
        raise InputError(f"{path}: its name is no UTF-8, which Mitsuba needs; rename it")
    if is_mesh(path):
        raise InputError(
            f"{path}: is a mesh, not a scene; 'estimate' makes a scene of it, with --material and "
            "--camera (load_mesh in Python)"
        )
    files: list[Path] = []
    _File(path, dict(defaults), folders=[Path()], depth=0, num_includers=0, files=files).check()
    return files


class _File:
    """One of a scene's files; included files are checked at the point where Mitsuba reads them."""

    def __init__(
        self,
        path: Path,
        values: dict[str, str],
        *,
        folders: Sequence[Path],
        depth: int,
        num_includers: int,
        files: list[Path],
    ) -> None:
        """Describe a file.

        Args:
            path: the file.
            values: values for `$name`, shared by all files; <default> elements add to them.
            folders: folders in which the including files look for theirs.
            depth: number of elements around it.
            num_includers: length of the chain of files that include it.
            files: receives all files that are checked.
        """
        self._path, self._values = path, values
        self._folders = [path.parent, *folders]
        self._depth, self._num_includers, self._files = depth, num_includers, files
        self._parser = xml.parsers.expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.EntityDeclHandler = self._refuse_entity

    def check(self) -> None:
        """Check the file."""
        self._files.append(self._path)
        if not self._path.exists():
            raise MissingFileError(f"{self._path}: no such scene file")
        if not self._path.is_file():
            raise InputError(f"{self._path}: is a folder or a device; name the scene's XML file")
        if self._num_includers > MAX_INCLUDES:
            raise InputError(f"{self._path}: more than {MAX_INCLUDES} files include one another")
        try:
            self._parser.Parse(self._path.read_bytes(), True)
        except xml.parsers.expat.ExpatError as error:
            raise InputError(f"{self._path}: malformed XML: {error}") from None
        except OSError as error:
            raise InputError(f"{self._path}: cannot be read: {error.strerror}") from None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise InputError(
                f"{self._path}: line {self._parser.CurrentLineNumber}: elements are nested more "
                f"than {MAX_DEPTH} deep"
            )
        given = {key: self._substituted(value) for key, value in attributes.items()}
        if name == "default":
            self._values.setdefault(given.get("name", ""), given.get("value", ""))
        elif name == "path":
            self._folders.insert(0, self._found(given.get("value", "")))
        elif name == "include":
            self._include(self._found(given.get("filename", "")))

    def _end(self, _name: str) -> None:
        self._depth -= 1

    def _refuse_entity(self, name: str, *_: object) -> None:
        raise InputError(f"{self._path}: declares the entity {name!r}; write its text in its place")

    def _include(self, path: Path) -> None:
        if path.is_file():  # if not, Mitsuba says where it has looked
            _File(
                path,
                self._values,
                folders=self._folders,
                depth=self._depth,
                num_includers=self._num_includers + 1,
                files=self._files,
            ).check()

    def _substituted(self, text: str) -> str:
        """Substitute values for `$name`, longest names first, as Mitsuba does."""
        for name in sorted(self._values, key=len, reverse=True):
            text = text.replace(f"${name}", self._values[name])
        return text

    def _found(self, name: str) -> Path:
        """The file or folder with this name in the first folder that has one."""
        candidates = [folder / name for folder in self._folders]
        return next((path for path in candidates if path.exists()), candidates[0])
