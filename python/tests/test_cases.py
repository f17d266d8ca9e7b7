"""Cases: ids by content, loading from files and lists, and what is refused."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wtb.cases import Case, load_cases, normalise_cases
from wtb.errors import ConfigurationError, InvalidCaseError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write_file(name, text, encoding="utf-8"):
        (tmp_path / name).write_bytes(text.encode(encoding))
        return name

    return write_file


def lines(*rows):
    return "".join(f"{json.dumps(row)}\n" for row in rows)


@given(JSON, JSON)
def test_the_same_content_has_the_same_id(value, expected):
    again = json.loads(json.dumps(value))
    assert Case({"x": value}, expected).id == Case({"x": again}, expected).id


@given(st.dictionaries(st.text(), JSON, min_size=2, max_size=5))
def test_the_order_of_keys_makes_no_other_case(state):
    turned = dict(reversed(state.items()))
    assert Case(state).id == Case(turned).id


def test_other_content_has_another_id():
    contents = [
        Case({"a": 1}),
        Case({"a": 1}, 0),
        Case({"a": True}),
        Case({"a": 1.0}),
        Case({"a": "1"}),
        Case({1: "a"}),
        Case({"1": "a"}),
        Case({"a": {1}}),
        Case({"a": [1]}),
        Case({"a": b"1"}),
    ]
    assert len({case.id for case in contents}) == len(contents)


def test_ids_of_content_are_the_same_in_every_process():
    code = "from wtb.cases import Case; print(Case({'s': {'a', 'b', 'c', (1, 2)}, 'n': 1}, 'é').id)"
    ids = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(ids) == 1


def test_objects_that_langgraph_can_serialise_make_an_id():
    @dataclass
    class Query:
        text: str

    assert Case(Query("a")).id == Case(Query("a")).id != Case(Query("b")).id


def test_what_cannot_be_serialised_needs_an_id():
    with pytest.raises(InvalidCaseError, match="or an id"):
        Case({"f": lambda: None})
    assert Case({"f": print}, id="mine").id == "mine"


def test_cases_are_values():
    case = Case({"a": 1}, "x", id="c", tags=["t"], group="g")
    assert (case.tags, case.group) == (("t",), "g")
    assert case == Case({"a": 1}, "x", id="c", tags=("t",), group="g")
    assert len({case, replace(case)}) == 1
    assert replace(case, group=None).id == "c"
    with pytest.raises(AttributeError):
        case.id = "other"


@pytest.mark.parametrize(
    ("settings", "text"),
    [({"id": 5}, "not 5"), ({"id": ""}, "non-empty"), ({"tags": "ab"}, "list of texts"),
     ({"group": 1}, "by 1")],
)  # fmt: skip
def test_labels_are_texts(settings, text):
    with pytest.raises(InvalidCaseError, match=text):
        Case({}, **settings)


def test_jsonl_rows_with_an_input_column(write):
    path = write(
        "cases.jsonl",
        "\ufeff"
        + lines({"id": "a", "input": {"q": 1}, "expected": [1], "group": "g", "tags": ["x"]})
        + "\n"
        + lines({"id": 7, "input": {"q": 2}, "note": "not read"}),
    )
    assert load_cases(path) == [
        Case({"q": 1}, [1], id="a", group="g", tags=["x"]),
        Case({"q": 2}, id="7"),
    ]


def test_flat_rows_are_inputs_without_the_columns_that_mean_something():
    rows = [{"query": "q", "k": 3, "expected": "e", "id": "a", "tags": "x, y", "group": "g"}]
    assert load_cases(rows) == [
        Case({"query": "q", "k": 3}, "e", id="a", tags=["x", "y"], group="g")
    ]
    assert load_cases(rows, expected=None, id=None)[0].input == {
        "query": "q", "k": 3, "expected": "e", "id": "a"
    }  # fmt: skip


def test_columns_can_be_named():
    rows = [{"question": "q", "answer": "a", "topic": "t", "key": "k", "n": 1}]
    named = {"expected": "answer", "group": "topic", "id": "key"}
    assert load_cases(rows, input="question", **named) == [Case("q", "a", id="k", group="t")]
    assert load_cases(rows, input=["question", "n"], **named)[0].input == {"question": "q", "n": 1}
    assert load_cases(rows, **named)[0].input == {"question": "q", "n": 1}


def test_a_list_may_hold_cases_and_rows():
    own = Case({"a": 1}, id="own", tags=["t"])
    loaded = load_cases([own, {"a": 2}])
    assert loaded[0] is own
    assert loaded[1].input == {"a": 2}


def test_csv_columns_are_json_when_every_cell_is(write):
    path = write(
        "cases.csv",
        "id,n,flag,shape,zip,version,empty,expected\n"
        '1,1,true,"[1, 2]",01234,1.10,,4\n'
        '2,2.5,,"{""a"": null}",5,1.9,,\n'
        "\n"
        "3,,false,null,7,2.0,,five\n",
    )
    first, second, third = load_cases(path)
    assert first.input == {
        "n": 1, "flag": True, "shape": [1, 2], "zip": "01234", "version": "1.10", "empty": ""
    }  # fmt: skip
    assert (second.input["n"], second.input["flag"], second.input["shape"]) == (
        2.5, None, {"a": None}
    )  # fmt: skip
    assert third.input["n"] is None
    assert [case.id for case in (first, second, third)] == ["1", "2", "3"]
    assert [case.expected for case in (first, second, third)] == ["4", None, "five"]


def test_a_csv_input_column_holds_json(write):
    path = write("cases.csv", 'input,expected\n"{""q"": ""a""}",1\n"{""q"": ""b""}",2\n')
    assert load_cases(path) == [Case({"q": "a"}, 1), Case({"q": "b"}, 2)]


def test_csv_cells_may_hold_commas_and_line_breaks(write):
    path = write("cases.csv", '\ufeffquery,expected\r\n"a, b\nc","x ""y"""\r\n')
    assert load_cases(path) == [Case({"query": "a, b\nc"}, 'x "y"')]


def test_a_limit_does_not_change_what_a_csv_column_is(write):
    path = write("cases.csv", "a\n1\n2\nx\n")
    assert [case.input for case in load_cases(path, limit=2)] == [{"a": "1"}, {"a": "2"}]


def test_json_arrays(write):
    path = write("cases.json", json.dumps([{"a": 1}, {"a": 2}, {"a": 3}]))
    assert load_cases(path, limit=2) == [Case({"a": 1}), Case({"a": 2})]


@given(st.lists(st.dictionaries(st.text(), JSON, max_size=3), min_size=1, max_size=5))
def test_what_is_written_as_jsonl_is_loaded_again(tmp_path_factory, states):
    path = tmp_path_factory.mktemp("cases") / "cases.jsonl"
    path.write_text(lines(*({"id": n, "input": state} for n, state in enumerate(states))))
    assert [case.input for case in load_cases(path)] == states


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.jsonl", '{"a": 1}\n\n{"a" 2}\n', r"a\.jsonl:3: not valid JSON: .*column 6"),
        ("a.jsonl", '{"a": 1}\n[2]\n', r"a\.jsonl:2: a case is a JSON object, not an array"),
        ("a.jsonl", "[\n1]\n", r"a\.jsonl:1: .*name it \.json"),
        ("a.jsonl", '{"id": "x", "a": 1}\n{"id": "x", "a": 2}\n',
         r"a\.jsonl:2 has the id 'x' that a\.jsonl:1 has"),
        ("a.jsonl", '{"a": 1}\n{"a": 1}\n', r"a\.jsonl:2 has the same input .* a\.jsonl:1.*repeat"),
        ("a.jsonl", '{"id": 1.5}\n', r"a\.jsonl:1: a case's id is a non-empty text, not 1\.5"),
        ("a.jsonl", '{"input": {}, "expectd": 1}\n', r"a\.jsonl:1: .*Did you mean 'expected'"),
        ("a.jsonl", '{"input": {"a": 1}}\n{"inptu": {}}\n',
         r"a\.jsonl:2 has no column 'input'\. Did you mean 'inptu'"),
        ("a.jsonl", "\n", r"a\.jsonl holds no cases"),
        ("a.json", '[{"a": 1},\n{"a"}]', r"a\.json:2: not valid JSON"),
        ("a.json", '{"a": 1}', r"a\.json holds an object"),
        ("a.json", '[{"a": 1}, 3]', r"a\.json\[1\]: a case is a JSON object, not the value 3"),
        ("a.json", "[]", r"a\.json holds no cases"),
        ("a.csv", "a,b\n1,2\n\n1,2,3\n", r"a\.csv:4: 3 cells, but the header has 2"),
        ("a.csv", 'a,b\n"1\n2",3\n4\n', r"a\.csv:4: 1 cells"),
        ("a.csv", 'a\n"x"y\n', r"a\.csv:2: not valid CSV"),
        ("a.csv", "a,b,a\n1,2,3\n", r"a\.csv:1: the header names column 'a' twice"),
        ("a.csv", "a,,b\n1,2,3\n", r"a\.csv:1: column 2 of the header has no name"),
        ("a.csv", "a,b\n", r"a\.csv holds no cases"),
        ("a.csv", "id,a\nx,1\nx,2\n", r"a\.csv:3 has the id 'x' that a\.csv:2 has"),
    ],
)  # fmt: skip
def test_malformed_files_are_refused_with_file_and_line(write, name, text, expected):
    with pytest.raises(InvalidCaseError, match=expected):
        load_cases(write(name, text))


def test_a_file_that_is_not_utf8_is_refused(write):
    with pytest.raises(InvalidCaseError, match=r"a\.csv is not UTF-8"):
        load_cases(write("a.csv", "a\né\n", encoding="latin-1"))


def test_a_missing_file_names_the_near_misses(write, tmp_path):
    write("cases.jsonl", "{}\n")
    with pytest.raises(ConfigurationError, match=r"'case\.jsonl'.*Did you mean 'cases\.jsonl'"):
        load_cases("case.jsonl")
    with pytest.raises(ConfigurationError, match="there is no folder"):
        load_cases(tmp_path / "data" / "cases.jsonl")
    with pytest.raises(ConfigurationError, match=r"cannot tell.*'\.jsonl'"):
        load_cases("cases.jsnl")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ConfigurationError, match=r"cannot read folder\.csv"):
        load_cases("folder.csv")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"expected": "anser"}, "expected='anser'.*Did you mean 'answer'"),
        ({"group": "topics"}, "group='topics'"),
        ({"input": "quest"}, "no column 'quest'. Did you mean 'question'"),
        ({"input": ["question", "k"]}, "no column 'k'"),
        ({"input": []}, "selects no columns"),
        ({"limit": 0}, "positive number"),
    ],
)
def test_columns_that_do_not_exist_are_refused(settings, text):
    with pytest.raises(ConfigurationError, match=text):
        load_cases([{"question": "q", "answer": "a"}], **settings)


def test_the_cases_of_a_batch_may_be_initial_states():
    own = Case({"expected": 1}, id="own")
    cases = normalise_cases([own, {"input": 1, "expected": 2}])
    assert cases[0] is own
    assert (cases[1].input, cases[1].expected) == ({"input": 1, "expected": 2}, None)


@pytest.mark.parametrize(
    ("cases", "text"),
    [
        ([], "empty"),
        ({"a": 1}, r"\[case\]"),
        (Case({"a": 1}), r"\[case\]"),
        ("cases.jsonl", r"load_cases\('cases\.jsonl'\)"),
        (None, "list of Case"),
        ([{"a": 1}, "b"], r"test_cases\[1\] is a str"),
        (
            [{"a": 1}, {"b": 1}, {"a": 1}],
            r"test_cases\[2\] has the same .* test_cases\[0\].*repeat",
        ),
        (
            [Case(1, id="x"), Case(2, id="x")],
            r"test_cases\[1\] has the id 'x' that test_cases\[0\]",
        ),
        ([{"a": print}], r"test_cases\[0\]: .*cannot be serialised"),
    ],
)
def test_what_is_no_list_of_cases_is_refused(cases, text):
    with pytest.raises(ConfigurationError, match=text):
        normalise_cases(cases)


def test_answers_are_a_column(tmp_path):
    rows = [{"q": 1, "answers": ["yes", 2]}, {"q": 2, "answers": {"Sure?": "yes"}}, {"q": 3}]
    loaded = load_cases(rows)
    assert [case.answers for case in loaded] == [["yes", 2], {"Sure?": "yes"}, None]
    assert [case.input for case in loaded] == [{"q": 1}, {"q": 2}, {"q": 3}]
    table = tmp_path / "cases.csv"
    table.write_text('q,answers\n1,"[""yes""]"\n2,\n', encoding="utf-8")
    assert [case.answers for case in load_cases(table)] == [["yes"], None]
    table.write_text("q,answers\n1,yes\n", encoding="utf-8")
    with pytest.raises(InvalidCaseError, match=r"cases\.csv:2: a case: answers are a list"):
        load_cases(table)
    assert load_cases([{"input": 1, "answer": 2}])[0].answers is None
