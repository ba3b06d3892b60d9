//! Images out of artifacts, without a daemon: a base, one layer with the artifact in `/app`, and the words on how it is
//! started; pushed to a registry. The same artifact upon the same base is the same image, byte for byte.
//!
//! Speaks to registries by encrypted connections alone, but for those of this very machine. Knows no store, and decides
//! nothing about what is pushed when.

mod base;
mod image;
mod layer;
mod registry;

use async_trait::async_trait;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tow_ports::{ImageOrder, Images, PortError, Pushed};

/// Where images are put together.
#[derive(Debug, Clone)]
pub struct Config {
    /// For files while an image is made; may be emptied at any time in between.
    pub dir: PathBuf,
    /// The machine's ways to the network: `https_proxy`, `no_proxy`.
    pub env: BTreeMap<String, String>,
}

/// Assembles and pushes.
#[derive(Debug, Clone)]
pub struct OciImages {
    config: Config,
}

impl OciImages {
    /// Touches nothing yet.
    pub fn new(config: Config) -> Self {
        Self { config }
    }
}

#[async_trait]
impl Images for OciImages {
    async fn push(&self, order: &ImageOrder) -> Result<Pushed, PortError> {
        let unusable = |error: std::io::Error| {
            PortError::Refused(format!("images can't be put together: {error}"))
        };
        std::fs::create_dir_all(&self.config.dir).map_err(unusable)?;
        let dir = tempfile::tempdir_in(&self.config.dir).map_err(unusable)?;
        let target =
            registry::Registry::of(&order.reference, order.login.as_ref(), &self.config.env)?;
        let base = base::read(&order.base, order, &self.config.env).await?;
        let (archive, digest, folder) =
            (order.archive.clone(), order.digest.clone(), dir.path().to_path_buf());
        let own = tokio::task::spawn_blocking(move || layer::make(&archive, &digest, &folder))
            .await
            .map_err(|error| PortError::Unavailable(format!("images: {error}")))?
            .map_err(PortError::Refused)?;
        let image = image::assemble(order, &base, &own)?;

        for layer in &base.layers {
            if !target.has(&layer.digest).await? {
                let file = base.fetch(layer, dir.path()).await?;
                target.put(&layer.digest, &file).await?;
                let _ = std::fs::remove_file(file);
            }
        }
        if !target.has(&own.digest).await? {
            target.put(&own.digest, &own.file).await?;
        }
        if !target.has(&image.config_digest).await? {
            target.put_bytes(&image.config_digest, image.config.clone()).await?;
        }
        target.put_manifest(image.manifest.clone()).await?;
        Ok(Pushed {
            reference: target.with_digest(&image.digest),
            digest: image.digest,
            layers: base.layers.len() + 1,
            size: base.layers.iter().map(|layer| layer.size).sum::<u64>() + own.size,
        })
    }
}

#[cfg(test)]
mod tests;
