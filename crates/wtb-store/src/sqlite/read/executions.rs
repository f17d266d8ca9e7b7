//! Executions, and what belongs to them: attempts, nodes, scores.

use rusqlite::types::Value;
use wtb_model::{
    AttemptRecord, AttemptStatus, BatchId, Direction, ExecutionId, ExecutionRecord,
    ExecutionStatus, NodeRecord, NodeStatus, ScoreRecord, WorkspaceRecord,
};

use super::{Filter, Query};
use crate::sqlite::columns::Columns;
use crate::{ExecutionDetail, ExecutionFilter, Page, StoreError};

const EXECUTIONS: &str = "SELECT e.id, b.id, e.workflow, e.variant, e.case_id, e.repeat, \
     e.variant_index, e.case_index, e.seed, e.status, e.attempts, e.token, e.dead_letter, \
     e.created_at, e.started_at, e.finished_at, e.duration_us, e.input, e.output, e.state, \
     e.interrupts, e.error, e.usage, e.warnings, e.settled, e.parent, o.id, e.lineages, \
     e.from_head, e.front FROM executions e LEFT JOIN batches b ON b.key = e.batch \
     LEFT JOIN batches o ON o.key = e.origin";

impl Query {
    pub(in crate::sqlite) fn execution(
        &self,
        id: &ExecutionId,
    ) -> Result<ExecutionRecord, StoreError> {
        let sql = format!("{EXECUTIONS} WHERE e.id = ?");
        self.first(&sql, &[id.as_str().to_owned().into()], "an execution", execution)?
            .ok_or_else(|| StoreError::NotFound { what: "execution", id: id.to_string() })
    }

    pub(in crate::sqlite) fn executions(
        &self,
        filter: &ExecutionFilter,
        page: Page,
    ) -> Result<Vec<ExecutionRecord>, StoreError> {
        let mut query = Filter::new(EXECUTIONS);
        if let Some(batch) = &filter.batch {
            // A batch that is not there has no executions, which is what the filter asked for.
            let key = "e.batch = (SELECT key FROM batches WHERE id = ?)";
            query.and_text(key, Some(batch.as_str()));
        } else {
            // A cell that goes on by itself is listed once, as it stands now.
            let continued = ExecutionId::CONTINUED;
            let gone_on = format!(
                "(e.batch IS NULL OR NOT EXISTS \
                 (SELECT 1 FROM executions c WHERE c.id = e.id || '{continued}'))"
            );
            query.and(&gone_on, []);
        }
        if filter.single {
            query.and("e.batch IS NULL", []);
        }
        restrict_statuses(&mut query, &filter.statuses);
        query.and_text("e.variant = ?", filter.variant.as_deref());
        query.and_text("e.case_id = ?", filter.case_id.as_deref());
        query.and_text("e.workflow = ?", filter.workflow.as_deref());
        if filter.dead_letter {
            query.and("e.dead_letter = 1", []);
        }
        if filter.unsettled {
            query.and("e.settled = 0 AND e.outstanding = 0", []);
        }
        // What is rare is looked up in its index and sorted; the plus keeps SQLite from walking all
        // executions instead because they have the right order already.
        query.ordered(match filter.batch {
            Some(_) => "e.variant_index, e.case_index, e.repeat",
            None if filter.dead_letter || filter.unsettled => "+e.key DESC",
            None => "e.key DESC",
        });
        query.page(page);
        self.all(&query.sql, &query.parameters, "an execution", execution)
    }

    pub(in crate::sqlite) fn detail(
        &self,
        id: &ExecutionId,
    ) -> Result<ExecutionDetail, StoreError> {
        let key = [Value::Integer(self.execution_key(id)?)];
        // What a cell goes on to by itself is written after the cell: its key is the larger one.
        let ids = [id.known(), id.clone()].map(|id| Value::Text(id.into()));
        let attempts = self.all(
            "SELECT number, token, worker, status, started_at, finished_at, error, stdout, \
             stderr, rung, inputs, directory, found, files FROM attempts WHERE execution IN (SELECT key FROM executions WHERE id IN (?, ?)) \
             ORDER BY execution, number",
            &ids,
            "an attempt",
            attempt,
        )?;
        let nodes = self.all(
            "SELECT a.number, n.position, n.node, n.step, n.status, n.calls, n.started_at, \
             n.duration_us, n.input, n.output, n.error, n.usage \
             FROM attempts a JOIN nodes n ON n.attempt = a.key \
             WHERE a.execution IN (SELECT key FROM executions WHERE id IN (?, ?)) \
             ORDER BY a.execution, a.number, n.position",
            &ids,
            "a node",
            node,
        )?;
        let scores = self.all(
            "SELECT name, value, direction, source, version, reason, error FROM scores \
             WHERE execution = ? ORDER BY source, position",
            &key,
            "a score",
            score,
        )?;
        Ok(ExecutionDetail { attempts, nodes, scores })
    }

    pub(in crate::sqlite) fn scores(
        &self,
        batch: &BatchId,
    ) -> Result<Vec<(ExecutionId, ScoreRecord)>, StoreError> {
        let key = self.batch_key(batch)?;
        self.all(
            "SELECT e.id, s.name, s.value, s.direction, s.source, s.version, s.reason, s.error \
             FROM executions e JOIN scores s ON s.execution = e.key WHERE e.batch = ? \
             ORDER BY e.variant_index, e.case_index, e.repeat, s.source, s.position",
            &[Value::Integer(key)],
            "a score",
            |columns| Ok((columns.id()?, score(columns)?)),
        )
    }
}

/// Adds the states, and where all of them lie in the range of a partial index the words by which
/// SQLite recognises that range.
fn restrict_statuses(query: &mut Filter, statuses: &[ExecutionStatus]) {
    if statuses.is_empty() {
        return;
    }
    if statuses.iter().all(|status| !status.is_final()) {
        query.and("e.outstanding = 1", []);
    } else if statuses
        .iter()
        .all(|status| status.is_final() && *status != ExecutionStatus::Succeeded)
    {
        query.and("e.outstanding = 0 AND e.status <> 'succeeded'", []);
    }
    let places = vec!["?"; statuses.len()].join(", ");
    let names = statuses.iter().map(|status| Value::Text(status.as_str().to_owned()));
    query.and(&format!("e.status IN ({places})"), names);
}

fn execution(columns: &mut Columns<'_>) -> Result<ExecutionRecord, StoreError> {
    Ok(ExecutionRecord {
        id: columns.id()?,
        batch: columns.optional_id()?,
        workflow: columns.take()?,
        variant: columns.take()?,
        case_id: columns.take()?,
        repeat: columns.take()?,
        variant_index: columns.take()?,
        case_index: columns.take()?,
        seed: columns.take()?,
        status: columns.name(ExecutionStatus::parse)?,
        attempts: columns.take()?,
        token: columns.take()?,
        dead_letter: columns.take()?,
        created_at: columns.time()?,
        started_at: columns.optional_time()?,
        finished_at: columns.optional_time()?,
        duration_us: columns.take()?,
        input: columns.optional_value()?,
        output: columns.optional_value()?,
        state: columns.optional_value()?,
        interrupts: columns.optional_value()?,
        error: columns.optional_json()?,
        usage: columns.optional_json()?,
        warnings: columns.json()?,
        settled: columns.take()?,
        parent: columns.optional_id()?,
        origin: columns.optional_id()?,
        lineages: columns.take()?,
        from_head: columns.take()?,
        front: columns.optional_json()?,
    })
}

fn attempt(columns: &mut Columns<'_>) -> Result<AttemptRecord, StoreError> {
    Ok(AttemptRecord {
        number: columns.take()?,
        token: columns.take()?,
        worker: columns.take()?,
        status: columns.name(AttemptStatus::parse)?,
        started_at: columns.time()?,
        finished_at: columns.optional_time()?,
        error: columns.optional_json()?,
        stdout: columns.optional_value()?,
        stderr: columns.optional_value()?,
        workspace: workspace(columns)?,
        files: columns.optional_value()?,
    })
}

fn workspace(columns: &mut Columns<'_>) -> Result<Option<WorkspaceRecord>, StoreError> {
    let (rung, inputs, directory) = (columns.take()?, columns.take()?, columns.take()?);
    let files = columns.optional_value()?;
    Ok(match (rung, inputs, directory, files) {
        (Some(rung), Some(inputs), Some(directory), Some(files)) => {
            Some(WorkspaceRecord { rung, inputs, directory, files })
        }
        _ => None,
    })
}

fn node(columns: &mut Columns<'_>) -> Result<NodeRecord, StoreError> {
    Ok(NodeRecord {
        attempt: columns.take()?,
        order: columns.take()?,
        node: columns.take()?,
        step: columns.take()?,
        status: columns.name(NodeStatus::parse)?,
        calls: columns.take()?,
        started_at: columns.time()?,
        duration_us: columns.take()?,
        input: columns.optional_value()?,
        output: columns.optional_value()?,
        error: columns.optional_json()?,
        usage: columns.optional_json()?,
    })
}

fn score(columns: &mut Columns<'_>) -> Result<ScoreRecord, StoreError> {
    Ok(ScoreRecord {
        name: columns.take()?,
        value: columns.take()?,
        direction: columns.name(Direction::parse)?,
        source: columns.take()?,
        version: columns.take()?,
        reason: columns.take()?,
        error: columns.take()?,
    })
}
