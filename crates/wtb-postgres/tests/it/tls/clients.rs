//! Certificates of clients, against a server that lets nobody in without one.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::certificates::{Authority, Paper};
use super::terminator::Terminator;
use super::{open, refused, through};
use crate::server::shared;

fn shown(certificate: &Paper, key: &Paper) -> String {
    format!(
        "sslmode=require&sslcert={}&sslkey={}",
        certificate.certificate.display(),
        key.key.display()
    )
}

#[test]
fn who_has_a_certificate_is_let_in() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path(), "authority");
    let paper = authority.server(&["127.0.0.1"]);
    let proxy = Terminator::start(shared().port, &paper, Some(&authority));
    let address = |query: &str| through(&proxy, shared(), query);

    let me = authority.user("me");
    open(&address(&shown(&me, &me))).unwrap();

    let refusal = ["does not take this program's certificate", "`sslcert`", "ssl_ca_file"];
    refused(&address("sslmode=require"), &refusal);
    let elsewhere = directory.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let stranger = Authority::new(&elsewhere, "other").user("stranger");
    refused(&address(&shown(&stranger, &stranger)), &refusal);

    proxy.came();
    open(&address("sslmode=prefer")).unwrap();
    assert!(proxy.came().2 > 0, "as with libpq, whoever gets no TLS goes on without");

    let other = authority.user("other");
    refused(&address(&shown(&me, &other)), &["do not go together", "the key that"]);
}

#[test]
fn files_that_are_no_good_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path(), "authority");
    let paper = authority.server(&["127.0.0.1"]);
    let proxy = Terminator::start(shared().port, &paper, None);
    let refused = |query: &str, expected: &[&str]| {
        refused(&through(&proxy, shared(), query), expected);
    };
    let text = |name: &str, text: &str, mode: u32| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    };

    refused("sslmode=verify-full&sslrootcert=/no/where.crt", &["/no/where.crt", "cannot be read"]);
    let empty = text("no%20roots", "nothing", 0o600);
    let encoded = empty.replace('%', "%25");
    let query = format!("sslmode=verify-ca&sslrootcert={encoded}");
    refused(&query, &[&empty, "holds no certificate", "PEM"]);

    let me = authority.user("me");
    let with_key =
        |key: &str| format!("sslmode=require&sslcert={}&sslkey={key}", me.certificate.display());
    refused(&with_key("/no/where.key"), &["sslkey=/no/where.key", "cannot be read"]);
    refused(&with_key(&text("no_key", "nothing", 0o600)), &["holds no readable key"]);
    let open = text("open.key", &fs::read_to_string(&me.key).unwrap(), 0o644);
    refused(&with_key(&open), &["can be read by others", "chmod 600"]);
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n";
    refused(&with_key(&text("locked.key", encrypted, 0o600)), &["is encrypted", "openssl pkey"]);
}
