//! Why no TLS came about with a server, and what to do.

use std::error::Error as _;
use std::io;

use rustls::{AlertDescription, CertificateError, Error};

use super::verifier::OWN_AUTHORITY;

/// What TLS itself objects to, or the server by means of it; `None` where the trouble is another one
/// that may pass, such as a connection that ended.
pub(crate) fn of_tls(error: &postgres::Error) -> Option<&Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| inner.downcast_ref()) {
            // Proxies say so while the server behind them is away.
            let passes = *found == Error::AlertReceived(AlertDescription::InternalError);
            return Some(found).filter(|_| !passes);
        }
        cause = error.source();
    }
    None
}

/// What it means, and what to do about it.
pub(crate) fn told(error: &Error) -> String {
    let remedy = match error {
        Error::InvalidCertificate(error) => return of_certificate(error),
        Error::AlertReceived(alert) => of_alert(*alert),
        Error::PeerIncompatible(_) => TOO_OLD,
        Error::InvalidMessage(_) => {
            "what answers is not a server of PostgreSQL with TLS: check host and port, and whether \
             `sslnegotiation` fits the server (`direct` needs PostgreSQL 17)"
        }
        _ => "check the server's TLS settings (ssl_cert_file, ssl_key_file)",
    };
    format!("TLS failed: {error}; {remedy}")
}

const TOO_OLD: &str = "the server has to speak TLS 1.2 or 1.3 with one of today's ciphers: see its \
                       ssl_min_protocol_version, ssl_max_protocol_version and ssl_ciphers";

fn of_certificate(error: &CertificateError) -> String {
    let (trouble, remedy) = match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            "is of an authority that is not trusted here",
            "write `sslrootcert=PATH` with that authority's certificate, or `sslrootcert=system` if \
             it is a public one",
        ),
        CertificateError::Expired => ("has expired", RENEW),
        CertificateError::ExpiredContext { time, not_after } => {
            let days = time.as_secs().saturating_sub(not_after.as_secs()) / 86_400;
            return format!("the server's certificate has expired, {days} days ago: {RENEW}");
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("is not valid yet", "see that this machine's clock is right")
        }
        CertificateError::NotValidForName => ("is not for this host", RENAME),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<_> = presented.iter().map(|name| plain(name)).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return format!(
                "the server's certificate is not for the host `{}` (its names: {names}): {RENAME}",
                expected.to_str()
            );
        }
        CertificateError::Other(other) => match other.to_string() {
            text if text.contains(OWN_AUTHORITY) => (
                "is its own authority, and not trusted here",
                "write `sslrootcert=PATH` with this very certificate",
            ),
            text if text.contains("UnsupportedCertVersion") => (
                "is of X.509 version 1, which is obsolete",
                "make one of version 3 (`openssl x509` with `-extfile`)",
            ),
            text => return format!("the server's certificate is not accepted ({text}): {ANOTHER}"),
        },
        other => return format!("the server's certificate is not accepted ({other}): {ANOTHER}"),
    };
    format!("the server's certificate {trouble}: {remedy}")
}

const RENEW: &str = "renew it on the server";
const RENAME: &str = "write one of its names into the address (and `hostaddr=` for where to connect), \
                      give the server a certificate with this host in its subjectAltName, or check \
                      its authority alone (`sslmode=verify-ca`)";
const ANOTHER: &str = "make another one for the server";

/// A name without the kind that the library puts around it: `DnsName("host")`.
fn plain(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

fn of_alert(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CertificateRequired
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateRevoked
        | AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => {
            "the server does not take this program's certificate: see that `sslcert` and `sslkey` name \
             one that has not expired, and of an authority in the server's ssl_ca_file"
        }
        AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure => TOO_OLD,
        AlertDescription::NoApplicationProtocol => {
            "what answers is not a server of PostgreSQL: check host and port"
        }
        _ => "the server has broken it off: its log says why",
    }
}
