//! What a supervisor answers its worker during one attempt.

use crate::checkpointer::Checkpointer;
use crate::message::{Answer, FromWorker};
use wtb_store::StoreError;

/// How many nodes may be under way at once before their names are not kept any more.
const NODES_MAX: usize = 256;

/// Answers the worker of one attempt.
pub(crate) struct Answers<'host> {
    checkpoints: &'host dyn Checkpointer,
    /// Nodes that have begun and not ended.
    nodes: Vec<String>,
    /// What became of writes, which are not answered.
    failure: Option<StoreError>,
}

impl<'host> Answers<'host> {
    pub(crate) const fn new(checkpoints: &'host dyn Checkpointer) -> Self {
        Self { checkpoints, nodes: Vec::new(), failure: None }
    }

    /// Returns the nodes that are under way.
    pub(crate) fn into_nodes(self) -> Vec<String> {
        self.nodes
    }

    /// Returns the answer to a message, if it has one.
    pub(crate) fn to(&mut self, message: FromWorker) -> Option<Answer> {
        match message {
            FromWorker::Hello { .. } | FromWorker::Outcome(_) => None,
            FromWorker::Node { node, ended } => {
                self.node(node, ended);
                None
            }
            FromWorker::PutWrites(writes) => {
                if let Err(error) = self.checkpoints.put_writes(*writes) {
                    self.failure.get_or_insert(error);
                }
                None
            }
            question => Some(self.answer(question)),
        }
    }

    /// Whether a message changes nothing, but wants an answer.
    pub(crate) const fn only_asks(message: &FromWorker) -> bool {
        match message {
            FromWorker::Get { .. }
            | FromWorker::Head { .. }
            | FromWorker::List { .. }
            | FromWorker::Steps { .. }
            | FromWorker::History { .. } => true,
            FromWorker::Hello { .. }
            | FromWorker::Node { .. }
            | FromWorker::Put(_)
            | FromWorker::PutWrites(_)
            | FromWorker::Outcome(_) => false,
        }
    }

    /// Returns the answer to a message that comes after the attempt's outcome, if it has one.
    pub(crate) fn too_late(message: &FromWorker) -> Option<Answer> {
        let is_question = Self::only_asks(message) || matches!(message, FromWorker::Put(_));
        let answer = || Answer::Failed { message: "the attempt has ended".to_owned() };
        is_question.then(answer)
    }

    fn node(&mut self, node: String, ended: bool) {
        if !ended {
            if self.nodes.len() < NODES_MAX {
                self.nodes.push(node);
            }
        } else if let Some(at) = self.nodes.iter().rposition(|one| *one == node) {
            self.nodes.remove(at);
        }
    }

    fn answer(&mut self, question: FromWorker) -> Answer {
        let earlier = self.failure.take().map_or(Ok(()), Err);
        let answer = earlier.and_then(|()| self.ask(question));
        answer.unwrap_or_else(|error| Answer::Failed { message: error.to_string() })
    }

    fn ask(&self, question: FromWorker) -> Result<Answer, StoreError> {
        let checkpoints = self.checkpoints;
        Ok(match question {
            FromWorker::Put(checkpoint) => Answer::Put { missing: checkpoints.put(*checkpoint)? },
            FromWorker::Get { thread, namespace, id } => {
                let found = checkpoints.get(&thread, &namespace, id.as_deref())?;
                Answer::Checkpoint { found: found.map(Box::new) }
            }
            FromWorker::Head { thread, namespace } => {
                let found = checkpoints.head(&thread, &namespace)?;
                Answer::Checkpoint { found: found.map(Box::new) }
            }
            FromWorker::List { filter, limit } => {
                Answer::Checkpoints { found: checkpoints.list(&filter, limit)? }
            }
            FromWorker::Steps { thread } => Answer::Steps { found: checkpoints.steps(&thread)? },
            FromWorker::History { name, channels } => {
                Answer::History { found: checkpoints.history(&name, &channels)? }
            }
            FromWorker::Hello { .. }
            | FromWorker::Node { .. }
            | FromWorker::PutWrites(_)
            | FromWorker::Outcome(_) => Answer::Failed { message: "no question".to_owned() },
        })
    }
}
