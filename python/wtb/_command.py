"""The `wtb` command: Rust reads the command line and prints; what runs graphs is done here.

Only Rust writes to stdout, so that it holds nothing but data: what user code prints goes to stderr.
"""

import contextlib
import json
import logging
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from wtb import _native
from wtb.errors import ConfigurationError, StoreError, WtbError

if TYPE_CHECKING:
    from wtb._drive import Drive
    from wtb.bench import TestBench

__all__ = ["main"]

_Asked = Mapping[str, Any]
"""What the Rust part asks for, with every option settled; see `Request` of `wtb-cli`."""

_INTERRUPTED = 130
_SETTINGS = (
    "error", "fail_fast", "max_workers", "metric", "name", "repeats", "retries", "runner", "seed",
    "window",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Perform a command line and return its exit code.

    Args:
        arguments: The command line without the program's name; by default the process's own.
    """
    step = _native.start(["wtb", *(sys.argv[1:] if arguments is None else arguments)])
    if isinstance(step, int):
        return step
    code = _perform(step)
    if arguments is None and _has_left_threads_behind():
        # The interpreter would wait for thread pools in user code, for as long as that hangs.
        sys.stderr.flush()
        os._exit(code)
    return code


def _perform(request: "_native.RequestRef") -> int:
    asked: _Asked = json.loads(request.json())
    verbs = {"run": _run, "resume": _resume, "show": _show}
    try:
        return verbs[asked["verb"]](request, asked)
    except _NothingSelectedError as error:
        return request.report("selection", str(error))
    except StoreError as error:
        return request.report("internal", str(error))
    except WtbError as error:
        return request.report("usage", str(error))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception:
        return request.report("internal", f"this is a bug of wtb\n\n{traceback.format_exc()}")


def _run(request: "_native.RequestRef", asked: _Asked) -> int:
    from wtb._selection import NothingSelectedError, select_cases, select_variants
    from wtb.workflow import as_workflow

    display = _native.DisplayRef(request)
    with _user_code(display):
        sys.path.insert(0, asked["directory"])
        variants = select_variants(as_workflow(asked["workflow"]), asked)
        try:
            cases = select_cases(asked)
        except NothingSelectedError as error:
            return request.report("selection", str(error))
    with _open(asked) as bench:
        with _user_code(display):
            batch, drive = bench._core.create(
                asked["workflow"],
                variants=variants,
                test_cases=cases,
                evaluators=[{"use": one["use"], **one["arguments"]} for one in asked["evaluators"]],
                progress=display,
                timeout=asked["timeout_s"],
                **{key: asked[key] for key in _SETTINGS},
            )
            axes = {"variant": len(variants), "case": len(cases), "repeat": asked["repeats"]}
            display.note(f"Starting {' x '.join(_plural(*axis) for axis in axes.items())}")
            _until_ctrl_c(bench, batch.id, display, drive.run)
        return request.conclude(bench._core.engine, batch.id)
