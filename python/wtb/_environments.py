"""What variants need of where they run, and which runners can give it to them."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wtb.errors import ConfigurationError

if TYPE_CHECKING:
    from wtb.variants import Variant

__all__ = ["ENV_VARS", "plain_environment", "refuse_environments", "shares"]

ENV_VARS = "env_vars"
"""The key of an environment that holds environment variables."""


def plain_environment(given: Any, title: str) -> dict[str, Any] | None:
    """Return an environment as plain JSON data, as a store and other machines take it.

    Args:
        given: What the variant was given.
        title: How errors speak of the variant.

    Raises:
        ConfigurationError: It is no mapping, or holds what is no JSON.
    """
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise ConfigurationError(
            f"{title}: environment is a mapping such as {{'env_vars': {{...}}}}, not {given!r}"
        )
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(given), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{title}: environment is JSON ({error})") from error
    _check_variables(plain.get(ENV_VARS, {}), title)
    return plain or None


def _check_variables(variables: object, title: str) -> None:
    named = isinstance(variables, dict) and all(
        name and "=" not in name and isinstance(value, str) and "\0" not in name + value
        for name, value in variables.items()
    )
    if not named:
        raise ConfigurationError(
            f"{title}: env_vars names environment variables and their values, all of them texts, "
            f"not {variables!r}"
        )


def shares(useful: Sequence[int], most: int) -> list[int]:
    """Share workers among environments.

    Each that has work has one, as far as they go. A further one goes to whom it leaves the most to
    do for each (D'Hondt's method), and to nobody who has no use for it as long as others have.

    Args:
        useful: How many workers each could use.
        most: How many there are.

    Example:
        >>> shares([10, 1, 0, 4], 6)
        [3, 1, 0, 2]
    """
    found = [0] * len(useful)
    for _ in range(most if any(useful) else 0):
        order = [
            (one > has, one > 0 and not has, one / (has + 1))
            for one, has in zip(useful, found, strict=True)
        ]
        found[order.index(max(order))] += 1
    return found


def refuse_environments(
    variants: "Sequence[Variant]", runner: str, given: Sequence[str] = ()
) -> None:
    """Refuse variants whose environment a runner cannot give to them.

    Args:
        variants: The variants.
        runner: The runner's kind.
        given: The keys of environments that it gives.

    Raises:
        ConfigurationError: One needs another key.
    """
    for variant in variants:
        needed = [key for key in variant.environment or {} if key not in given]
        if needed:
            only_variables = set(needed) == {ENV_VARS}
            others = "runner='process' or 'ray'" if only_variables else "a batch with runner='ray'"
            raise ConfigurationError(
                f"{variant.title} needs an environment of its own ({', '.join(needed)}), which the "
                f"{runner} runner cannot give it: {others} can"
            )
