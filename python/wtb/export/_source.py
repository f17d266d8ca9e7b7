"""A stored batch as exports read it: its head, and its executions a few at a time."""

import json
from collections.abc import Iterator, Mapping
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any

from wtb import _sources
from wtb._records import when
from wtb.execution import CaseRows, Execution
from wtb.export._texts import iso

if TYPE_CHECKING:
    from wtb._native import EngineRef

__all__ = ["PAGE_ROWS", "StoredBatch"]

PAGE_ROWS = 1_000
"""So many executions are read at a time."""


class StoredBatch:
    """A batch in an open store.

    Attributes:
        id: `b_...`.
        engine: The store.
        data: What the store says of the batch.
        spec: What was asked of it.
    """

    def __init__(self, engine: "EngineRef", id: str) -> None:  # noqa: A002
        # What was handed to the writer just before belongs to the export.
        engine.flush()
        self.engine = engine
        self.id = id
        self.data: Mapping[str, Any] = json.loads(engine.batch(id))
        self.spec: Mapping[str, Any] = self.data["spec"]

    @cached_property
    def variants(self) -> Mapping[str, Mapping[str, Any]]:
        """The descriptions of its variants by name, in order."""
        return {name: json.loads(text) for name, text in self.engine.variants(self.id)}

    @property
    def repeats(self) -> int:
        """How often each variant runs each case."""
        repeats: int = self.spec["repeats"]
        return repeats

    def executions(self) -> Iterator[Execution]:
        """Yield its executions by variant, case and repeat, reading `PAGE_ROWS` at a time."""
        cases = CaseRows(self.engine)
        sources = cache(partial(_sources.stored, self.engine, self.id))
        offset, last = 0, (-1, -1, -1)
        while rows := self.engine.executions(
            self.id, False, [], None, None, None, False, PAGE_ROWS, offset
        ):
            offset += len(rows)
            for row in rows:
                one = Execution(self.engine, row, cases, sources)
                place = (one.variant_index, one.case_index, one.repeat)
                # What is added in the meantime moves those behind it into the next page.
                if place > last:
                    last = place
                    yield one

    def head(self) -> dict[str, Any]:
        """Return what it is as JSON data: no values of cases, and no settings of variants."""
        spec, data = self.spec, self.data
        times = {name: when(data[name]) for name in ("created_at", "started_at", "finished_at")}
        return {
            "id": self.id,
            "name": data["name"],
            "workflow": data["workflow"],
            "status": data["status"],
            "counts": data["counts"],
            **{name: None if at is None else iso(at) for name, at in times.items()},
            "repeats": spec["repeats"],
            "seed": spec["seed"],
            "error": spec["error"],
            "metric": spec["metric"],
            "evaluators": [
                {name: one.get(name) for name in ("name", "direction", "version")}
                for one in spec["evaluators"]
            ],
            "variants": [
                {"name": name, "factors": one.get("factors", {})}
                for name, one in self.variants.items()
            ],
        }
