//! The processes below one, and their end.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::Isolation;

/// How often a process that is being ended is looked for again.
const GONE_EVERY: Duration = Duration::from_millis(1);

/// Ends everything below this process but `spared`, and waits until it is gone.
pub(super) fn end(isolation: Isolation, spared: Option<Pid>) {
    loop {
        if isolation == Isolation::PidNamespace {
            kill_everyone_else();
        }
        let others = others(isolation, spared);
        for pid in &others {
            let _ = kill_process(*pid, Signal::KILL);
        }
        let mut reaped = false;
        for pid in &others {
            let ended = waitid(WaitId::Pid(*pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
            reaped |= matches!(ended, Ok(Some(_)));
        }
        if others.is_empty() {
            return;
        }
        if !reaped {
            std::thread::sleep(GONE_EVERY);
        }
    }
}

/// Everything below this process but `spared`; in a namespace whose first process it is, everything
/// there.
pub(super) fn others(isolation: Isolation, spared: Option<Pid>) -> HashSet<Pid> {
    let own = rustix::process::getpid();
    let parents = parents();
    let is_below = |pid: &Pid| {
        let mut next = parents.get(pid);
        for _ in 0..parents.len() {
            match next {
                Some(Some(parent)) if *parent == own => return true,
                Some(Some(parent)) => next = parents.get(parent),
                _ => return false,
            }
        }
        false
    };
    let is_other = |pid: &Pid| *pid != own && Some(*pid) != spared;
    match isolation {
        Isolation::PidNamespace => parents.keys().copied().filter(is_other).collect(),
        Isolation::Subreaper => {
            parents.keys().copied().filter(|pid| is_other(pid) && is_below(pid)).collect()
        }
    }
}

/// Sends SIGKILL to all processes of the namespace but this one, its first.
fn kill_everyone_else() {
    // SAFETY: `kill` takes no pointers. In a namespace of process ids whose first process calls it, -1
    // means all the others there.
    #[expect(unsafe_code, reason = "the binding has no way to name all processes")]
    unsafe {
        libc::kill(-1, libc::SIGKILL);
    }
}

/// The processes that can be seen, with their parents. Zombies whose parent is not this one are gone.
fn parents() -> HashMap<Pid, Option<Pid>> {
    let own = rustix::process::getpid();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| {
        let pid = Pid::from_raw(pid)?;
        let (state, parent) = state_of(pid)?;
        (state != 'Z' || parent == Some(own)).then_some((pid, parent))
    })
    .collect()
}

fn state_of(pid: Pid) -> Option<(char, Option<Pid>)> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold anything, brackets too.
    let text = String::from_utf8_lossy(&text);
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok().and_then(Pid::from_raw)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_its_parent() {
        let own = rustix::process::getpid();
        assert_eq!(state_of(own).unwrap().1, rustix::process::getppid());
        assert!(parents().contains_key(&own));
    }
}
