"""What is collected of a batch, and what becomes of it in the file."""

import base64
import json
import re
import zlib
from pathlib import Path

import pytest
from report_graphs import CASES, HOSTILE, REPEATS, VARIANTS, graph

from wtb._comparison_words import advice, legend, pareto, verdict
from wtb.errors import ConfigurationError, NotFoundError
from wtb.report import collect, page
from wtb.report.details import pieces
from wtb.report.overview import overview
from wtb.report.values import KEYS_MAX, LEAF_CHARACTERS_MAX, Allowance, ValueTable
from wtb.statistics import compare_scores


@pytest.fixture(scope="session")
def collected(bench, batch):
    return collect(bench, batch)


@pytest.fixture(scope="session")
def blocks(report):
    """The data of the file, by the ids of its blocks."""
    text = report.read_text("ascii")
    found = re.findall(r'<script type="text/plain" id="([\w-]+)">([^<]*)</script>', text)
    return {name: json.loads(zlib.decompress(base64.b64decode(data))) for name, data in found}


def test_everything_is_collected(collected, batch):
    assert len(collected.executions) == len(VARIANTS) * CASES * REPEATS
    assert [one.id for one in collected.executions] == [one.id for one in batch.results]
    assert [name for name, _ in collected.variants] == [one.name for one in VARIANTS]
    assert [one.to_dict()["metric"] for one in collected.comparisons] == ["correct", "length"]
    assert collected.primary.to_dict() == batch.comparison.to_dict()
    assert collected.sources == {"correct": "correct", "length": "length"}


def test_details_are_those_of_the_execution(collected, batch):
    execution, found = collected.executions[0], batch.results[0]
    detail = collected.detail(execution)
    assert [one.data["node"] for one in detail.nodes] == [one.node for one in found.nodes]
    assert len(detail.attempts) == 1


def test_baseline_and_metric_are_checked(bench, batch):
    found = collect(bench, batch, baseline="wordy", metric="length")
    assert found.primary.baseline == "wordy"
    assert found.primary.metric == "length"
    assert found.comparisons[1].baseline == "wordy"
    with pytest.raises(ConfigurationError, match="no variant is called 'wordi'"):
        collect(bench, batch, baseline="wordi")
    with pytest.raises(ConfigurationError, match="nothing has a score 'corect'"):
        collect(bench, batch, metric="corect")
    with pytest.raises(NotFoundError):
        collect(bench, "b_none")


def test_the_overview_has_a_row_of_each_execution(blocks, batch):
    shown = blocks["overview"]
    rows = shown["executions"]
    columns = [rows[key] for key in ("id", "variant_index", "case_index", "repeat", "status")]
    assert {len(column) for column in columns} == {len(batch.results)}
    assert rows["scores"]["correct"] == [one.scores.get("correct") for one in batch.results]
    assert shown["cases"]["input"][3] == "3"
    assert [one for one in rows["errors"] if "ValueError: no answer" in one]


def test_each_execution_is_in_one_piece_with_its_case(blocks, batch):
    shown = blocks["overview"]
    found = [blocks[f"piece-{number}"] for number in range(len(shown["pieces"]))]
    ids = [one for piece in found for one in piece["executions"]]
    assert sorted(ids) == sorted(one.id for one in batch.results)
    assert [case for cases in shown["pieces"] for case in cases] == list(range(CASES))


def test_values_are_stored_once_and_cut(collected):
    (_, piece) = next(pieces(collected))
    texts = [leaf[1] for leaf in piece["leaves"] if leaf[0] == "json"]
    assert len(texts) == len(set(texts))
    (long,) = [leaf for leaf in piece["leaves"] if str(leaf[1]).startswith('["planned", "long')]
    assert len(long[1]) == LEAF_CHARACTERS_MAX
    assert long[2] > 100_000


def test_an_execution_has_its_share_only(bench):
    table = ValueTable(bench._core.engine)
    allowance = Allowance(1_000)
    for number in range(50):
        table.add_plain({"text": f"{number} " * 500}, allowance)
    written = sum(len(leaf[1]) for leaf in table.leaves)
    assert 1_000 < written <= 2_200
    assert all(leaf[2] >= 1_000 for leaf in table.leaves[1:])


def test_what_is_alike_and_what_is_not(bench):
    from langchain_core.messages import AIMessage
    from numpy import arange

    table = ValueTable(bench._core.engine)
    allowance = Allowance(100_000)

    def leaf_of(value):
        return table.values[table.add_plain({"key": value}, allowance)]["keys"][0][1]

    assert leaf_of("1") != leaf_of(1)
    assert leaf_of([1, {"a": 2}]) == leaf_of([1, {"a": 2}])
    assert leaf_of([AIMessage("yes", id="1")]) == leaf_of([AIMessage("yes", id="2")])
    assert leaf_of([AIMessage("yes", id="1")]) != leaf_of([AIMessage("no", id="1")])
    one, other = arange(5_000), arange(5_000)
    other[2_500] = -1
    assert repr(one) == repr(other)
    assert leaf_of(one) != leaf_of(other)
    # A number that JavaScript cannot hold is text.
    assert table.leaves[leaf_of(2**70)] == ["json", str(2**70)]


def test_long_lists_of_messages(bench):
    from langchain_core.messages import AIMessage

    table = ValueTable(bench._core.engine)

    def leaf_of(last):
        said = [*(str(number) for number in range(300)), last]
        value = {"messages": [AIMessage(one) for one in said]}
        return table.values[table.add_plain(value, Allowance(100_000))]["keys"][0][1]

    assert leaf_of("yes") == leaf_of("yes")
    assert leaf_of("yes") != leaf_of("no")
    kind, shown, of = table.leaves[leaf_of("yes")]
    assert (kind, len(shown), of) == ("messages", KEYS_MAX, 301)


def test_a_value_that_is_nested_too_deeply(bench):
    table = ValueTable(bench._core.engine)
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    place = table.values[table.add_plain({"deep": value}, Allowance(1_000))]
    assert table.leaves[place] == ["text", "<nested too deeply to be shown>"]


def test_printed_text_keeps_its_end(bench):
    table = ValueTable(bench._core.engine)
    place = table.add_printed("begin " + "." * 100_000 + " end", Allowance(200_000))
    kind, text, whole = table.leaves[place]
    assert (kind, whole) == ("text", 100_010)
    assert text.startswith("begin ")
    assert text.endswith(" end")
    assert "[... 80,010 characters are left out ...]" in text


def test_lone_surrogates_do_not_break_a_report(bench, tmp_path):
    batch = bench.run_batch(
        graph(),
        variants=[{}],
        test_cases=[{"question": 1}],
        name="a \U0001f600 name",
        checkpoints="off",
    )
    path = bench.report(batch, tmp_path / "report.html", title="a \udc80 title")
    assert "&#128512;" not in path.read_text("ascii")
    assert path.stat().st_size > 10_000


# The file


def test_the_file_has_no_text_of_users_outside_of_its_data(report):
    text = report.read_text("ascii")
    assert "onerror" not in text
    assert text.count("<title>A batch to look at</title>") == 1
    # Nothing is run but the one script, and nothing refers to anywhere.
    assert re.findall(r"<script(?! type=\"text/plain\")[^>]*>", text) == ["<script>"]
    assert (
        re.findall(
            r"""(?:src|href|action)=["'](?!#)|url\(|@import|https?://(?!www\.w3\.org)""", text
        )
        == []
    )
    assert "default-src 'none'; script-src 'sha256-" in text
    assert not re.search(r"<\w[^>]* (on\w+|style)=", text.partition("<script")[0])


def test_the_script_makes_no_markup_and_asks_for_nothing():
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser"
        r"|\beval\(|new Function|\bfetch\(|XMLHttpRequest|WebSocket|EventSource|sendBeacon"
        r"|\bimport\b"
    )
    assets = Path(page.__file__).parent / "assets"
    found = {path.name: path.read_text("utf-8") for path in assets.iterdir()}
    assert sorted(found) == sorted([*page.SCRIPTS, *page.STYLES, "report.html"])
    scripts = [name for name in found if name.endswith(".js")]
    assert [name for name in scripts if forbidden.search(found[name])] == []
    assert [name for name in found if not found[name].isascii()] == []


def test_title(bench, batch, tmp_path):
    path = bench.report(batch.id, tmp_path / "report.html", title=f"Title {HOSTILE}")
    assert path == tmp_path / "report.html"
    assert "<title>Title &lt;/script&gt;&lt;img" in path.read_text("ascii")


def test_a_report_is_replaced_as_a_whole(bench, batch, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    bench.report(batch, path)
    assert path.read_text("ascii").startswith("<!doctype html>")
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_places_that_cannot_be_written(bench, batch, tmp_path):
    with pytest.raises(ConfigurationError, match="is a directory: name a file"):
        bench.report(batch, tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigurationError, match="is a file to write to, not ''"):
        bench.report(batch, "")


def test_directories_are_made(bench, batch, tmp_path):
    path = bench.report(batch, tmp_path / "to" / "all" / "report.html")
    assert path.read_text("ascii").startswith("<!doctype html>")


def test_a_batch_without_scores_has_a_report(bench, tmp_path):
    batch = bench.run_batch(graph(), variants=[{}], test_cases=[{"question": 1}], checkpoints="off")
    found = collect(bench, batch)
    assert verdict(found.primary.to_dict()) == "nothing has a score"
    assert overview(found, None, [])["title"] == batch.id
    assert bench.report(batch, tmp_path / "report.html").exists()


# Sentences


def scores(*shares):
    """Return scores of variants, of which each is right in a share of 40 cases."""
    return {
        name: {str(case): float(case < 40 * share) for case in range(40)}
        for name, share in zip(("baseline", "one", "two"), shares, strict=False)
    }


@pytest.mark.parametrize("shares", [(0.5, 0.6, 0.9), (0.5, 0.5, 0.55), (0.2, 0.9), (0.5,)])
def test_the_sentences_are_those_of_the_command(shares):
    comparison = compare_scores(scores(*shares))
    data = comparison.to_dict()
    printed = " ".join(str(comparison).split())
    assert legend(data) in printed
    if len(shares) > 1:
        assert verdict(data) in printed
    for one in advice(data):
        assert one in printed


def test_verdicts():
    def comparison(best, best_set, competing):
        lines = [{"name": str(n), "competes": True} for n in range(competing)]
        names = {"metric": "score", "best": best, "best_set": best_set}
        return {**names, "variants": lines, "confidence": 0.95}

    assert verdict(comparison("a", ["a"], 2)) == "best: a, better than the other one at 95 %"
    assert verdict(comparison("a", ["a"], 4)) == "best: a, better than the 3 others at 95 %"
    assert verdict(comparison(None, ["a", "b"], 3)) == (
        "no best: a, b cannot be told apart at 95 %"
    )
    assert verdict(comparison(None, ["a", "b"], 2)) == (
        "no best: no variant can be told apart from another at 95 %"
    )
    assert verdict(comparison(None, [], 2)) == "no best: there is no contest"
    marked = verdict(comparison(None, ["a", "b", "c"], 4), mark=str.upper, most=2)
    assert marked == "no best: A, B and 1 more cannot be told apart at 95 %"


def test_of_one_variant_the_mean_is_told():
    data = compare_scores(scores(0.5)).to_dict()
    (line,) = data["variants"]
    assert verdict(data).startswith("one variant: baseline, mean score 0.5000 [0.")
    line["mean"] = None
    assert verdict(data) == "one variant: baseline, without a mean score"


def test_several_looks_are_told_of():
    data = {**compare_scores(scores(0.5, 0.9)).to_dict(), "looks": 3}
    assert "; intervals and findings hold over all 3 looks" in legend(data)


def test_who_is_not_beaten(batch):
    data = {**batch.comparison.to_dict(), "pareto": {"tokens": ["a", "b"]}}
    assert pareto(data) == "not beaten in both correct and tokens: a, b"
    assert pareto({**data, "pareto": {}}) == ""
