"""Names of kinds: which ones a reader asks for, and which ones a user may publish."""

from collections.abc import Sequence

from wtb._native import CUSTOM_PREFIX, EVENT_KINDS
from wtb.errors import ConfigurationError, did_you_mean

__all__ = ["KIND_CHARACTERS_MAX", "check_custom", "select"]

KIND_CHARACTERS_MAX = 200
"""The longest name of a kind that can be published."""


def select(kinds: str | Sequence[str] | None) -> list[str]:
    """Return the names and patterns as the store takes them; an empty list stands for all kinds.

    Args:
        kinds: Exact names ("execution.failed"), patterns ("execution.*", "*"), or None for all.

    Raises:
        ConfigurationError: A name is unknown, or there are none.

    Example:
        >>> select(["execution.*", "custom.note"])
        ['execution.*', 'custom.note']
    """
    if kinds is None:
        return []
    wanted = [kinds] if isinstance(kinds, str) else list(kinds)
    if not wanted:
        raise ConfigurationError("kinds is empty, so nothing would match; leave it out for all")
    for kind in wanted:
        _check_known(kind)
    return [] if "*" in wanted else wanted


def check_custom(kind: str) -> None:
    """Make sure that a user may publish events of this kind.

    Raises:
        ConfigurationError: It does not begin with `custom.`, or cannot be asked for by name.
    """
    if not isinstance(kind, str) or not kind.startswith(CUSTOM_PREFIX):
        raise ConfigurationError(
            f"kind {kind!r}: kinds of your own begin with {CUSTOM_PREFIX!r}, "
            f"for example {CUSTOM_PREFIX}note; WTB alone publishes the others"
        )
    if kind == CUSTOM_PREFIX or "*" in kind:
        raise ConfigurationError(
            f"kind {kind!r} needs a name after {CUSTOM_PREFIX!r}, and no '*', "
            "which stands for any name in patterns"
        )
    if len(kind) > KIND_CHARACTERS_MAX:
        raise ConfigurationError(
            f"kind {kind[:40]!r}... has {len(kind)} characters; "
            f"at most {KIND_CHARACTERS_MAX} are possible. Put the rest into data"
        )


def _check_known(kind: str) -> None:
    if not isinstance(kind, str):
        raise ConfigurationError(f"kinds holds names of kinds, not {kind!r}")
    prefix = kind.removesuffix("*")
    if "*" in prefix:
        raise ConfigurationError(f"kind {kind!r}: a '*' can stand at the end only")
    if prefix.startswith(CUSTOM_PREFIX):
        return
    if kind in EVENT_KINDS:
        return
    known = [*EVENT_KINDS, CUSTOM_PREFIX]
    if prefix != kind and any(one.startswith(prefix) for one in known):
        return
    families = sorted({f"{one.split('.')[0]}.*" for one in known})
    names = families if prefix != kind else [*EVENT_KINDS, f"{CUSTOM_PREFIX}*"]
    listed = did_you_mean(kind, names, listed_as="kinds")
    if prefix == kind:
        listed += f" Whole families: {', '.join(families)}."
    raise ConfigurationError(f"there is no kind of event {kind!r}. {listed}")
