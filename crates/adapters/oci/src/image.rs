//! Configuration and manifest of an image. Source: the OCI image specification, `config.md` and `manifest.md`.

use crate::base::{Base, platform};
use crate::layer::{FOLDER, Layer};
use serde_json::{Value, json};
use tow_names::Digest;
use tow_ports::{ImageOrder, PortError};

/// Nobody's: what runs needs no right of root.
const NOBODY: &str = "65532:65532";
const EPOCH: &str = "1970-01-01T00:00:00Z";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// An image but for its layers.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) config: Vec<u8>,
    pub(crate) config_digest: String,
    pub(crate) manifest: Vec<u8>,
    pub(crate) digest: String,
}

pub(crate) fn assemble(order: &ImageOrder, base: &Base, own: &Layer) -> Result<Image, PortError> {
    let (architecture, os) = platform(&order.platform);
    let mut run = base.config["config"].clone();
    if !run.is_object() {
        run = json!({});
    }
    let said = |name: &str| run[name].as_str().is_some_and(|text| !text.is_empty());
    if !said("User") {
        run["User"] = NOBODY.into();
    }
    run["WorkingDir"] = format!("/{FOLDER}").into();
    if !order.entry.is_empty() {
        run["Entrypoint"] = json!(order.entry);
        if let Some(run) = run.as_object_mut() {
            run.remove("Cmd");
        }
    }
    if run["Env"].is_null() {
        run["Env"] = json!(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]);
    }
    let mut labels = run["Labels"].as_object().cloned().unwrap_or_default();
    labels.extend(
        order.labels.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))),
    );
    labels.sort_keys();
    run["Labels"] = labels.into();
    let mut plain = base.config["rootfs"]["diff_ids"].as_array().cloned().unwrap_or_default();
    if plain.len() != base.layers.len() {
        return Err(PortError::Refused(format!(
            "{} is no whole image: {} layers, and the digests of {}",
            order.base,
            base.layers.len(),
            plain.len()
        )));
    }
    plain.push(own.plain.clone().into());
    let mut history = base.config["history"].as_array().cloned().unwrap_or_default();
    history.push(json!({ "created": EPOCH, "created_by": "towpath", "comment": "the artifact" }));
    let config = json!({
        "created": EPOCH,
        "architecture": architecture,
        "os": os,
        "config": run,
        "rootfs": { "type": "layers", "diff_ids": plain },
        "history": history,
    });
    let config = config.to_string().into_bytes();
    let config_digest = Digest::of(&config).to_string();
    let mut layers: Vec<Value> = base
        .layers
        .iter()
        .map(
            |layer| json!({ "mediaType": layer.media, "digest": layer.digest, "size": layer.size }),
        )
        .collect();
    layers.push(json!({ "mediaType": LAYER, "digest": own.digest, "size": own.size }));
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": CONFIG, "digest": config_digest, "size": config.len() },
        "layers": layers,
    });
    let manifest = manifest.to_string().into_bytes();
    let digest = Digest::of(&manifest).to_string();
    Ok(Image { config, config_digest, manifest, digest })
}
