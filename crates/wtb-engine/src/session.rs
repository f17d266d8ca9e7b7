//! Sessions: who drives a batch, and whether they still live.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wtb_model::{SessionId, SessionRecord, Timestamp};
use wtb_store::{Store, StoreError};

/// How long a session on another machine counts as alive after its last heartbeat.
const HEARTBEAT_LIFE: Duration = Duration::from_secs(15);

/// The sessions of this process. An engine that was closed while its store took nothing any more
/// has a session without an end in there; the process knows better.
static OWN: Mutex<BTreeSet<SessionId>> = Mutex::new(BTreeSet::new());

fn own() -> MutexGuard<'static, BTreeSet<SessionId>> {
    OWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes that a session of this process lives.
pub(crate) fn opened(id: &SessionId) {
    own().insert(id.clone());
}

/// Notes that a session of this process has ended, whatever the store says.
pub(crate) fn closed(id: &SessionId) {
    own().remove(id);
}

/// Describes the present process as a session.
pub(crate) fn describe(id: SessionId, now: Timestamp) -> SessionRecord {
    let process = std::process::id();
    SessionRecord {
        id,
        host: host_name(),
        process,
        process_started: process_started(process),
        started_at: now,
        heartbeat_at: now,
        ended_at: None,
    }
}

/// Whether a session's driver still lives.
///
/// On this machine the process table knows at once, also after a kill -9, and this process knows
/// its own sessions; about other machines only the heartbeat tells, on the store's clock.
pub fn is_alive(store: &dyn Store, session: &SessionRecord) -> Result<bool, StoreError> {
    known_here(session).map_or_else(|| Ok(store.silence(&session.id)? < HEARTBEAT_LIFE), Ok)
}

/// The same of a session that has been silent for so long.
pub fn lives(session: &SessionRecord, silence: Duration) -> bool {
    known_here(session).unwrap_or(silence < HEARTBEAT_LIFE)
}

/// What this machine knows of a session's driver; `None` when it is that of another one.
fn known_here(session: &SessionRecord) -> Option<bool> {
    if session.ended_at.is_some() {
        return Some(false);
    }
    if session.host == host_name() && session.process_started.is_some() {
        let lives = process_started(session.process) == session.process_started;
        let elsewhere = session.process != std::process::id();
        return Some(lives && (elsewhere || own().contains(&session.id)));
    }
    None
}

fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"))
        .map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
}

/// The process's start time in clock ticks since boot, which no later process with the same id
/// shares; `None` when there is no such process, when it is a zombie, or where there is no /proc.
fn process_started(process: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The command's name may hold blanks and brackets: fields are counted after the last bracket.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let state = *fields.first()?;
    if state == "Z" || state == "X" {
        return None;
    }
    fields.get(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wtb_model::ID_ENTROPY_BYTES;

    fn session() -> SessionRecord {
        let now = Timestamp::from_micros(1_000_000);
        describe(SessionId::from_entropy([3; ID_ENTROPY_BYTES]), now)
    }

    #[test]
    fn a_session_of_this_process_lives_until_it_is_closed() {
        let mut session = session();
        session.id = SessionId::from_entropy([4; ID_ENTROPY_BYTES]);
        opened(&session.id);
        assert_eq!(known_here(&session), Some(true));
        closed(&session.id);
        assert_eq!(known_here(&session), Some(false));
    }

    #[test]
    fn a_reused_process_id_is_not_the_session() {
        let mut past = session();
        past.process_started = past.process_started.map(|started| started + 1);
        assert_eq!(known_here(&past), Some(false));
    }

    #[test]
    fn another_machine_is_for_its_heartbeat_to_judge() {
        let mut remote = session();
        remote.host = "elsewhere".to_owned();
        assert_eq!(known_here(&remote), None);
        assert!(lives(&remote, HEARTBEAT_LIFE / 2));
        assert!(!lives(&remote, HEARTBEAT_LIFE));
    }

    #[test]
    fn an_ended_session_is_not_alive() {
        let mut ended = session();
        ended.ended_at = Some(ended.started_at);
        assert_eq!(known_here(&ended), Some(false));
    }
}
