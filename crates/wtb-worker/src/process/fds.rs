//! Frames that come with open files.

use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::io::retry_on_intr;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::frame::{self, FrameError};

/// The most files that come with a frame.
const FDS_MAX: usize = 8;

/// Writes a frame, and passes files along.
pub(crate) fn send_with_fds(
    to: &UnixStream,
    message: &impl Serialize,
    fds: &[BorrowedFd<'_>],
) -> Result<(), FrameError> {
    let frame = frame::encode(message)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(fds));
    }
    // They come with the first byte; the rest may follow apart from it.
    let sent =
        retry_on_intr(|| sendmsg(to, &[IoSlice::new(&frame)], &mut control, SendFlags::NOSIGNAL))
            .map_err(std::io::Error::from)?;
    let mut stream = to;
    Ok(stream.write_all(&frame[sent..])?)
}

/// Waits for a frame and what comes with it; `None` where the connection ends instead.
pub(crate) fn receive_fds<T: DeserializeOwned>(
    from: &UnixStream,
) -> Result<Option<(T, Vec<OwnedFd>)>, FrameError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut first = [0];
    let came = retry_on_intr(|| {
        recvmsg(from, &mut [IoSliceMut::new(&mut first)], &mut control, RecvFlags::CMSG_CLOEXEC)
    })
    .map_err(std::io::Error::from)?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            fds.extend(passed);
        }
    }
    if came.bytes == 0 {
        return Ok(None);
    }
    let message = frame::read(&mut first.as_slice().chain(from))?;
    Ok(message.map(|message| (message, fds)))
}
