"""Bad input: a text that says what is wrong and where, the right code, and nothing is run."""

import sqlite3

import pytest
from console import Console

BENCH_FILE = [
    # (what is replaced, by what, what the text says)
    ('name = "Greetings"', 'name = "Greet', ["bench.toml:2:", "invalid basic string"]),
    ("repeats = 1", "repeets = 1", ["bench.toml:6:1", "unknown key `repeets`", "`repeats`"]),
    ("repeats = 1", "repeats = 0", ["bench.toml:6:11", "repeats"]),
    ('"process"', '"proces"', ["bench.toml:7:10", "`inline`, `thread`, `process`"]),
    ("cases.jsonl", "casses.jsonl", ["bench.toml:4:9", "casses.jsonl", "not there"]),
    ("exact_match", "exact_mach", ["exact_mach", "Did you mean 'exact_match'"]),
    ('field = "greeting"', 'feild = "greeting"', ["feild", "'field'"]),
    ('{ greet = "polite" }\n\n', '{ gret = "polite" }\n\n', ["'gret'", "Did you mean 'greet'"]),
    ('{ greet = "polite" }\n\n', '{ greet = "polit" }\n\n', ["'polit'", "Did you mean 'polite'"]),
    ('"polite-german"', '"polite"', ["both called 'polite'"]),
    ("greeter:workflow", "greter:workflow", ["no module named 'greter'", "'greeter'"]),
    ("greeter:workflow", "greeter:workflw", ["no attribute 'workflw'", "'workflow'"]),
    ("greeter:workflow", "greeter", ["bench.toml:3:", "module:attribute"]),
]


@pytest.mark.parametrize(("old", "new", "says"), BENCH_FILE)
def test_a_bench_file_is_checked_before_anything_runs(
    greeter: Console, old: str, new: str, says: list[str]
) -> None:
    bench = greeter.directory / "bench.toml"
    text = bench.read_text(encoding="utf-8")
    assert old in text
    bench.write_text(text.replace(old, new), encoding="utf-8")
    done = greeter("run", code=2)
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    for one in says:
        assert one in done.stderr
    assert_nothing_of_ours_is_shown(done.stderr)
    assert "Starting" not in done.stderr


CASES = [
    ('{"id": "a", "input": {"text": "x"}}\n{"id": "b", "input":\n', ["cases.jsonl:2", "JSON"]),
    ('{"id": "a", "input": {"text": "x"}}\n[1]\n', ["cases.jsonl:2", "object"]),
    ('{"id": "a", "input": {"txt": "x"}}\n', ["case 'a'", "'text'", "'txt'"]),
    ('{"id": "a", "input": {"text": "x"}}\n' * 2, ["cases.jsonl:2", "cases.jsonl:1"]),
    ("", ["cases.jsonl", "no cases"]),
]


@pytest.mark.parametrize(("text", "says"), CASES)
def test_cases_are_checked_before_anything_runs(
    greeter: Console, text: str, says: list[str]
) -> None:
    (greeter.directory / "cases.jsonl").write_text(text, encoding="utf-8")
    done = greeter("run", code=2)
    for one in says:
        assert one in done.stderr
    assert_nothing_of_ours_is_shown(done.stderr)


def test_a_selection_names_what_there_is(finished: Console) -> None:
    unknown = finished("run", "--variant", "polit", code=2).stderr
    assert "Did you mean 'polite'" in unknown
    unknown = finished("run", "--case", "adda", code=2).stderr
    assert "Did you mean 'ada'" in unknown
    assert len(finished("list", "--json").json()) == 1


def test_a_module_that_raises_shows_its_own_traceback(greeter: Console) -> None:
    workflow = greeter.directory / "greeter.py"
    broken = workflow.read_text(encoding="utf-8") + "\n\nconnect = {}['url']\n"
    workflow.write_text(broken, encoding="utf-8")
    done = greeter("run", code=2)
    assert "Traceback (most recent call last)" in done.stderr
    assert f'File "{workflow}", line {len(broken.splitlines())}' in done.stderr
    assert "KeyError: 'url'" in done.stderr
    assert_nothing_of_ours_is_shown(done.stderr)


def test_cases_that_raise_show_their_own_traceback(greeter: Console) -> None:
    (greeter.directory / "parts.py").write_text(
        "def cases():\n    yield {'text': 'x'}\n    raise OSError('the database is down')\n",
        encoding="utf-8",
    )
    bench = greeter.directory / "bench.toml"
    bench.write_text(bench.read_text().replace("cases.jsonl", "parts:cases"), encoding="utf-8")
    done = greeter("run", code=2)
    assert "parts.py" in done.stderr
    assert "OSError: the database is down" in done.stderr
    assert_nothing_of_ours_is_shown(done.stderr)


def test_a_missing_bench_file_says_how_to_get_one(wtb: Console) -> None:
    done = wtb("run", code=2)
    assert "`bench.toml`" in done.stderr
    assert "wtb init" in done.stderr
    assert "nope.toml" in wtb("run", "nope.toml", code=2).stderr


def test_there_is_no_store_yet(wtb: Console) -> None:
    for verb in ("list", "show", "compare", "events", "resume"):
        done = wtb(verb, code=2)
        assert "there is no store" in done.stderr
        assert "--store" in done.stderr
    assert list(wtb.directory.iterdir()) == []


def test_a_store_that_cannot_be_written(greeter: Console) -> None:
    done = greeter("run", "--store", "cases.jsonl/store", code=2)
    assert "cannot open the store" in done.stderr
    assert "--store" in done.stderr
    (greeter.directory / "no.db").write_text("this is no database, but a text" * 99)
    told = greeter("run", "--store", "no.db", code=2).stderr
    assert "no.db" in told
    assert greeter("list", "--store", "no.db", code=2).stderr == told


def test_a_store_of_a_newer_version_is_left_alone(greeter: Console) -> None:
    greeter("run", "--limit", "1")
    path = greeter.directory / ".wtb" / "wtb.db"
    with sqlite3.connect(path) as database:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        database.execute(f"PRAGMA user_version = {version + 1}")
    database.close()
    for verb in ("run", "list", "show", "resume"):
        done = greeter(verb, code=2)
        assert f"schema version {version + 1}" in done.stderr
        assert "upgrade" in done.stderr
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (version + 1,)
    database.close()


def test_unknown_ids(finished: Console) -> None:
    assert "there is no batch `b_zzz`" in finished("show", "b_zzz", code=2).stderr
    assert "there is no execution `e_zzz`" in finished("show", "e_zzz", code=2).stderr
    assert "begin with `b_`" in finished("show", "zzz", code=2).stderr
    assert "`polite`" in finished("compare", "--baseline", "polit", code=2).stderr


def test_bad_values_of_options_and_variables(finished: Console) -> None:
    assert "--repeats" in finished("run", "--repeats", "0", code=2).stderr
    assert "WTB_LIMIT" in finished("run", code=2, WTB_LIMIT="many").stderr
    assert "WTB_RUNNER" in finished("run", code=2, WTB_RUNNER="tread").stderr


def assert_nothing_of_ours_is_shown(text: str) -> None:
    for ours in ("_command.py", "_selection.py", "<frozen", "a bug of wtb"):
        assert ours not in text
