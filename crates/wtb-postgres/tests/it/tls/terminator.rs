//! A server with TLS, whatever the one behind it was built with: a proxy that ends TLS, as a server
//! or a pooler does, and counts how its clients come.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{io, thread};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::certificates::{Authority, Paper};

/// What asks for TLS before anything else is said.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// The first byte of a TLS handshake.
const HANDSHAKE: u8 = 0x16;

/// How many clients came in which way.
#[derive(Debug, Default)]
pub(crate) struct Comings {
    encrypted: AtomicUsize,
    direct: AtomicUsize,
    plain: AtomicUsize,
}

/// The proxy. It ends with this process.
pub(crate) struct Terminator {
    pub(crate) port: u16,
    comings: Arc<Comings>,
}

impl Terminator {
    /// Starts one in front of a server's port. With an authority, clients must have a certificate of it.
    pub(crate) fn start(server: u16, paper: &Paper, clients: Option<&Authority>) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(settings(paper, clients)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let comings = Arc::new(Comings::default());
        let counted = Arc::clone(&comings);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            runtime.unwrap().block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                loop {
                    let (client, _) = listener.accept().await.unwrap();
                    let (acceptor, counted) = (acceptor.clone(), Arc::clone(&counted));
                    // A client that is not let in, or goes away, is the tests' business.
                    tokio::spawn(
                        async move { drop(serve(client, server, acceptor, &counted).await) },
                    );
                }
            });
        });
        Self { port, comings }
    }

    /// How many came with TLS that they asked for, with TLS at once, and without, since the last time.
    pub(crate) fn came(&self) -> (usize, usize, usize) {
        let Comings { encrypted, direct, plain } = &*self.comings;
        let [encrypted, direct, plain] =
            [encrypted, direct, plain].map(|count| count.swap(0, Ordering::SeqCst));
        (encrypted, direct, plain)
    }
}

fn settings(paper: &Paper, clients: Option<&Authority>) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(&authority.certificate).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let certificate = CertificateDer::from_pem_file(&paper.certificate).unwrap();
    let key = PrivateKeyDer::from_pem_file(&paper.key).unwrap();
    let mut settings = builder.with_single_cert(vec![certificate], key).unwrap();
    settings.alpn_protocols = vec![b"postgresql".to_vec()];
    settings
}

async fn serve(
    mut client: TcpStream,
    server: u16,
    acceptor: TlsAcceptor,
    comings: &Comings,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut first = [0; 1];
    client.peek(&mut first).await?;
    if first[0] == HANDSHAKE {
        let mut client = acceptor.accept(client).await?;
        // What PostgreSQL insists on where nothing else tells one protocol from another.
        if client.get_ref().1.alpn_protocol() != Some(b"postgresql") {
            return Ok(());
        }
        comings.direct.fetch_add(1, Ordering::SeqCst);
        return relay(&mut client, server, &[]).await;
    }
    let mut request = [0; TLS_REQUEST.len()];
    client.read_exact(&mut request).await?;
    if request != TLS_REQUEST {
        comings.plain.fetch_add(1, Ordering::SeqCst);
        return relay(&mut client, server, &request).await;
    }
    client.write_all(b"S").await?;
    let mut client = acceptor.accept(client).await?;
    comings.encrypted.fetch_add(1, Ordering::SeqCst);
    relay(&mut client, server, &[]).await
}

async fn relay(
    client: &mut (impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin),
    server: u16,
    said: &[u8],
) -> io::Result<()> {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await?;
    server.set_nodelay(true)?;
    server.write_all(said).await?;
    copy_bidirectional(client, &mut server).await?;
    Ok(())
}
