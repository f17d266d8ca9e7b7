"""From what a bench file says and a command line selects to the variants and cases to run."""

import os
import traceback
from collections.abc import Iterable, Mapping
from typing import Any

from wtb.cases import Case, load_cases
from wtb.errors import ConfigurationError, InvalidCaseError, UnknownVariantError, did_you_mean
from wtb.variants import Variant, grid, normalise_variants
from wtb.workflow import Workflow, import_reference

__all__ = ["select_cases", "select_variants"]


def select_variants(workflow: Workflow, asked: Mapping[str, Any]) -> list[Variant]:
    """Return the variants to run: those written out, then those of the grid.

    Args:
        workflow: The workflow.
        asked: The command's request: `variants`, `grid` and `select`.

    Raises:
        ConfigurationError: A variant cannot be, or one is selected that the bench does not have.
    """
    written = [Variant(**{**one, "context": one["context"] or None}) for one in asked["variants"]]
    axes = asked["grid"]
    combined = grid(axes.pop("nodes"), **axes) if axes else []
    variants = normalise_variants(workflow, [*written, *combined])
    names = [one.name or "" for one in variants]
    selected = asked["select"]["variants"]
    for name in selected:
        if name not in names:
            raise UnknownVariantError(
                f"the bench has no variant {name!r}. "
                f"{did_you_mean(name, names, listed_as='its variants')}"
            )
    return [one for one in variants if not selected or one.name in selected]


def select_cases(asked: Mapping[str, Any]) -> list[Case]:
    """Return the selected cases, in the order of their source; a limit is the caller's business.

    Args:
        asked: The command's request: `cases` and `select`.

    Raises:
        ConfigurationError: They cannot be loaded, or one is selected that the bench does not have.
    """
    cases = _loaded(asked)
    known = [one.id for one in cases]
    selected = asked["select"]["cases"]
    for wanted in selected:
        if wanted not in known:
            raise InvalidCaseError(
                f"the bench has no case {wanted!r}. "
                f"{did_you_mean(wanted, known, listed_as='its cases')}"
            )
    return [one for one in cases if not selected or one.id in selected]


def _loaded(asked: Mapping[str, Any]) -> list[Case]:
    given, column = asked["cases"], asked["workspace"]["column"]
    if "inline" not in given:
        return load_cases(_source(given), workspace=column)
    own = any("workspace" in one for one in given["inline"])
    # The bench file's own paths start from its directory.
    placed = [
        {**one, "workspace": os.path.join(asked["directory"], one["workspace"])}
        if "workspace" in one
        else one
        for one in given["inline"]
    ]
    return load_cases(placed, workspace="workspace" if own else None)


def _source(given: Mapping[str, Any]) -> Any:
    """Return what `load_cases` takes."""
    if "reference" not in given:
        return given.get("file") or given["inline"]
    reference = given["reference"]
    found = import_reference(reference)
    try:
        made = found() if callable(found) else found
        # A generator raises here, where it is known whose it is.
        return list(made) if isinstance(made, Iterable) and not isinstance(made, str) else made
    except Exception as error:
        # The first frame is this one.
        own = error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)
        text = "".join(traceback.format_exception(own)).rstrip()
        raise ConfigurationError(f"cases: {reference!r} raised:\n\n{text}") from error
