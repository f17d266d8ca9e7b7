//! TLS: who is let in by which mode, what a refusal says, and that nothing is lost by it.

mod certificates;
mod clients;
mod real;
mod terminator;

use std::io::Read as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;

use tempfile::TempDir;
use wtb_postgres::{PostgresOptions, PostgresStore};
use wtb_store::conformance;
use wtb_store::{Store as _, StoreError};

use crate::pooler::Behind;
use crate::restart::survives_restarts;
use crate::server::{PASSWORD, Server, shared};
use certificates::{Authority, Paper, self_made};
use terminator::Terminator;

/// An authority, and the shared server behind a proxy with a certificate of it.
struct Setting {
    directory: TempDir,
    authority: Authority,
    proxy: Terminator,
}

impl Setting {
    fn new(paper: impl FnOnce(&Authority) -> Paper) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::new(directory.path(), "authority");
        let proxy = Terminator::start(shared().port, &paper(&authority), None);
        Self { directory, authority, proxy }
    }

    /// The address of the server by way of the proxy.
    fn address(&self, query: &str) -> String {
        through(&self.proxy, shared(), query)
    }

    /// The part of a query that trusts the authority.
    fn root(&self) -> String {
        root(&self.authority.certificate)
    }
}

fn root(certificate: &Path) -> String {
    format!("sslrootcert={}", certificate.display())
}

fn through(proxy: &Terminator, server: &Server, query: &str) -> String {
    let [direct, by_proxy] = [server.port, proxy.port].map(|port| format!(":{port}/"));
    format!("{}&{query}", server.fresh()).replace(&direct, &by_proxy)
}

fn open(address: &str) -> Result<PostgresStore, StoreError> {
    PostgresStore::open(address, PostgresOptions::default())
}

/// Asserts that a store is not opened, for good, and that each of the texts is said about it.
fn refused(address: &str, expected: &[&str]) {
    let error = open(address).err().unwrap_or_else(|| panic!("opened: {address}"));
    let text = error.to_string();
    assert!(matches!(error, StoreError::Open { .. }), "{address}: {text}");
    assert!(!text.contains("s3cret"), "{text}");
    for expected in expected {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn each_mode_does_with_tls_what_it_says() {
    let setting = Setting::new(|authority| authority.server(&["127.0.0.1"]));
    let root = setting.root();
    for (mode, encrypted) in [
        ("sslmode=disable".to_owned(), false),
        (String::new(), true),
        ("sslmode=prefer".to_owned(), true),
        ("sslmode=require".to_owned(), true),
        (format!("sslmode=require&{root}"), true),
        (format!("sslmode=verify-ca&{root}"), true),
        (format!("sslmode=verify-full&{root}"), true),
    ] {
        let store = open(&setting.address(&mode)).unwrap();
        assert_eq!(store.last_sequence().unwrap(), 0);
        let (asked, direct, plain) = setting.proxy.came();
        assert_eq!((asked > 0, direct, plain > 0), (encrypted, 0, !encrypted), "{mode}");
    }
}

#[test]
fn a_server_without_tls_is_good_for_two_modes() {
    let setting = Setting::new(|authority| authority.server(&["127.0.0.1"]));
    for mode in ["", "sslmode=disable", "sslmode=prefer"] {
        open(&format!("{}&{mode}", shared().fresh())).unwrap();
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        let address = format!("{}&sslmode={mode}&{}", shared().fresh(), setting.root());
        refused(&address, &["does not support TLS", "ssl = on", "sslmode=prefer"]);
    }
    refused(&format!("{}&channel_binding=require", shared().fresh()), &["sslmode=require"]);
}

#[test]
fn a_host_need_not_be_called_as_in_a_certificate_where_no_name_is_looked_for() {
    let setting = Setting::new(|authority| authority.server(&["127.0.0.1"]));
    let named = |mode: &str| {
        let address = setting.address(&format!("sslmode={mode}&hostaddr=127.0.0.1"));
        address.replace("@127.0.0.1:", "@h%C3%BC_st:")
    };
    for mode in ["prefer", "require"] {
        drop(open(&named(mode)).unwrap());
        assert!(setting.proxy.came().0 > 0, "{mode} without TLS");
    }
    refused(&named(&format!("verify-full&{}", setting.root())), &["invalid dns name"]);
}

#[test]
fn another_host_is_taken_only_where_the_name_is_not_looked_at() {
    let setting = Setting::new(|authority| authority.server(&["db.example.org"]));
    let root = setting.root();
    open(&setting.address("sslmode=require")).unwrap();
    open(&setting.address(&format!("sslmode=verify-ca&{root}"))).unwrap();
    let full = setting.address(&format!("sslmode=verify-full&{root}"));
    refused(
        &full,
        &[
            "127.0.0.1",
            "(its names: db.example.org)",
            "is not for the host `127.0.0.1`",
            "subjectAltName",
        ],
    );
    let named = full.replace("@127.0.0.1", "@db.example.org") + "&hostaddr=127.0.0.1";
    open(&named).unwrap();
    let (_, query) = full.split_once('?').unwrap();
    let port = setting.proxy.port;
    let unnamed = format!(
        "postgresql:///postgres?hostaddr=127.0.0.1&port={port}&user=postgres&password={PASSWORD}&{query}"
    );
    refused(&unnamed, &["127.0.0.1", "db.example.org"]);
    open(&unnamed.replace("verify-full", "verify-ca")).unwrap();
    let empty = full.replace("@127.0.0.1", "@") + "&hostaddr=127.0.0.1";
    refused(&empty, &["check the host"]);
}

#[test]
fn an_authority_that_is_not_trusted_is_refused_where_one_is_named() {
    let setting = Setting::new(|authority| authority.server(&["127.0.0.1"]));
    let other = root(&Authority::new(setting.directory.path(), "other").certificate);
    for mode in ["require", "verify-ca", "verify-full"] {
        let address = setting.address(&format!("sslmode={mode}&{other}"));
        refused(&address, &["an authority that is not trusted", "sslrootcert=PATH"]);
    }
    // None of the machine's, wherever this runs: either it has a list without ours, or none.
    refused(&setting.address("sslrootcert=system"), &["sslrootcert=", "system"]);
}

#[test]
fn an_expired_certificate_is_refused_where_it_is_looked_at() {
    let setting = Setting::new(|authority| authority.expired(&["127.0.0.1"]));
    open(&setting.address("sslmode=require")).unwrap();
    for mode in ["require", "verify-ca", "verify-full"] {
        let address = setting.address(&format!("sslmode={mode}&{}", setting.root()));
        refused(&address, &["has expired", "renew it on the server"]);
    }
}

#[test]
fn a_server_may_vouch_for_itself_if_it_is_listed() {
    let directory = tempfile::tempdir().unwrap();
    let make = |name, host, expired| {
        let paper = self_made(directory.path(), name, host, expired);
        (Terminator::start(shared().port, &paper, None), root(&paper.certificate))
    };
    let (good, good_root) = make("good", "127.0.0.1", false);
    let (wrong, wrong_root) = make("wrong", "db.example.org", false);
    let (old, old_root) = make("old", "127.0.0.1", true);
    let address = |proxy, mode, root| through(proxy, shared(), &format!("sslmode={mode}&{root}"));
    open(&address(&good, "verify-full", &good_root)).unwrap();
    open(&address(&wrong, "verify-ca", &wrong_root)).unwrap();
    refused(&address(&wrong, "verify-full", &wrong_root), &["is not for the host"]);
    refused(&address(&old, "verify-full", &old_root), &["has expired"]);
    refused(
        &address(&good, "verify-full", &wrong_root),
        &["its own authority", "this very certificate"],
    );
}

#[test]
fn tls_may_begin_at_once() {
    let setting = Setting::new(|authority| authority.server(&["127.0.0.1"]));
    let query = format!("sslnegotiation=direct&sslmode=verify-full&{}", setting.root());
    let store = open(&setting.address(&query)).unwrap();
    drop(store);
    let (asked, direct, plain) = setting.proxy.came();
    assert!(direct > 0 && asked + plain == 0, "{direct} {asked} {plain}");
    refused(&setting.address("sslnegotiation=direct"), &["sslmode=require"]);
}

#[test]
fn a_socket_is_not_asked_for_tls() {
    let directory = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(directory.path().join(".s.PGSQL.5432")).unwrap();
    let first = thread::spawn(move || {
        let mut begin = [0; 8];
        listener.accept().unwrap().0.read_exact(&mut begin).unwrap();
        begin
    });
    let host = directory.path().display();
    let query = format!("host={host}&patience=0.1&sslmode=require");
    open(&format!("postgresql:///postgres?{query}")).unwrap_err();
    // The number of the protocol, 3.0, rather than that of the request.
    assert_eq!(first.join().unwrap()[4..], [0, 3, 0, 0]);
}

#[test]
fn conforms_through_tls() {
    let setting = Setting::new(|authority| authority.server(&["127.0.0.1"]));
    let query = format!("sslmode=verify-full&{}", setting.root());
    conformance::run(&|| Box::new(Behind::new(setting.address(&query))));
    let (asked, direct, plain) = setting.proxy.came();
    assert!(asked > 100 && direct + plain == 0, "{asked} {direct} {plain}");
}

#[test]
fn a_restart_under_tls_loses_and_doubles_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path(), "authority");
    let mut server = Server::start(&[]);
    let proxy = Terminator::start(server.port, &authority.server(&["127.0.0.1"]), None);
    let query = format!("sslmode=verify-full&{}", root(&authority.certificate));
    let address = through(&proxy, &server, &query);
    survives_restarts(&mut server, &address);
    let (asked, direct, plain) = proxy.came();
    assert!(asked > 8 && direct + plain == 0, "{asked} {direct} {plain}");
}
