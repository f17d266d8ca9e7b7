//! Arbitrary messages.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use serde_json::Value as Json;
use wtb_model::{ErrorInfo, NodeStatus, StoredValue, Value};
use wtb_store::{
    ChannelHistory, CheckpointFilter, CheckpointName, CheckpointOutline, CheckpointRecord,
    CheckpointStep, PendingWrite, WriteOutline,
};
use wtb_worker::{
    Answer, End, FromWorker, GivenCheckpoint, GivenWrites, Metric, Node, Order, Outcome, ToWorker,
};

/// How many bytes the largest payloads have.
pub(crate) const LARGE: usize = 1 << 20;

fn any_bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        8 => vec(any::<u8>(), 0..40).prop_map(Bytes::from),
        1 => any::<u8>().prop_map(|byte| Bytes::from(vec![byte; LARGE])),
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    (any::<String>(), any_bytes()).prop_map(|(kind, bytes)| Value { kind, bytes })
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), Just(f64::MAX), Just(f64::MIN_POSITIVE), -1e12..1e12]
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Json::from),
            vec((any::<String>(), inner), 0..3).prop_map(|entries| entries.into_iter().collect()),
        ]
    })
}

fn any_name() -> impl Strategy<Value = CheckpointName> {
    any::<(String, String, String)>().prop_map(|(thread, namespace, id)| CheckpointName {
        thread,
        namespace,
        id,
    })
}

fn any_put() -> impl Strategy<Value = FromWorker> {
    let channels = vec((any::<String>(), any::<String>(), of(any_value())), 0..4);
    let texts = any::<(Option<String>, Option<String>, String)>();
    (any_name(), texts, any_value(), channels).prop_map(|(name, texts, body, channels)| {
        let (parent, run, metadata) = texts;
        FromWorker::Put(Box::new(GivenCheckpoint { name, parent, run, metadata, body, channels }))
    })
}

fn any_writes() -> impl Strategy<Value = FromWorker> {
    let writes = vec((any::<i64>(), any::<String>(), any_value()), 0..4);
    (any_name(), any::<(String, String, bool)>(), writes).prop_map(|(checkpoint, texts, writes)| {
        let (task, path, replace) = texts;
        FromWorker::PutWrites(Box::new(GivenWrites { checkpoint, task, path, writes, replace }))
    })
}

fn any_list() -> impl Strategy<Value = FromWorker> {
    let texts = any::<(Option<String>, Option<String>, Option<String>, Option<String>)>();
    let metadata = vec((any::<String>(), any_json()), 0..3);
    let after = any::<Option<(String, u64)>>();
    (texts, metadata, after, any::<u64>()).prop_map(|(texts, metadata, after, limit)| {
        let (thread, namespace, id, before) = texts;
        let filter = CheckpointFilter { thread, namespace, id, before, metadata, after };
        FromWorker::List { filter, limit }
    })
}

fn any_question() -> impl Strategy<Value = FromWorker> {
    let get = any::<(String, String, Option<String>)>();
    prop_oneof![
        any::<u32>().prop_map(|version| FromWorker::Hello { version }),
        any::<(String, bool)>().prop_map(|(node, ended)| FromWorker::Node { node, ended }),
        get.prop_map(|(thread, namespace, id)| FromWorker::Get { thread, namespace, id }),
        any::<(String, String)>()
            .prop_map(|(thread, namespace)| FromWorker::Head { thread, namespace }),
        any::<String>().prop_map(|thread| FromWorker::Steps { thread }),
        (any_name(), vec(any::<String>(), 0..3))
            .prop_map(|(name, channels)| FromWorker::History { name, channels }),
    ]
}

fn any_error() -> impl Strategy<Value = ErrorInfo> {
    any::<(String, String, Option<String>, Option<String>)>()
        .prop_map(|(kind, message, traceback, node)| ErrorInfo { kind, message, traceback, node })
}

fn any_node() -> impl Strategy<Value = Node> {
    let status = prop_oneof![
        Just(NodeStatus::Succeeded),
        Just(NodeStatus::Failed),
        Just(NodeStatus::Cached),
        Just(NodeStatus::Cancelled),
        Just(NodeStatus::Interrupted),
    ];
    let counts = any::<(String, i64, u32, u32)>();
    let times = (any_number(), any_number());
    let parts = (of(any_value()), of(any_value()), of(any_error()), any::<Option<String>>());
    (counts, status, times, parts).prop_map(|(counts, status, times, parts)| {
        let ((node, step, order, calls), (started_at, duration_s)) = (counts, times);
        let (input, output, error, usage) = parts;
        Node {
            node,
            step,
            order,
            status,
            calls,
            started_at,
            duration_s,
            input,
            output,
            error,
            usage,
        }
    })
}

fn any_metric() -> impl Strategy<Value = Metric> {
    let texts = any::<(String, String, String, Option<String>, Option<String>)>();
    (texts, of(any_number())).prop_map(|((name, direction, source, reason, error), value)| Metric {
        name,
        value,
        direction,
        source,
        reason,
        error,
    })
}

pub(crate) fn any_outcome() -> impl Strategy<Value = Outcome> {
    let status = prop_oneof![
        Just(End::Succeeded),
        Just(End::Failed),
        Just(End::Interrupted),
        Just(End::Paused),
        Just(End::Cancelled),
        Just(End::TimedOut),
    ];
    let values = (of(any_value()), of(any_value()), of(any_value()), of(any_error()));
    let lists = (vec(any_node(), 0..3), vec(any_metric(), 0..3), vec(any::<String>(), 0..3));
    let rest = (any::<bool>(), of(any_number()), any::<Option<String>>(), any_number());
    (status, values, lists, rest).prop_map(|(status, values, lists, rest)| {
        let (output, state, interrupts, error) = values;
        let (nodes, metrics, warnings) = lists;
        let (retryable, retry_after_s, usage, duration_s) = rest;
        let ended =
            Outcome { status, retryable, retry_after_s, output, state, ..Outcome::of(status) };
        Outcome { interrupts, error, nodes, metrics, usage, warnings, duration_s, ..ended }
    })
}

pub(crate) fn any_from_worker() -> impl Strategy<Value = FromWorker> {
    prop_oneof![
        any_put(),
        any_writes(),
        any_list(),
        any_question(),
        any_outcome().prop_map(|outcome| FromWorker::Outcome(Box::new(outcome))),
    ]
}

fn any_order() -> impl Strategy<Value = Order> {
    let places = any::<(u32, u32, u32, u32, u64)>();
    (any::<(String, Option<String>, bool)>(), places, any_bytes()).prop_map(
        |((execution, thread, from_head), (variant, case, repeat, attempt, seed), input)| Order {
            workspace: None,
            execution,
            thread,
            from_head,
            variant,
            case,
            repeat,
            attempt,
            seed,
            input,
        },
    )
}

fn any_pending() -> impl Strategy<Value = Vec<PendingWrite>> {
    let write = (any::<(String, String)>(), any_value())
        .prop_map(|((task, channel), value)| PendingWrite { task, channel, value });
    vec(write, 0..3)
}

fn any_record() -> impl Strategy<Value = CheckpointRecord> {
    let texts = any::<(u64, Option<String>, String)>();
    let channels = vec((any::<String>(), any_value()), 0..3);
    (any_name(), texts, any_value(), channels, any_pending()).prop_map(
        |(name, (sequence, parent, metadata), body, channels, writes)| CheckpointRecord {
            snapshot: None,
            name,
            sequence,
            parent,
            metadata,
            body,
            channels,
            writes,
        },
    )
}

fn any_step() -> impl Strategy<Value = CheckpointStep> {
    let rest = (any::<String>(), vec(any::<u8>(), 0..9))
        .prop_map(|(kind, bytes)| StoredValue::Inline { kind, bytes });
    let write = any::<(String, String, String)>().prop_map(|(task, path, channel)| WriteOutline {
        task,
        path,
        channel,
    });
    let outline = (any_name(), any::<(u64, Option<String>, String)>(), any::<String>(), rest);
    (outline, any_value(), vec(write, 0..3)).prop_map(|(outline, body, writes)| {
        let (name, (sequence, parent, metadata), channel, rest) = outline;
        let channels = vec![(channel, rest)];
        let outline =
            CheckpointOutline { snapshot: None, name, sequence, parent, metadata, channels };
        CheckpointStep { outline, body, writes }
    })
}

fn any_answer() -> impl Strategy<Value = Answer> {
    let history =
        (of(any_value()), any_pending()).prop_map(|(seed, writes)| ChannelHistory { seed, writes });
    prop_oneof![
        vec(any::<String>(), 0..3).prop_map(|missing| Answer::Put { missing }),
        of(any_record()).prop_map(|found| Answer::Checkpoint { found: found.map(Box::new) }),
        vec(any_record(), 0..3).prop_map(|found| Answer::Checkpoints { found }),
        vec(any_step(), 0..3).prop_map(|found| Answer::Steps { found }),
        vec(history, 0..3).prop_map(|found| Answer::History { found }),
        any::<String>().prop_map(|message| Answer::Failed { message }),
    ]
}

pub(crate) fn any_to_worker() -> impl Strategy<Value = ToWorker> {
    prop_oneof![
        (any::<u32>(), any_bytes()).prop_map(|(version, job)| ToWorker::Welcome { version, job }),
        any_order().prop_map(|order| ToWorker::Attempt(Box::new(order))),
        any_answer().prop_map(ToWorker::Answer),
        Just(ToWorker::Farewell {}),
    ]
}
