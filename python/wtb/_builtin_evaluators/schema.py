"""Whether an output fits a JSON Schema. The library `jsonschema` decides."""

import json
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from wtb._builtin_evaluators.parts import (
    built_in,
    check_field,
    check_flag,
    parsed,
    pick,
    short,
)
from wtb._evaluator import Evaluator
from wtb._scores import Score
from wtb.errors import ConfigurationError, EvaluatorError

__all__ = ["json_schema"]

ERRORS_MAX = 5
"""How many of an output's errors are named in the reason of its score."""

_MESSAGE_CHARACTERS_MAX = 300


def json_schema(
    schema: Mapping[str, Any] | bool | None = None,
    field: str | None = None,
    parse: bool = True,
    *,
    name: str | None = None,
) -> Evaluator:
    """Return an evaluator that gives 1 if the output fits a JSON Schema, else 0.

    The reason names the first errors with their places (`$.items[2].price`). A schema without
    `$schema` is one of draft 2020-12. Schemas elsewhere are never fetched: a reference has to lead
    to a part of the schema itself. As the standard has it, `format` demands nothing.

    Args:
        schema: The schema for every case; by default the expected value of each case, all of it,
            is its own.
        field: What of the output has to fit, see `exact_match`.
        parse: Whether a text that is JSON counts as what it stands for.
        name: See `exact_match`.

    Raises:
        ConfigurationError: The schema is none, or refers to one elsewhere.

    Example:
        >>> json_schema({"required": ["answer"]})({"anwser": "Paris"}, None)
        Score(value=False, name=None, reason="$: 'answer' is a required property")
    """
    check_field("json_schema", field)
    check_flag("json_schema", "parse", parse)
    own = None if schema is None else _errors_of(schema, ConfigurationError)
    plain = None if schema is None else _storable(schema)

    def evaluate(output: Any, expected: Any) -> Score | None:
        if own is None and expected is None:
            return None
        errors_of = own or _errors_of(expected, EvaluatorError)
        given = output if field is None else pick(output, field)
        errors = errors_of(_as_json(parsed(given) if parse else given))
        return Score(not errors, reason="; ".join(errors) or None)

    return built_in("json_schema", name, evaluate, schema=plain, field=field, parse=parse)


def _errors_of(
    schema: Any, refused: type[ConfigurationError] | type[EvaluatorError]
) -> Callable[[Any], list[str]]:
    """Return the function that tells what of a value does not fit; the schema is checked first."""
    # Imported where it is needed, because most benches need no schemas.
    from jsonschema import (  # type: ignore[import-untyped]  # it has no type hints
        Draft202012Validator,
        SchemaError,
        validators,
    )
    from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]  # the same

    if not isinstance(schema, Mapping | bool):
        raise refused(f"json_schema: {short(schema)} is no schema, which is a mapping, or a bool")
    plain = _as_json(schema)
    is_dated = isinstance(plain, dict) and "$schema" in plain
    kind = validators.validator_for(plain, default=None) if is_dated else Draft202012Validator
    if kind is None:
        raise refused(f"json_schema: {short(plain['$schema'])} is no draft that is known")
    try:
        kind.check_schema(plain)
    except SchemaError as error:
        place = error.json_path
        raise refused(
            f"json_schema: this is no schema, at {place}: {_cut(error.message)}"
        ) from None
    _check_references(plain, kind.META_SCHEMA["$schema"], refused)
    # With a registry of its own it asks nobody for what it lacks.
    validator = kind(plain, registry=REGISTRY)

    def errors_of(value: Any) -> list[str]:
        found = list(islice(validator.iter_errors(value), ERRORS_MAX + 1))
        told = [f"{one.json_path}: {_cut(one.message)}" for one in found[:ERRORS_MAX]]
        return [*told, "and more"] if len(found) > ERRORS_MAX else told

    return errors_of


def _check_references(
    schema: Any, draft: str, refused: type[ConfigurationError] | type[EvaluatorError]
) -> None:
    """Follow every reference, so that one out of the schema is told before anything is scored."""
    from jsonschema_specifications import REGISTRY
    from referencing import Resource
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import specification_with

    default = specification_with(draft)
    root = default.create_resource(schema)
    remaining = [(root, REGISTRY.resolver_with_root(root))]
    seen = set()
    while remaining:
        resource, resolver = remaining.pop()
        if not isinstance(resource.contents, Mapping) or id(resource.contents) in seen:
            continue
        seen.add(id(resource.contents))
        target = None
        try:
            remaining += [(one, resolver.in_subresource(one)) for one in resource.subresources()]
            for target in _references(resource.contents):
                found = resolver.lookup(target)
                meant = Resource.from_contents(found.contents, default_specification=default)
                remaining.append((meant, found.resolver))
        except Unresolvable:
            raise refused(
                f"json_schema: the schema refers to {target!r}, which it does not hold; "
                "schemas elsewhere are not fetched: put what is meant under '$defs' and refer "
                "to it by '#/$defs/...'"
            ) from None


def _references(schema: Mapping[str, Any]) -> list[str]:
    found = (schema.get(key) for key in ("$ref", "$dynamicRef"))
    return [one for one in found if isinstance(one, str)]


def _storable(schema: Any) -> Any:
    plain = _as_json(schema)
    try:
        json.dumps(plain, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"json_schema: the schema is no JSON: {error}") from None
    return plain


def _as_json(value: Any) -> Any:
    """Return mappings and sequences of any kind as the ones that the library knows."""
    if isinstance(value, Mapping):
        return {key: _as_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(one) for one in value]
    return value


def _cut(message: str) -> str:
    bound = _MESSAGE_CHARACTERS_MAX
    return message if len(message) <= bound else f"{message[: bound - 1]}…"
