//! Ids from the operating system's randomness, never from a generator that users may seed.

use wtb_model::{BatchId, ExecutionId, ID_ENTROPY_BYTES, SessionId};

use crate::EngineError;

fn entropy() -> Result<[u8; ID_ENTROPY_BYTES], EngineError> {
    let mut bytes = [0; ID_ENTROPY_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| EngineError::Entropy(error.to_string()))?;
    Ok(bytes)
}

pub(crate) fn batch_id() -> Result<BatchId, EngineError> {
    entropy().map(BatchId::from_entropy)
}

pub(crate) fn execution_id() -> Result<ExecutionId, EngineError> {
    entropy().map(ExecutionId::from_entropy)
}

pub(crate) fn session_id() -> Result<SessionId, EngineError> {
    entropy().map(SessionId::from_entropy)
}
