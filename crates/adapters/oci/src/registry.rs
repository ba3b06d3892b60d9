//! A repository of a registry, as the place an image comes from or goes to.

use crate::image::MANIFEST;
use futures::StreamExt as _;
use http::HeaderValue;
use oci_client::client::{Client, ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
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

/// A repository.
pub(crate) struct Registry {
    client: Client,
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
        let config = ClientConfig {
            protocol: if here { ClientProtocol::Http } else { ClientProtocol::Https },
            connect_timeout: Some(Duration::from_secs(10)),
            read_timeout: Some(Duration::from_secs(60)),
            user_agent: "towpath",
            // What is on this machine is never asked for elsewhere.
            https_proxy: way(["https_proxy", "HTTPS_PROXY"]).filter(|_| !here),
            no_proxy: way(["no_proxy", "NO_PROXY"]),
            ..ClientConfig::default()
        };
        let auth = match login {
            Some(login) => RegistryAuth::Basic(login.user.clone(), login.password.clone()),
            None => RegistryAuth::Anonymous,
        };
        Ok(Self { client: Client::new(config), reference: parsed, auth })
    }

    pub(crate) fn with_digest(&self, digest: &str) -> String {
        let Reference { .. } = &self.reference;
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

    /// A manifest's bytes, held to the digest it is named by.
    pub(crate) async fn manifest(&self, digest: Option<&str>) -> Result<Vec<u8>, PortError> {
        let reference = match digest {
            Some(digest) => self.reference.clone_with_digest(digest.to_string()),
            None => self.reference.clone(),
        };
        let (bytes, _) = self
            .client
            .pull_manifest_raw(&reference, &self.auth, &KINDS)
            .await
            .map_err(|error| self.says(&error))?;
        if let Some(named) = reference.digest()
            && Digest::of(&bytes).as_str() != named
        {
            return Err(PortError::Refused(format!(
                "{} gave something else than {named}",
                self.reference.resolve_registry()
            )));
        }
        Ok(bytes.to_vec())
    }

    /// A small blob.
    pub(crate) async fn bytes(&self, digest: &str) -> Result<Vec<u8>, PortError> {
        let mut stream = self
            .client
            .pull_blob_stream(&self.reference, digest)
            .await
            .map_err(|error| self.says(&error))?;
        let mut all = Vec::new();
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|error| PortError::Unavailable(error.to_string()))?;
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

    /// A blob into a file.
    pub(crate) async fn fetch(&self, digest: &str, to: &Path) -> Result<(), PortError> {
        let failed = |error: std::io::Error| PortError::Refused(format!("{digest}: {error}"));
        let mut stream = self
            .client
            .pull_blob_stream(&self.reference, digest)
            .await
            .map_err(|error| self.says(&error))?;
        let mut file = tokio::fs::File::create(to).await.map_err(failed)?;
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|error| PortError::Unavailable(error.to_string()))?;
            file.write_all(&piece).await.map_err(failed)?;
        }
        file.flush().await.map_err(failed)
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

/// Is a registry on this machine?
fn is_here(registry: &str) -> bool {
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}
