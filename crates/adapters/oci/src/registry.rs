//! A repository of a registry, as the place an image comes from or goes to.

use crate::image::MANIFEST;
use futures::StreamExt as _;
use http::{HeaderValue, StatusCode};
use oci_client::client::{Client, ClientConfig, ClientProtocol, SizedStream};
use oci_client::errors::{DigestError, OciDistributionError};
use oci_client::secrets::RegistryAuth;
use oci_client::{Reference, RegistryOperation};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tow_names::Digest;
use tow_ports::{Login, PortError};

/// What can be read as a base.
const KINDS: [&str; 4] = [
    MANIFEST,
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
/// A manifest or configuration is no longer.
const LARGEST: usize = 4 << 20;

const CONNECT: Duration = Duration::from_secs(10);
const READ: Duration = Duration::from_secs(60);
const AGENT: &str = "towpath";

/// A repository.
pub(crate) struct Registry {
    client: Client,
    /// For what the other would read without a bound.
    plain: reqwest::Client,
    here: bool,
    reference: Reference,
    auth: RegistryAuth,
}

impl Registry {
    pub(crate) fn of(
        reference: &str,
        login: Option<&Login>,
        env: &BTreeMap<String, String>,
    ) -> Result<Self, PortError> {
        let parsed: Reference = reference.parse().map_err(|error| {
            PortError::Refused(format!(
                "{reference:?} names no image: {error}; expected registry.example/name:tag"
            ))
        })?;
        // Once for the whole program; whoever was first is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let here = is_here(parsed.resolve_registry());
        let way = |names: [&str; 2]| names.iter().find_map(|name| env.get(*name).cloned());
        let (proxy, no_proxy) =
            (way(["https_proxy", "HTTPS_PROXY"]), way(["no_proxy", "NO_PROXY"]));
        // What is on this machine is never asked for elsewhere.
        let proxy = proxy.filter(|_| !here);
        let plain = plain(proxy.as_deref(), no_proxy.as_deref())
            .map_err(|error| PortError::Refused(format!("{reference}: {error}")))?;
        let config = ClientConfig {
            protocol: if here { ClientProtocol::Http } else { ClientProtocol::Https },
            connect_timeout: Some(CONNECT),
            read_timeout: Some(READ),
            user_agent: AGENT,
            https_proxy: proxy,
            no_proxy,
            ..ClientConfig::default()
        };
        let auth = match login {
            Some(login) => RegistryAuth::Basic(login.user.clone(), login.password.clone()),
            None => RegistryAuth::Anonymous,
        };
        Ok(Self { client: Client::new(config), plain, here, reference: parsed, auth })
    }

    pub(crate) fn with_digest(&self, digest: &str) -> String {
        format!("{}/{}@{digest}", self.reference.registry(), self.reference.repository())
    }

    fn says(&self, error: &OciDistributionError) -> PortError {
        let registry = self.reference.resolve_registry();
        match error {
            OciDistributionError::RequestError(error) => {
                PortError::Unavailable(format!("{registry} does not answer: {error}"))
            }
            OciDistributionError::UnauthorizedError { .. }
            | OciDistributionError::AuthenticationFailure(_) => {
                PortError::Refused(format!("{registry} wants another name or password: {error}"))
            }
            error => PortError::Refused(format!("{registry}: {error}")),
        }
    }

    /// A manifest's bytes, held to the digest it is named by, and no more of them than a manifest may have.
    pub(crate) async fn manifest(&self, digest: Option<&str>) -> Result<Vec<u8>, PortError> {
        let registry = self.reference.resolve_registry();
        let named = digest.or(self.reference.digest());
        let tag = named.or(self.reference.tag()).unwrap_or("latest");
        let scheme = if self.here { "http" } else { "https" };
        let url =
            format!("{scheme}://{registry}/v2/{}/manifests/{tag}", self.reference.repository());
        let token = self
            .client
            .auth(&self.reference, &self.auth, RegistryOperation::Pull)
            .await
            .map_err(|error| self.says(&error))?;
        let asked = self.plain.get(&url).header(http::header::ACCEPT, KINDS.join(", "));
        let asked = match (token, &self.auth) {
            (Some(token), _) => asked.bearer_auth(token),
            (None, RegistryAuth::Basic(user, password)) => asked.basic_auth(user, Some(password)),
            (None, _) => asked,
        };
        let away = |error: reqwest::Error| {
            PortError::Unavailable(format!("{registry} does not answer: {error}"))
        };
        let mut answer = asked.send().await.map_err(away)?;
        let image = || format!("{registry}/{}, {tag}", self.reference.repository());
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let why = format!("{registry} wants another name or password for {}", image());
                return Err(PortError::Refused(why));
            }
            StatusCode::NOT_FOUND => {
                return Err(PortError::Refused(format!("there is no image {}", image())));
            }
            status if status.is_server_error() => {
                return Err(PortError::Unavailable(format!("{registry} answers {status}")));
            }
            status => {
                return Err(PortError::Refused(format!(
                    "{registry} answers {status} for {}",
                    image()
                )));
            }
        }
        let mut all = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(away)? {
            all.extend_from_slice(&piece);
            if all.len() > LARGEST {
                return Err(PortError::Refused(format!(
                    "the manifest of {} is larger than the 4 MiB that one may have",
                    image()
                )));
            }
        }
        match named {
            Some(named) if Digest::of(&all).as_str() != named => {
                Err(PortError::Refused(format!("{registry} gave something else than {named}")))
            }
            _ => Ok(all),
        }
    }

    /// A small blob.
    pub(crate) async fn bytes(&self, digest: &str) -> Result<Vec<u8>, PortError> {
        let mut all = Vec::new();
        let mut stream = self.blob(digest).await?;
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|error| broken(digest, &error))?;
            all.extend_from_slice(&piece);
            if all.len() > LARGEST {
                return Err(PortError::Refused(format!("{digest} is larger than it may be")));
            }
        }
        if Digest::of(&all).as_str() != digest {
            return Err(PortError::Refused(format!("{digest} is something else")));
        }
        Ok(all)
    }

    /// A blob into a file: as many bytes as it was said to have, and the ones that it was said to be.
    pub(crate) async fn fetch(&self, digest: &str, size: u64, to: &Path) -> Result<(), PortError> {
        let failed = |error: std::io::Error| PortError::Refused(format!("{digest}: {error}"));
        let mut stream = self.blob(digest).await?;
        let mut file = tokio::fs::File::create(to).await.map_err(failed)?;
        let mut seen = 0;
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|error| broken(digest, &error))?;
            seen += piece.len() as u64;
            if seen > size {
                return Err(PortError::Refused(format!(
                    "{digest} is larger than the {size} bytes that its image says"
                )));
            }
            file.write_all(&piece).await.map_err(failed)?;
        }
        if seen < size {
            return Err(PortError::Unavailable(format!(
                "{digest} ends after {seen} of {size} bytes"
            )));
        }
        file.flush().await.map_err(failed)
    }

    /// A blob's bytes as they come; what is not what it is called ends with an error.
    async fn blob(&self, digest: &str) -> Result<SizedStream, PortError> {
        self.client
            .pull_blob_stream(&self.reference, digest)
            .await
            .map_err(|error| self.says(&error))
    }

    /// Is a blob there?
    pub(crate) async fn has(&self, digest: &str) -> Result<bool, PortError> {
        self.login().await?;
        self.client.blob_exists(&self.reference, digest).await.map_err(|error| self.says(&error))
    }

    async fn login(&self) -> Result<(), PortError> {
        self.client
            .auth(&self.reference, &self.auth, RegistryOperation::Push)
            .await
            .map(|_| ())
            .map_err(|error| self.says(&error))
    }

    /// Brings a file.
    pub(crate) async fn put(&self, digest: &str, file: &Path) -> Result<(), PortError> {
        let failed = |error: std::io::Error| PortError::Refused(format!("{digest}: {error}"));
        let file = tokio::fs::File::open(file).await.map_err(failed)?;
        let size = file.metadata().await.map_err(failed)?.len();
        let pieces = tokio_util::io::ReaderStream::with_capacity(file, 1 << 20)
            .map(|piece| piece.map_err(OciDistributionError::IoError));
        self.client
            .push_blob_stream(&self.reference, pieces, digest, Some(size))
            .await
            .map(|_| ())
            .map_err(|error| self.says(&error))
    }

    /// Brings a small blob.
    pub(crate) async fn put_bytes(&self, digest: &str, bytes: Vec<u8>) -> Result<(), PortError> {
        self.client
            .push_blob(&self.reference, bytes, digest)
            .await
            .map(|_| ())
            .map_err(|error| self.says(&error))
    }

    /// The last thing that is brought: from here on the image is there.
    pub(crate) async fn put_manifest(&self, bytes: Vec<u8>) -> Result<(), PortError> {
        self.client
            .push_manifest_raw(&self.reference, bytes, HeaderValue::from_static(MANIFEST))
            .await
            .map(|_| ())
            .map_err(|error| self.says(&error))
    }
}

/// A stream breaks where the way does, and where it is not what it is called.
fn broken(digest: &str, error: &std::io::Error) -> PortError {
    let lies =
        error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<DigestError>);
    match lies {
        true => PortError::Refused(format!("the registry lies: {digest} is something else")),
        false => PortError::Unavailable(format!("{digest}: {error}")),
    }
}

fn plain(proxy: Option<&str>, no_proxy: Option<&str>) -> Result<reqwest::Client, reqwest::Error> {
    let client = reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .read_timeout(READ)
        .user_agent(AGENT)
        .no_proxy();
    let client = match proxy {
        Some(proxy) => {
            let not = no_proxy.and_then(reqwest::NoProxy::from_string);
            client.proxy(reqwest::Proxy::https(proxy)?.no_proxy(not))
        }
        None => client,
    };
    client.build()
}

/// Is a registry on this machine?
fn is_here(registry: &str) -> bool {
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}
