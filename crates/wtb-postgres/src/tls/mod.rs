//! TLS: what an address says about it, and the connector that comes of that.
//!
//! The words and their meanings are libpq's. What differs: no file has a default place, since
//! a store reads no environment; and `sslrootcert` is refused where libpq would look at it and then
//! go on without TLS all the same.
//!
//! - `files`: certificates and keys are read, once, when the store is opened.
//! - `verifier`: what is asked of a server's certificate.
//! - `trouble`: what to do when no connection comes about.

mod files;
mod trouble;
mod verifier;

use std::fmt;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use postgres::Config;
use postgres::Socket;
use postgres::config::{Host, SslMode, SslNegotiation};
use postgres::tls::MakeTlsConnect;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_postgres_rustls::MakeRustlsConnect;
use wtb_store::options::unknown_value;

pub(crate) use trouble::{of_tls, told as told_tls};
use verifier::Verifier;

/// The modes by their names, the weakest first.
const MODES: [(&str, Mode); 5] = [
    ("disable", Mode::Disable),
    ("prefer", Mode::Prefer),
    ("require", Mode::Require),
    ("verify-ca", Mode::VerifyCa),
    ("verify-full", Mode::VerifyFull),
];
/// The value of `sslrootcert` that means the machine's own list of authorities.
const SYSTEM: &str = "system";
/// What a server is called whose name cannot be that of a certificate.
const NO_NAME: &str = "unnamed.invalid";
/// How PostgreSQL's protocol is called within TLS. Offered at every connection, as libpq does: a
/// server of something else, to which a connection was redirected, refuses it.
const PROTOCOL: &[u8] = b"postgresql";

/// How much TLS is wanted; each includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mode {
    Disable,
    /// TLS where the server has it.
    Prefer,
    Require,
    /// From a server that a trusted authority vouches for.
    VerifyCa,
    /// From the very server that the address names.
    VerifyFull,
}

/// What an address says about TLS.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    mode: Option<Mode>,
    roots: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

impl Wishes {
    /// Sets what a pair of the query says; `false` when it is not about this.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<bool, String> {
        let path = || {
            let decoded = percent_decode_str(value).decode_utf8();
            let decoded =
                decoded.map_err(|_| format!("`{key}` is `{value}`, which is not UTF-8"))?;
            // An empty value is none, as it is to libpq.
            Ok::<_, String>(Some(decoded.into_owned()).filter(|path| !path.is_empty()))
        };
        match key {
            "sslmode" => {
                let mode = MODES.iter().find(|(name, _)| *name == value);
                let names = MODES.map(|(name, _)| name);
                let (_, mode) = mode.ok_or_else(|| unknown_value(key, value, &names))?;
                self.mode = Some(*mode);
            }
            "sslrootcert" => self.roots = path()?,
            "sslcert" => self.certificate = path()?,
            "sslkey" => self.key = path()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Reads the files, and tells the client what it has to know.
    pub(crate) fn apply(self, config: &mut Config) -> Result<Tls, String> {
        let mode = self.mode()?;
        let direct = config.get_ssl_negotiation() == SslNegotiation::Direct;
        if direct && mode < Mode::Require {
            return Err("`sslnegotiation=direct` begins with TLS and needs `sslmode=require`, \
                        `verify-ca` or `verify-full`"
                .to_owned());
        }
        let mode = if is_local(config) { Mode::Disable } else { mode };
        config.ssl_mode(match mode {
            Mode::Disable => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        });
        if mode == Mode::Disable {
            return Ok(Tls { mode, direct, connector: None });
        }
        if config.get_hosts().is_empty() {
            // The client takes the name to look for in the certificate from here alone.
            for address in config.get_hostaddrs().to_vec() {
                config.host(&address.to_string());
            }
        }
        let rustls = MakeRustlsConnect::new(self.settings(mode)?);
        let connector = Some(Connector { rustls, checks_names: mode == Mode::VerifyFull });
        Ok(Tls { mode, direct, connector })
    }

    fn mode(&self) -> Result<Mode, String> {
        let system = self.roots.as_deref() == Some(SYSTEM);
        let mode = self.mode.unwrap_or(if system { Mode::VerifyFull } else { Mode::Prefer });
        if system && mode != Mode::VerifyFull && mode != Mode::Disable {
            // Anybody can have a certificate of a public authority, for another name.
            return Err("`sslrootcert=system` proves nothing without the server's name: write \
                        `sslmode=verify-full` beside it"
                .to_owned());
        }
        if self.roots.is_some() && mode == Mode::Prefer {
            return Err("`sslrootcert` is of no use with `sslmode=prefer`, which goes on without \
                        TLS: write `sslmode=verify-full` (or `verify-ca`, `require`) beside it"
                .to_owned());
        }
        if self.roots.is_none() && mode >= Mode::VerifyCa {
            return Err(
                "`sslmode` is to verify the server's certificate, but nothing says by which \
                        authority: write `sslrootcert=PATH` with the path of its certificate, or \
                        `sslrootcert=system` for those that this machine trusts"
                    .to_owned(),
            );
        }
        Ok(mode)
    }

    fn settings(&self, mode: Mode) -> Result<ClientConfig, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let trusted = match self.roots.as_deref() {
            None => None,
            Some(SYSTEM) => Some(files::system_roots()?),
            Some(path) => Some(files::roots(path)?),
        };
        let verifier = Verifier::new(&provider, trusted, mode == Mode::VerifyFull);
        let wrong = |error: rustls::Error| format!("TLS cannot be set up: {error}");
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(wrong)?
            // Every mode is a setting of one verifier, so that there is one place to look at.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut settings = match (&self.certificate, &self.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(key)) => {
                let chain = files::certificates("sslcert", certificate)?;
                builder.with_client_auth_cert(chain, files::key(key)?).map_err(|error| {
                    format!(
                        "`sslkey={key}` and `sslcert={certificate}` do not go together: {error}; \
                         name the key that the certificate was made for"
                    )
                })?
            }
            (Some(_), None) => return Err(incomplete("sslcert", "sslkey", "key")),
            (None, Some(_)) => return Err(incomplete("sslkey", "sslcert", "certificate")),
        };
        settings.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(settings)
    }
}

fn incomplete(given: &str, missing: &str, what: &str) -> String {
    format!("`{given}` needs `{missing}=PATH` beside it, the path of the {what} that belongs to it")
}

/// Whether all ways to the server are sockets of this machine, which carry no TLS.
fn is_local(config: &Config) -> bool {
    config.get_hostaddrs().is_empty()
        && !config.get_hosts().is_empty()
        && config.get_hosts().iter().all(|host| !matches!(host, Host::Tcp(_)))
}

/// How to speak TLS to a server.
#[derive(Clone)]
pub(crate) struct Tls {
    mode: Mode,
    direct: bool,
    connector: Option<Connector>,
}

/// Begins TLS with a host.
#[derive(Clone)]
pub(crate) struct Connector {
    rustls: MakeRustlsConnect,
    checks_names: bool,
}

impl MakeTlsConnect<Socket> for Connector {
    type Stream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;
    type TlsConnect = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;
    type Error = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Error;

    fn make_tls_connect(&mut self, host: &str) -> Result<Self::TlsConnect, Self::Error> {
        // A host may have a name that no certificate could bear. It is no matter unless it is looked for.
        let is_name = self.checks_names || ServerName::try_from(host).is_ok();
        let host = if is_name { host } else { NO_NAME };
        MakeTlsConnect::<Socket>::make_tls_connect(&mut self.rustls, host)
    }
}

impl Tls {
    /// The connector; none where there is to be no TLS.
    pub(crate) fn connector(&self) -> Option<Connector> {
        self.connector.clone()
    }

    /// Whether connections begin with TLS, without asking for it.
    pub(crate) fn is_direct(&self) -> bool {
        self.direct
    }

    /// Whether a connection without TLS will do.
    pub(crate) fn is_optional(&self) -> bool {
        self.mode == Mode::Prefer
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tls").field("mode", &self.mode).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an address would have: how the client negotiates, and whether there is a connector.
    fn applied(host: &str, wishes: &[(&str, &str)]) -> Result<(SslMode, bool), String> {
        let mut found = Wishes::default();
        for (key, value) in wishes {
            assert!(found.set(key, value)?, "{key}");
        }
        let mut config: Config = host.parse().unwrap();
        let tls = found.apply(&mut config)?;
        Ok((config.get_ssl_mode(), tls.connector().is_some()))
    }

    #[test]
    fn the_mode_decides_unless_the_server_is_reached_by_a_socket() {
        for (mode, expected) in [
            (None, (SslMode::Prefer, true)),
            (Some("disable"), (SslMode::Disable, false)),
            (Some("prefer"), (SslMode::Prefer, true)),
            (Some("require"), (SslMode::Require, true)),
        ] {
            let wishes: Vec<_> = mode.map(|mode| ("sslmode", mode)).into_iter().collect();
            assert_eq!(applied("host=h", &wishes), Ok(expected), "{mode:?}");
            assert_eq!(applied("host=h,/run", &wishes), Ok(expected), "{mode:?}");
            assert_eq!(applied("hostaddr=::1", &wishes), Ok(expected), "{mode:?}");
            assert_eq!(applied("host=/run", &wishes), Ok((SslMode::Disable, false)), "{mode:?}");
        }
        let ignored = [("sslmode", "disable"), ("sslrootcert", "/no/where")];
        assert_eq!(applied("host=h", &ignored), Ok((SslMode::Disable, false)));
        assert_eq!(Wishes::default().set("user", "me"), Ok(false));
    }

    #[test]
    fn what_does_not_fit_together_is_said_with_its_remedy() {
        for (wishes, expected) in [
            (&[("sslmode", "verify_full")] as &[_], "did you mean `verify-full`?"),
            (&[("sslmode", "required")], "did you mean `require`?"),
            (&[("sslmode", "on")], "must be one of `disable`, `prefer`, `require`, `verify-ca`"),
            (&[("sslmode", "verify-ca")], "`sslrootcert=system`"),
            (&[("sslmode", "verify-full"), ("sslrootcert", "")], "`sslrootcert=PATH`"),
            (&[("sslrootcert", "/a.crt")], "`sslmode=verify-full`"),
            (&[("sslrootcert", "system"), ("sslmode", "require")], "`sslmode=verify-full`"),
            (&[("sslcert", "/a.crt")], "`sslkey=PATH`"),
            (&[("sslkey", "/a.key")], "`sslcert=PATH`"),
            (&[("sslkey", "/%ff.key")], "not UTF-8"),
        ] {
            let text = applied("host=h", wishes).unwrap_err();
            assert!(text.contains(expected), "{wishes:?}: {text}");
        }
        let text = applied("host=h sslnegotiation=direct", &[("sslmode", "prefer")]).unwrap_err();
        assert!(text.contains("`sslmode=require`"), "{text}");
    }
}
