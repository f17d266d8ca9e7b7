//! Authorities and certificates, made for one test each.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};

/// A certificate and its key in files of a directory.
pub(crate) struct Paper {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Somebody who vouches for others.
pub(crate) struct Authority {
    directory: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: PathBuf,
}

impl Authority {
    /// Makes one whose files are in a directory.
    pub(crate) fn new(directory: &Path, name: &str) -> Self {
        let (params, key) = (own(name), KeyPair::generate().unwrap());
        let certificate = directory.join(format!("{name}.crt"));
        fs::write(&certificate, params.self_signed(&key).unwrap().pem()).unwrap();
        Self { directory: directory.to_owned(), issuer: Issuer::new(params, key), certificate }
    }

    /// Vouches for a server with these names.
    pub(crate) fn server(&self, names: &[&str]) -> Paper {
        self.sign("server", &params(names))
    }

    /// Vouches for a server, but not any more.
    pub(crate) fn expired(&self, names: &[&str]) -> Paper {
        let mut params = params(names);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.sign("expired", &params)
    }

    /// Vouches for a user.
    pub(crate) fn user(&self, name: &str) -> Paper {
        let mut params = params(&[]);
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(name, &params)
    }

    fn sign(&self, name: &str, params: &CertificateParams) -> Paper {
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        write(&self.directory, name, &signed.pem(), &key)
    }
}

/// A server that vouches for itself, as `openssl req -x509` makes them.
pub(crate) fn self_made(directory: &Path, name: &str, host: &str, expired: bool) -> Paper {
    let mut params = own(name);
    params.subject_alt_names = self::params(&[host]).subject_alt_names;
    if expired {
        params.not_after = date_time_ymd(2020, 1, 1);
    }
    let key = KeyPair::generate().unwrap();
    write(directory, name, &params.self_signed(&key).unwrap().pem(), &key)
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
}

fn own(name: &str) -> CertificateParams {
    let mut params = params(&[]);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn write(directory: &Path, name: &str, certificate: &str, key: &KeyPair) -> Paper {
    let [certificate_path, key_path] =
        ["crt", "key"].map(|ending| directory.join(format!("{name}.{ending}")));
    fs::write(&certificate_path, certificate).unwrap();
    fs::write(&key_path, key.serialize_pem()).unwrap();
    fs::set_permissions(&key_path, fs::Permissions::from_mode(0o600)).unwrap();
    Paper { certificate: certificate_path, key: key_path }
}
