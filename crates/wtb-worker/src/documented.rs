//! `docs/worker-protocol.md` names what is sent, and nothing that is not.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value as Json;
use wtb_model::{ErrorInfo, NodeStatus, StoredValue, Value};
use wtb_store::{
    ChannelHistory, CheckpointFilter, CheckpointName, CheckpointOutline, CheckpointRecord,
    CheckpointStep, PendingWrite, WriteOutline,
};

use crate::frame::FRAME_BYTES_MAX;
use crate::{
    Answer, End, FromWorker, GivenCheckpoint, GivenWrites, Metric, Node, Order, Outcome,
    PROTOCOL_VERSION, ToWorker, Workspace,
};

const PAGE: &str = include_str!("../../../docs/worker-protocol.md");

fn text() -> String {
    "text".to_owned()
}

fn value() -> Value {
    Value::new("json", b"{}".as_slice())
}

fn name() -> CheckpointName {
    CheckpointName { thread: text(), namespace: text(), id: text() }
}

fn write() -> PendingWrite {
    PendingWrite { task: text(), channel: text(), value: value() }
}

fn error() -> ErrorInfo {
    ErrorInfo { kind: text(), message: text(), traceback: None, node: None }
}

fn outcome() -> Outcome {
    let node = Node {
        node: text(),
        step: 0,
        order: 0,
        status: NodeStatus::Cached,
        calls: 1,
        started_at: 0.0,
        duration_s: 0.0,
        input: Some(value()),
        output: None,
        error: Some(error()),
        usage: None,
    };
    let metric = Metric {
        name: text(),
        value: Some(0.5),
        direction: text(),
        source: text(),
        reason: None,
        error: None,
    };
    Outcome { nodes: vec![node], metrics: vec![metric], ..Outcome::of(End::TimedOut) }
}

fn from_worker() -> Vec<FromWorker> {
    let put = GivenCheckpoint {
        name: name(),
        parent: None,
        run: None,
        metadata: text(),
        body: value(),
        channels: vec![(text(), text(), None)],
    };
    let writes = GivenWrites {
        checkpoint: name(),
        task: text(),
        path: text(),
        writes: vec![(0, text(), value())],
        replace: true,
    };
    vec![
        FromWorker::Hello { version: PROTOCOL_VERSION },
        FromWorker::Node { node: text(), ended: false },
        FromWorker::Put(Box::new(put)),
        FromWorker::PutWrites(Box::new(writes)),
        FromWorker::Get { thread: text(), namespace: text(), id: None },
        FromWorker::Head { thread: text(), namespace: text() },
        FromWorker::List { filter: CheckpointFilter::default(), limit: 1 },
        FromWorker::Steps { thread: text() },
        FromWorker::History { name: name(), channels: Vec::new() },
        FromWorker::Outcome(Box::new(outcome())),
    ]
}

fn to_worker() -> Vec<ToWorker> {
    let order = Order {
        execution: text(),
        thread: None,
        from_head: false,
        variant: 0,
        case: 0,
        repeat: 0,
        attempt: 1,
        seed: 0,
        input: Bytes::new(),
        workspace: Some(Workspace { directory: Bytes::new(), overlay: None }),
    };
    vec![
        ToWorker::Welcome { version: PROTOCOL_VERSION, job: Bytes::new() },
        ToWorker::Attempt(Box::new(order)),
        ToWorker::Farewell {},
    ]
}

fn answers() -> Vec<Answer> {
    let record = CheckpointRecord {
        snapshot: None,
        name: name(),
        sequence: 0,
        parent: None,
        metadata: text(),
        body: value(),
        channels: Vec::new(),
        writes: vec![write()],
    };
    let places = [
        StoredValue::Inline { kind: text(), bytes: Vec::new() },
        StoredValue::Object { kind: text(), hash: [0; 32], size: 0 },
    ];
    let outline = CheckpointOutline {
        snapshot: None,
        name: name(),
        sequence: 0,
        parent: None,
        metadata: text(),
        channels: places.map(|place| (text(), place)).into(),
    };
    let writes = vec![WriteOutline { task: text(), path: text(), channel: text() }];
    vec![
        Answer::Put { missing: Vec::new() },
        Answer::Checkpoint { found: None },
        Answer::Checkpoints { found: vec![record] },
        Answer::Steps { found: vec![CheckpointStep { outline, body: value(), writes }] },
        Answer::History { found: vec![ChannelHistory { seed: None, writes: vec![write()] }] },
        Answer::Failed { message: text() },
    ]
}

/// The names of all fields, at any depth.
fn names(json: &Json, found: &mut BTreeSet<String>) {
    match json {
        Json::Object(fields) => {
            for (name, inner) in fields {
                found.insert(name.clone());
                names(inner, found);
            }
        }
        Json::Array(items) => {
            for item in items {
                names(item, found);
            }
        }
        _ => {}
    }
}

/// Messages as maps with names, which is what they are in `MessagePack`.
fn named(messages: &[impl Serialize]) -> Vec<Json> {
    messages.iter().map(|message| serde_json::to_value(message).unwrap()).collect()
}

fn is_documented(name: &str) -> bool {
    PAGE.contains(&format!("`{name}`"))
}

/// The first column of the table rows below a heading, each with the rest of its row.
fn rows(heading: &str) -> Vec<(&str, &str)> {
    let (_, rest) = PAGE.split_once(heading).unwrap();
    let table = rest.lines().skip_while(|line| !line.starts_with('|'));
    let rows = table.take_while(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row[2..].split_once(" | ").unwrap())
        .map(|(name, rest)| (name.trim_matches('`'), rest))
        .collect()
}

fn compare(heading: &str, messages: &[Json]) {
    let rows = rows(heading);
    let mut sent = BTreeSet::new();
    for message in messages {
        let (name, fields) = message.as_object().unwrap().iter().next().unwrap();
        sent.insert(name.as_str());
        let (_, row) = rows.iter().find(|(row, _)| row == name).unwrap_or_else(|| panic!("{name}"));
        // Fields of records have tables and lists of their own.
        if !row.starts_with("the record") {
            for field in fields.as_object().unwrap().keys() {
                assert!(row.contains(&format!("`{field}`")), "{name}: {field}");
            }
        }
    }
    let documented: BTreeSet<_> = rows.iter().map(|(name, _)| *name).collect();
    sent.extend(documented.contains("answer").then_some("answer"));
    assert_eq!(documented, sent, "{heading}");
}

#[test]
fn each_message_is_documented_and_no_other() {
    compare("## What a supervisor says", &named(&to_worker()));
    compare("**Answers**:", &named(&answers()));
    compare("## What a worker says", &named(&from_worker()));
}

#[test]
fn each_field_is_documented() {
    let mut found = BTreeSet::new();
    let messages = [named(&to_worker()), named(&answers()), named(&from_worker())].concat();
    for message in &messages {
        names(message, &mut found);
    }
    let missing: Vec<_> = found.iter().filter(|name| !is_documented(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_tables_of_records_have_their_fields_and_no_other() {
    let tables = [
        ("**order**:", &named(&to_worker())[1]["attempt"]),
        ("**workspace**:", &named(&to_worker())[1]["attempt"]["workspace"]),
        ("**outcome**:", &named(&from_worker())[9]["outcome"]),
    ];
    for (heading, record) in tables {
        let documented: BTreeSet<_> = rows(heading).into_iter().map(|(name, _)| name).collect();
        let sent = record.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(documented, sent, "{heading}");
    }
}

#[test]
fn each_status_version_and_limit_is_documented() {
    let ends =
        [End::Succeeded, End::Failed, End::Interrupted, End::Paused, End::Cancelled, End::TimedOut];
    for end in named(&ends) {
        assert!(PAGE.contains(&format!("`{end}`")), "{end}");
    }
    assert!(PAGE.contains(&format!("`version` is {PROTOCOL_VERSION}.")));
    assert!(PAGE.contains(&format!("has {} MiB", FRAME_BYTES_MAX >> 20)));
}
