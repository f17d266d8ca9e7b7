"""Tables in JSON Lines, CSV and Parquet hold what the batch holds, to whoever reads them."""

import csv
import io
import json
from datetime import datetime

import pandas
import polars
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
from export_graphs import HOSTILE, KINDS, build
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.language_models import FakeListChatModel
from langgraph.graph import END, START, StateGraph

import wtb
from wtb.errors import ConfigurationError
from wtb.export import _source
from wtb.export.csv_text import CsvWriter
from wtb.export.json_lines import JsonLinesWriter
from wtb.export.parquet import ParquetWriter
from wtb.export.tables import TABLES, Column, Table
from wtb.report import collect
from wtb.report.overview import overview


def exported(bench, batch, path, table):
    (written,) = bench.export(batch, path, what=table)
    return written


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_executions_are_all_there_in_order(bench, batch, tmp_path):
    rows = lines(exported(bench, batch, tmp_path / "a.jsonl", "executions"))
    assert [row["execution_id"] for row in rows] == [one.id for one in batch.results]
    assert len(rows) == 3 * len(KINDS) * 2
    for row, one in zip(rows, batch.results, strict=True):
        assert (row["variant"], row["case_id"], row["repeat"], row["status"], row["seed"]) == (
            one.variant, one.case_id, one.repeat, one.status, one.seed,
        )  # fmt: skip
        assert row["duration_s"] == one.duration_s
        assert row["attempts"] == one.attempts_made
        assert row["dead_letter"] == one.dead_letter
        assert row["scores"] == one.scores
        assert row["metrics"] == one.metrics
        assert row["input"] == one.input
        assert row["expected"] == "expected"
        assert row["case_group"] == "all"
        assert datetime.fromisoformat(row["created_at"]) == one.created_at
        assert row["error_type"] == (one.error and one.error.type)
        assert row["error_message"] == (one.error and one.error.message)
        assert row["error_traceback"] == (one.error and one.error.traceback)
        assert row["batch_id"] == batch.id


def test_each_end_is_told_apart(bench, batch, tmp_path):
    rows = lines(exported(bench, batch, tmp_path / "a.jsonl", "executions"))
    ends = {
        row["case_tags"][0]: (row["status"], row["flaky"], row["attempts"])
        for row in rows
        if row["variant"] == "baseline"
    }
    assert ends == {
        "fine": ("succeeded", False, 1),
        "flaky": ("succeeded", True, 2),
        "fails": ("failed", False, 2),
        "hangs": ("timed_out", False, 2),
        "asks": ("interrupted", False, 1),
    }
    fine = [row for row in rows if (row["variant"], row["case_tags"]) == ("baseline", ["fine"])]
    assert {row["output"]["text"] for row in fine} == {HOSTILE}


def test_nodes_scores_and_usage_are_what_the_executions_have(bench, batch, tmp_path):
    bench.export(batch, tmp_path / "a.jsonl", what="all")
    nodes, scores, usage = (
        lines(tmp_path / f"a.{name}.jsonl") for name in ("nodes", "scores", "usage")
    )
    assert [(row["execution_id"], row["node"], row["attempt"], row["status"]) for row in nodes] == [
        (one.id, node.node, node.attempt, node.status)
        for one in batch.results
        for node in one.nodes
    ]
    assert [(row["execution_id"], row["metric"], row["value"], row["error"]) for row in scores] == [
        (one.id, score["name"], score["value"], score["error"])
        for one in batch.results
        for score in one.score_records
    ]
    assert {row["reason"] for row in scores if row["metric"] == "answered"} == {"because"}
    assert {row["value"] for row in scores if row["metric"] == "broken"} == {None}
    counting = [one.id for one in batch.results if one.variant == "counts"]
    assert [row["execution_id"] for row in usage] == counting
    assert {(row["model"], row["calls"], row["total_tokens"]) for row in usage} == {("tiny", 1, 12)}
    assert {row["total_tokens"] for row in nodes if row["variant"] == "counts"} == {12}


def test_tokens_that_no_model_told_are_nowhere(bench, tmp_path):
    def answer(state):
        FakeListChatModel(responses=["yes"]).invoke("?")
        return {"text": "yes"}

    batch = bench.run_batch(build(), variants=[{"act": answer}], test_cases=[{"kind": "fine"}])
    with exported(bench, batch, tmp_path / "a.csv", "executions").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert [row[name] for name in ("input_tokens", "output_tokens", "total_tokens")] == [""] * 3
    (row,) = lines(exported(bench, batch, tmp_path / "usage.jsonl", "usage"))
    assert (row["calls"], row["total_tokens"]) == (1, None)
    assert batch.comparison["act=answer"]["tokens"] is None
    # A report plots scores over tokens where there are any, and else over time.
    assert overview(collect(bench, batch), None, [])["executions"]["tokens"] == [None]


@pytest.mark.parametrize("table", list(TABLES))
def test_csv_and_parquet_say_the_same_as_json_lines(bench, batch, tmp_path, table):
    told = lines(exported(bench, batch, tmp_path / "a.jsonl", table))
    columns = TABLES[table].columns
    with exported(bench, batch, tmp_path / "a.csv", table).open(
        encoding="utf-8", newline=""
    ) as file:
        cells = list(csv.DictReader(file, strict=True))
    assert [list(row) for row in cells] == [[one.name for one in columns] for _ in told]
    for row, expected in zip(cells, told, strict=True):
        for column in columns:
            assert from_csv(column, row[column.name]) == no_nul(expected[column.name], column)
    stored = pyarrow.parquet.read_table(exported(bench, batch, tmp_path / "a.parquet", table))
    assert stored.schema.names == [one.name for one in columns]
    for row, expected in zip(stored.to_pylist(), told, strict=True):
        for column in columns:
            assert from_parquet(column, row[column.name]) == expected[column.name]


def from_csv(column, cell):
    if cell == "":
        return None
    match column.kind:
        case "text":
            return cell.removeprefix("'")
        case "json":
            return json.loads(cell)
        case "boolean":
            return {"true": True, "false": False}[cell]
        case "integer":
            return int(cell)
        case "number":
            return float(cell)
    return cell


def no_nul(value, column):
    return (
        value.replace("\0", "\ufffd") if isinstance(value, str) and column.kind == "text" else value
    )


def from_parquet(column, cell):
    if cell is None:
        return None
    if column.kind == "json":
        return json.loads(cell)
    return (
        cell.isoformat(timespec="microseconds").replace("+00:00", "Z")
        if column.kind == "time"
        else cell
    )


def test_parquet_has_proper_types(bench, batch, tmp_path):
    (path,) = bench.export(batch, tmp_path / "a.parquet")
    kinds = {
        "text": pyarrow.string(), "json": pyarrow.string(), "integer": pyarrow.int64(),
        "number": pyarrow.float64(), "boolean": pyarrow.bool_(),
        "time": pyarrow.timestamp("us", tz="UTC"),
    }  # fmt: skip
    schema = pyarrow.parquet.read_schema(path)
    for column in TABLES["executions"].columns:
        assert schema.field(column.name).type == kinds[column.kind]


def test_data_frames_read_them(bench, batch, tmp_path):
    ids = [one.id for one in batch.results]
    durations = [one.duration_s for one in batch.results]
    paths = [bench.export(batch, tmp_path / f"a.{end}")[0] for end in ("csv", "parquet", "jsonl")]
    for frame in (
        pandas.read_csv(paths[0]), pandas.read_parquet(paths[1]),
        pandas.read_json(paths[2], lines=True),
        polars.read_csv(paths[0], infer_schema_length=None), polars.read_parquet(paths[1]),
        polars.read_ndjson(paths[2], infer_schema_length=None),
    ):  # fmt: skip
        assert list(frame["execution_id"]) == ids
        # pandas reads the last digit of a number only roughly.
        assert list(frame["duration_s"]) == pytest.approx(durations)


def test_several_tables_go_into_files_named_after_them(bench, batch, tmp_path):
    written = bench.export(batch, tmp_path / "run.csv", what=("nodes", "scores"))
    assert written == [tmp_path / "run.nodes.csv", tmp_path / "run.scores.csv"]
    for every in ("all", ["all"], ["nodes", "all"]):
        written = bench.export(batch, tmp_path / "run", format="parquet", what=every)
        assert written == [tmp_path / f"run.{name}.parquet" for name in TABLES]
    for chosen in ("all", ["all"], "executions", ["executions"]):
        assert len(bench.export(batch, tmp_path / "run.json", what=chosen)) == 1
    (tmp_path / "run.json").unlink()
    assert sorted(tmp_path.iterdir()) == sorted({*written, *tmp_path.glob("run.*.csv")})


def test_an_empty_table_has_its_columns(bench, tmp_path):
    batch = bench.run_batch(
        "export_graphs:build", variants=[{}], test_cases=[{"kind": "fine"}], name="no tokens"
    )
    for end in ("csv", "jsonl", "parquet"):
        bench.export(batch, tmp_path / f"a.{end}", what="usage")
    names = [column.name for column in TABLES["usage"].columns]
    assert (tmp_path / "a.csv").read_bytes() == ",".join(names).encode() + b"\r\n"
    assert (tmp_path / "a.jsonl").read_bytes() == b""
    assert pyarrow.parquet.read_table(tmp_path / "a.parquet").schema.names == names


def test_without_pyarrow_the_error_says_what_to_install(bench, batch, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'workflow-test-bench\[parquet\]'"):
        bench.export(batch, tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []


# Hostile texts

ANY_TEXT = st.text(st.characters(exclude_categories=())) | st.sampled_from(
    ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "'x", "'=x", "\uff1d1", '"', ",", "\0",
     "\ud800", "\ud83d\ude00", "]]>", " x ", "", "é", "\x85", "\u2028", "\x1c"]
)  # fmt: skip
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(ANY_TEXT, part, max_size=3),
    max_leaves=8,
)  # fmt: skip
TABLE = Table("hostile", [Column("text", "text"), Column("json", "json")], lambda one: iter(()))
ROWS = st.lists(st.fixed_dictionaries({"text": ANY_TEXT, "json": ANY_JSON}), max_size=5)


def written_by(writer, rows):
    file = io.BytesIO()
    made = writer(file, TABLE)
    for row in rows:
        made.write(row)
    made.close()
    return file.getvalue()


def whole(value):
    """What UTF-8 can hold of a value: pairs of surrogates joined, lone ones replaced."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list):
        return [whole(part) for part in value]
    if isinstance(value, dict):
        return {whole(key): whole(part) for key, part in value.items()}
    return value


@given(ROWS)
def test_json_lines_hold_any_text(rows):
    text = written_by(JsonLinesWriter, rows).decode()
    found = [json.loads(line) for line in text.splitlines()]
    assert found == [whole(row) for row in rows]


@given(ROWS)
def test_csv_holds_any_text_and_no_formula(rows):
    text = written_by(CsvWriter, rows).decode()
    found = list(csv.reader(io.StringIO(text, newline=""), strict=True))[1:]
    for cells, row in zip(found, rows, strict=True):
        assert cells[0] == "" or not cells[0].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
        assert cells[0].removeprefix("'") == whole(row["text"]).replace("\0", "\ufffd")
        assert json.loads(cells[1] or "null") == whole(row["json"])


@given(st.lists(st.none() | ANY_TEXT, min_size=1))
def test_csv_tells_no_value_from_an_empty_text(texts):
    text = written_by(CsvWriter, [{"text": one, "json": None} for one in texts]).decode()
    found = pyarrow.csv.read_csv(
        io.BytesIO(text.encode()),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={"text": pyarrow.string()},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )["text"].to_pylist()
    assert [one is None for one in found] == [one is None for one in texts]


@given(ROWS)
def test_parquet_holds_any_text(rows):
    found = pyarrow.parquet.read_table(io.BytesIO(written_by(ParquetWriter, rows))).to_pylist()
    assert [row["text"] for row in found] == [whole(row["text"]) for row in rows]
    assert [json.loads(row["json"] or "null") for row in found] == [
        whole(row["json"]) for row in rows
    ]


def test_parquet_is_written_in_groups(monkeypatch):
    monkeypatch.setattr("wtb.export.parquet.ROWS_MAX", 2)
    rows = [{"text": str(number), "json": number} for number in range(5)]
    file = pyarrow.parquet.ParquetFile(io.BytesIO(written_by(ParquetWriter, rows)))
    assert [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)] == [2, 2, 1]
    monkeypatch.setattr("wtb.export.parquet.ROWS_MAX", 100)
    monkeypatch.setattr("wtb.export.parquet.GROUP_CHARACTERS_MAX", 20)
    rows = [{"text": "x" * 30, "json": 1}] * 3
    file = pyarrow.parquet.ParquetFile(io.BytesIO(written_by(ParquetWriter, rows)))
    assert file.num_row_groups == 3


def test_pages_lose_nothing_while_executions_are_added(tmp_path, monkeypatch):
    monkeypatch.setattr(_source, "PAGE_ROWS", 4)
    graph = StateGraph(dict).add_node("keep", lambda state: state)
    graph.add_edge(START, "keep").add_edge("keep", END)
    with wtb.TestBench(tmp_path) as bench:
        cases = [{"number": number} for number in range(5)]
        batch = bench.run_batch(
            graph, variants=[{}, wtb.Variant("same", config={"tags": ["a"]})], test_cases=cases
        )
        before = [one.id for one in batch.results]
        stored = _source.StoredBatch(bench._core.engine, batch.id)
        reading = stored.executions()
        found = [next(reading) for _ in range(4)]
        bench.extend(batch, repeats=1)
        found += reading
        places = [(one.variant_index, one.case_index, one.repeat) for one in found]
        assert places == sorted(set(places))
        assert {one.id for one in found} >= set(before)
        assert [one.id for one in stored.executions()] == [one.id for one in batch.results]
