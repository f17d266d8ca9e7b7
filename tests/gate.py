"""The test's end of the gated project: lets executions through and reads their side effects."""

from collections import Counter
from pathlib import Path

from console import until


class Gate:
    """Counts and controls the executions of `gated/gated.py` in a directory."""

    def __init__(self, directory: Path) -> None:
        self._log = directory / "log.txt"
        self._permits = directory / "permits.txt"
        self.let(0)

    def let(self, total: int) -> None:
        """Let executions pass until so many have passed in all."""
        new = self._permits.with_suffix(".new")
        new.write_text(str(total), encoding="utf-8")
        new.replace(self._permits)

    def begun(self) -> Counter[str]:
        """How often each cell has entered the node."""
        return self._cells("begin")

    def passed(self) -> Counter[str]:
        """How often each cell has left the node."""
        return self._cells("end")

    def wait_for(self, *, begun: int, passed: int) -> None:
        """Wait until so many executions have begun, and so many of them passed."""
        what = f"{begun} begun and {passed} passed"
        until(lambda: self.begun().total() >= begun and self.passed().total() >= passed, what)

    def _cells(self, step: str) -> Counter[str]:
        text = self._log.read_text(encoding="utf-8") if self._log.exists() else ""
        lines = [line.split(maxsplit=1) for line in text.splitlines()]
        return Counter(cell for name, cell in lines if name == step)
