"""What the documents say is true: they are generated, run, linked and compared with the code."""

import ast
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from wtb import _native

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md", *DOCS.glob("*.md")]
PAGES += ROOT.glob("examples/**/README.md")

_COMMAND = "import sys; from wtb._command import main; sys.exit(main())"
_BLOCK = re.compile(
    r"^<!-- (?P<mark>run|file: (?P<file>[\w./-]+)) -->\n```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_PRINTS = re.compile(r"# prints: (.*)$", re.MULTILINE)


def wtb_command(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND, *arguments], capture_output=True, check=True, text=True
    )
    return done.stdout


def generate_api() -> str:
    sys.path.insert(0, str(DOCS))
    try:
        text: str = importlib.import_module("generate_api").api_reference()
    finally:
        sys.path.remove(str(DOCS))
    return text


@pytest.mark.parametrize(
    ("name", "generate"),
    [
        ("cli.md", lambda: wtb_command("reference")),
        ("bench.schema.json", lambda: wtb_command("schema")),
        ("api.md", generate_api),
    ],
)
def test_generated_files_are_what_is_generated_now(name: str, generate: Callable[[], str]) -> None:
    written = (DOCS / name).read_text(encoding="utf-8")
    assert written == generate(), f"docs/{name} is out of date: run `make docs`"


# Blocks that run


def blocks(page: Path) -> list[re.Match[str]]:
    return list(_BLOCK.finditer(page.read_text(encoding="utf-8")))


def script(page: Path) -> str:
    """Return the blocks of a page that run as one program, with `$ wtb` lines as calls."""
    parts = ["import subprocess, sys\n"]
    for block in blocks(page):
        if block["file"]:
            continue
        if block["language"] == "python":
            parts.append(block["text"])
            continue
        for line in block["text"].splitlines():
            arguments = line.removeprefix("$ wtb").split("#")[0].split()
            command = f"[sys.executable, '-c', {_COMMAND!r}, *{arguments!r}]"
            parts.append(f"subprocess.run({command}, check=True, stdout=subprocess.DEVNULL)\n")
    return "\n".join(parts)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.exists() and blocks(page)], ids=lambda page: page.name
)
def test_marked_blocks_run_and_print_what_they_say(page: Path, tmp_path: Path) -> None:
    for block in blocks(page):
        if block["file"]:
            (tmp_path / block["file"]).write_text(block["text"], encoding="utf-8")
    program = tmp_path / "page.py"
    program.write_text(script(page), encoding="utf-8")
    # Every doc is a project of its own: no settings of the person who runs the tests count.
    outside = {key: value for key, value in os.environ.items() if not key.startswith("WTB_")}
    package = os.pathsep.join([str(ROOT / "python"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, program.name],
        cwd=tmp_path,
        env={**outside, "PYTHONPATH": package},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed = iter(done.stdout.splitlines())
    for expected in _PRINTS.findall(program.read_text(encoding="utf-8")):
        assert expected in printed, f"{page.name} never prints {expected!r}:\n{done.stdout}"


def test_all_python_in_documents_is_python() -> None:
    checked = 0
    for page in PAGES:
        for text in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S):
            if page.name == "api.md":
                continue  # Signatures.
            compile(text.replace("...,", ""), str(page), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            checked += 1
    assert checked > 10


# Links


def links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if "://" not in target:
                yield page, target


def test_relative_links_lead_somewhere() -> None:
    found = list(links())
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page, target in found
        if not (page.parent / target.partition("#")[0]).exists()
    ]
    assert found
    assert not broken


def test_the_index_names_every_page() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    pages = [page.name for page in DOCS.glob("*.md") if page.name != "README.md"]
    assert [name for name in pages if f"]({name})" not in index] == []


# Events


def declared_events() -> dict[str, list[str]]:
    """Return the kinds with the keys of their data, as the engine declares them."""
    source = (ROOT / "crates/wtb-model/src/event.rs").read_text(encoding="utf-8")
    declared: dict[str, list[str]] = {}
    for line in source.partition("event_body! {")[2].partition("\n}\n")[0].splitlines():
        if kind := re.match(r' {4}\w+ = "([\w.]+)" \{', line):
            declared[kind[1]] = []
        elif key := re.match(r" {8}(\w+): ", line):
            declared[next(reversed(declared))].append(key[1])
    return declared


def test_the_table_of_kinds_is_complete() -> None:
    page = (DOCS / "events.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w.]+)` \| [^|]+ \| ([^|]*) \|$", page, re.MULTILINE)
    told = {kind: re.findall(r"`(\w+)`", data) for kind, data in rows}
    assert sorted(told) == sorted(_native.EVENT_KINDS)
    assert told == declared_events()


# Limits


class Limit(NamedTuple):
    what: str
    default: str
    home: str
    name: str


_UNITS = {
    "s": 1.0,
    "bytes": 1.0,
    "KiB": 1024.0,
    "MiB": 1024.0**2,
    "GiB": 1024.0**3,
}
_SECONDS = {"millis": 1e-3, "secs": 1, "mins": 60, "hours": 3600}
_SCALES = {"_MS": 1e-3, "_ms": 1e-3, "_MICROS": 1e-6}


def limits() -> list[Limit]:
    page = (DOCS / "limits.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \| `([^`]+)` `([^`]+)` \|$", page, re.MULTILINE
    )
    return [Limit(*row) for row in rows]


def told(limit: Limit) -> float | None:
    if limit.default == "none":
        return None
    number, _, unit = limit.default.replace(",", "").partition(" ")
    return float(number) * _UNITS.get(unit, 1.0)


def in_the_code(limit: Limit) -> float | None:
    value = _of_python(limit) if limit.home.startswith("wtb.") else _of_rust(limit)
    if value is None:
        return None
    scale = next((s for end, s in _SCALES.items() if limit.name.endswith(end)), 1.0)
    return abs(float(value)) * scale


def _of_python(limit: Limit) -> Any:
    module = importlib.import_module(limit.home)
    if argument := re.fullmatch(r"([\w.]+)\((\w+)\)", limit.name):
        function: Any = module
        for part in argument[1].split("."):
            function = getattr(function, part)
        return inspect.signature(function).parameters[argument[2]].default
    return getattr(module, limit.name)


def _of_rust(limit: Limit) -> Any:
    owner, _, name = limit.name.rpartition("::")
    pattern = (
        rf"impl Default for {owner} \{{.*?\b{name}: (?P<value>.+?),\n"
        if owner
        else rf"const {name}: \w+ = (?P<value>.+?);"
    )
    found = [
        match["value"]
        for source in sorted((ROOT / "crates" / limit.home / "src").rglob("*.rs"))
        for match in re.finditer(pattern, source.read_text(encoding="utf-8"), re.DOTALL)
    ]
    assert len(found) == 1, f"{limit.home} has {len(found)} of {limit.name}"
    text = re.sub(r"Duration::from_(\w+)\((.*)\)", lambda m: f"{m[2]} * {_SECONDS[m[1]]}", found[0])
    text = text.replace("i64::MAX as u64 / 2", "(2**63 - 1) // 2")
    return None if text == "None" else eval(text, {"__builtins__": {}})


@pytest.mark.parametrize("limit", limits(), ids=lambda limit: f"{limit.home}:{limit.name}")
def test_limits_are_what_the_code_says(limit: Limit) -> None:
    assert told(limit) == pytest.approx(in_the_code(limit)), limit.what


def test_every_bound_is_listed() -> None:
    listed = {(one.home, one.name.rpartition("::")[2]) for one in limits()}
    missing = []
    for source in (ROOT / "python/wtb").rglob("*.py"):
        home = ".".join(source.relative_to(ROOT / "python").with_suffix("").parts)
        names = re.findall(r"^(\w*MAX\w*)(?:: \w+)? = ", source.read_text("utf-8"), re.MULTILINE)
        missing += [(home, name) for name in names if (home, name) not in listed]
    for source in (ROOT / "crates").glob("*/src/**/*.rs"):
        home = source.relative_to(ROOT / "crates").parts[0]
        names = re.findall(r"\bconst (\w*MAX\w*): ", source.read_text("utf-8"))
        missing += [(home, name) for name in names if (home, name) not in listed]
    assert missing == [], "docs/limits.md has to name every bound"


# What ARCHITECTURE.md says is absent


def rust_sources(*crates: str) -> Iterator[tuple[Path, str]]:
    for crate in crates:
        for source in sorted((ROOT / "crates" / crate / "src").rglob("*.rs")):
            # What stands below is for tests.
            yield source, source.read_text(encoding="utf-8").partition("#[cfg(test)]")[0]


def dependencies(manifest: Path) -> str:
    return manifest.read_text(encoding="utf-8").partition("[dev-dependencies]")[0]


def test_only_the_extension_knows_python() -> None:
    manifests = sorted(ROOT.glob("crates/*/Cargo.toml"))
    assert manifests
    assert [one for one in manifests if "pyo3" in one.read_text(encoding="utf-8")] == []
    assert "pyo3" in dependencies(ROOT / "python/Cargo.toml")


def test_only_the_store_knows_sql() -> None:
    manifests = [*ROOT.glob("crates/*/Cargo.toml"), ROOT / "python/Cargo.toml"]
    known = [
        (one.parent.name, client)
        for one in manifests
        for client in ("rusqlite", "postgres")
        if re.search(rf"^{client}\b", dependencies(one), re.MULTILINE)
    ]
    assert sorted(known) == [("wtb-postgres", "postgres"), ("wtb-store", "rusqlite")]


def test_dependencies_point_downwards() -> None:
    below = {
        "wtb-model": set(),
        "wtb-scheduler": set(),
        "wtb-store": {"wtb-model"},
        "wtb-postgres": {"wtb-model", "wtb-store"},
        "wtb-workspace": {"wtb-model", "wtb-store"},
        "wtb-worker": {"wtb-model", "wtb-store"},
        "wtb-evaluation": {"wtb-model"},
        "wtb-engine": {
            "wtb-evaluation",
            "wtb-model",
            "wtb-scheduler",
            "wtb-store",
            "wtb-postgres",
            "wtb-worker",
            "wtb-workspace",
        },
        "wtb-cli": {"wtb-model", "wtb-store", "wtb-engine"},
    }
    found = {
        manifest.parent.name: set(re.findall(r"^(wtb-\w+)", dependencies(manifest), re.MULTILINE))
        for manifest in ROOT.glob("crates/*/Cargo.toml")
    }
    assert found == below


def test_only_the_command_prints_reads_the_environment_or_the_scheduler_a_clock() -> None:
    silent = [
        f"wtb-{name}"
        for name in ("model", "scheduler", "store", "postgres", "worker", "workspace", "engine")
    ]
    speaking = re.compile(r"\b(e?print(ln)?!|env::var|process::exit|dbg!)")
    assert [path for path, text in rust_sources(*silent) if speaking.search(text)] == []
    timeless = re.compile(r"\b(Instant|SystemTime|thread::|std::fs|Mutex)\b")
    pure = rust_sources("wtb-model", "wtb-scheduler")
    assert [path for path, text in pure if timeless.search(text)] == []


def test_nothing_durable_is_pickled() -> None:
    # What goes from a live program to its own workers is not stored.
    between_processes = {
        ROOT / "python/wtb/processes" / name for name in ("packing.py", "worker.py")
    }
    sources = sorted({*(ROOT / "python/wtb").rglob("*.py")} - between_processes)
    importing = re.compile(r"^\s*(import|from) (pickle|cloudpickle|dill)\b", re.MULTILINE)
    assert [one for one in sources if importing.search(one.read_text(encoding="utf-8"))] == []


def test_the_bench_file_schema_is_json() -> None:
    assert json.loads((DOCS / "bench.schema.json").read_text(encoding="utf-8"))["title"]
