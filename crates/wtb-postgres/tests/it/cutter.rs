//! A connection that dies during a commit, every time on purpose: a proxy cuts it before the server
//! hears of the commit, or after it has done it and before the program hears of that.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use wtb_postgres::{PostgresOptions, PostgresStore};
use wtb_store::conformance::sample::note;
use wtb_store::{JournalFilter, Store, UnitOfWork};

use crate::server::shared;

/// What is done to the ends of transactions, again and again. The end of the one that looks a
/// commit up is cut as well.
const CYCLE: [Cut; 6] = [Cut::No, Cut::Before, Cut::No, Cut::After, Cut::Before, Cut::No];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    No,
    /// The server hears nothing of it.
    Before,
    /// The program hears nothing of what became of it.
    After,
}

#[derive(Default)]
struct Cuts {
    ends: AtomicUsize,
    before: AtomicUsize,
    after: AtomicUsize,
}

/// Starts a proxy to the shared server; it ends with this process.
fn start(cuts: &Arc<Cuts>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let cuts = Arc::clone(cuts);
    thread::spawn(move || {
        for client in listener.incoming() {
            let server = TcpStream::connect(("127.0.0.1", shared().port)).unwrap();
            relay(client.unwrap(), server, Arc::clone(&cuts));
        }
    });
    port
}

fn relay(client: TcpStream, server: TcpStream, cuts: Arc<Cuts>) {
    let mute = Arc::new(AtomicBool::new(false));
    let (mut answers, mut back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let muted = Arc::clone(&mute);
    thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        while let Ok(count @ 1..) = answers.read(&mut buffer) {
            if muted.load(Ordering::SeqCst) || back.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        // Whatever is left to say is swallowed: the program sees a dead connection.
        drop(back.shutdown(Shutdown::Both));
    });
    let (mut client, mut server) = (client, server);
    thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        while let Ok(count @ 1..) = client.read(&mut buffer) {
            let asked = &buffer[..count];
            let says = |word: &[u8]| asked.windows(word.len()).any(|window| window == word);
            let ends = says(b"COMMIT\0") || says(b"ROLLBACK\0");
            let number = if ends { cuts.ends.fetch_add(1, Ordering::SeqCst) } else { 0 };
            let cut = if ends { CYCLE[number % CYCLE.len()] } else { Cut::No };
            if cut == Cut::Before {
                cuts.before.fetch_add(1, Ordering::SeqCst);
                break;
            }
            if cut == Cut::After {
                cuts.after.fetch_add(1, Ordering::SeqCst);
                mute.store(true, Ordering::SeqCst);
            }
            if server.write_all(asked).is_err() {
                break;
            }
            if cut == Cut::After {
                thread::sleep(Duration::from_millis(20));
                break;
            }
        }
        drop((client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both)));
    });
}

#[test]
fn a_commit_that_nobody_knows_of_is_looked_up() {
    let cuts = Arc::new(Cuts::default());
    let port = start(&cuts);
    let address = shared().fresh().replace(&format!(":{}/", shared().port), &format!(":{port}/"));
    let options = PostgresOptions { group_max: 8, ..PostgresOptions::default() };
    let store = PostgresStore::open(&address, options).unwrap();
    for number in 1..=40 {
        let one = store.submit(UnitOfWork::of_events(vec![note(2 * number - 1)])).unwrap();
        let two = store.submit(UnitOfWork::of_events(vec![note(2 * number)])).unwrap();
        let (one, two) = (one.wait().unwrap(), two.wait().unwrap());
        assert_eq!((one.sequence, two.sequence), (2 * number - 1, 2 * number));
    }
    let found = store.journal(&JournalFilter::default(), 0, 1_000).unwrap();
    let events: Vec<_> = found.into_iter().map(|entry| entry.event).collect();
    assert_eq!(events, (1..=80).map(note).collect::<Vec<_>>());
    let (before, after) = (cuts.before.load(Ordering::SeqCst), cuts.after.load(Ordering::SeqCst));
    assert!(before >= 5 && after >= 5, "{before} cut before, {after} cut after the commit");
}
