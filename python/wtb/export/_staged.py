"""Files that appear under their names when all of them are complete, and not before."""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from wtb.errors import ConfigurationError

__all__ = ["Staged"]


class Staged:
    """Writes files beside their places and moves them there together, at the end.

    Use it as a context manager: leaving it without an error puts the files in place, and with an
    error removes them, so that older files of these names are as they were. Directories that are
    missing are made.

    Example:
        >>> with Staged() as files:                                             # doctest: +SKIP
        ...     files.open(Path("scores.csv")).write(b"metric,value")
    """

    def __init__(self) -> None:
        self._open: list[tuple[BinaryIO, Path, Path]] = []

    @property
    def paths(self) -> list[Path]:
        """Where the files will be, in the order in which they were opened."""
        return [path for _, _, path in self._open]

    def open(self, path: Path) -> BinaryIO:
        """Return a new file that is to become `path`.

        Raises:
            ConfigurationError: There cannot be such a file; the text says why.
        """
        # What a link leads to is replaced, not the link.
        place = Path(os.path.realpath(path))
        if place.exists() and not place.is_file():
            kind = "a directory" if place.is_dir() else "no regular file"
            raise ConfigurationError(f"{str(path)!r} is {kind}: name a file to export to")
        unfinished = place.with_name(f".wtb-{secrets.token_hex(6)}.part")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            file = unfinished.open("xb")
        except OSError as error:
            raise _refused(path, error) from error
        self._open.append((file, unfinished, path))
        return file

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
        except OSError as refused:
            raise _refused(self._open[0][2], refused) from refused
        finally:
            for file, unfinished, _ in self._open:
                with suppress(OSError):
                    file.close()
                with suppress(OSError):
                    unfinished.unlink()
        if isinstance(error, OSError) and self._open:
            raise _refused(self._open[0][2], error) from error

    def _put_in_place(self) -> None:
        for file, _, _ in self._open:
            file.flush()
            os.fsync(file.fileno())
            file.close()
        for _, unfinished, path in self._open:
            unfinished.replace(os.path.realpath(path))


def _refused(path: Path, error: OSError) -> ConfigurationError:
    reason = error.strerror or str(error) or type(error).__name__
    return ConfigurationError(f"cannot export to {str(path)!r}: {reason}")
