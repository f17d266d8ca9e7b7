"""Files that appear under their names when all of them are complete, and not before."""

import os
import secrets
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from wtb.errors import ConfigurationError

__all__ = ["Staged", "named_file"]

STALE_SECONDS = 24 * 60 * 60
"""An unfinished file of another process that has been there for so long is removed."""

STDOUT = 1
"""The descriptor of standard output."""


def named_file(path: str | os.PathLike[str]) -> Path:
    """Return what a caller names as a file to write to.

    Raises:
        ConfigurationError: It is no path.
    """
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ConfigurationError(f"path is a file to write to, not {path!r}")
    return Path(text)


@dataclass(frozen=True)
class _Unfinished:
    """A file that is being written.

    Attributes:
        file: What is written to.
        beside: Where it is until it is complete.
        place: What it is to replace.
        path: How that was named.
    """

    file: BinaryIO
    beside: Path
    place: Path
    path: Path


class Staged:
    """Writes files beside their places and moves them there together, at the end.

    Use it as a context manager: leaving it without an error puts the files in place, and with an
    error removes them, so that older files of these names are as they were. Directories that are
    missing are made, links are followed, and a file that is replaced hands on its permissions.

    Example:
        >>> with Staged() as files:                                             # doctest: +SKIP
        ...     files.open(Path("scores.csv")).write(b"metric,value")
    """

    def __init__(self) -> None:
        self._files: list[_Unfinished] = []
        self._output: BinaryIO | None = None

    @property
    def paths(self) -> list[Path]:
        """Where the files will be, in the order in which they were opened."""
        return [one.path for one in self._files]

    def open(self, path: Path) -> BinaryIO:
        """Return a new file that is to become `path`.

        Raises:
            ConfigurationError: There cannot be such a file; the text says why.
        """
        try:
            place, mode = _place_of(path)
            if any(one.place == place for one in self._files):
                raise ConfigurationError(
                    f"{str(path)!r} is named twice: one would overwrite the other"
                )
            place.parent.mkdir(parents=True, exist_ok=True)
            _remove_stale(place.parent)
            beside = place.with_name(f".wtb-{secrets.token_hex(6)}.part")
            file = beside.open("xb")
        except OSError as error:
            raise _refused(path, error) from error
        self._files.append(_Unfinished(file, beside, place, path))
        if mode is not None:
            # At once: nobody may read meanwhile what they may not read in the end.
            os.fchmod(file.fileno(), mode)
        return file

    def open_output(self) -> BinaryIO:
        """Return a file that goes to standard output as a whole, at the end.

        Raises:
            ConfigurationError: Something goes there already.
        """
        if self._output is not None:
            raise ConfigurationError("standard output (`-`) is named twice: it takes one file")
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the others)
        return self._output

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._put_in_place()
        except BrokenPipeError:
            raise
        except OSError as refused:
            raise self._failed(refused) from refused
        finally:
            for one in self._files:
                with suppress(OSError):
                    one.file.close()
                with suppress(OSError):
                    one.beside.unlink()
            if self._output is not None:
                self._output.close()
        if isinstance(error, OSError):
            raise self._failed(error) from error

    def _put_in_place(self) -> None:
        for one in self._files:
            one.file.flush()
            os.fsync(one.file.fileno())
            one.file.close()
        # Before files are replaced: who reads from a pipe may be gone.
        if self._output is not None:
            self._output.seek(0)
            if sys.stdout is None:
                raise ConfigurationError("standard output is closed")
            sys.stdout.flush()
            with open(STDOUT, "wb", closefd=False) as standard_output:
                shutil.copyfileobj(self._output, standard_output)
        for one in self._files:
            one.beside.replace(one.place)

    def _failed(self, error: OSError) -> ConfigurationError:
        return _refused(self._files[0].path if self._files else Path("-"), error)


def _place_of(path: Path) -> tuple[Path, int | None]:
    """Return what a path leads to, and the permissions of the file that is there.

    Raises:
        ConfigurationError: What is there cannot be replaced by a file.
    """
    # What a link leads to is replaced, not the link.
    place = Path(os.path.realpath(path))
    if _leads_to_a_descriptor(path):
        raise ConfigurationError(f"{str(path)!r} is an open descriptor, {_NOT_REPLACED}")
    try:
        found = place.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return place, None
    if stat.S_ISDIR(found):
        raise ConfigurationError(f"{str(path)!r} is a directory: name a file to write to")
    if not stat.S_ISREG(found):
        raise ConfigurationError(f"{str(path)!r} is no regular file, {_NOT_REPLACED}")
    return place, stat.S_IMODE(found)


_NOT_REPLACED = (
    "which cannot be replaced by one. Name a file to write to; the command writes to standard "
    "output with `-o -`, as in `wtb export --format csv -o - | ...`"
)


def _leads_to_a_descriptor(path: Path) -> bool:
    """Whether a path such as `/dev/stdout` leads through the process's own descriptors.

    Where such a descriptor is of a regular file, nothing else tells it from that file's own name,
    and who has opened it would go on writing to what was replaced.
    """
    with suppress(OSError):
        processes = os.stat("/proc/self").st_dev
        return any(link.parent.stat().st_dev == processes for link in _links(path))
    return False


def _links(path: Path) -> Iterator[Path]:
    """Yield the links that a path leads through by its last part."""
    for _ in range(40):
        if not path.is_symlink():
            return
        yield path
        path = path.parent / path.readlink()


def _remove_stale(directory: Path) -> None:
    """Remove what exports that were killed have left unfinished."""
    for one in directory.glob(".wtb-*.part"):
        with suppress(OSError):
            if one.lstat().st_mtime < time.time() - STALE_SECONDS:
                one.unlink()


def _refused(path: Path, error: OSError) -> ConfigurationError:
    reason = error.strerror or str(error) or type(error).__name__
    return ConfigurationError(f"cannot write {str(path)!r}: {reason}")
