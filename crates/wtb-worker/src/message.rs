//! The messages of the worker protocol; `docs/worker-protocol.md` says what they mean.
//!
//! Each is a map of one entry: its name, and a map of its fields.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wtb_store::{
    ChannelHistory, CheckpointFilter, CheckpointName, CheckpointRecord, CheckpointStep,
};

use crate::checkpointer::{GivenCheckpoint, GivenWrites};
use crate::outcome::Outcome;

/// The version of the protocol. Another one is another language.
pub const PROTOCOL_VERSION: u32 = 1;

/// What a supervisor tells a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToWorker {
    /// The first message: what all attempts have in common.
    Welcome {
        /// [`PROTOCOL_VERSION`].
        version: u32,
        /// The workflow and its variants, as the front end packed them.
        job: Bytes,
    },
    /// An attempt to make.
    Attempt(Box<Order>),
    /// The answer to the oldest question that is open.
    Answer(Answer),
    /// Nothing more will come: the worker is to end.
    Farewell {},
}

/// An attempt to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The execution's id.
    pub execution: String,
    /// The lineage that its checkpoints belong to (LangGraph: its thread); `None` without checkpoints.
    pub thread: Option<String>,
    /// Whether it goes on from the lineage's head, and not from its input.
    pub from_head: bool,
    /// The variant's place among the job's, from 0.
    pub variant: u32,
    /// The case's place among the batch's cases, from 0.
    pub case: u32,
    /// Which repeat, from 0.
    pub repeat: u32,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// What to seed random number generators with.
    pub seed: u64,
    /// The case, as the front end packed it.
    pub input: Bytes,
    /// Its private files, if it has any.
    pub workspace: Option<Workspace>,
}

/// The private files of an attempt: the attempt's working directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    /// The directory, as an absolute path.
    pub directory: Bytes,
    /// The overlay that the worker has to mount there first, in its own mount namespace. Programs other
    /// than WTB's own workers never get one.
    pub overlay: Option<Bytes>,
}

/// The answer to a worker's question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To `put`: the channels that the parent does not have; then nothing was stored.
    Put {
        /// Their names.
        missing: Vec<String>,
    },
    /// To `get` and `head`.
    Checkpoint {
        /// The checkpoint, if there is one.
        found: Option<Box<CheckpointRecord>>,
    },
    /// To `list`.
    Checkpoints {
        /// The checkpoints.
        found: Vec<CheckpointRecord>,
    },
    /// To `steps`.
    Steps {
        /// The steps.
        found: Vec<CheckpointStep>,
    },
    /// To `history`.
    History {
        /// One for each channel.
        found: Vec<ChannelHistory>,
    },
    /// To anything: it could not be done. Also of earlier `put_writes`, which nobody answers.
    Failed {
        /// What the store says.
        message: String,
    },
}

/// What a worker tells a supervisor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromWorker {
    /// The first message.
    Hello {
        /// [`PROTOCOL_VERSION`].
        version: u32,
    },
    /// A node begins or has ended: a worker that dies is known to have died in it.
    Node {
        /// The node, as a path through subgraphs.
        node: String,
        /// Whether it has ended.
        ended: bool,
    },
    /// Stores a checkpoint. Answered once it is durable.
    Put(Box<GivenCheckpoint>),
    /// Stores what a task wrote. Not answered: whatever is stored or read next comes after it.
    PutWrites(Box<GivenWrites>),
    /// Asks for the checkpoint of an id; without one, for that with the greatest id.
    Get {
        /// The thread.
        thread: String,
        /// The namespace.
        namespace: String,
        /// The id.
        id: Option<String>,
    },
    /// Asks for the checkpoint that was inserted last.
    Head {
        /// The thread.
        thread: String,
        /// The namespace.
        namespace: String,
    },
    /// Asks for checkpoints by descending id.
    List {
        /// Which ones.
        filter: CheckpointFilter,
        /// At most so many.
        limit: u64,
    },
    /// Asks for the steps of a thread, in the order of their insertion.
    Steps {
        /// The thread.
        thread: String,
    },
    /// Asks what was written to channels since they last had a value.
    History {
        /// The checkpoint.
        name: CheckpointName,
        /// The channels.
        channels: Vec<String>,
    },
    /// How the attempt ended. The worker is ready for another one.
    Outcome(Box<Outcome>),
}
