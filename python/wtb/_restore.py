"""Finds again, in a later session, what a stored batch was made of."""

import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from wtb import _plan, _values
from wtb._answers import OnInterrupt, resolve_on_interrupt
from wtb._arguments import Again
from wtb.cases import Case
from wtb.errors import (
    ConfigurationError,
    UnknownNodeError,
    UnknownVariantError,
    WorkflowImportError,
    WorkflowNotBoundError,
    did_you_mean,
    near_misses,
)
from wtb.evaluators import (
    Evaluator,
    resolve_evaluators,
    restore_evaluators,
    warn_of_changes,
)
from wtb.variants import Variant, VariantLike, normalise_variants
from wtb.workflow import Workflow, as_workflow, import_reference

if TYPE_CHECKING:
    from wtb._job import Job
    from wtb._native import CaseRow, EngineRef
    from wtb.registry import Registry

__all__ = [
    "check_graphs",
    "check_nodes",
    "describe_settings",
    "not_bound",
    "restore_batch_evaluators",
    "restore_case",
    "restore_cases",
    "restore_settings",
    "restore_variants",
    "restore_workflow",
    "variant_rows",
]


def variant_rows(job: "Job", variants: Sequence[Variant]) -> list[tuple[str, str]]:
    """Return variants of a checked job as the store keeps them: names, and JSON."""
    nodes = dict(zip((one.name for one in job.variants), job.graph_nodes, strict=True))
    return [(_plan.name_of(one), _described(one, nodes[one.name])) for one in variants]


def _described(variant: Variant, nodes: Sequence[str]) -> str:
    """Return a variant with what cannot be found again by name, and its graph's nodes."""
    described = variant.describe()
    described["by_value"] = _by_value(variant)
    described["graph_nodes"] = nodes
    # A lone surrogate is no JSON; what holds one is kept by value and only shown.
    return json.dumps(described, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8")


class Settings(NamedTuple):
    """What was given beside workflow, variants and cases."""

    config: Mapping[str, Any] | None
    context: Any
    on_interrupt: OnInterrupt | None


def describe_settings(
    config: Mapping[str, Any] | None,
    context: Any,
    breakpoints: Sequence[str],
    on_interrupt: OnInterrupt | None,
) -> dict[str, Any]:
    """Return what was given beside workflow, variants and cases as the store keeps it.

    With it goes the directory where this program finds its modules first: a later session that
    is started elsewhere (`wtb resume`) looks there, too.
    """
    asked: Any = None if on_interrupt is None else on_interrupt.function
    if asked is not None and _named(asked):
        asked = f"{asked.__module__}:{asked.__qualname__}"
    given = {"config": config, "context": context, "on_interrupt": asked}
    kept = {name: value for name, value in given.items() if _is_json(value)}
    return {
        **kept,
        "breakpoints": [*breakpoints],
        "by_value": [name for name in given if name not in kept],
        "directory": os.path.abspath(sys.path[0] or "."),
    }


def restore_settings(what: str, front: Mapping[str, Any], again: Again) -> Settings:
    """Return what `describe_settings` described.

    Args:
        what: How errors speak of the batch or execution.
        front: What was described.
        again: What the caller passes again.

    Raises:
        WorkflowNotBoundError: One was an object that is no JSON, and is not passed again.
    """
    given = {name: getattr(again, name) for name in Settings._fields}
    missing = [name for name in front["by_value"] if given[name] is None]
    if missing:
        raise WorkflowNotBoundError(
            f"{what} was given {missing[0]}= as an object that the store cannot keep: "
            f"pass {missing[0]}= again, where the call takes it"
        )
    found = {name: front.get(name) if one is None else one for name, one in given.items()}
    asked = found["on_interrupt"]
    if isinstance(asked, str):
        asked = import_reference(asked, front.get("directory"))
    return Settings(found["config"], found["context"], resolve_on_interrupt(asked))


def restore_workflow(
    what: str,
    name: str,
    reference: str | None,
    front: Mapping[str, Any],
    given: object,
    registry: "Registry",
) -> Workflow:
    """Return a stored workflow: the one given, a registered one, or its reference.

    Raises:
        WorkflowNotBoundError: The program has to pass or register it.
    """
    if given is not None:
        return as_workflow(given)
    found = registry.find(name)
    if found is not None:
        return found
    if reference is None:
        raise WorkflowNotBoundError(
            f"{what} runs workflow {name!r}, whose graph was passed as an object: pass workflow= "
            "again, or register it under this name with bench.register(workflow)"
        )
    target = import_reference(reference, front.get("directory"))
    return target if isinstance(target, Workflow) else Workflow(name, reference)


def restore_variants(
    what: str,
    stored: Sequence[tuple[str, Mapping[str, Any]]],
    workflow: Workflow,
    given: "Sequence[VariantLike] | None",
) -> list[Variant]:
    """Return stored variants, in their order.

    Args:
        what: How errors speak of the batch or execution.
        stored: Their names, and how they were described.
        workflow: Their workflow.
        given: Variants that the caller passes again, which are found by their names.

    Raises:
        UnknownVariantError: One that is passed again is none of them.
        WorkflowNotBoundError: One holds something that only the program that made it had.
    """
    variants = []
    again = {one.name: one for one in (normalise_variants(workflow, given) if given else ())}
    names = [name for name, _ in stored]
    for name in again:
        if name not in names:
            raise UnknownVariantError(
                f"{what} has no variant {name!r}. "
                f"{did_you_mean(str(name), names, listed_as='its variants')}"
            )
    for name, described in stored:
        if name in again:
            variants.append(again[name])
            continue
        if described["by_value"]:
            raise WorkflowNotBoundError(
                f"variant {name!r} of {what} was given {', '.join(described['by_value'])} "
                "as an object that cannot be found again by name: pass it again with variants=, "
                "where the call takes them. Implementations that are registered with "
                "@workflow.variant(node, name), or given as 'module:function' references, are "
                "found by themselves"
            )
        parts = {part: described[part] for part in ("nodes", "config", "context", "params")}
        # Batches of earlier versions know no environments.
        environment = described.get("environment")
        variants.append(Variant(name, graph=described["graph"], environment=environment, **parts))
    with not_bound(what, workflow):
        return normalise_variants(workflow, variants)


@contextmanager
def not_bound(what: str, workflow: Workflow) -> Iterator[None]:
    """Tell of what a workflow lacks that it is not the one that `what` was made with.

    Raises:
        WorkflowNotBoundError: A variant cannot be put into the workflow.
    """
    try:
        yield
    except UnknownNodeError as error:
        raise _another_graph(what, workflow, str(error)) from error
    except (UnknownVariantError, WorkflowImportError) as error:
        raise WorkflowNotBoundError(
            f"{what} cannot be taken up with workflow {workflow.name!r}: {error}"
        ) from error


def check_graphs(engine: "EngineRef", batch: str, job: "Job") -> None:
    """Refuse graphs with other nodes than those that a stored batch was made with.

    Raises:
        WorkflowNotBoundError: A variant's graph has, before its nodes are substituted, others.
    """
    stored = {name: json.loads(text)["graph_nodes"] for name, text in engine.variants(batch)}
    for variant, nodes in zip(job.variants, job.graph_nodes, strict=True):
        check_nodes(f"batch {batch}", job.workflow, variant, stored[_plan.name_of(variant)], nodes)


def check_nodes(
    what: str, workflow: Workflow, variant: Variant, before: Sequence[str], now: Sequence[str]
) -> None:
    """Refuse a graph with other nodes than before.

    Raises:
        WorkflowNotBoundError: Nodes are missing or new.
    """
    missing = [node for node in before if node not in now]
    new = [node for node in now if node not in before]
    if not (missing or new):
        return
    close = {node: near_misses(node, new) for node in missing}
    told = [
        f"{node!r} (is it {close[node][0]!r} now?)" if close[node] else repr(node)
        for node in missing
    ]
    raise _another_graph(
        what,
        workflow,
        f"{variant.title}: nodes that are missing: {', '.join(told) or 'none'}; "
        f"nodes that are new: {', '.join(repr(node) for node in new) or 'none'}",
    )


def _another_graph(what: str, workflow: Workflow, why: str) -> WorkflowNotBoundError:
    return WorkflowNotBoundError(
        f"{what} cannot be taken up with workflow {workflow.name!r}: its executions come from one "
        "graph. The code of nodes may change; where nodes come or go, start anew with run_batch. "
        f"{why}"
    )


def restore_batch_evaluators(
    data: Mapping[str, Any], given: "Sequence[Any] | None", known: "Sequence[Evaluator]"
) -> "list[Evaluator]":
    """Return a stored batch's evaluators: those given, those still known, or found by name.

    Raises:
        ConfigurationError: One that is given is none of the batch's, or one cannot be found.
    """
    described = data["spec"]["evaluators"]
    names = [one["name"] for one in described]
    found = {one.name: one for one in known}
    for one in resolve_evaluators(given or ()):
        if one.name not in names:
            raise ConfigurationError(
                f"batch {data['id']} was not made with evaluator {one.name!r}. "
                f"{did_you_mean(one.name, names, listed_as='its evaluators')} "
                "bench.score(batch, evaluators) adds others"
            )
        found[one.name] = one
    warn_of_changes(described, list(found.values()))
    lost = restore_evaluators([one for one in described if one["name"] not in found])
    found.update((one.name, one) for one in lost)
    return [found[name] for name in names]


def restore_cases(engine: "EngineRef", batch: str) -> list[Case]:
    """Return the cases of a stored batch, in its order."""
    return [_case(engine, row) for row in engine.cases(batch)]


def restore_case(engine: "EngineRef", batch: str, case: str) -> Case:
    """Return one case of a stored batch."""
    return next(_case(engine, row) for row in engine.cases(batch) if row[0] == case)


def _case(engine: "EngineRef", row: "CaseRow") -> Case:
    key, group, tags, given, expected, answers, workspace = row
    return Case(
        _values.load(engine, given),
        _values.load(engine, expected),
        id=key,
        tags=tuple(tags),
        group=group,
        answers=_values.load(engine, answers),
        workspace=workspace,
    )


def _by_value(variant: Variant) -> list[str]:
    parts = [f"node {node!r}" for node, chosen in variant.nodes.items() if not _named(chosen)]
    if variant.graph is not None and not _named(variant.graph):
        parts.append("its graph")
    return parts + [
        f"its {part}"
        for part in ("config", "context", "params")
        if not _is_json(getattr(variant, part))
    ]


def _named(chosen: object) -> bool:
    """Whether a choice can be found again: a name, or something importable under its own name."""
    if isinstance(chosen, str):
        return True
    module = getattr(chosen, "__module__", None)
    qualified = getattr(chosen, "__qualname__", None)
    if not module or not qualified or module == "__main__" or "<" in qualified:
        return False
    try:
        return import_reference(f"{module}:{qualified}") is chosen
    except WorkflowImportError:
        return False


def _is_json(given: object) -> bool:
    """Whether JSON gives back the very same value: no tuples, no objects, no huge integers."""
    if isinstance(given, dict):
        return all(isinstance(key, str) and _is_json(key) for key in given) and all(
            _is_json(value) for value in given.values()
        )
    if isinstance(given, list):
        return all(_is_json(value) for value in given)
    if isinstance(given, float):
        return type(given) is float and math.isfinite(given)
    if isinstance(given, int):
        return type(given) in (int, bool) and -(2**63) <= given < 2**63
    if isinstance(given, str):
        return type(given) is str and _values.printable(given) == given
    return given is None
