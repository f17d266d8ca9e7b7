//! What keeps workers apart: namespaces, where the system permits them.

use std::os::fd::{AsFd as _, OwnedFd};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{getegid, geteuid, getgid, getuid};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};
use serde::{Deserialize, Serialize};

/// How everything that a worker starts is found and ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// By the kernel: each worker has a namespace of process ids.
    PidNamespace,
    /// By its keeper, which looks for its descendants.
    Subreaper,
}

/// What a template stands on, as it found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// How workers are kept apart.
    pub isolation: Isolation,
    /// Why it is not a namespace, if it is not.
    pub reason: Option<String>,
    /// Whether that took a namespace of users as well.
    pub has_own_users: bool,
    /// Whether a fork of it would carry something that does not survive one, and what.
    pub unsafe_to_fork: Option<String>,
    /// The same of the user's own modules alone.
    pub unsafe_own_modules: Option<String>,
    /// Modules of libraries that could not be imported, with the reasons.
    pub failed_imports: Vec<(String, String)>,
}

fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    // SAFETY: only unsharing the table of open files could take files away from other threads, and
    // no caller here does that.
    #[expect(unsafe_code, reason = "the binding marks all of unshare for the sake of one flag")]
    unsafe {
        rustix::thread::unshare_unsafe(flags)
    }
}

/// What the processes of a template do one after the other, each as a child of the one before.
///
/// They are tried first in processes that are there for nothing else: one that has only half of a
/// namespace would look for processes under ids that are not theirs.
pub const STEPS: usize = 3;

/// Does one of [`STEPS`], from 0.
pub fn step(number: usize) -> std::io::Result<()> {
    match number {
        0 => enter_template_namespace().map(drop),
        1 => enter_worker_namespace(),
        _ => mount_own_proc(),
    }
}

/// Gives the next child of the calling process a namespace of process ids; with it, where that takes
/// one, a namespace of users to the calling process. Returns whether it took one.
pub(crate) fn enter_template_namespace() -> std::io::Result<bool> {
    if geteuid().is_root() && unshare(UnshareFlags::NEWPID).is_ok() {
        return Ok(false);
    }
    let (user, group) = (getuid().as_raw(), getgid().as_raw());
    let (euser, egroup) = (geteuid().as_raw(), getegid().as_raw());
    if (user, group) != (euser, egroup) {
        return Err(std::io::Error::other("the program runs with another user's rights"));
    }
    unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWPID)?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
    Ok(true)
}

/// The namespace of process ids that a template is in, to return to.
pub(crate) fn own_namespace() -> std::io::Result<OwnedFd> {
    Ok(open("/proc/self/ns/pid", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Gives the next child of the calling process a namespace of process ids.
pub(crate) fn enter_worker_namespace() -> std::io::Result<()> {
    Ok(unshare(UnshareFlags::NEWPID)?)
}

/// Undoes [`enter_worker_namespace`] for the children after it.
pub(crate) fn return_to(namespace: &OwnedFd) -> std::io::Result<()> {
    let kind = Some(LinkNameSpaceType::ProcessID);
    Ok(move_into_link_name_space(namespace.as_fd(), kind)?)
}

/// Gives the calling process mounts of its own: what it mounts is not there for the next worker of the
/// same keeper.
pub(crate) fn enter_worker_mounts() -> std::io::Result<()> {
    Ok(unshare(UnshareFlags::NEWNS)?)
}

/// Shows the calling process, and those below it, only the processes of their namespace: programs
/// look themselves up under the ids that they know.
pub(crate) fn mount_own_proc() -> std::io::Result<()> {
    unshare(UnshareFlags::NEWNS)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    Ok(mount("proc", "/proc", "proc", flags, None)?)
}
