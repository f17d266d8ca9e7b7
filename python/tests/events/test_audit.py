"""The audit trail: by batch, execution, kind and time, after a restart, and as JSON Lines."""

import io
import json
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest

from wtb._command import main
from wtb._native import EngineRef
from wtb._scores import ScoreTuple
from wtb.errors import ConfigurationError, NotFoundError
from wtb.events import AuditTrail, Event

TO_THE_MICROSECOND = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"


def notes(events):
    return [event.data["n"] for event in events]


def test_the_trail_is_there_after_a_restart(url, engine, bus, submit):
    first = submit()
    second = submit()
    for n in range(6):
        batch, execution = (first, second)[n % 2]
        bus.publish(f"custom.{'ab'[n // 3]}", {"n": n}, batch_id=batch, execution_id=execution)
    bus.publish("custom.a", {"n": 6})
    bus.close()
    engine.close()

    reopened = EngineRef(url)
    audit = AuditTrail(reopened)
    own = "custom.*"
    assert notes(audit.query(kinds=own)) == list(range(7))
    assert notes(audit.query(batch=first[0], kinds=own)) == [0, 2, 4]
    assert notes(audit.query(batch=second[0][:10], kinds=own)) == [1, 3, 5]
    assert notes(audit.query(batch="latest", kinds=own)) == [1, 3, 5]
    assert notes(audit.query(execution=first[1])) == [0, 2, 4]
    assert notes(audit.query(execution=first[1], kinds=["custom.b"])) == [4]
    assert notes(audit.query(batch=first[0], execution=second[1])) == []
    assert [event.kind for event in audit.query(batch=first[0], kinds="batch.*")] == [
        "batch.created",
        "batch.started",
    ]
    reopened.close()


def test_times_are_aware_datetimes_or_posix_seconds(bus, audit):
    for n in range(3):
        bus.publish("custom.note", {"n": n})
    first, second, third = audit.query()
    tick = timedelta(microseconds=1)

    assert first.at.tzinfo is UTC
    assert first.at <= second.at <= third.at
    assert abs(datetime.now(UTC) - first.at) < timedelta(minutes=10)
    assert first in list(audit.query(since=first.at))
    assert first not in list(audit.query(since=first.at + tick))
    assert third not in list(audit.query(until=third.at))
    assert third in list(audit.query(until=third.at + tick))
    assert third in list(audit.query(since=third.at.timestamp()))
    elsewhere = first.at.astimezone(timezone(timedelta(hours=9)))
    assert list(audit.query(since=elsewhere)) == list(audit.query(since=first.at))
    assert list(audit.query(until=0)) == []
    assert notes(audit.query(since=0)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("filters", "text"),
    [
        ({"since": datetime(2026, 1, 1)}, "since=2026-01-01T00:00:00 has no time zone"),
        ({"until": "yesterday"}, "until is an aware datetime or POSIX seconds"),
        ({"since": float("nan")}, "must be finite"),
        ({"after": -1}, "after is a whole number"),
        ({"limit": -1}, "limit is a whole number"),
        ({"limit": 1.5}, "limit is a whole number"),
        ({"kinds": "batch.creatd"}, "Did you mean 'batch.created'"),
    ],
)
def test_questions_without_sense_are_refused_at_the_call(audit, filters, text):
    with pytest.raises(ConfigurationError, match=text):
        audit.query(**filters)


def test_unknown_ids_are_refused_at_the_call(audit):
    with pytest.raises(NotFoundError):
        audit.query(batch="b_0000000000000000")
    with pytest.raises(NotFoundError):
        audit.query(execution="e_0000000000000000")


def test_pages_are_joined_without_a_seam(bus, audit):
    for n in range(2500):
        bus.publish("custom.note", {"n": n})

    everything = list(audit.query())
    assert notes(everything) == list(range(2500))
    assert notes(audit.query(after=everything[1199].sequence)) == list(range(1200, 2500))
    assert notes(audit.query(limit=0)) == []
    assert notes(audit.query(limit=1000)) == list(range(1000))
    assert notes(audit.query(limit=1001)) == list(range(1001))
    assert notes(audit.query(limit=9999)) == list(range(2500))


def test_a_query_ends_where_the_journal_ended_when_it_was_asked(bus, audit):
    for n in range(1500):
        bus.publish("custom.note", {"n": n})

    answered = 0
    for event in audit.query():
        bus.publish("custom.echo", dict(event.data))
        answered += 1
    assert answered == 1500
    assert len(list(audit.query(kinds="custom.echo"))) == 1500


def test_scores_given_just_before_are_in_the_answer(engine, audit, submit):
    batch, execution = submit()
    engine.put_scores(execution, [ScoreTuple("quality", 0.5, "max", "evaluator", None, None)])

    [event] = audit.query(kinds="execution.scored")
    assert (event.batch_id, event.execution_id) == (batch, execution)
    assert event.data["scores"] == {"quality": 0.5}


def test_the_export_is_one_json_object_per_line(bus, audit, submit, tmp_path):
    submit()
    bus.publish("custom.note", {"text": "line\nend \u2028 \x85 日本語", "n": 1})
    path = tmp_path / "audit.jsonl"
    path.write_text("older")

    assert audit.export(path) == 3
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [event.to_dict() for event in audit.query()]
    for line in lines:
        assert list(json.loads(line)) == [
            "sequence",
            "at",
            "kind",
            "batch_id",
            "execution_id",
            "session",
            "data",
        ]
        assert datetime.fromisoformat(json.loads(line)["at"]).utcoffset() == timedelta(0)
        assert re.fullmatch(TO_THE_MICROSECOND, json.loads(line)["at"])
    assert "日本語" in lines[-1]
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".audit")] == []


def test_the_export_takes_filters_and_open_files(bus, audit):
    for n in range(5):
        bus.publish("custom.note", {"n": n})
    target = io.StringIO()

    assert audit.export(target, after=1, limit=2) == 2
    assert [json.loads(line)["data"]["n"] for line in target.getvalue().splitlines()] == [1, 2]


def test_times_are_exported_to_the_microsecond_wherever_they_were_told():
    at = datetime(2026, 3, 1, 13, 0, tzinfo=timezone(timedelta(hours=1)))
    event = Event(1, at, "custom.note", None, None, "s_1", {})
    assert event.to_dict()["at"] == "2026-03-01T12:00:00.000000Z"


def test_the_export_holds_the_documents_that_the_command_prints(url, bus, audit, submit, capfd):
    submit()
    bus.publish("custom.note", {"text": "日本語", "n": 0.5, "none": None})
    target = io.StringIO()
    audit.export(target)

    assert main(["events", "--json", "--store", url]) == 0
    printed = capfd.readouterr().out.splitlines()
    exported = target.getvalue().splitlines()
    assert [list(json.loads(line).items()) for line in printed] == [
        list(json.loads(line).items()) for line in exported
    ]


def test_an_export_that_fails_leaves_the_older_file(audit, tmp_path):
    path = tmp_path / "audit.jsonl"
    path.write_text("older")
    with pytest.raises(ConfigurationError):
        audit.export(path, kinds="nonsense")
    with pytest.raises(OSError, match="missing"):
        audit.export(tmp_path / "missing" / "audit.jsonl")
    assert path.read_text() == "older"


def test_events_read_well_and_compare_by_value(bus, audit):
    bus.publish("custom.note", {"text": "x" * 500, "n": 1})
    [event] = audit.query()
    [again] = audit.query()

    assert event == again
    assert len({event, again}) == 1
    text = repr(event)
    assert text.startswith("Event(1, custom.note, 20")
    assert "n=1" in text
    assert len(text) < 200
    with pytest.raises(AttributeError):
        event.kind = "custom.other"
    assert isinstance(event, Event)


def test_the_trail_reads_well(audit, engine):
    assert repr(audit) == f"AuditTrail({engine.url})"
