"""The `wtb` command: Rust reads the command line and prints; what runs graphs is done here."""

import contextlib
import json
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wtb import _native

if TYPE_CHECKING:
    from wtb.bench import TestBench
    from wtb.cases import Case
    from wtb.variants import Variant

__all__ = ["main"]

_REPR_CHARACTERS_MAX = 20_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Perform a command line and return its exit code.

    Args:
        arguments: The command line without the program's name; by default the process's own.
    """
    step = _native.start(["wtb", *(sys.argv[1:] if arguments is None else arguments)])
    if isinstance(step, int):
        return step
    return _perform(step)


def _perform(request: "_native.RequestRef") -> int:
    from wtb.errors import StoreError, WtbError

    asked = json.loads(request.json())
    verbs = {"run": _run, "resume": _resume, "show": _show}
    try:
        return verbs[asked["verb"]](request, asked)
    except StoreError as error:
        return request.report("internal", str(error))
    except _NothingSelectedError as error:
        return request.report("selection", str(error))
    except (WtbError, OSError) as error:
        return request.report("usage", str(error))
    except KeyboardInterrupt:
        return 130
    except Exception:
        return request.report("internal", traceback.format_exc().rstrip())


class _NothingSelectedError(Exception):
    """Nothing is left to run after the selection."""


def _run(request: "_native.RequestRef", asked: Mapping[str, Any]) -> int:
    from wtb.bench import TestBench
    from wtb.workflow import as_workflow

    sys.path.insert(0, asked["directory"])
    workflow = as_workflow(asked["workflow"])
    variants = _select_variants(workflow, asked)
    cases = _select_cases(_load_cases(asked["cases"]), asked["select"])
    evaluators = [{"use": one["use"], **one["arguments"]} for one in asked["evaluators"]]
    display = _native.DisplayRef(request)
    with TestBench(asked["store"]) as bench:
        display.note(
            f"Starting {len(variants)} variants x {len(cases)} cases"
            + (f" x {asked['repeats']} repeats" if asked["repeats"] > 1 else "")
        )
        with contextlib.suppress(KeyboardInterrupt):
            bench.run_batch(
                asked["workflow"],
                variants=variants,
                test_cases=cases,
                evaluators=evaluators,
                progress=display,
                timeout=asked["timeout_s"],
                **{key: asked[key] for key in _SETTINGS},
            )
        return request.conclude(bench._core.engine, bench.batch("latest").id)


_SETTINGS = (
    "error", "fail_fast", "max_workers", "metric", "name", "repeats", "retries", "runner", "seed",
    "window",
)  # fmt: skip


def _resume(request: "_native.RequestRef", asked: Mapping[str, Any]) -> int:
    from wtb.bench import TestBench

    with TestBench(asked["store"]) as bench:
        with contextlib.suppress(KeyboardInterrupt):
            bench.resume_batch(asked["batch"], progress=_native.DisplayRef(request))
        return request.conclude(bench._core.engine, asked["batch"])


def _show(request: "_native.RequestRef", asked: Mapping[str, Any]) -> int:
    from wtb.bench import TestBench

    with TestBench(asked["store"]) as bench:
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


def _select_variants(workflow: Any, asked: Mapping[str, Any]) -> "list[Variant]":
    from wtb.errors import UnknownVariantError, did_you_mean
    from wtb.variants import Variant, grid, normalise_variants

    written = [
        Variant(
            one["name"],
            nodes=one["nodes"],
            config=one["config"],
            context=one["context"] or None,
            params=one["params"],
            graph=one["graph"],
        )
        for one in asked["variants"]
    ]
    axes = asked["grid"]
    combined = (
        grid(axes["nodes"], config=axes["config"], context=axes["context"], params=axes["params"])
        if axes
        else []
    )
    variants = normalise_variants(workflow, [*written, *combined] or [Variant()])
    names = [one.name or "" for one in variants]
    for name in asked["select"]["variants"]:
        if name not in names:
            raise UnknownVariantError(
                f"the bench has no variant {name!r}. "
                f"{did_you_mean(name, names, listed_as='its variants')}"
            )
    wanted = asked["select"]["variants"] or names
    return [one for one in variants if one.name in wanted]


def _load_cases(source: Mapping[str, Any]) -> "list[Case]":
    from wtb.cases import Case, load_cases, normalise_cases
    from wtb.workflow import import_reference

    if "file" in source:
        return load_cases(source["file"])
    if "inline" in source:
        return normalise_cases(
            [Case(**{**one, "tags": tuple(one.get("tags", ()))}) for one in source["inline"]]
        )
    found = import_reference(source["reference"])
    return load_cases(found() if callable(found) else found)


def _select_cases(cases: "list[Case]", select: Mapping[str, Any]) -> "list[Case]":
    from wtb.errors import InvalidCaseError, did_you_mean

    known = [one.id for one in cases]
    for wanted in select["cases"]:
        if wanted not in known:
            raise InvalidCaseError(
                f"the bench has no case {wanted!r}. "
                f"{did_you_mean(wanted, known, listed_as='its cases')}"
            )
    chosen = [one for one in cases if not select["cases"] or one.id in select["cases"]]
    chosen = chosen[: select["limit"]]
    if not chosen:
        raise _NothingSelectedError("no case is selected: nothing to run")
    return chosen


def _plain(value: Any) -> Any:
    """Return a value as JSON data, with the `repr` of what is none."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and value == value and abs(value) != float("inf"):
        return value
    return repr(value)[:_REPR_CHARACTERS_MAX]
