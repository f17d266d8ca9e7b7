//! The rows of executions as they are written.

use wtb_model::{AttemptOutcome, ErrorInfo, ExecutionRecord, StoredValue};
use wtb_store::StoreError;
use wtb_store::codec::{encode_list, encode_optional, encode_optional_json};

use super::executions::Execution;
use crate::bulk::{Kind, Table, cells, columns};
use crate::connection::Connection;
use crate::errors::Failure;
use crate::sql::{Value, integer};

const KEY: (&str, Kind) = ("key", Kind::Int);

/// What stays as it was created.
const FIXED: [(&str, Kind); 11] = [
    ("id", Kind::Text),
    ("batch", Kind::Int),
    ("workflow", Kind::Text),
    ("variant", Kind::Text),
    ("case_id", Kind::Text),
    ("repeat", Kind::Int),
    ("variant_index", Kind::Int),
    ("case_index", Kind::Int),
    ("seed", Kind::Int),
    ("created_at", Kind::Int),
    ("input", Kind::Bytes),
];

/// What every step may change.
const STEP: [(&str, Kind); 7] = [
    ("status", Kind::Text),
    ("attempts", Kind::Int),
    ("token", Kind::Int),
    ("dead_letter", Kind::Bool),
    ("settled", Kind::Bool),
    ("started_at", Kind::Int),
    ("finished_at", Kind::Int),
];

/// What the end of an attempt brings.
const OUTCOME: [(&str, Kind); 7] = [
    ("duration_us", Kind::Int),
    ("output", Kind::Bytes),
    ("state", Kind::Bytes),
    ("interrupts", Kind::Bytes),
    ("error", Kind::Text),
    ("usage", Kind::Text),
    ("warnings", Kind::Text),
];

const CREATED: Table<26> = Table {
    name: "executions",
    what: "an execution",
    columns: columns(&[&[KEY], &FIXED, &STEP, &OUTCOME]),
};

const STEPPED: Table<8> = Table {
    name: "executions",
    what: "a step of an execution",
    columns: columns(&[&[KEY], &STEP]),
};

const ENDED: Table<15> = Table {
    name: "executions",
    what: "the outcome of an execution",
    columns: columns(&[&[KEY], &STEP, &OUTCOME]),
};

/// Writes executions that were created or changed.
pub(super) fn flush_executions<'rows, 'group: 'rows>(
    connection: &mut Connection,
    changed: impl Iterator<Item = (&'rows i64, &'rows Execution<'group>)> + Clone,
) -> Result<(), Failure> {
    let created = changed.clone().filter_map(|(key, row)| Some((*key, row, row.created?)));
    CREATED.insert(
        connection,
        created.map(|(key, row, record)| created_row(key, row, record)),
        "",
    )?;
    let known = changed.filter(|(_, row)| row.created.is_none());
    let stepped = known.clone().filter(|(_, row)| row.outcome.is_none());
    let stepped = stepped.map(|(key, row)| cells([Value::from(*key)].into_iter().chain(step(row))));
    STEPPED.update(connection, stepped, 1, "")?;
    let ended = known.filter_map(|(key, row)| Some((*key, row, row.outcome?)));
    let ended = ended.map(|(key, row, outcome)| {
        let outcome = outcome_cells(&Outcome::delivered(outcome))?;
        cells([Value::from(key)].into_iter().chain(step(row)).chain(outcome))
    });
    ENDED.update(connection, ended, 1, "")
}

fn created_row(
    key: i64,
    row: &Execution<'_>,
    record: &ExecutionRecord,
) -> Result<[Value; 26], StoreError> {
    let fixed = [
        key.into(),
        record.id.as_str().into(),
        Value::Int(row.batch),
        Value::text(&record.workflow),
        Value::text(&record.variant),
        Value::text(&record.case_id),
        record.repeat.into(),
        record.variant_index.into(),
        record.case_index.into(),
        integer(record.seed, "a seed")?.into(),
        Value::time(record.created_at),
        encode_optional(record.input.as_ref()).into(),
    ];
    let outcome = row.outcome.map_or_else(|| Outcome::recorded(record), Outcome::delivered);
    cells(fixed.into_iter().chain(step(row)).chain(outcome_cells(&outcome)?))
}

/// The cells of `STEP`.
fn step(row: &Execution<'_>) -> [Value; 7] {
    [
        row.status.as_str().into(),
        row.attempts.into(),
        row.token.into(),
        row.dead_letter.into(),
        row.settled.into(),
        Value::Int(row.started_at),
        Value::Int(row.finished_at),
    ]
}

/// What an attempt brought, or what an execution was created with.
struct Outcome<'group> {
    duration_us: Option<u64>,
    values: [Option<&'group StoredValue>; 3],
    error: Option<&'group ErrorInfo>,
    usage: Option<&'group serde_json::Value>,
    warnings: &'group [String],
}

impl<'group> Outcome<'group> {
    fn delivered(outcome: &'group AttemptOutcome) -> Self {
        Self {
            duration_us: Some(outcome.duration_us),
            values: [&outcome.output, &outcome.state, &outcome.interrupts].map(Option::as_ref),
            error: outcome.error.as_ref(),
            usage: outcome.usage.as_ref(),
            warnings: &outcome.warnings,
        }
    }

    fn recorded(record: &'group ExecutionRecord) -> Self {
        Self {
            duration_us: record.duration_us,
            values: [&record.output, &record.state, &record.interrupts].map(Option::as_ref),
            error: record.error.as_ref(),
            usage: record.usage.as_ref(),
            warnings: &record.warnings,
        }
    }
}

/// The cells of `OUTCOME`.
fn outcome_cells(outcome: &Outcome<'_>) -> Result<[Value; 7], StoreError> {
    let duration = outcome.duration_us.map(|duration| integer(duration, "a duration"));
    let [output, state, interrupts] = outcome.values.map(encode_optional);
    Ok([
        Value::Int(duration.transpose()?),
        output.into(),
        state.into(),
        interrupts.into(),
        encode_optional_json(outcome.error)?.into(),
        encode_optional_json(outcome.usage)?.into(),
        encode_list(outcome.warnings)?.into_owned().into(),
    ])
}
