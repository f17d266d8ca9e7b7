//! A worker's end of its connection: it waits for attempts, asks for checkpoints and delivers outcomes.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use wtb_store::{
    ChannelHistory, CheckpointFilter, CheckpointName, CheckpointRecord, CheckpointStep, StoreError,
};

use crate::checkpointer::{Checkpointer, GivenCheckpoint, GivenWrites};
use crate::frame::{self, FrameError};
use crate::message::{Answer, FromWorker, Order, PROTOCOL_VERSION, ToWorker};
use crate::outcome::Outcome;

/// A worker's connection to its supervisor. Threads may share it: one asks at a time.
#[derive(Debug)]
pub struct Link {
    wire: Mutex<Wire>,
    /// The worker's process. A copy of it, which a node has made, is no worker.
    process: u32,
}

#[derive(Debug)]
struct Wire {
    stream: UnixStream,
    /// How many attempts have begun.
    begun: u64,
    /// Whether the last of them goes on.
    is_open: bool,
}

/// What one attempt says over the connection: nothing any more once its outcome was delivered, whatever
/// threads it has left behind.
#[derive(Debug, Clone)]
pub struct AttemptLink {
    link: Arc<Link>,
    number: u64,
}

impl Link {
    /// Says hello, and waits for what the worker's attempts have in common.
    pub fn open(mut stream: UnixStream) -> Result<(Self, Bytes), FrameError> {
        frame::write(&mut stream, &FromWorker::Hello { version: PROTOCOL_VERSION })?;
        match frame::read(&mut stream)? {
            Some(ToWorker::Welcome { version: PROTOCOL_VERSION, job }) => {
                let wire = Mutex::new(Wire { stream, begun: 0, is_open: false });
                Ok((Self { wire, process: std::process::id() }, job))
            }
            Some(ToWorker::Welcome { version, .. }) => Err(FrameError::Malformed(format!(
                "the supervisor speaks version {version} of the protocol, this worker {PROTOCOL_VERSION}"
            ))),
            Some(other) => Err(unexpected(&other)),
            None => Err(FrameError::CutOff { have: 0, bytes: 0 }),
        }
    }

    /// Waits for an attempt; `None` when nothing more will come.
    pub fn next(self: &Arc<Self>) -> Result<Option<(Order, AttemptLink)>, FrameError> {
        let mut wire = self.lock()?;
        match frame::read(&mut wire.stream)? {
            Some(ToWorker::Attempt(order)) => {
                wire.begun += 1;
                wire.is_open = true;
                Ok(Some((*order, AttemptLink { link: Arc::clone(self), number: wire.begun })))
            }
            Some(ToWorker::Farewell {}) | None => Ok(None),
            Some(other) => Err(unexpected(&other)),
        }
    }

    fn lock(&self) -> Result<MutexGuard<'_, Wire>, FrameError> {
        if std::process::id() != self.process {
            let reason = "the connection is that of the process that this one was forked from";
            return Err(std::io::Error::other(reason).into());
        }
        Ok(self.wire.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl AttemptLink {
    /// Delivers how the attempt ended.
    pub fn complete(&self, outcome: Outcome) -> Result<(), FrameError> {
        let frame = frame::encode(&FromWorker::Outcome(Box::new(outcome)))?;
        let mut wire = self.lock()?;
        wire.is_open = false;
        Ok(wire.stream.write_all(&frame)?)
    }

    /// Tells that a node begins or has ended.
    pub fn node(&self, node: &str, ended: bool) -> Result<(), FrameError> {
        self.tell(&FromWorker::Node { node: node.to_owned(), ended })
    }

    fn tell(&self, message: &FromWorker) -> Result<(), FrameError> {
        let frame = frame::encode(message)?;
        Ok(self.lock()?.stream.write_all(&frame)?)
    }

    fn ask(&self, question: &FromWorker) -> Result<Answer, StoreError> {
        let frame = frame::encode(question).map_err(|error| lost(&error))?;
        let mut wire = self.lock().map_err(|error| lost(&error))?;
        wire.stream.write_all(&frame).map_err(|error| lost(&error.into()))?;
        match frame::read(&mut wire.stream).map_err(|error| lost(&error))? {
            Some(ToWorker::Answer(Answer::Failed { message })) => {
                Err(StoreError::Elsewhere(message))
            }
            Some(ToWorker::Answer(answer)) => Ok(answer),
            Some(other) => Err(lost(&unexpected(&other))),
            None => Err(StoreError::Closed),
        }
    }

    fn lock(&self) -> Result<MutexGuard<'_, Wire>, FrameError> {
        let wire = self.link.lock()?;
        if wire.is_open && wire.begun == self.number {
            return Ok(wire);
        }
        Err(std::io::Error::other("the attempt has ended, and nothing more counts for it").into())
    }
}

fn lost(error: &FrameError) -> StoreError {
    StoreError::Elsewhere(format!("the supervisor does not answer: {error}"))
}

fn unexpected(message: &ToWorker) -> FrameError {
    let name = match message {
        ToWorker::Welcome { .. } => "welcome",
        ToWorker::Attempt(_) => "attempt",
        ToWorker::Answer(_) => "answer",
        ToWorker::Farewell {} => "farewell",
    };
    FrameError::Malformed(format!("`{name}` does not belong here"))
}

fn misplaced<T>() -> Result<T, StoreError> {
    let reason = "the answer is to another question".to_owned();
    Err(lost(&FrameError::Malformed(reason)))
}

impl Checkpointer for AttemptLink {
    fn put(&self, checkpoint: GivenCheckpoint) -> Result<Vec<String>, StoreError> {
        match self.ask(&FromWorker::Put(Box::new(checkpoint)))? {
            Answer::Put { missing } => Ok(missing),
            _ => misplaced(),
        }
    }

    fn put_writes(&self, writes: GivenWrites) -> Result<(), StoreError> {
        self.tell(&FromWorker::PutWrites(Box::new(writes))).map_err(|error| lost(&error))
    }

    fn is_busy(&self) -> bool {
        // A supervisor that is behind lets its workers wait.
        true
    }

    fn get(
        &self,
        thread: &str,
        namespace: &str,
        id: Option<&str>,
    ) -> Result<Option<CheckpointRecord>, StoreError> {
        let (thread, namespace) = (thread.to_owned(), namespace.to_owned());
        match self.ask(&FromWorker::Get { thread, namespace, id: id.map(str::to_owned) })? {
            Answer::Checkpoint { found } => Ok(found.map(|found| *found)),
            _ => misplaced(),
        }
    }

    fn head(&self, thread: &str, namespace: &str) -> Result<Option<CheckpointRecord>, StoreError> {
        let (thread, namespace) = (thread.to_owned(), namespace.to_owned());
        match self.ask(&FromWorker::Head { thread, namespace })? {
            Answer::Checkpoint { found } => Ok(found.map(|found| *found)),
            _ => misplaced(),
        }
    }

    fn list(
        &self,
        filter: &CheckpointFilter,
        limit: u64,
    ) -> Result<Vec<CheckpointRecord>, StoreError> {
        match self.ask(&FromWorker::List { filter: filter.clone(), limit })? {
            Answer::Checkpoints { found } => Ok(found),
            _ => misplaced(),
        }
    }

    fn steps(&self, thread: &str) -> Result<Vec<CheckpointStep>, StoreError> {
        match self.ask(&FromWorker::Steps { thread: thread.to_owned() })? {
            Answer::Steps { found } => Ok(found),
            _ => misplaced(),
        }
    }

    fn history(
        &self,
        name: &CheckpointName,
        channels: &[String],
    ) -> Result<Vec<ChannelHistory>, StoreError> {
        match self.ask(&FromWorker::History { name: name.clone(), channels: channels.to_vec() })? {
            Answer::History { found } => Ok(found),
            _ => misplaced(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::End;

    fn order(attempt: u32) -> ToWorker {
        ToWorker::Attempt(Box::new(Order {
            workspace: None,
            execution: "e".to_owned(),
            thread: None,
            from_head: false,
            variant: 0,
            case: 0,
            repeat: 0,
            attempt,
            seed: 0,
            input: Bytes::new(),
        }))
    }

    #[test]
    fn an_attempt_says_nothing_once_it_was_delivered() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let welcome = ToWorker::Welcome { version: PROTOCOL_VERSION, job: Bytes::new() };
        for message in [welcome, order(1), order(2)] {
            frame::write(&mut theirs, &message).unwrap();
        }
        let link = Arc::new(Link::open(ours).unwrap().0);
        let (_, first) = link.next().unwrap().unwrap();
        first.node("a", false).unwrap();
        first.complete(Outcome::of(End::Succeeded)).unwrap();
        let late = |reason: &str| assert!(reason.contains("the attempt has ended"), "{reason}");
        late(&first.node("late", false).unwrap_err().to_string());
        let (_, second) = link.next().unwrap().unwrap();
        late(&first.head("t", "").unwrap_err().to_string());
        late(&first.complete(Outcome::of(End::Failed)).unwrap_err().to_string());
        second.node("b", false).unwrap();
        drop((link, first, second));
        let mut said = Vec::new();
        while let Some(message) = frame::read::<FromWorker>(&mut theirs).unwrap() {
            said.push(message);
        }
        let nodes: Vec<_> = said
            .iter()
            .filter_map(|message| match message {
                FromWorker::Node { node, .. } => Some(node.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(nodes, ["a", "b"]);
        assert_eq!(said.len(), 4, "hello, two nodes and one outcome");
    }
}
