//! Images: fetched as the runtime says, then held to what can run here before a container is made of one.

use crate::credentials;
use crate::order::Order;
use serde_json::Value;
use std::path::Path;
use tow_engine::normal;
use tow_engine::{Engine, EngineError, escaped};
use tow_model::kinds::runtime::Pull;

/// Why something did not come to be.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The engine does not answer: it is worth waiting for.
    Away(String),
    /// It can't be, for this reason.
    Why(String),
}

impl From<EngineError> for Trouble {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Away(why) => Self::Away(why),
            EngineError::Says { message, .. } => Self::Why(message),
        }
    }
}

/// What of an image matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) id: String,
    pub(crate) entrypoint: Vec<String>,
    pub(crate) args: Vec<String>,
    pub(crate) working_dir: String,
    pub(crate) stop_signal: Option<String>,
    /// Its `PATH`.
    pub(crate) path: Option<String>,
}

/// The order's image, there and fit to run on an engine of this architecture. `say` is told what takes long.
pub(crate) async fn ready(
    engine: &Engine,
    order: &Order,
    architecture: &str,
    say: impl Fn(&str),
) -> Result<Image, Trouble> {
    let name = order.image.as_str();
    if name.is_empty() {
        return Err(Trouble::Why(
            "the Runtime names no image for artifacts of this tool: add it to its bases".into(),
        ));
    }
    let mut there = look(engine, name).await?;
    if let Some(archive) = &order.archive {
        // Built here: it is what its archive holds, whatever registries say.
        if there.is_none() {
            say("loading the image that was built");
            there = load(engine, archive, name).await?;
        }
    } else if order.pull == Pull::Always || (there.is_none() && order.pull == Pull::Missing) {
        say(&format!("fetching {name}"));
        fetch(engine, order, name).await?;
        there = look(engine, name).await?;
    }
    let Some(said) = there else {
        return Err(Trouble::Why(match order.pull {
            Pull::Never => {
                format!("image {name} is not on this engine, and its Runtime says pull: never")
            }
            _ => format!("image {name} was fetched, and the engine does not know it"),
        }));
    };
    holds_digest(name, &said)?;
    let own = said["Architecture"].as_str().unwrap_or_default();
    if !own.is_empty() && !runs_on(normal(own), architecture) {
        return Err(Trouble::Why(format!(
            "image {name} is for {own}, and this engine runs {architecture}"
        )));
    }
    Ok(read(&said))
}

/// What the engine knows of an image; none: it does not have it.
pub(crate) async fn look(engine: &Engine, name: &str) -> Result<Option<Value>, Trouble> {
    let Some(part) = part_of_path(name) else {
        return Err(Trouble::Why(format!("{name:?} is no name of an image")));
    };
    match engine.get(&format!("/images/{part}/json")).await {
        Ok(said) => Ok(Some(said)),
        Err(err) if err.is_missing() => Ok(None),
        Err(err) => Err(err.into()),
    }
}

/// A name as part of an address: it asks after nothing but an image. Its slashes stay, engines want them so.
fn part_of_path(name: &str) -> Option<String> {
    let plain = |part: &str| !matches!(part, "" | "." | "..");
    let parts: Vec<&str> = name.split('/').collect();
    let escaped = |part: &&str| escaped(part);
    parts
        .iter()
        .all(|part| plain(part))
        .then(|| parts.iter().map(escaped).collect::<Vec<_>>().join("/"))
}

/// What an engine has once it loaded an archive. Some call an image by another id than the one it was built under.
async fn load(engine: &Engine, archive: &Path, name: &str) -> Result<Option<Value>, Trouble> {
    if !archive.exists() {
        return Err(Trouble::Why(format!(
            "the archive of image {name} is no longer kept: build again"
        )));
    }
    let said = match engine.send_file("/images/load?quiet=1", archive, &[]).await {
        Ok(said) => said.last().await?,
        Err(err) => return Err(err.into()),
    };
    if let Some(there) = look(engine, name).await? {
        return Ok(Some(there));
    }
    let words = said["stream"].as_str().unwrap_or_default();
    match words.rsplit_once(": ").map(|(_, own)| own.trim()) {
        Some(own) if !own.is_empty() => look(engine, own).await,
        _ => Ok(None),
    }
}

async fn fetch(engine: &Engine, order: &Order, name: &str) -> Result<(), Trouble> {
    let mut headers = Vec::new();
    if let Some(file) = &order.credentials
        && let Some(value) = credentials::header(file, name).map_err(Trouble::Why)?
    {
        headers.push(("x-registry-auth", value));
    }
    let failed =
        |why: &str| Trouble::Why(format!("image {name} could not be fetched: {}", why.trim()));
    let path = format!("/images/create?fromImage={}", escaped(&whole(name)));
    match engine.told(&path, &headers).await {
        Ok(said) => match said.last().await {
            Ok(_) => Ok(()),
            Err(EngineError::Says { message, .. }) => Err(failed(&message)),
            Err(EngineError::Away(why)) => {
                Err(Trouble::Away(format!("while it fetched {name}: {why}")))
            }
        },
        Err(EngineError::Says { message, .. }) => Err(failed(&message)),
        Err(err) => Err(err.into()),
    }
}

/// With a tag or a digest: without either, some engines fetch every tag there is.
fn whole(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains([':', '@']) { name.to_string() } else { format!("{name}:latest") }
}

/// Who names a digest gets that image or none.
fn holds_digest(name: &str, said: &Value) -> Result<(), Trouble> {
    let Some((_, wanted)) = name.split_once('@') else { return Ok(()) };
    let digests = said["RepoDigests"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let known: Vec<&str> = digests.filter_map(|digest| Some(digest.split_once('@')?.1)).collect();
    let id = said["Id"].as_str().unwrap_or_default();
    let own = said["Descriptor"]["digest"].as_str().unwrap_or_default();
    if known.contains(&wanted) || id == wanted || own == wanted {
        return Ok(());
    }
    Err(Trouble::Why(format!(
        "image {name}: what the engine has under this name is {}, not that digest",
        known.first().copied().unwrap_or(id)
    )))
}

/// A processor runs its own programs, and some an older one's.
fn runs_on(image: &str, engine: &str) -> bool {
    image == engine || matches!((image, engine), ("386", "amd64") | ("arm", "arm64"))
}

/// An engine's description, as far as it matters.
pub(crate) fn read(said: &Value) -> Image {
    let config = &said["Config"];
    let words = |value: &Value| -> Vec<String> {
        match value {
            Value::Array(all) => all.iter().filter_map(Value::as_str).map(String::from).collect(),
            Value::String(one) => vec![one.clone()],
            _ => Vec::new(),
        }
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    Image {
        id: text(&said["Id"]),
        entrypoint: words(&config["Entrypoint"]),
        args: words(&config["Cmd"]),
        working_dir: text(&config["WorkingDir"]),
        path: words(&config["Env"])
            .iter()
            .find_map(|pair| pair.strip_prefix("PATH=").map(String::from)),
        stop_signal: config["StopSignal"].as_str().filter(|s| !s.is_empty()).map(String::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_name_without_a_tag_means_latest() {
        for (name, wanted) in [
            ("nginx", "nginx:latest"),
            ("nginx:1.27", "nginx:1.27"),
            ("127.0.0.1:5000/app", "127.0.0.1:5000/app:latest"),
            ("a/b@sha256:00", "a/b@sha256:00"),
        ] {
            assert_eq!(whole(name), wanted);
        }
    }

    #[test]
    fn a_name_stays_a_name_in_an_address() {
        let asked = part_of_path("x/y?all=true#z%2e").unwrap();
        assert!(!asked.contains(['?', '#', '=']) && asked.starts_with("x/y%3F"), "{asked}");
        for name in ["../containers/x", "a/../../info", "a//b", "/a", ".", ""] {
            assert_eq!(part_of_path(name), None, "{name}");
        }
        assert_eq!(part_of_path("localhost/a/b").unwrap(), "localhost/a/b");
    }

    #[test]
    fn a_digest_that_is_not_the_images_is_refused() {
        let said = json!({ "Id": "sha256:aa", "RepoDigests": ["docker.io/library/x@sha256:bb"] });
        for name in ["x", "x@sha256:aa", "x@sha256:bb"] {
            assert!(holds_digest(name, &said).is_ok(), "{name}");
        }
        let Err(Trouble::Why(why)) = holds_digest("x@sha256:cc", &said) else { panic!("accepted") };
        assert!(why.contains("sha256:bb"), "{why}");
    }

    #[test]
    fn images_are_for_a_processor() {
        assert!(runs_on("amd64", "amd64") && runs_on("386", "amd64") && runs_on("arm", "arm64"));
        assert!(!runs_on("arm64", "amd64") && !runs_on("amd64", "arm64"));
    }
}
