//! The port `builder`: artifacts out of nothing, the same for the same key.

use crate::World;
use crate::script::BuildScript;
use crate::world::obey;
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use std::collections::BTreeMap;
use std::sync::Arc;
use tow_names::{Id, Timestamp};
use tow_ports::{Blobs, Builder, PortError};
use tow_record::{Artifact, BuildSpec, BuildTool, Exit, Found, LogLine, LogStream, ObservedBuild};

#[derive(Debug, Clone)]
pub(crate) struct Build {
    pub(crate) id: Id,
    pub(crate) spec: BuildSpec,
    script: BuildScript,
    began: Timestamp,
    /// When and why somebody ended it.
    cancelled: Option<(Timestamp, String)>,
}

fn tool(spec: &BuildSpec, script: &BuildScript) -> BuildTool {
    match (&spec.command, script.is_static) {
        (Some(_), _) => BuildTool::Command,
        (None, true) => BuildTool::Static,
        (None, false) => BuildTool::Cargo,
    }
}

impl Build {
    /// When it ends, and whether for taking too long.
    fn end(&self) -> (Timestamp, bool) {
        if let Some((at, _)) = &self.cancelled {
            return (*at, false);
        }
        let late = self.script.takes > self.spec.timeout;
        (self.began.plus(self.script.takes.min(self.spec.timeout)), late)
    }

    pub(crate) fn running(&self, now: Timestamp) -> bool {
        self.end().0 > now
    }

    pub(crate) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        Some(self.end().0).filter(|end| *end > now)
    }

    fn exit(&self, now: Timestamp) -> Option<Exit> {
        match (self.running(now), self.end().1, &self.script.fails) {
            (true, ..) => None,
            (_, true, _) => Some(Exit::Timeout),
            _ if self.cancelled.is_some() => Some(Exit::Signal { signal: 15 }),
            (_, _, Some(_)) => Some(Exit::Code { code: 1 }),
            _ => Some(Exit::Code { code: 0 }),
        }
    }

    fn archive(&self) -> Bytes {
        Bytes::from(format!("a pretended artifact of {}", self.spec.key()))
    }

    fn log(&self, now: Timestamp) -> Vec<LogLine> {
        let line = |at, stream, text: String| LogLine { at, stream, text, partial: false };
        let mut lines = vec![line(
            self.began,
            LogStream::Platform,
            format!("building {} from {}", self.spec.key().short(), self.spec.source.short()),
        )];
        let end = self.end().0;
        match (self.exit(now), &self.script.fails) {
            (None, _) => {}
            (Some(Exit::Timeout), _) => {
                lines.push(line(end, LogStream::Platform, "it took longer than it may".into()));
            }
            (_, Some(why)) => lines.push(line(end, LogStream::Stderr, why.clone())),
            _ => lines.push(line(end, LogStream::Platform, "built".into())),
        }
        lines
    }

    fn message(&self, now: Timestamp) -> String {
        if let Some((_, why)) = &self.cancelled {
            return why.clone();
        }
        match (self.exit(now), &self.script.fails) {
            (Some(Exit::Timeout), _) => format!("it took longer than {}", self.spec.timeout),
            (Some(_), Some(why)) => why.clone(),
            _ => String::new(),
        }
    }
}

/// Builds nothing, and says it did.
#[derive(Clone)]
pub struct FakeBuilder {
    world: Arc<World>,
    blobs: Arc<dyn Blobs>,
}

impl std::fmt::Debug for FakeBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeBuilder").field("world", &self.world).finish_non_exhaustive()
    }
}

impl FakeBuilder {
    pub(crate) fn new(world: Arc<World>, blobs: Arc<dyn Blobs>) -> Self {
        Self { world, blobs }
    }
}

#[async_trait]
impl Builder for FakeBuilder {
    async fn inspect(&self, spec: &BuildSpec) -> Result<Found, PortError> {
        self.world.ask("builder.inspect", |state, _| {
            let tool = tool(spec, &state.build_script);
            Ok(Found {
                tool,
                because: "a pretended source holds what is wanted".into(),
                toolchain: "pretended 1".into(),
                platform: "linux/x86_64".into(),
                content: None,
                runs: tool == BuildTool::Cargo,
                notes: Vec::new(),
                missing: None,
            })
        })
    }

    async fn start(
        &self,
        epoch: i64,
        id: &Id,
        spec: &BuildSpec,
        _secrets: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<(), PortError> {
        self.world.call("builder.start", |state, _| {
            obey(&mut state.builder_epoch, epoch)?;
            if !state.builds.contains_key(id) {
                let script = state.build_script.clone();
                let (id, spec) = (id.clone(), spec.clone());
                let build = Build { id: id.clone(), spec, script, began: now, cancelled: None };
                state.builds.insert(id.clone(), build);
                *state.build_starts.entry(id).or_default() += 1;
            }
            Ok(())
        })
    }

    async fn observe(&self, id: &Id) -> Result<ObservedBuild, PortError> {
        let (build, now) = self.world.ask("builder.observe", |state, now| {
            let build = state.builds.get(id).cloned();
            build
                .map(|build| (build, now))
                .ok_or_else(|| PortError::NotThere(format!("the build {id}")))
        })?;
        let exit = build.exit(now);
        let artifact = if exit == Some(Exit::Code { code: 0 }) {
            let archive = build.archive();
            let stream = futures::stream::iter([Ok(archive)]).boxed();
            let (digest, size) = self.blobs.put(stream, u64::MAX).await?;
            let tool = tool(&build.spec, &build.script);
            Some(Artifact {
                key: build.spec.key(),
                digest,
                size,
                tool,
                entry: if build.script.is_static { Vec::new() } else { vec!["./program".into()] },
                is_static: build.script.is_static,
                image: None,
                build: id.clone(),
                created_at: build.end().0,
                toolchain: build.spec.found.clone().map(|f| f.toolchain).unwrap_or_default(),
                platform: build.spec.found.clone().map(|f| f.platform).unwrap_or_default(),
                component: build.spec.component.clone(),
                source: Some(build.spec.source.clone()),
            })
        } else {
            None
        };
        Ok(ObservedBuild {
            id: id.clone(),
            running: exit.is_none(),
            exit,
            artifact,
            message: build.message(now),
        })
    }

    async fn cancel(&self, epoch: i64, id: &Id, why: &str) -> Result<(), PortError> {
        self.world.call("builder.cancel", |state, now| {
            obey(&mut state.builder_epoch, epoch)?;
            if let Some(build) = state.builds.get_mut(id).filter(|build| build.running(now)) {
                build.cancelled = Some((now, why.to_string()));
            }
            Ok(())
        })
    }

    async fn remove(&self, epoch: i64, id: &Id) -> Result<(), PortError> {
        self.world.call("builder.remove", |state, _| {
            obey(&mut state.builder_epoch, epoch)?;
            state.builds.remove(id);
            Ok(())
        })
    }

    async fn log(&self, id: &Id, tail: usize) -> Result<Vec<LogLine>, PortError> {
        self.world.ask("builder.log", |state, now| {
            let build = state
                .builds
                .get(id)
                .ok_or_else(|| PortError::NotThere(format!("the build {id}")))?;
            let lines = build.log(now);
            Ok(lines[lines.len().saturating_sub(tail)..].to_vec())
        })
    }

    async fn list(&self) -> Result<Vec<Id>, PortError> {
        self.world.ask("builder.list", |state, _| Ok(state.builds.keys().cloned().collect()))
    }
}
