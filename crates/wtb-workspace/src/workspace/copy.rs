//! Copying a tree: names, kinds, permissions, times and holes as they are, in one of three ways.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Stat, Timespec, Timestamps, fchmod, fstat, ftruncate,
    futimens, mkdirat, openat, readlinkat, symlinkat, utimensat,
};
use rustix::io::{Errno, pread, pwrite};

use super::pristine::{LINKED_BYTES_MIN, Pristine};
use super::rung::Rung;
use crate::snapshot::parallel;
use crate::snapshot::walk::{DEPTH_MAX, look, names, open_directory, open_root};
use crate::{TreePath, WorkspaceError};

/// Files are worth another thread when there are so many for each.
const FILES_WORTH: usize = 64;
/// The unit in which the file system says how much room a file takes.
const BLOCK_BYTES: i64 = 512;
/// How many bytes are copied at once where the kernel does not do it by itself.
const BUFFER_BYTES: usize = 64 * 1024;

/// How a tree is copied.
pub(super) struct Copy<'copy> {
    pub(super) rung: Rung,
    pub(super) from: &'copy Path,
    pub(super) pristine: &'copy Pristine,
    /// Sockets, pipes and devices, which are not copied.
    pub(super) left_out: Vec<TreePath>,
}

impl Copy<'_> {
    /// Copies what is in the directory into an empty one.
    pub(super) fn copy_into(&mut self, to: &Path) -> Result<(), WorkspaceError> {
        let (source, target) = (open_root(self.from)?, open_root(to)?);
        let stat = fstat(&source).map_err(WorkspaceError::io("look at", self.from))?;
        self.directory(source.as_fd(), target.as_fd(), b"", &stat)
    }

    fn directory(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        path: &[u8],
        stat: &Stat,
    ) -> Result<(), WorkspaceError> {
        let place = self.place(path);
        let fails = || WorkspaceError::io::<Errno>("copy", &place);
        let mut files: Vec<(CString, Stat)> = Vec::new();
        for name in names(from).map_err(fails())? {
            let Some(stat) = look(from, &name).map_err(fails())? else { continue };
            let path = TreePath::within(path, name.to_bytes());
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory if path.depth() > DEPTH_MAX => {
                    return Err(WorkspaceError::Deep(self.place(path.as_bytes())));
                }
                FileType::RegularFile => files.push((name, stat)),
                FileType::Symlink => symlink(from, to, &name, &stat).map_err(fails())?,
                FileType::Directory => {
                    mkdirat(to, &name, Mode::RWXU).map_err(fails())?;
                    let [from, to] = [from, to].map(|parent| open_directory(parent, &name));
                    let (from, to) = (from.map_err(fails())?, to.map_err(fails())?);
                    self.directory(from.as_fd(), to.as_fd(), path.as_bytes(), &stat)?;
                }
                _ => self.left_out.push(path),
            }
        }
        parallel::each(files.len(), FILES_WORTH, |at| {
            let (name, stat) = &files[at];
            self.file(from, to, name, stat).map_err(|failure| match failure {
                Failure::System(error) => {
                    let path = TreePath::within(path, name.to_bytes());
                    WorkspaceError::io("copy", self.place(path.as_bytes()))(error)
                }
                Failure::Other(error) => error,
            })
        })?;
        // Last, since what is made in a directory changes its times, and it may forbid to make anything.
        finish(to, stat).map_err(fails())
    }

    fn file(
        &self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        name: &CStr,
        stat: &Stat,
    ) -> Result<(), Failure> {
        if self.rung == Rung::Hardlink
            && u64::try_from(stat.st_size.min(stat.st_blocks.saturating_mul(BLOCK_BYTES)))
                .is_ok_and(|size| size >= LINKED_BYTES_MIN)
        {
            return self.pristine.link(from, name, stat, to).map_err(Failure::Other);
        }
        copy_file(from, name, to, name, stat, self.rung == Rung::Reflink)?;
        Ok(())
    }

    fn place(&self, path: &[u8]) -> PathBuf {
        TreePath::new(path)
            .map_or_else(|| self.from.to_owned(), |path| self.from.join(path.as_path()))
    }
}

/// Why a file was not copied.
enum Failure {
    System(Errno),
    Other(WorkspaceError),
}

impl From<Errno> for Failure {
    fn from(error: Errno) -> Self {
        Self::System(error)
    }
}

fn symlink(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    name: &CStr,
    stat: &Stat,
) -> Result<(), Errno> {
    let target = readlinkat(from, name, Vec::new())?;
    symlinkat(&target, to, name)?;
    utimensat(to, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)
}

/// Copies a file with its permissions and times.
pub(super) fn copy_file(
    from: BorrowedFd<'_>,
    name: &CStr,
    to: BorrowedFd<'_>,
    new_name: &CStr,
    stat: &Stat,
    shares_blocks: bool,
) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let source = openat(from, name, flags, Mode::empty())?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let target = openat(to, new_name, flags, Mode::RUSR | Mode::WUSR)?;
    if !(shares_blocks && share_blocks(target.as_fd(), source.as_fd())) {
        copy_bytes(
            source.as_fd(),
            target.as_fd(),
            u64::try_from(stat.st_size).unwrap_or_default(),
        )?;
    }
    finish(target.as_fd(), stat)
}

#[cfg(target_os = "linux")]
fn share_blocks(to: BorrowedFd<'_>, from: BorrowedFd<'_>) -> bool {
    // A file that cannot be cloned, such as one on another file system in the tree, is copied.
    rustix::fs::ioctl_ficlone(to, from).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn share_blocks(_: BorrowedFd<'_>, _: BorrowedFd<'_>) -> bool {
    false
}

/// Copies what a file has, but for its holes.
fn copy_bytes(from: BorrowedFd<'_>, to: BorrowedFd<'_>, size: u64) -> Result<(), Errno> {
    let mut at = 0;
    if size > BUFFER_BYTES as u64 {
        ftruncate(to, size)?;
        while let Some((begin, end)) = data(from, at, size)? {
            copy_range(from, to, begin, end)?;
            at = end;
        }
        return Ok(());
    }
    // One byte more, so that the end is seen at once.
    let mut buffer = vec![0; usize::try_from(size).map_or(BUFFER_BYTES, |size| size + 1)];
    loop {
        let read = pread(from, &mut buffer, at)?;
        write_all(to, &buffer[..read], at)?;
        at += read as u64;
        if read < buffer.len() {
            return Ok(());
        }
    }
}

/// The next part of a file that is no hole.
#[cfg(target_os = "linux")]
fn data(file: BorrowedFd<'_>, at: u64, size: u64) -> Result<Option<(u64, u64)>, Errno> {
    use rustix::fs::{SeekFrom, seek};
    if at >= size {
        return Ok(None);
    }
    match seek(file, SeekFrom::Data(at)) {
        Ok(begin) if begin < size => {
            Ok(Some((begin, seek(file, SeekFrom::Hole(begin))?.min(size))))
        }
        Ok(_) | Err(Errno::NXIO) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(not(target_os = "linux"))]
fn data(_: BorrowedFd<'_>, at: u64, size: u64) -> Result<Option<(u64, u64)>, Errno> {
    Ok((at < size).then_some((at, size)))
}

fn copy_range(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    mut at: u64,
    end: u64,
) -> Result<(), Errno> {
    #[cfg(target_os = "linux")]
    while at < end {
        let length = usize::try_from(end - at).unwrap_or(usize::MAX);
        let (mut read, mut written) = (at, at);
        match rustix::fs::copy_file_range(from, Some(&mut read), to, Some(&mut written), length) {
            Ok(0) | Err(Errno::XDEV | Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP) => break,
            Ok(copied) => at += copied as u64,
            Err(error) => return Err(error),
        }
    }
    let mut buffer = vec![0; if at < end { BUFFER_BYTES } else { 0 }];
    while at < end {
        let length = usize::try_from(end - at).map_or(BUFFER_BYTES, |rest| rest.min(BUFFER_BYTES));
        let read = pread(from, &mut buffer[..length], at)?;
        if read == 0 {
            break;
        }
        write_all(to, &buffer[..read], at)?;
        at += read as u64;
    }
    Ok(())
}

fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8], mut at: u64) -> Result<(), Errno> {
    while !bytes.is_empty() {
        let written = pwrite(to, bytes, at)?;
        bytes = &bytes[written..];
        at += written as u64;
    }
    Ok(())
}

/// Gives a file or a directory the permissions and times of another.
fn finish(of: BorrowedFd<'_>, stat: &Stat) -> Result<(), Errno> {
    fchmod(of, Mode::from_raw_mode(stat.st_mode))?;
    futimens(of, &times(stat))
}

fn times(stat: &Stat) -> Timestamps {
    let time = |seconds, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    Timestamps {
        last_access: time(stat.st_atime, i64::try_from(stat.st_atime_nsec).unwrap_or_default()),
        last_modification: time(
            stat.st_mtime,
            i64::try_from(stat.st_mtime_nsec).unwrap_or_default(),
        ),
    }
}
