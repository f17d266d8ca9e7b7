"""The `wtb` command: Rust reads the command line and prints; what runs graphs is done here.

Only Rust writes to stdout, so that it holds nothing but data: what user code prints goes to stderr.
"""

import contextlib
import json
import os
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from wtb import _interrupt, _native
from wtb._command_ground import Asked, opened, user_code
from wtb._figures import plural
from wtb.errors import StoreError, WtbError

if TYPE_CHECKING:
    from wtb._settling import Look
    from wtb.bench import TestBench
    from wtb.cases import Case
    from wtb.runners import BatchTestRunner
    from wtb.workspace import Workspace

__all__ = ["main"]

_INTERRUPTED = 130
_SETTINGS = (
    "breakpoints", "checkpoints", "error", "fail_fast", "max_workers", "metric", "name",
    "on_interrupt", "repeats", "retries", "seed", "window",
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
    asked: Asked = json.loads(request.json())
    # Not for those who only list what there is: it is a dozen modules.
    from wtb import _command_doctor, _command_history, _command_share

    verbs = {
        "run": _run,
        "resume": _resume,
        "show": _command_history.show,
        "checkpoints": _command_history.checkpoints,
        "rollback": _command_history.rollback,
        "fork": _command_history.fork,
        "resume_execution": _command_history.resume,
        "diff": _command_history.diff,
        "files": _command_history.files,
        "restore": _command_history.restore,
        "score": _score,
        "report": _command_share.report,
        "export": _command_share.export,
        "doctor": _command_doctor.doctor,
    }
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


def _run(request: "_native.RequestRef", asked: Asked) -> int:
    from wtb import _settling
    from wtb._selection import select_cases, select_variants
    from wtb.workflow import as_workflow

    display = _native.DisplayRef(request)
    runner = _runner(asked)
    with user_code(display):
        sys.path.insert(0, asked["directory"])
        variants = select_variants(as_workflow(asked["workflow"]), asked)
        cases = select_cases(asked)
    first = cases[: asked["select"]["limit"]]
    looks = _looks(asked, len(variants), first, cases)
    with opened(asked) as bench:
        with user_code(display):
            batch, drive = bench._core.create(
                asked["workflow"],
                variants=variants,
                test_cases=first,
                evaluators=[{"use": one["use"], **one["arguments"]} for one in asked["evaluators"]],
                progress=display,
                runner=runner,
                timeout=asked["timeout_s"],
                workspace=_workspace(asked["workspace"]),
                looks=len(looks),
                **{key: asked[key] for key in _SETTINGS},
            )
            axes = [(len(variants), "variant"), (len(first), "case"), (asked["repeats"], "repeat")]
            shown = axes if asked["repeats"] > 1 else axes[:2]
            display.note(f"Starting {' x '.join(plural(*axis) for axis in shown)}")
            _until_ctrl_c(bench, batch.id, display, drive.run)

            def extend(added: "Sequence[Case]", repeats: int) -> None:
                more = partial(bench.extend, batch, test_cases=tuple(added), repeats=repeats)
                _until_ctrl_c(bench, batch.id, display, partial(more, progress=display))

            _settling.go_on(batch, cases, looks, extend, display.note)
        return request.conclude(bench._core.engine, batch.id)


def _looks(
    asked: Asked, variants: int, first: "Sequence[Case]", cases: "Sequence[Case]"
) -> "list[Look]":
    """Return when results are looked at: once, unless it is asked for more."""
    from wtb import _settling

    until = asked["until_settled"]
    if until is None:
        return [_settling.Look(len(first), asked["repeats"])]
    return _settling.looks_of(variants, len(first), len(cases), asked["repeats"], until)


def _runner(asked: Asked) -> "BatchTestRunner":
    from wtb.runners import RAY, resolve_runner

    options = {
        "process": asked["process"],
        RAY: {"config": asked["ray"], "processes": asked["process"]},
    }
    return resolve_runner(asked["runner"], options.get(asked["runner"]))


def _workspace(asked: Asked) -> "Workspace | None":
    from wtb.workspace import Workspace

    chosen = {name: asked[name] for name in ("rung", "keep") if asked[name] is not None}
    if asked["inputs"] is None and not chosen:
        return None
    return Workspace(asked["inputs"], **chosen)


def _resume(request: "_native.RequestRef", asked: Asked) -> int:
    display = _native.DisplayRef(request)
    batch = asked["batch"]
    with opened(asked) as bench:
        with user_code(display):
            progress = bench.batch(batch).progress
            left = progress.total - progress.ended
            display.note(f"Resuming: {left} of {plural(progress.total, 'execution')} to run")
            _until_ctrl_c(
                bench, batch, display, lambda: bench.resume_batch(batch, progress=display)
            )
        return request.conclude(bench._core.engine, batch)


def _score(request: "_native.RequestRef", asked: Asked) -> int:
    display = _native.DisplayRef(request)
    batch, given = asked["batch"], asked["evaluators"]
    with opened(asked) as bench:
        with user_code(display):
            sys.path.insert(0, asked["directory"])
            succeeded = bench.batch(batch).progress.counts["succeeded"]
            display.note(f"Scoring {plural(succeeded, 'execution')}")
            specs = given and [{"use": one["use"], **one["arguments"]} for one in given]
            bench.score(batch, specs)
        return request.render(bench._core.engine, "{}")


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
