//! Frames: a length, four bytes little-endian, and so many bytes of `MessagePack`.
//!
//! A worker reads and writes them one at a time and waits ([`read`], [`write`]). A supervisor never
//! waits for one worker: it puts what has come into an [`Inbox`], and takes whole frames out of it.

use std::io::{ErrorKind, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// How long a frame may be, in bytes.
pub const FRAME_BYTES_MAX: usize = 512 << 20;

/// How many bytes say how long a frame is.
const HEADER_BYTES: usize = 4;
/// How much is read at once.
const READ_BYTES: usize = 64 << 10;
/// How much room is made at once for a frame whose bytes have not come yet: what is only announced
/// costs no memory.
const ROOM_BYTES: usize = 1 << 20;

/// What is wrong with a connection or with what came over it.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The operating system would not read or write.
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
    /// A frame is too long.
    #[error("a frame of {bytes} bytes is longer than {FRAME_BYTES_MAX}, the most that is allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The connection ended in the middle of a frame.
    #[error("the connection ended after {have} of {bytes} bytes of a frame")]
    CutOff {
        /// How many of its bytes had come.
        have: usize,
        /// How many it was to have.
        bytes: usize,
    },
    /// The bytes are no message of the protocol.
    #[error("a frame holds no message of the protocol: {0}")]
    Malformed(String),
}

/// Returns a message as a frame.
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, FrameError> {
    let mut frame = vec![0; HEADER_BYTES];
    let mut serializer = rmp_serde::Serializer::new(&mut frame).with_struct_map();
    message.serialize(&mut serializer).map_err(|error| FrameError::Malformed(error.to_string()))?;
    let bytes = frame.len() - HEADER_BYTES;
    let length = u32::try_from(bytes).ok().filter(|_| bytes <= FRAME_BYTES_MAX);
    let length = length.ok_or(FrameError::TooLong { bytes })?;
    frame[..HEADER_BYTES].copy_from_slice(&length.to_le_bytes());
    Ok(frame)
}

/// Writes a message and waits until it is written.
pub fn write(to: &mut impl Write, message: &impl Serialize) -> Result<(), FrameError> {
    Ok(to.write_all(&encode(message)?)?)
}

/// Waits for a message; `None` where the connection ends instead.
pub fn read<T: DeserializeOwned>(from: &mut impl Read) -> Result<Option<T>, FrameError> {
    let mut inbox = Inbox::default();
    let mut header = [0; HEADER_BYTES];
    if !read_fully(from, &mut header)? {
        return Ok(None);
    }
    inbox.bytes.extend_from_slice(&header);
    let bytes = inbox.announced()?.unwrap_or_default();
    let mut have = 0;
    while have < bytes {
        let room = (bytes - have).min(ROOM_BYTES);
        inbox.bytes.resize(HEADER_BYTES + have + room, 0);
        let part = &mut inbox.bytes[HEADER_BYTES + have..];
        if !read_fully(from, part)? {
            return Err(FrameError::CutOff { have, bytes });
        }
        have += room;
    }
    inbox.take()
}

/// Fills a buffer; returns whether anything came before the end.
fn read_fully(from: &mut impl Read, buffer: &mut [u8]) -> Result<bool, FrameError> {
    let mut have = 0;
    while have < buffer.len() {
        match from.read(&mut buffer[have..]) {
            Ok(0) if have == 0 => return Ok(false),
            Ok(0) => return Err(FrameError::CutOff { have, bytes: buffer.len() }),
            Ok(count) => have += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

/// What has come over a connection and was not taken yet.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    /// How many of the bytes were taken.
    taken: usize,
}

impl Inbox {
    /// Takes in what can be read without waiting; returns whether more may come.
    pub fn fill(&mut self, from: &mut impl Read) -> Result<bool, FrameError> {
        loop {
            let have = self.bytes.len();
            self.bytes.resize(have + READ_BYTES, 0);
            let came = from.read(&mut self.bytes[have..]);
            self.bytes.truncate(have + came.as_ref().map_or(0, |count| *count));
            match came {
                Ok(0) => return Ok(false),
                // What has come is looked at first: a worker that never stops must not fill memory.
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Returns the next whole frame's message; `None` where it has not come yet.
    ///
    /// After an error the connection is of no more use.
    pub fn take<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let Some(bytes) = self.announced()? else { return Ok(None) };
        let begin = self.taken + HEADER_BYTES;
        let Some(frame) = self.bytes.get(begin..begin + bytes) else { return Ok(None) };
        let message =
            rmp_serde::from_slice(frame).map_err(|error| FrameError::Malformed(error.to_string()));
        self.taken = begin + bytes;
        if self.taken == self.bytes.len() {
            self.bytes.clear();
            self.taken = 0;
        } else if self.taken > self.bytes.len() / 2 {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        message.map(Some)
    }

    /// Whether [`Self::take`] has something to say: a whole frame has come, or it cannot be one.
    pub fn has_next(&self) -> bool {
        let have = self.bytes.len() - self.taken;
        self.announced().map_or(true, |next| next.is_some_and(|bytes| have - HEADER_BYTES >= bytes))
    }

    fn announced(&self) -> Result<Option<usize>, FrameError> {
        let Some(header) = self.bytes[self.taken..].first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let bytes = usize::try_from(u32::from_le_bytes(*header)).unwrap_or(usize::MAX);
        if bytes > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong { bytes });
        }
        Ok(Some(bytes))
    }
}
