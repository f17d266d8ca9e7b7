//! Behind a pooler of transactions: each transaction may run on another connection of the server.
//!
//! A small one of our own is always there and is harsher than a real one: it changes the connection
//! at every chance. `PgBouncer` itself is tried where `WTB_TEST_PGBOUNCER` names its program.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use wtb_postgres::{PostgresOptions, PostgresStore};
use wtb_store::conformance::{self, Place};
use wtb_store::{Store, StoreError};

use crate::server::{PASSWORD, Server, shared};

/// A place whose store is reached through another port.
pub(crate) struct Behind(pub(crate) String, TempDir);

impl Behind {
    pub(crate) fn new(address: String) -> Self {
        Self(address, tempfile::tempdir().unwrap())
    }
}

impl Place for Behind {
    fn open(&self) -> Result<Box<dyn Store>, StoreError> {
        let options = PostgresOptions { readers: 2, group_max: 16, ..PostgresOptions::default() };
        Ok(Box::new(PostgresStore::open(&self.0, options)?))
    }

    fn scratch(&self) -> PathBuf {
        self.1.path().to_owned()
    }
}

/// What a client says that would like TLS: the body of its first message.
const TLS_REQUEST: [u8; 4] = 80_877_103_u32.to_be_bytes();

fn conforms_behind(port: u16) {
    let server = shared();
    let [direct, pooled] = [server.port, port].map(|port| format!(":{port}/"));
    conformance::run(&|| Box::new(Behind::new(server.fresh().replace(&direct, &pooled))));
}

/// Reads one message: its kind and its body. The first one of a connection has no kind.
fn message(from: &mut TcpStream, kinded: bool) -> io::Result<(u8, Vec<u8>)> {
    let mut kind = [0; 1];
    if kinded {
        from.read_exact(&mut kind)?;
    }
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
    from.read_exact(&mut body)?;
    Ok((kind[0], body))
}

fn send(to: &mut TcpStream, kind: u8, body: &[u8]) -> io::Result<()> {
    let mut bytes = vec![kind];
    bytes.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    bytes.extend(body);
    to.write_all(&bytes)
}

/// Connections of the server that wait for the next transaction, longest idle first.
static IDLE: Mutex<Vec<TcpStream>> = Mutex::new(Vec::new());

/// Opens a connection of the server as a user that needs no password.
fn backend(server: &Server) -> io::Result<TcpStream> {
    let mut backend = TcpStream::connect(("127.0.0.1", server.port))?;
    backend.set_nodelay(true)?;
    let mut startup = 196_608_u32.to_be_bytes().to_vec();
    startup.extend(b"user\0pooled\0database\0postgres\0client_encoding\0UTF8\0\0");
    let mut bytes = u32::try_from(startup.len() + 4).unwrap().to_be_bytes().to_vec();
    bytes.extend(startup);
    backend.write_all(&bytes)?;
    loop {
        match message(&mut backend, true)? {
            (b'R', body) if body[..4] == [0, 0, 0, 3] => {
                send(&mut backend, b'p', b"plain\0")?;
            }
            (b'Z', _) => return Ok(backend),
            (b'E', body) => panic!("{}", String::from_utf8_lossy(&body)),
            _ => {}
        }
    }
}

/// Serves one client until it goes.
fn serve(mut client: TcpStream, server: &Server) -> io::Result<()> {
    client.set_nodelay(true)?;
    if message(&mut client, false)?.1 == TLS_REQUEST {
        client.write_all(b"N")?;
        message(&mut client, false)?;
    }
    send(&mut client, b'R', &[0; 4])?;
    send(&mut client, b'Z', b"I")?;
    let mut current: Option<TcpStream> = None;
    loop {
        let (kind, body) = message(&mut client, true)?;
        if kind == b'X' {
            return Ok(());
        }
        let mut server_side = if let Some(kept) = current.take() {
            kept
        } else {
            let mut idle = IDLE.lock().unwrap();
            // Two at least, so that the next transaction is on another one.
            if idle.len() > 2 { idle.remove(0) } else { backend(server)? }
        };
        send(&mut server_side, kind, &body)?;
        let mut state = b'T';
        // A simple query and a sync are answered up to the sign of being ready.
        if kind == b'Q' || kind == b'S' {
            loop {
                let (kind, body) = message(&mut server_side, true)?;
                send(&mut client, kind, &body)?;
                if kind == b'Z' {
                    state = body[0];
                    break;
                }
            }
        }
        if state == b'I' {
            IDLE.lock().unwrap().push(server_side);
        } else {
            current = Some(server_side);
        }
    }
}

#[test]
fn conforms_behind_a_pooler_of_transactions() {
    let server = shared();
    server.allow_in_the_clear("pooled");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            // A client that goes away without a word is as good as one that says goodbye.
            thread::spawn(move || drop(serve(client.unwrap(), shared())));
        }
    });
    conforms_behind(port);
    let mut idle = IDLE.lock().unwrap();
    assert!(idle.len() > 2, "transactions were on several connections");
    for backend in idle.iter_mut() {
        send(backend, b'Q', b"SELECT count(*) FROM pg_prepared_statements WHERE name <> ''\0")
            .unwrap();
        loop {
            match message(backend, true).unwrap() {
                (b'D', body) => assert_eq!(body.last(), Some(&b'0'), "a statement was left"),
                (b'Z', _) => break,
                _ => {}
            }
        }
    }
}

struct Bouncer(Child);

impl Drop for Bouncer {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn conforms_behind_pgbouncer() {
    let Some(program) = std::env::var_os("WTB_TEST_PGBOUNCER") else {
        println!("WTB_TEST_PGBOUNCER is not set: only the pooler of this test was tried");
        return;
    };
    let server = shared();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("users");
    fs::write(&users, format!("\"postgres\" \"{PASSWORD}\"\n")).unwrap();
    let file = directory.path().join("pgbouncer.ini");
    let text = format!(
        "[databases]\npostgres = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
         listen_port = {port}\nunix_socket_dir =\nauth_type = plain\nauth_file = {}\n\
         pool_mode = transaction\ndefault_pool_size = 4\n\
         server_reset_query_always = 1\nmax_client_conn = 200\n",
        server.port,
        users.display()
    );
    fs::write(&file, text).unwrap();
    let mut bouncer = Command::new(program);
    if crate::server::is_root() {
        crate::server::give_away(directory.path());
        crate::server::give_away(&users);
        crate::server::give_away(&file);
        bouncer.uid(crate::server::NOBODY).gid(crate::server::NOBODY);
    }
    let child = bouncer.arg("-q").arg(&file).stderr(Stdio::inherit()).spawn().unwrap();
    let _bouncer = Bouncer(child);
    for _ in 0..200 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    conforms_behind(port);
}
