//! What is asked of a server's certificate: nothing, an authority, or an authority and the name.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// How the library calls a certificate of an authority where one of a server is expected.
pub(super) const OWN_AUTHORITY: &str = "CaUsedAsEndEntity";

/// Who is trusted.
#[derive(Debug)]
pub(super) struct Trusted {
    /// The authorities.
    pub(super) roots: RootCertStore,
    /// The certificates of a file, as they are there.
    pub(super) listed: Vec<CertificateDer<'static>>,
}

/// Checks a server's certificate as far as the mode wants it.
#[derive(Debug)]
pub(super) struct Verifier {
    trusted: Option<Trusted>,
    names: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    /// Makes one. Without anybody trusted every certificate will do, for any name.
    pub(super) fn new(
        provider: &Arc<CryptoProvider>,
        trusted: Option<Trusted>,
        names: bool,
    ) -> Self {
        Self { trusted, names, algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(trusted) = &self.trusted else { return Ok(ServerCertVerified::assertion()) };
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let vouched = verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &trusted.roots,
            intermediates,
            now,
            self.algorithms.all,
        );
        if let Err(error) = vouched
            && !(is_its_own_authority(&error) && trusted.listed.contains(end_entity))
        {
            return Err(error);
        }
        if self.names {
            verify_server_name(&certificate, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    // Also where nobody is trusted: a password may be bound to the certificate that the server
    // shows, which says nothing unless the server has the key to it.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether nothing is wrong with a certificate but that it is one of an authority.
///
/// `openssl req -x509`, which PostgreSQL's manual shows, makes such ones for servers, to be
/// listed as trusted themselves. The library refuses them after it has looked at their dates, and
/// tells so by a text alone.
fn is_its_own_authority(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(other)) = error else { return false };
    other.to_string().contains(OWN_AUTHORITY)
}
