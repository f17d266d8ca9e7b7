"""What the verbs of the command stand on: the open store, and user code that keeps off stdout."""

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from wtb.errors import ConfigurationError, StoreError

if TYPE_CHECKING:
    from wtb import _native
    from wtb.bench import TestBench

__all__ = ["Asked", "opened", "reading", "user_code"]

Asked = Mapping[str, Any]
"""What the Rust part asks for, with every option settled; `wtb_cli::Request` describes it."""


@contextlib.contextmanager
def opened(asked: Asked) -> Iterator["TestBench"]:
    """Open the store that is asked for."""
    from wtb.bench import TestBench

    address = asked["store"]
    try:
        # The address is a file, whatever it is called: a bench would take some for directories.
        address = address if "://" in address else f"sqlite:///{address}"
        bench = TestBench(address, object_store=asked.get("object_store"))
    except StoreError as error:
        raise ConfigurationError(
            f"{error}\n\nhint: name another store with `--store` or the variable `WTB_STORE`"
        ) from error
    with bench:
        yield bench


@contextlib.contextmanager
def user_code(display: "_native.DisplayRef") -> Iterator[None]:
    """Keep stdout free of what user code prints, and the progress bar whole when it warns."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        del file, line
        is_ours = Path(filename).parent == Path(__file__).parent
        where = "" if is_ours else f" ({category.__name__}, {filename}:{lineno})"
        display.note(f"warning: {message}{where}")

    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.showwarning = show
        # Below Python as well, for what nodes start as processes.
        kept = os.dup(1)
        os.dup2(2, 1)
        try:
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)


@contextlib.contextmanager
def reading(request: "_native.RequestRef") -> Iterator[None]:
    """Read values: types in them are imported, and so are the user's modules."""
    # Of a type that cannot be imported here the fields are shown: nothing to warn of.
    logging.getLogger("langgraph").setLevel(logging.ERROR)
    from wtb import _native

    with user_code(_native.DisplayRef(request)):
        yield
