"""The verbs of the command for single executions, their histories and their files."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wtb import _native
from wtb._command_ground import Asked, opened, reading, user_code
from wtb._history import head_of, history_of, standing_of
from wtb._plain import plain
from wtb.errors import ConfigurationError
from wtb.files import entry_dict
from wtb.variants import Variant

if TYPE_CHECKING:
    from wtb.bench import TestBench
    from wtb.execution import Execution

__all__ = ["checkpoints", "diff", "files", "fork", "restore", "resume", "rollback", "show"]

QUESTION_PREFIX_MIN = 4
"""So much of a question's id has to stand before an answer at the least."""

_STANDING_STILL = ("paused", "interrupted", "failed", "timed_out", "cancelled")


def show(request: "_native.RequestRef", asked: Asked) -> int:
    """Show an execution."""
    with opened(asked) as bench:
        with reading(request):
            execution = bench.execution(asked["execution"])
            decoded = _decoded(bench, execution)
        return request.show(bench._core.engine, execution.key, decoded)


def checkpoints(request: "_native.RequestRef", asked: Asked) -> int:
    """Show the history of an execution."""
    with opened(asked) as bench:
        with reading(request):
            execution = bench.execution(asked["execution"])
            if execution.lineages == 0:
                raise ConfigurationError(
                    f"execution {execution.id} has no checkpoints: it ran with checkpoints='off', "
                    "or has not been started"
                )
            source = bench._core.checkpoints
            found = history_of(source, execution, every=asked["all"], values=asked["values"])
        return request.render(bench._core.engine, json.dumps(found))


def rollback(request: "_native.RequestRef", asked: Asked) -> int:
    """Put an execution back."""
    with opened(asked) as bench:
        with reading(request):
            execution = bench.rollback(asked["execution"], **asked["place"])
            found = standing_of(bench._core.checkpoints, execution)
        return request.render(bench._core.engine, json.dumps(found))


def fork(request: "_native.RequestRef", asked: Asked) -> int:
    """Make a fork, and run it if that is asked for, too."""
    display = _native.DisplayRef(request)
    with opened(asked) as bench:
        with user_code(display):
            source = bench.execution(asked["execution"])
            _find_modules_of(bench, source)
            made = bench.fork(
                source,
                **asked["place"],
                update=asked["update"],
                as_node=asked["as_node"],
                variant=_variant(asked),
            )
            if not asked["resume"]:
                found = standing_of(bench._core.checkpoints, made)
        if not asked["resume"]:
            return request.render(bench._core.engine, json.dumps(found))
        display.note(f"Forked {source.id}: the fork is {made.id}")
        return _go_on(request, bench, made, display)


def resume(request: "_native.RequestRef", asked: Asked) -> int:
    """Go on with an execution."""
    display = _native.DisplayRef(request)
    with opened(asked) as bench:
        with user_code(display):
            execution = bench.execution(asked["execution"])
            answer = _answer(execution, asked["answers"])
        return _go_on(request, bench, execution, display, update=asked["update"], answer=answer)


def diff(request: "_native.RequestRef", asked: Asked) -> int:
    """Compare two executions."""
    with opened(asked) as bench:
        with reading(request):
            found = bench.diff(asked["a"], asked["b"]).to_dict()
        return request.render(bench._core.engine, json.dumps(found))


def files(request: "_native.RequestRef", asked: Asked) -> int:
    """List the files of an execution, or what has changed in them."""
    with opened(asked) as bench:
        with reading(request):
            execution, at, since = asked["execution"], asked["at"], asked["since"]
            if since is None:
                listed = bench.files(execution, at=at)
                found: dict[str, Any] = {"files": [entry_dict(one) for one in listed]}
            else:
                changes = bench.changed_files(execution, since=since, until=at)
                found = {"changes": [one.to_dict() for one in changes]}
        return request.render(bench._core.engine, json.dumps(found))


def restore(request: "_native.RequestRef", asked: Asked) -> int:
    """Write the files of an execution into a directory."""
    with opened(asked) as bench:
        with reading(request):
            execution, at = asked["execution"], asked["at"]
            place = bench.restore(execution, asked["directory"], at=at, force=asked["force"])
            sizes = [one.size for one in bench.files(execution, at=at) if one.size is not None]
            found = {"directory": str(place), "files": len(sizes), "bytes": sum(sizes)}
        return request.render(bench._core.engine, json.dumps(found))


def _go_on(
    request: "_native.RequestRef",
    bench: "TestBench",
    execution: "Execution",
    display: "_native.DisplayRef",
    *,
    update: Any = None,
    answer: Any = None,
) -> int:
    """Run an execution on, and show it."""
    with user_code(display):
        try:
            ended = bench.resume(execution, update=update, answer=answer)
        except KeyboardInterrupt:
            display.note(f"Stopped: {execution.id} can be resumed from its last checkpoint")
            raise
    with reading(request):
        decoded = _decoded(bench, ended)
    return request.show(bench._core.engine, ended.key, decoded)


def _decoded(bench: "TestBench", execution: "Execution") -> str:
    """Return the values of an execution as the Rust part takes them."""
    decoded: dict[str, Any] = {
        "input": plain(execution.input),
        "output": plain(execution.output),
        "nodes": [
            {
                "attempt": node.attempt,
                "order": node.order,
                "input": plain(node.input),
                "output": plain(node.output),
            }
            for node in execution.nodes
        ],
    }
    if execution.state is not execution.output:
        decoded["state"] = plain(execution.state)
    if execution.expected is not None:
        decoded["expected"] = plain(execution.expected)
    if execution.interrupts:
        asked = execution.interrupts
        decoded["interrupts"] = [{"id": one.id, "value": plain(one.value)} for one in asked]
    if execution.status in _STANDING_STILL:
        head = head_of(bench._core.checkpoints, execution)
        names = () if head is None else head.next
        decoded["next"] = [name for name in names if not name.startswith("__")]
    return json.dumps(decoded)


def _variant(asked: Asked) -> Variant | None:
    nodes, config = asked["nodes"], asked["config"]
    return Variant(nodes=nodes, config=config) if nodes or config else None


def _find_modules_of(bench: "TestBench", execution: "Execution") -> None:
    """Look for modules first where the program that made the execution did.

    There is what `--variant` names, and the fork's own record says that it is to be looked there.
    """
    front = execution.front
    if front is None and execution.batch_id is not None:
        front = bench._core.stored(execution.batch_id)["spec"]["front"]
    directory = (front or {}).get("directory")
    if directory is not None:
        sys.path.insert(0, directory)


def _answer(execution: "Execution", given: Sequence[str]) -> Any:
    """Return the answers that were typed as `TestBench.resume` takes them."""
    ids = [one.id for one in execution.interrupts]
    found: dict[str, Any] = {}
    for text in given:
        key, _, rest = text.partition("=")
        fitting = [one for one in ids if "=" in text and one.startswith(key)]
        if len(fitting) != 1 or len(key) < QUESTION_PREFIX_MIN:
            if len(given) == 1:
                return _json_or_text(text)
            raise ConfigurationError(
                f"--answer {text!r} does not say which question it answers: write ID=ANSWER. "
                f"Execution {execution.id} asks: {_listed(execution)}"
            )
        if fitting[0] in found:
            raise ConfigurationError(f"question {fitting[0]} is answered twice")
        found[fitting[0]] = _json_or_text(rest)
    # The answer to an only question is not told apart.
    return found[ids[0]] if found and len(ids) == 1 else found or None


def _listed(execution: "Execution") -> str:
    return ", ".join(f"{one.id} ({one.value!r})" for one in execution.interrupts) or "nothing"


def _json_or_text(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if value is None:
        raise ConfigurationError("null is no answer: the execution would only ask again")
    return value
