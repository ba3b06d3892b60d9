//! Source and what was built from it.

use crate::Record;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::{Digest, Duration, EntityRef, Id, Place, Timestamp};

/// A folder as it was uploaded: a reproducible tar archive, named by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// Of the archive.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// Who brought it first.
    pub created_by: String,
    /// When it was first brought.
    pub created_at: Timestamp,
    /// The commit the folder was at; with `+changes` where it differs from it.
    #[serde(default)]
    pub commit: Option<String>,
}

impl Record for Source {
    const KIND: &'static str = "source";
    fn id(&self) -> String {
        self.digest.to_string()
    }
    fn subject(&self) -> String {
        String::new()
    }
}

/// What builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BuildTool {
    /// `cargo build --release` on a `Cargo.toml`.
    Cargo,
    /// `go build` on a `go.mod`.
    Go,
    /// npm, pnpm or yarn on a `package.json`.
    Node,
    /// pip, uv or poetry; what runs is the folder with its dependencies beside it.
    Python,
    /// `mvn package` on a `pom.xml`.
    Maven,
    /// `gradle assemble` on a build script.
    Gradle,
    /// A container engine, from a Dockerfile; what runs is the image.
    Dockerfile,
    /// Files served as they are.
    Static,
    /// `build.command` of `tow.yaml`.
    Command,
    /// Nothing to build: the folder is what runs.
    None,
}

impl BuildTool {
    /// As people call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cargo => "cargo",
            Self::Go => "go",
            Self::Node => "node",
            Self::Python => "python",
            Self::Maven => "maven",
            Self::Gradle => "gradle",
            Self::Dockerfile => "dockerfile",
            Self::Static => "static",
            Self::Command => "command",
            Self::None => "none",
        }
    }
}

impl std::fmt::Display for BuildTool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a look at a source found: which tool builds it here, and why that one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    /// The tool.
    pub tool: BuildTool,
    /// In words: `there is go.mod`; where nothing was found, what was looked for.
    pub because: String,
    /// The tool and its version, as in `go1.26.1`; empty where nothing is run.
    pub toolchain: String,
    /// What the artifact runs on, as in `linux/x86_64`.
    pub platform: String,
    /// Of the files that count, where `build.watch` says which.
    pub content: Option<Digest>,
    /// It is known before the build that something of it will run without a command being given.
    pub runs: bool,
    /// What should be known: lines of a Procfile that nothing runs, a second tool beside the first.
    #[serde(default)]
    pub notes: Vec<String>,
    /// What is not there that builds it, and what would help; none: it can be built now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

/// The most a build may use; nothing said: the platform's own limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct BuildBounds {
    /// Bytes of memory, of all its processes together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Thousandths of a processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_millis: Option<u64>,
    /// Processes and threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
    /// Bytes on disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<u64>,
}

/// How a source becomes an artifact. Its digest is the artifact's key, so the same source builds once. Holds names of
/// secrets, never their values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BuildSpec {
    /// What is built.
    pub source: Digest,
    /// The folder inside it; empty for its root.
    pub dir: String,
    /// `build.command`, where it is given; else the tool is detected in the folder.
    pub command: Option<String>,
    /// The folder that is kept, below `dir`.
    pub output: Option<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// What counts beside `dir`, from the source's root; where something is said, nothing else is there when it builds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watch: Vec<String>,
    /// Whose it is: what builds leave for the next one is kept apart by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<EntityRef>,
    /// It may not reach the network.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub offline: bool,
    /// Names in the component's configuration that the build sees.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// The most it may use.
    #[serde(default)]
    pub bounds: BuildBounds,
    /// `build.dockerfile`, where it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    /// The container engine that the environment's runtime names; looked for where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// The file with credentials of registries that the environment's runtime names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
    /// What was found before it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Found>,
}

impl BuildSpec {
    /// Of this source and nothing else said.
    pub fn new(source: Digest, timeout: Duration) -> Self {
        Self {
            source,
            dir: String::new(),
            command: None,
            output: None,
            timeout,
            watch: Vec::new(),
            component: None,
            offline: false,
            secrets: Vec::new(),
            bounds: BuildBounds::default(),
            dockerfile: None,
            engine: None,
            credentials: None,
            found: None,
        }
    }

    /// What the artifact is found by: everything that goes in but the limits. What secrets let a build reach belongs
    /// to their component, so such an artifact is nobody else's.
    pub fn key(&self) -> Digest {
        let found = self.found.as_ref();
        let content = found.and_then(|found| found.content.as_ref()).unwrap_or(&self.source);
        let tool = found.map(|found| (found.tool, &found.toolchain, &found.platform));
        let whose = self.component.as_ref().filter(|_| !self.secrets.is_empty());
        let mut parts = serde_json::json!([
            2,
            content,
            self.dir,
            self.command,
            self.output,
            self.watch,
            tool,
            whose,
            self.secrets
        ]);
        if let (Some(parts), Some(file)) = (parts.as_array_mut(), &self.dockerfile) {
            parts.push(file.clone().into());
        }
        Digest::of(parts.to_string().as_bytes())
    }
}

/// An immutable build output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Artifact {
    /// [`BuildSpec::key`].
    pub key: Digest,
    /// Of its archive: a tar of the folder that runs.
    pub digest: Digest,
    /// Bytes of the archive.
    pub size: u64,
    /// What built it.
    pub tool: BuildTool,
    /// How it is started where the container gives no command; relative to the unpacked folder.
    pub entry: Vec<String>,
    /// Files that the platform serves itself.
    pub is_static: bool,
    /// The id of the image, where the archive is that of an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The build that made it.
    pub build: Id,
    /// When.
    pub created_at: Timestamp,
    /// The tool's version; empty where nothing was run or nobody wrote it down.
    #[serde(default)]
    pub toolchain: String,
    /// What it runs on, as in `linux/x86_64`.
    #[serde(default)]
    pub platform: String,
    /// Of whose source it was first made.
    #[serde(default)]
    pub component: Option<EntityRef>,
    /// The source it was first made of.
    #[serde(default)]
    pub source: Option<Digest>,
}

impl Record for Artifact {
    const KIND: &'static str = "artifact";
    fn id(&self) -> String {
        self.key.to_string()
    }
    fn subject(&self) -> String {
        self.component.as_ref().map(ToString::to_string).unwrap_or_default()
    }
}

/// A build that no deployment waits for: `tow build`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Build {
    /// Also its effect key at the builder.
    pub id: Id,
    /// The component, and the environment whose configuration its secrets come from.
    pub place: Place,
    /// Version of that configuration.
    pub config: i64,
    /// What is built.
    pub spec: BuildSpec,
    /// Who asked for its end before it was done.
    #[serde(default)]
    pub cancelled_by: Option<String>,
    /// The artifact's key, once it is made.
    #[serde(default)]
    pub artifact: Option<Digest>,
    /// Why it made nothing.
    #[serde(default)]
    pub failure: Option<String>,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Who asked.
    pub created_by: String,
    /// In which request.
    pub request: String,
}

impl Record for Build {
    const KIND: &'static str = "build";
    fn id(&self) -> String {
        self.id.to_string()
    }
    fn subject(&self) -> String {
        self.place.to_string()
    }
    fn open(&self) -> bool {
        self.finished_at.is_none()
    }
}

/// A blob that no artifact refers to any more: to be collected once nothing is being built that may make it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discarded {
    /// Which.
    pub digest: Digest,
    /// Since when.
    pub at: Timestamp,
}

impl Record for Discarded {
    const KIND: &'static str = "discarded";
    fn id(&self) -> String {
        self.digest.to_string()
    }
    fn subject(&self) -> String {
        String::new()
    }
    fn open(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_what_goes_in() {
        let found = Found {
            tool: BuildTool::Go,
            because: "there is go.mod".into(),
            toolchain: "go1.26".into(),
            platform: "linux/x86_64".into(),
            content: None,
            runs: true,
            notes: Vec::new(),
            missing: None,
        };
        let namespace = tow_names::Namespace::new("default").expect("a namespace");
        let web = EntityRef::parse("component:web", None, &namespace).expect("a reference");
        let base = BuildSpec {
            found: Some(found.clone()),
            ..BuildSpec::new(Digest::of(b"1"), Duration::from_secs(1))
        };
        let with = |change: &dyn Fn(&mut BuildSpec)| {
            let mut spec = base.clone();
            change(&mut spec);
            spec.key()
        };
        let same = [
            with(&|s| s.timeout = Duration::from_secs(2)),
            with(&|s| s.component = Some(web.clone())),
            with(&|s| s.bounds.memory = Some(1)),
            with(&|s| s.engine = Some("unix:///run/x.sock".into())),
            with(&|s| s.found = Some(Found { because: "other words".into(), ..found.clone() })),
        ];
        assert!(same.iter().all(|key| *key == base.key()));
        let content = Some(Digest::of(b"watched"));
        let watched =
            with(&|s| s.found = Some(Found { content: content.clone(), ..found.clone() }));
        let mut keys = vec![
            base.key(),
            with(&|s| s.source = Digest::of(b"2")),
            with(&|s| s.dir = "a".into()),
            with(&|s| s.command = Some("make".into())),
            with(&|s| s.found = Some(Found { toolchain: "go1.27".into(), ..found.clone() })),
            with(&|s| s.found = Some(Found { platform: "linux/aarch64".into(), ..found.clone() })),
            with(&|s| s.secrets = vec!["TOKEN".into()]),
            with(&|s| s.dockerfile = Some("Dockerfile".into())),
            with(&|s| (s.secrets, s.component) = (vec!["TOKEN".into()], Some(web.clone()))),
            watched.clone(),
        ];
        let count = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count, "each of these is another artifact");
        let elsewhere = with(&|s| {
            s.source = Digest::of(b"3");
            s.found = Some(Found { content: content.clone(), ..found.clone() });
        });
        assert_eq!(elsewhere, watched, "what is not watched does not count");
    }
}
