"""Which keys a graph's input must have, so that a case can be refused before anything runs.

LangGraph itself checks almost nothing: an input may lack any key of a TypedDict, and only the node
that reads it fails. What counts as required here is what would surely fail:

- every required key of an input schema of its own (`StateGraph(State, input_schema=Input)`), and
  of a pydantic or dataclass state, which LangGraph cannot construct without it;
- where the input is a TypedDict state, whose keys nodes fill in as well, those keys that the first
  node reads before it could decide anything.

Keys with a reducer have a value to begin with and are never required.
"""

import dataclasses
import dis
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, get_type_hints

from langgraph.channels import LastValue
from langgraph.graph import START
from langgraph.types import Command
from pydantic import BaseModel

from wtb.errors import InvalidCaseError, near_misses
from wtb.langgraph.loading import AnyGraph

_BRANCHING = ("JUMP", "FOR_ITER", "SEND")


@dataclass(frozen=True, slots=True)
class InputKeys:
    """The keys that a graph's input may have, and those that it must have, in schema order."""

    known: tuple[str, ...]
    required: tuple[str, ...]


def input_keys(graph: AnyGraph) -> InputKeys | None:
    """Return the keys of the graph's input, or None when the input is no set of keys."""
    builder = getattr(graph, "builder", None)
    if builder is None:
        return None
    known = tuple(builder.schemas[builder.input_schema])
    if known == ("__root__",):
        return None
    schema = builder.input_schema
    if schema is builder.state_schema and not _is_constructed(schema):
        candidates = _read_first(graph)
    else:
        candidates = _required_by(schema)
    plain = (key for key in known if type(builder.channels.get(key)) is LastValue)
    return InputKeys(known, tuple(key for key in plain if key in candidates))


def check_input(keys: InputKeys | None, case_id: str, value: object) -> list[str]:
    """Check a case's input and return the keys that the graph will not read.

    Args:
        keys: What `input_keys` returned for the graph.
        case_id: How errors speak of the case.
        value: The case's input.

    Raises:
        InvalidCaseError: The input is None, no mapping where one is needed, or lacks a key.
    """
    if value is None:
        raise InvalidCaseError(f"case {case_id!r} has no input; a graph starts from its state")
    if keys is None or isinstance(value, Command | BaseModel) or dataclasses.is_dataclass(value):
        return []
    if not isinstance(value, Mapping):
        raise InvalidCaseError(
            f"case {case_id!r}: its input is a {type(value).__name__} ({value!r:.80}), but the "
            f"graph takes a mapping with the keys {_listed(keys.known)}"
        )
    unknown = [str(key) for key in value if key not in keys.known]
    for missing in keys.required:
        if missing not in value:
            raise InvalidCaseError(_missing(case_id, missing, unknown, keys, list(value)))
    # An empty input leaves all to the graph; one whose every key is unknown is a mistake.
    if value and not any(key in value for key in keys.known):
        raise InvalidCaseError(
            f"case {case_id!r}: none of its keys ({_listed(list(value))}) is one of the graph's "
            f"input, which are {_listed(keys.known)}"
        )
    return unknown


def _missing(
    case_id: str, missing: str, unknown: list[str], keys: InputKeys, given: list[str]
) -> str:
    close = near_misses(missing, unknown)
    meant = f" Is {close[0]!r} meant to be {missing!r}?" if close else ""
    return (
        f"case {case_id!r} lacks the key {missing!r} that the graph's input needs.{meant} "
        f"It has: {_listed(given)}. Required: {_listed(keys.required)}"
    )


def _is_constructed(schema: Any) -> bool:
    """Whether LangGraph builds an object of the schema, which fails when a field is missing."""
    return inspect.isclass(schema) and (
        issubclass(schema, BaseModel) or dataclasses.is_dataclass(schema)
    )


def _required_by(schema: Any) -> set[str]:
    if inspect.isclass(schema) and issubclass(schema, BaseModel):
        return {name for name, info in schema.model_fields.items() if info.is_required()}
    if dataclasses.is_dataclass(schema):
        return {
            one.name
            for one in dataclasses.fields(schema)
            if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
        }
    required = getattr(schema, "__required_keys__", None)
    return set(get_type_hints(schema)) if required is None else set(required)


def _read_first(graph: AnyGraph) -> set[str]:
    """Return the keys that are read for certain by a node that surely runs in the first step."""
    builder: Any = getattr(graph, "builder", None)
    first = [target for source, target in builder.edges if source == START]
    functions: list[Any] = [
        getattr(graph.nodes[name].bound, "func", None)
        or getattr(graph.nodes[name].bound, "afunc", None)
        for name in first
        if name in graph.nodes
    ]
    functions.extend(
        getattr(branch.path, "func", None) for branch in builder.branches.get(START, {}).values()
    )
    return {key for function in functions for key in _reads_for_certain(function)}


def _reads_for_certain(function: Any) -> Iterator[str]:
    """Yield each `"key"` of a `state["key"]` that comes before the function's first branch.

    Bytecode and not source, because lambdas and interactive code have no source to read.
    """
    while isinstance(function, partial):
        if function.args:
            return
        function = function.func
    bound = inspect.ismethod(function)
    if not inspect.isroutine(function) and callable(function):
        function, bound = type(function).__call__, True
    code = getattr(function, "__code__", None)
    if code is None or code.co_argcount < 1 + bound:
        return
    state = code.co_varnames[bound]
    instructions = list(dis.get_instructions(code))
    # A handler of the function may catch the missing key; where it begins is not looked for.
    if any(instruction.opname == "PUSH_EXC_INFO" for instruction in instructions):
        return
    for position, instruction in enumerate(instructions):
        if any(part in instruction.opname for part in _BRANCHING):
            return
        if not _loads(instruction, state):
            continue
        match instructions[position + 1 : position + 3]:
            case [key, subscript] if _subscripts(subscript) and isinstance(key.argval, str):
                yield key.argval
            case _:
                # Any other use of the state may well change it.
                return


def _subscripts(instruction: dis.Instruction) -> bool:
    return instruction.opname.startswith("BINARY_SUBSCR") or (
        instruction.opname == "BINARY_OP" and instruction.argrepr == "[]"
    )


def _loads(instruction: dis.Instruction, name: str) -> bool:
    if not instruction.opname.startswith(("LOAD_FAST", "LOAD_DEREF", "LOAD_CLOSURE")):
        return False
    loaded = instruction.argval
    # Newer interpreters load two variables by one instruction; the last one is on top.
    return bool((loaded[-1] if isinstance(loaded, tuple) else loaded) == name)


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(repr(name) for name in names) or "none"
