//! A private server: made in a temporary directory, and gone with this process however that ends.
//!
//! A shell stands between the tests and the server. It waits on a pipe that this process holds; when
//! the pipe is closed, even by a kill -9 of this process, it stops the server and removes the
//! directory.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

/// The variable that names the directory with `initdb` and `postgres`.
const BINARIES: &str = "WTB_POSTGRES_BIN";
pub(crate) const PASSWORD: &str = "s3cret";
/// PostgreSQL refuses to run as root; it runs as nobody then.
pub(crate) const NOBODY: u32 = 65_534;
const PATIENCE: Duration = Duration::from_mins(1);

const KEEPER: &str = r#"
trap '' INT TERM HUP
root=$1; shift
"$@" >>"$root/log" 2>&1 &
server=$!
order=
read order
case "$order" in fast) kill -INT $server;; *) kill -QUIT $server;; esac
wait $server
[ -n "$order" ] || rm -rf "$root"
"#;

/// How a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Connections are closed; what was not committed is undone.
    Fast,
    /// As in a crash.
    Crash,
}

/// A running, or just now stopped, server with a database.
pub(crate) struct Server {
    root: PathBuf,
    programs: PathBuf,
    pub(crate) port: u16,
    settings: Vec<&'static str>,
    keeper: Option<Child>,
}

/// The server that most tests share. It does not care for durability.
pub(crate) fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| {
        Server::start(&["fsync=off", "full_page_writes=off", "synchronous_commit=off"])
    })
}

impl Server {
    /// Makes a server with its files and starts it.
    pub(crate) fn start(settings: &[&'static str]) -> Self {
        let directory = std::env::var_os(BINARIES).unwrap_or_else(|| {
            panic!(
                "these tests need the programs of PostgreSQL 13 or newer: set {BINARIES} to the \
                 directory with `initdb` and `postgres`, or run `make test-rust`, which gets them"
            )
        });
        Self::of(directory.into(), settings)
    }

    /// The same with the programs of a directory.
    pub(crate) fn of(programs: PathBuf, settings: &[&'static str]) -> Self {
        let initdb = program(&programs, "initdb");
        let root = tempfile::Builder::new().prefix("wtb-postgres-").tempdir().unwrap().keep();
        if is_root() {
            give_away(&root);
        }
        let password = root.join("password");
        fs::write(&password, PASSWORD).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        let made = as_nobody(&initdb)
            .arg("--pgdata")
            .arg(root.join("data"))
            .args(["--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .args(["--auth-local=trust", "--auth-host=scram-sha-256"])
            .arg(format!("--pwfile={}", password.display()))
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        drop(free);
        let mut server = Self { root, programs, port, settings: settings.to_vec(), keeper: None };
        server.restart();
        server
    }

    /// Starts the server again, and waits until it lets somebody in.
    pub(crate) fn restart(&mut self) {
        let mut keeper = as_nobody(Path::new("/bin/sh"));
        keeper
            .args(["-c", KEEPER, "keeper"])
            .arg(&self.root)
            .arg(program(&self.programs, "postgres"));
        keeper.arg("-D").arg(self.data()).arg("-k").arg(&self.root);
        keeper.args(["-p", &self.port.to_string(), "-h", "127.0.0.1"]);
        for setting in ["max_connections=200"].iter().chain(&self.settings) {
            keeper.args(["-c", setting]);
        }
        self.keeper = Some(keeper.stdin(Stdio::piped()).spawn().unwrap());
        let begun = Instant::now();
        while let Err(error) = self.try_connect() {
            let log = || fs::read_to_string(self.root.join("log")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "no server: {error}\n{}", log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops the server and leaves its files.
    pub(crate) fn stop(&mut self, how: Stop) {
        let mut keeper = self.keeper.take().unwrap();
        let order = if how == Stop::Fast { "fast\n" } else { "crash\n" };
        keeper.stdin.take().unwrap().write_all(order.as_bytes()).unwrap();
        keeper.wait().unwrap();
    }

    /// The server's files.
    pub(crate) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// The address of a store in its own schema, which nobody has made yet.
    pub(crate) fn fresh(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        self.address(&format!("schema=test_{}_{number}", std::process::id()))
    }

    /// The address of the database with a query.
    pub(crate) fn address(&self, query: &str) -> String {
        format!("postgresql://postgres:{PASSWORD}@127.0.0.1:{}/postgres?{query}", self.port)
    }

    /// Makes a user who is let in with the password `plain` in the clear: what a pooler of fifty
    /// lines can say.
    pub(crate) fn allow_in_the_clear(&self, user: &str) {
        let mut raw = self.raw();
        let sql = format!("CREATE ROLE {user} LOGIN SUPERUSER PASSWORD 'plain'");
        raw.batch_execute(&sql).unwrap();
        let file = self.data().join("pg_hba.conf");
        let rules = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("host all {user} 127.0.0.1/32 password\n{rules}")).unwrap();
        raw.batch_execute("SELECT pg_reload_conf()").unwrap();
    }

    /// Looks at the database with nothing of the store in between.
    pub(crate) fn raw(&self) -> Client {
        self.try_connect().unwrap()
    }

    fn try_connect(&self) -> Result<Client, postgres::Error> {
        Client::connect(&self.address(""), NoTls)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            // The end of its input is the order to clear up.
            drop(keeper.stdin.take());
            drop(keeper.wait());
        } else {
            drop(fs::remove_dir_all(&self.root));
        }
    }
}

/// Lets the server's user read a file or directory.
pub(crate) fn give_away(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn as_nobody(program: &Path) -> Command {
    let mut command = Command::new(program);
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.current_dir("/");
    command
}

fn program(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(name);
    assert!(path.exists(), "there is no `{}`", path.display());
    path
}
