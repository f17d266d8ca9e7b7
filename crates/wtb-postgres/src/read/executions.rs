//! Executions, and what belongs to them: attempts, nodes, scores.

use wtb_model::{
    AttemptRecord, AttemptStatus, BatchId, Direction, ExecutionId, ExecutionRecord,
    ExecutionStatus, NodeRecord, NodeStatus, ScoreRecord, WorkspaceRecord,
};
use wtb_store::{ExecutionDetail, ExecutionFilter, Page, StoreError};

use super::{Filter, Query};
use crate::columns::Columns;
use crate::errors::Failure;
use crate::sql::Value;

const EXECUTIONS: &str = "SELECT e.id, b.id, e.workflow, e.variant, e.case_id, e.repeat, \
     e.variant_index, e.case_index, e.seed, e.status, e.attempts, e.token, e.dead_letter, \
     e.created_at, e.started_at, e.finished_at, e.duration_us, e.input, e.output, e.state, \
     e.interrupts, e.error, e.usage, e.warnings, e.settled, e.parent, o.id, e.lineages, \
     e.from_head, e.front FROM @.executions e LEFT JOIN @.batches b ON b.key = e.batch \
     LEFT JOIN @.batches o ON o.key = e.origin";

impl Query<'_> {
    pub(crate) fn execution(&mut self, id: &ExecutionId) -> Result<ExecutionRecord, Failure> {
        let sql = format!("{EXECUTIONS} WHERE e.id = $1");
        let found = self.first(&sql, &[id.as_str().into()], "an execution", execution)?;
        Ok(found.ok_or_else(|| StoreError::NotFound { what: "execution", id: id.to_string() })?)
    }

    pub(crate) fn executions(
        &mut self,
        filter: &ExecutionFilter,
        page: Page,
    ) -> Result<Vec<ExecutionRecord>, Failure> {
        let mut query = Filter::new(EXECUTIONS);
        if let Some(batch) = &filter.batch {
            // A batch that is not there has no executions, which is what the filter asked for.
            let key = "e.batch = (SELECT key FROM @.batches WHERE id = ?)";
            query.and_text(key, Some(batch.as_str()));
        } else {
            // A cell that goes on by itself is listed once, as it stands now.
            let continued = ExecutionId::CONTINUED;
            let gone_on = format!(
                "(e.batch IS NULL OR NOT EXISTS \
                 (SELECT 1 FROM @.executions c WHERE c.id = e.id || '{continued}'))"
            );
            query.and(&gone_on, []);
        }
        if filter.single {
            query.and("e.batch IS NULL", []);
        }
        if !filter.statuses.is_empty() {
            let names = filter.statuses.iter().map(|status| status.as_str());
            query.and("e.status = ANY(?)", [Value::texts(names)]);
        }
        query.and_text("e.variant = ?", filter.variant.as_deref());
        query.and_text("e.case_id = ?", filter.case_id.as_deref());
        query.and_text("e.workflow = ?", filter.workflow.as_deref());
        if filter.dead_letter {
            query.and("e.dead_letter", []);
        }
        if filter.unsettled {
            query.and("NOT e.settled AND e.status NOT IN ('queued', 'running')", []);
        }
        query.ordered(match filter.batch {
            Some(_) => "e.variant_index, e.case_index, e.repeat",
            None => "e.key DESC",
        });
        query.page(page);
        self.all(&query.sql, &query.parameters, "an execution", execution)
    }

    pub(crate) fn detail(&mut self, id: &ExecutionId) -> Result<ExecutionDetail, Failure> {
        let key = [self.execution_key(id)?];
        // What a cell goes on to by itself is written after the cell: its key is the larger one.
        let ids = [Value::texts([id.known().as_str(), id.as_str()])];
        let attempts = self.all(
            "SELECT a.number, a.token, a.worker, a.status, a.started_at, a.finished_at, a.error, \
             a.stdout, a.stderr, a.rung, a.inputs, a.directory, a.found, a.files \
             FROM @.executions e JOIN @.attempts a ON a.execution = e.key WHERE e.id = ANY($1) \
             ORDER BY a.execution, a.number",
            &ids,
            "an attempt",
            attempt,
        )?;
        let nodes = self.all(
            "SELECT n.attempt, n.position, n.node, n.step, n.status, n.calls, n.started_at, \
             n.duration_us, n.input, n.output, n.error, n.usage \
             FROM @.executions e JOIN @.nodes n ON n.execution = e.key WHERE e.id = ANY($1) \
             ORDER BY n.execution, n.attempt, n.position",
            &ids,
            "a node",
            node,
        )?;
        let scores = self.all(
            "SELECT name, value, direction, source, version, reason, error FROM @.scores \
             WHERE execution = $1 ORDER BY source, position",
            &key,
            "a score",
            score,
        )?;
        Ok(ExecutionDetail { attempts, nodes, scores })
    }

    pub(crate) fn scores(
        &mut self,
        batch: &BatchId,
    ) -> Result<Vec<(ExecutionId, ScoreRecord)>, Failure> {
        let key = self.batch_key(batch)?;
        self.all(
            "SELECT e.id, s.name, s.value, s.direction, s.source, s.version, s.reason, s.error \
             FROM @.executions e JOIN @.scores s ON s.execution = e.key WHERE e.batch = $1 \
             ORDER BY e.variant_index, e.case_index, e.repeat, s.source, s.position",
            &[key],
            "a score",
            |columns| Ok((columns.id()?, score(columns)?)),
        )
    }
}

fn execution(columns: &mut Columns<'_>) -> Result<ExecutionRecord, StoreError> {
    Ok(ExecutionRecord {
        id: columns.id()?,
        batch: columns.optional_id()?,
        workflow: columns.text()?,
        variant: columns.text()?,
        case_id: columns.text()?,
        repeat: columns.number()?,
        variant_index: columns.number()?,
        case_index: columns.number()?,
        seed: columns.number()?,
        status: columns.name(ExecutionStatus::parse)?,
        attempts: columns.number()?,
        token: columns.number()?,
        dead_letter: columns.take()?,
        created_at: columns.time()?,
        started_at: columns.optional_time()?,
        finished_at: columns.optional_time()?,
        duration_us: columns.optional_number()?,
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
        lineages: columns.number()?,
        from_head: columns.take()?,
        front: columns.optional_json()?,
    })
}

fn attempt(columns: &mut Columns<'_>) -> Result<AttemptRecord, StoreError> {
    Ok(AttemptRecord {
        number: columns.number()?,
        token: columns.number()?,
        worker: columns.text()?,
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
    let (rung, inputs) = (columns.optional_text()?, columns.optional_text()?);
    let (directory, files) = (columns.optional_text()?, columns.optional_value()?);
    Ok(match (rung, inputs, directory, files) {
        (Some(rung), Some(inputs), Some(directory), Some(files)) => {
            Some(WorkspaceRecord { rung, inputs, directory, files })
        }
        _ => None,
    })
}

fn node(columns: &mut Columns<'_>) -> Result<NodeRecord, StoreError> {
    Ok(NodeRecord {
        attempt: columns.number()?,
        order: columns.number()?,
        node: columns.text()?,
        step: columns.take()?,
        status: columns.name(NodeStatus::parse)?,
        calls: columns.number()?,
        started_at: columns.time()?,
        duration_us: columns.number()?,
        input: columns.optional_value()?,
        output: columns.optional_value()?,
        error: columns.optional_json()?,
        usage: columns.optional_json()?,
    })
}

fn score(columns: &mut Columns<'_>) -> Result<ScoreRecord, StoreError> {
    Ok(ScoreRecord {
        name: columns.text()?,
        value: columns.take()?,
        direction: columns.name(Direction::parse)?,
        source: columns.text()?,
        version: columns.optional_text()?,
        reason: columns.optional_text()?,
        error: columns.optional_text()?,
    })
}
