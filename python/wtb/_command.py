"""The `wtb` command: Rust reads the command line and prints; what runs graphs is done here.

Only Rust writes to stdout, so that it holds nothing but data: what user code prints goes to stderr.
"""

import contextlib
import json
import logging
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from wtb import _interrupt, _native
from wtb.errors import ConfigurationError, StoreError, WtbError

if TYPE_CHECKING:
    from wtb.bench import TestBench

__all__ = ["main"]

_Asked = Mapping[str, Any]
"""What the Rust part asks for, with every option settled; `wtb_cli::Request` describes it."""

_INTERRUPTED = 130
_REPR_CHARACTERS_MAX = 20_000
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
    except StoreError as error:
        return request.report("internal", str(error))
    except WtbError as error:
        return request.report("usage", str(error))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception:
        return request.report("internal", f"a bug of wtb itself\n\n{traceback.format_exc()}")


def _run(request: "_native.RequestRef", asked: _Asked) -> int:
    from wtb._selection import select_cases, select_variants
    from wtb.workflow import as_workflow

    display = _native.DisplayRef(request)
    with _user_code(display):
        sys.path.insert(0, asked["directory"])
        variants = select_variants(as_workflow(asked["workflow"]), asked)
        cases = select_cases(asked)
    with _opened(asked) as bench:
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
            axes = [(len(variants), "variant"), (len(cases), "case"), (asked["repeats"], "repeat")]
            shown = axes if asked["repeats"] > 1 else axes[:2]
            display.note(f"Starting {' x '.join(_plural(*axis) for axis in shown)}")
            _until_ctrl_c(bench, batch.id, display, drive.run)
        return request.conclude(bench._core.engine, batch.id)


def _resume(request: "_native.RequestRef", asked: _Asked) -> int:
    display = _native.DisplayRef(request)
    batch = asked["batch"]
    with _opened(asked) as bench:
        with _user_code(display):
            progress = bench.batch(batch).progress
            left = progress.total - progress.ended
            display.note(f"Resuming: {left} of {_plural(progress.total, 'execution')} to run")
            _until_ctrl_c(
                bench, batch, display, lambda: bench.resume_batch(batch, progress=display)
            )
        return request.conclude(bench._core.engine, batch)


def _show(request: "_native.RequestRef", asked: _Asked) -> int:
    # Of a type that cannot be imported here the fields are shown: nothing to warn of.
    logging.getLogger("langgraph").setLevel(logging.ERROR)
    with _opened(asked) as bench:
        # Types in the values are imported, and so are the user's modules.
        with _user_code(_native.DisplayRef(request)):
            execution = bench.execution(asked["execution"])
            decoded: dict[str, Any] = {
                "input": _plain(execution.input),
                "output": _plain(execution.output),
                "nodes": [
                    {
                        "attempt": node.attempt,
                        "order": node.order,
                        "input": _plain(node.input),
                        "output": _plain(node.output),
                    }
                    for node in execution.nodes
                ],
            }
            if execution.state is not execution.output:
                decoded["state"] = _plain(execution.state)
            if execution.expected is not None:
                decoded["expected"] = _plain(execution.expected)
            if execution.interrupts:
                decoded["interrupts"] = [_plain(one.value) for one in execution.interrupts]
        return request.show(bench._core.engine, execution.id, json.dumps(decoded))


@contextlib.contextmanager
def _opened(asked: _Asked) -> Iterator["TestBench"]:
    from wtb.bench import TestBench

    address = asked["store"]
    try:
        # The address is a file, whatever it is called: a bench would take some for directories.
        bench = TestBench(address if "://" in address else f"sqlite:///{address}")
    except StoreError as error:
        raise ConfigurationError(
            f"{error}\n\nhint: name another store with `--store` or the variable `WTB_STORE`"
        ) from error
    with bench:
        yield bench


@contextlib.contextmanager
def _user_code(display: "_native.DisplayRef") -> Iterator[None]:
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


def _until_ctrl_c(
    bench: "TestBench", batch: str, display: "_native.DisplayRef", run: Callable[[], Any]
) -> None:
    """Run a batch; Ctrl-C once lets attempts under way end, twice stops them."""

    def press(count: int) -> None:
        active = bench._core.engine.active(batch)
        if count == 1 and active is not None and active.is_under_way():
            display.note("Stopping: what is under way is finished first. Ctrl-C again stops it now")
            active.drain()
            return
        if active is not None:
            active.abandon()
        raise KeyboardInterrupt

    with _interrupt.watched(press, always=True), contextlib.suppress(KeyboardInterrupt):
        run()


def _has_left_threads_behind() -> bool:
    """Whether workers or evaluators are still in user code, though nobody waits for them."""
    return any(one.name.startswith("wtb-") for one in threading.enumerate())


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _plain(value: Any) -> Any:
    """Return a value as JSON data: objects by their fields, or by their `repr` if they have none.

    An object of fields looks alike, whether or not its type can be imported here.
    """
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and value == value and abs(value) != float("inf"):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if hasattr(value, "model_dump"):
        # A message of LangChain has a dozen fields, most of them empty.
        dumped = value.model_dump()
        return {key: _plain(part) for key, part in dumped.items() if part not in (None, {}, [])}
    return repr(value)[:_REPR_CHARACTERS_MAX]
