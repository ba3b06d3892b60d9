//! https: who is believed, who is not, and that nothing is sent before it is known.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tow_api::Nothing;
use tow_api::access::whoami::WhoAmI;
use tow_client::{Client, ClientError, Trust};

/// A platform that only knows who asks; its certificate authority as PEM, its port, and how many requests it saw.
async fn platform(names: &[&str]) -> (String, u16, Arc<AtomicUsize>) {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = Vec::new();
            let mut piece = [0; 4096];
            while !head.windows(4).any(|at| at == b"\r\n\r\n") {
                match stream.read(&mut piece).await {
                    Ok(0) | Err(_) => break,
                    Ok(n) => head.extend_from_slice(&piece[..n]),
                }
            }
            if head.is_empty() {
                continue;
            }
            count.fetch_add(1, Ordering::SeqCst);
            let body = r#"{"name":"user:default/ann","role":"developer"}"#;
            let said = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(said.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (made.cert.pem(), port, asked)
}

async fn who(url: &str, trust: &Trust) -> Result<String, ClientError> {
    let client = Client::trusting(url, Some("tow_secret"), trust)?;
    client.call::<WhoAmI>(&Nothing {}, &Nothing {}, &Nothing {}).await.map(|actor| actor.name)
}

#[tokio::test]
async fn a_certificate_authority_of_ones_own_is_believed_and_strangers_are_not() {
    let (pem, port, asked) = platform(&["localhost", "127.0.0.1"]).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, &pem).unwrap();
    let url = format!("https://127.0.0.1:{port}");

    let stranger = who(&url, &Trust::default()).await;
    assert!(matches!(&stranger, Err(ClientError::Tls { .. })), "{stranger:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 0, "no token was sent to a stranger");

    let trust = Trust::file(&file).unwrap();
    assert_eq!(who(&url, &trust).await, Ok("user:default/ann".into()));
    assert_eq!(
        who(&format!("https://localhost:{port}/"), &trust).await,
        Ok("user:default/ann".into())
    );

    let (_, other, asked) = platform(&["elsewhere.example"]).await;
    let wrong = who(&format!("https://127.0.0.1:{other}"), &trust).await;
    assert!(matches!(&wrong, Err(ClientError::Tls { .. })), "{wrong:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_platform_without_tls_is_not_asked_over_https() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let said = who(&format!("https://127.0.0.1:{port}"), &Trust::default()).await;
    assert!(matches!(&said, Err(ClientError::Tls { .. })), "{said:?}");
}

#[test]
fn a_file_that_names_nobody_is_said_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    let said = |text: &str| {
        std::fs::write(&file, text).unwrap();
        Trust::file(&file).map(|_| ()).unwrap_err().to_string()
    };
    assert!(said("").contains("no certificate"));
    assert!(said("nonsense").contains("no certificate"));
    assert!(!said("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_empty());
    assert!(Trust::file(&dir.path().join("none")).is_err());
}
