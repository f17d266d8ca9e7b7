//! The rows of batches, and of their variants and cases, as they are written.

use wtb_model::{BatchRecord, BatchStatus, CaseRecord, VariantRecord};
use wtb_store::StoreError;
use wtb_store::codec::{encode_json, encode_list, encode_optional, encode_value};

use super::batches::Batch;
use crate::bulk::{Kind, Table};
use crate::connection::{Connection, get};
use crate::errors::Failure;
use crate::sql::Value;

const CREATED: Table<12> = Table {
    name: "batches",
    what: "a batch",
    columns: [
        ("key", Kind::Int),
        ("id", Kind::Text),
        ("name", Kind::Text),
        ("workflow", Kind::Text),
        ("reference", Kind::Text),
        ("status", Kind::Text),
        ("spec", Kind::Text),
        ("session", Kind::Text),
        ("created_at", Kind::Int),
        ("started_at", Kind::Int),
        ("finished_at", Kind::Int),
        ("given", Kind::Bytes),
    ],
};

const COUNTED: Table<1> =
    Table { name: "batch_counts", what: "the counts of a batch", columns: [("batch", Kind::Int)] };

const CHANGED: Table<7> = Table {
    name: "batches",
    what: "a batch",
    columns: [
        ("key", Kind::Int),
        ("status", Kind::Text),
        ("session", Kind::Text),
        ("started_at", Kind::Int),
        ("finished_at", Kind::Int),
        ("spec", Kind::Text),
        ("given", Kind::Bytes),
    ],
};

const VARIANTS: Table<4> = Table {
    name: "variants",
    what: "a variant",
    columns: [
        ("batch", Kind::Int),
        ("position", Kind::Int),
        ("name", Kind::Text),
        ("description", Kind::Text),
    ],
};

const CASES: Table<9> = Table {
    name: "cases",
    what: "a case",
    columns: [
        ("batch", Kind::Int),
        ("position", Kind::Int),
        ("id", Kind::Text),
        ("case_group", Kind::Text),
        ("tags", Kind::Text),
        ("input", Kind::Bytes),
        ("expected", Kind::Bytes),
        ("answers", Kind::Bytes),
        ("workspace", Kind::Text),
    ],
};

/// Where the next variant and the next case of a batch come to stand.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Next {
    pub(super) variant: i64,
    pub(super) case: i64,
}

/// Returns where the next variant and the next case of each batch come to stand.
pub(super) fn next_positions(
    connection: &mut Connection,
    batches: &[i64],
) -> Result<Vec<(i64, Next)>, Failure> {
    if batches.is_empty() {
        return Ok(Vec::new());
    }
    let rows = connection.query(
        "SELECT b.key, (SELECT count(*) FROM @.variants v WHERE v.batch = b.key), \
         (SELECT count(*) FROM @.cases c WHERE c.batch = b.key) \
         FROM unnest($1::bigint[]) AS b (key)",
        &[Value::ints(batches.iter().copied())],
        "counting variants and cases",
    )?;
    rows.iter()
        .map(|row| Ok((get(row, 0)?, Next { variant: get(row, 1)?, case: get(row, 2)? })))
        .collect()
}

/// Writes batches that were created or changed.
pub(super) fn flush_batches<'rows, 'group: 'rows>(
    connection: &mut Connection,
    batches: impl Iterator<Item = (&'rows i64, &'rows Batch<'group>)> + Clone,
) -> Result<(), Failure> {
    let changed = batches.filter(|(_, batch)| batch.changed);
    let created = || {
        let changed = changed.clone();
        changed.filter_map(|(key, batch)| Some((*key, batch, batch.created?)))
    };
    let rows = created().map(|(key, batch, record)| created_row(key, batch, record));
    CREATED.insert(connection, rows, "")?;
    COUNTED.insert(connection, created().map(|(key, ..)| Ok([key.into()])), "")?;
    let rows = changed.filter(|(_, batch)| batch.created.is_none());
    let rows = rows.map(|(key, batch)| {
        let spec = batch.spec.map(encode_json).transpose()?;
        Ok([
            (*key).into(),
            BatchStatus::as_str(batch.status).into(),
            batch.session.clone().into(),
            Value::Int(batch.started_at),
            Value::Int(batch.finished_at),
            spec.into(),
            encode_optional(batch.given).into(),
        ])
    });
    let set = "status = u.status, session = u.session, started_at = u.started_at, \
               finished_at = u.finished_at, spec = COALESCE(u.spec, t.spec), \
               given = COALESCE(u.given, t.given)";
    CHANGED.update(connection, rows, 1, set)
}

fn created_row(
    key: i64,
    batch: &Batch<'_>,
    record: &BatchRecord,
) -> Result<[Value; 12], StoreError> {
    Ok([
        key.into(),
        record.id.as_str().into(),
        Value::optional_text(record.name.as_deref()),
        Value::text(&record.workflow),
        Value::optional_text(record.reference.as_deref()),
        BatchStatus::as_str(batch.status).into(),
        encode_json(batch.spec.unwrap_or(&record.spec))?.into(),
        batch.session.clone().into(),
        Value::time(record.created_at),
        Value::Int(batch.started_at),
        Value::Int(batch.finished_at),
        encode_optional(batch.given).into(),
    ])
}

/// Writes variants and cases, each with its batch and its place there.
pub(super) fn flush_parts<'group>(
    connection: &mut Connection,
    variants: impl Iterator<Item = (i64, i64, &'group VariantRecord)>,
    cases: impl Iterator<Item = (i64, i64, &'group CaseRecord)>,
) -> Result<(), Failure> {
    let rows = variants.map(|(batch, position, variant)| {
        let description = encode_json(&variant.description)?;
        Ok([batch.into(), position.into(), Value::text(&variant.name), description.into()])
    });
    VARIANTS.insert(connection, rows, "")?;
    let rows = cases.map(|(batch, position, case)| {
        Ok([
            batch.into(),
            position.into(),
            Value::text(&case.id),
            Value::optional_text(case.group.as_deref()),
            encode_list(&case.tags)?.into_owned().into(),
            Value::Bytes(Some(encode_value(&case.input))),
            encode_optional(case.expected.as_ref()).into(),
            encode_optional(case.answers.as_ref()).into(),
            Value::optional_text(case.workspace.as_deref()),
        ])
    });
    CASES.insert(connection, rows, "")
}
