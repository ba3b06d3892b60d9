//! Credentials of registries, out of a file as `docker login` writes it. They are read when an image is fetched, handed
//! to the engine and kept nowhere.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Value, json};
use std::path::Path;

/// What the engine is given for the registry of this image: the value of a header. None: nothing is known of it.
pub(crate) fn header(file: &Path, image: &str) -> Result<Option<String>, String> {
    let text = std::fs::read(file)
        .map_err(|err| format!("credentials of registries: {}: {err}", file.display()))?;
    let said: Value = serde_json::from_slice(&text)
        .map_err(|err| format!("credentials of registries: {}: {err}", file.display()))?;
    let registry = registry(image);
    let Some(auths) = said["auths"].as_object() else { return Ok(None) };
    let Some((address, found)) = auths.iter().find(|(address, _)| host(address) == registry) else {
        return Ok(None);
    };
    let pair = found["auth"].as_str().and_then(|text| STANDARD.decode(text.trim()).ok());
    let pair = pair.and_then(|bytes| String::from_utf8(bytes).ok());
    let (user, password) = match pair.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((user, password)) => (user.to_string(), password.to_string()),
        None => match (found["username"].as_str(), found["password"].as_str()) {
            (Some(user), Some(password)) => (user.into(), password.into()),
            _ => {
                return Err(format!(
                    "credentials of registries: {} has none for {registry}: it may leave them to a helper program, which is not asked",
                    file.display()
                ));
            }
        },
    };
    let value = json!({ "username": user, "password": password, "serveraddress": address });
    Ok(Some(URL_SAFE.encode(value.to_string())))
}

/// The registry in an image's name: what comes before the first `/` where it looks like a host.
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
        _ => DEFAULT,
    }
}

/// Images without a registry are of this one, by convention of all engines.
const DEFAULT: &str = "docker.io";

/// The host in an address as it is written in such files.
fn host(address: &str) -> &str {
    let address =
        address.strip_prefix("https://").or(address.strip_prefix("http://")).unwrap_or(address);
    let host = address.split('/').next().unwrap_or_default();
    if matches!(host, "index.docker.io" | "registry-1.docker.io") { DEFAULT } else { host }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_of_an_image_finds_its_credentials() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.json");
        let auth = STANDARD.encode("ann:pass:word?>~");
        let text = json!({ "auths": {
            "https://index.docker.io/v1/": { "auth": auth },
            "127.0.0.1:5000": { "username": "bob", "password": "secret" },
            "helped.example": {},
        }});
        std::fs::write(&file, text.to_string()).unwrap();
        let of = |image: &str| -> Option<Value> {
            let header = header(&file, image).unwrap()?;
            Some(serde_json::from_slice(&URL_SAFE.decode(header).unwrap()).unwrap())
        };
        for image in ["nginx", "nginx:1.27", "library/nginx", "docker.io/library/nginx"] {
            assert_eq!(of(image).unwrap()["password"], "pass:word?>~", "{image}");
        }
        assert_eq!(of("127.0.0.1:5000/team/app@sha256:0").unwrap()["username"], "bob");
        assert_eq!(of("other.example/app"), None);
        assert!(header(&file, "helped.example/app").unwrap_err().contains("helper"));
        assert!(header(&dir.path().join("none"), "nginx").is_err());
    }
}
