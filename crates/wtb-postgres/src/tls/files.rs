//! Certificates and keys are read from files in PEM.

use std::fs;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::verifier::Trusted;

/// What files of encrypted keys, the older kind and the newer one, have in them.
const ENCRYPTED: &[u8] = b"ENCRYPTED";

/// The authorities in a file.
pub(super) fn roots(path: &str) -> Result<Trusted, String> {
    let listed = certificates("sslrootcert", path)?;
    let mut roots = RootCertStore::empty();
    for certificate in &listed {
        roots.add(certificate.clone()).map_err(|error| {
            format!("`sslrootcert={path}` holds a certificate that cannot be read: {error}")
        })?;
    }
    Ok(Trusted { roots, listed })
}

/// The authorities that this machine trusts.
pub(super) fn system_roots() -> Result<Trusted, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added > 0 {
        return Ok(Trusted { roots, listed: Vec::new() });
    }
    let errors = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
    Err(format!(
        "`sslrootcert=system`: this machine has no list of trusted authorities{errors}; install it \
         (most systems call it `ca-certificates`), or write `sslrootcert=PATH`"
    ))
}

/// The certificates in a file.
pub(super) fn certificates(
    option: &str,
    path: &str,
) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read(option, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let wrong = |reason: &str| {
        format!("`{option}={path}` {reason}; it must be a file of certificates in PEM")
    };
    match found {
        Ok(found) if found.is_empty() => Err(wrong("holds no certificate")),
        Ok(found) => Ok(found),
        Err(error) => Err(wrong(&format!("is not readable as certificates: {error}"))),
    }
}

/// The key in a file that others must not be able to read.
pub(super) fn key(path: &str) -> Result<PrivateKeyDer<'static>, String> {
    let text = read("sslkey", path)?;
    check_private(path)?;
    if text.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED) {
        return Err(format!(
            "`sslkey={path}` is encrypted, which is not supported: decrypt it \
             (`openssl pkey -in {path} -out NEW`) and keep the new file from others (`chmod 600`)"
        ));
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        format!("`sslkey={path}` holds no readable key: {error}; it must be a private key in PEM")
    })
}

fn read(option: &str, path: &str) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| {
        format!(
            "`{option}={path}` cannot be read: {error}; see that the path and its rights are right"
        )
    })
}

/// Refuses a key as libpq does: one that others can read is none.
#[cfg(unix)]
fn check_private(path: &str) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt as _;

    let found = fs::metadata(path)
        .map_err(|error| format!("`sslkey={path}` cannot be looked at: {error}"))?;
    // Root may let a group read it, so that several services can share one.
    let forbidden = if found.uid() == 0 { 0o037 } else { 0o077 };
    if found.mode() & forbidden == 0 {
        return Ok(());
    }
    Err(format!("`sslkey={path}` can be read by others: keep it from them (`chmod 600 {path}`)"))
}

#[cfg(not(unix))]
fn check_private(_: &str) -> Result<(), String> {
    Ok(())
}
