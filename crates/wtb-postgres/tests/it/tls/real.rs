//! A real server that speaks TLS itself, where `WTB_TEST_POSTGRES_TLS_BIN` names programs that were built
//! with it (those that the other tests bring along were not): what a proxy cannot show, since the
//! server has to know of the TLS.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wtb_store::Store as _;

use super::certificates::Authority;
use super::{open, refused, root};
use crate::restart::survives_restarts;
use crate::server::{Server, give_away, is_root};

/// A server with TLS and its authority; none where there are no programs for it.
struct Real {
    _directory: TempDir,
    authority: Authority,
    server: Server,
}

impl Real {
    #[expect(clippy::print_stdout, reason = "what is not tried is said")]
    fn start() -> Option<Self> {
        let Some(programs) = std::env::var_os("WTB_TEST_POSTGRES_TLS_BIN") else {
            println!("WTB_TEST_POSTGRES_TLS_BIN is not set: only the proxy was tried");
            return None;
        };
        let server = Server::of(programs.into(), &[]);
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::new(directory.path(), "authority");
        let paper = authority.server(&["127.0.0.1"]);
        let mut real = Self { _directory: directory, authority, server };
        for (setting, path) in [
            ("ssl_cert_file", &paper.certificate),
            ("ssl_key_file", &paper.key),
            ("ssl_ca_file", &real.authority.certificate),
        ] {
            let path = real.taken(path);
            let sql = format!("ALTER SYSTEM SET {setting} = '{}'", path.display());
            real.server.raw().batch_execute(&sql).unwrap();
        }
        real.server.raw().batch_execute("ALTER SYSTEM SET ssl = on").unwrap();
        real.server.stop(crate::server::Stop::Fast);
        real.server.restart();
        Some(real)
    }

    /// Copies a file to where only the server can read it.
    fn taken(&self, path: &Path) -> PathBuf {
        let taken = self.server.data().join(path.file_name().unwrap());
        fs::copy(path, &taken).unwrap();
        if is_root() {
            give_away(&taken);
        }
        taken
    }

    /// Puts rules before the server's own.
    fn rule(&self, rules: &str) {
        let file = self.server.data().join("pg_hba.conf");
        let before = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{rules}\n{before}")).unwrap();
        self.server.raw().batch_execute("SELECT pg_reload_conf()").unwrap();
    }

    fn address(&self, query: &str) -> String {
        format!("{}&{query}", self.server.fresh())
    }

    fn verified(&self) -> String {
        format!("sslmode=verify-full&{}", root(&self.authority.certificate))
    }
}

#[test]
fn the_password_is_bound_to_the_certificate_and_tls_begins_at_once_where_it_can() {
    let Some(real) = Real::start() else { return };
    let query = format!("{}&channel_binding=require", real.verified());
    let store = open(&real.address(&query)).unwrap();
    let sql = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
               WHERE application_name = 'wtb' AND ssl";
    let encrypted: i64 = real.server.raw().query_one(sql, &[]).unwrap().get(0);
    assert!(encrypted > 0, "the server says so as well");
    assert_eq!(store.last_sequence().unwrap(), 0);

    let direct = open(&real.address(&format!("{}&sslnegotiation=direct", real.verified())));
    let version = "SELECT current_setting('server_version_num')::integer >= 170000";
    if real.server.raw().query_one(version, &[]).unwrap().get(0) {
        direct.unwrap();
    } else {
        let text = direct.unwrap_err().to_string();
        assert!(text.contains("`sslnegotiation=direct` needs PostgreSQL 17"), "{text}");
    }
}

#[test]
fn the_rules_of_the_server_are_kept_and_told() {
    let Some(real) = Real::start() else { return };
    let mut raw = real.server.raw();
    for user in ["secret", "plain", "known", "nobody"] {
        let sql = format!("CREATE ROLE {user} LOGIN SUPERUSER PASSWORD 's3cret'");
        raw.batch_execute(&sql).unwrap();
    }
    real.rule(
        "hostnossl all secret all reject\nhostssl all plain all reject\n\
         hostssl all known all cert\nhostnossl all known all reject\n\
         host all nobody all reject",
    );
    let of =
        |user: &str, query: &str| real.address(query).replace("//postgres:", &format!("//{user}:"));

    open(&of("secret", "")).unwrap();
    refused(&of("secret", "sslmode=disable"), &["wants TLS", "sslmode=require"]);
    open(&of("plain", "")).unwrap();
    refused(&of("plain", "sslmode=require"), &["pg_hba.conf"]);
    refused(&of("nobody", ""), &["SSL encryption; check the user", "(without TLS: "]);

    let shown = |name: &str| {
        let me = real.authority.user(name);
        format!(
            "{}&sslcert={}&sslkey={}",
            real.verified(),
            me.certificate.display(),
            me.key.display()
        )
    };
    open(&of("known", &shown("known"))).unwrap();
    refused(&of("known", &real.verified()), &["client certificate", "sslcert=PATH"]);
    refused(&of("known", &shown("somebody")), &["name (CN)", "pg_ident.conf"]);
}

#[test]
fn a_restart_of_a_real_server_loses_and_doubles_nothing() {
    let Some(mut real) = Real::start() else { return };
    let address = real.address(&real.verified());
    survives_restarts(&mut real.server, &address);
}
