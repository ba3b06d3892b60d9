//! Artifacts as images in registries.

use crate::handle::body;
use crate::{App, AppError, Call, Handle, OpCtx};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tow_api::Action;
use tow_api::artifact::push::{Body, PushArtifact, Reply};
use tow_policy::Object;
use tow_ports::{ImageOrder, Login, PortError};
use tow_record::{Artifact, BuildTool};
use tow_store::Batch;

impl Handle<PushArtifact> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<PushArtifact>) -> Result<Reply, AppError> {
        let artifact = self.artifact_named(ctx, &call.path.artifact).await?;
        let object = match &artifact.component {
            Some(component) => Object::of(&self.seen_row(ctx, component).await?.manifest),
            None => Object::platform(),
        };
        self.authorize(ctx, Action::Deploy, &object)?;
        let asked = &call.body;
        let base = base(&artifact, asked)?;
        if base.starts_with("layout:") {
            // It names a folder of the platform's machine.
            self.authorize(ctx, Action::Govern, &Object::platform())?;
        }
        let login = match (&asked.user, &asked.password) {
            (Some(user), Some(password)) => {
                Some(Login { user: user.clone(), password: password.clone() })
            }
            (None, None) => None,
            _ => {
                return Err(AppError::new("input/missing", "a user comes with a password")
                    .hint("give both, or none"));
            }
        };
        let labels = [
            ("dev.towpath.artifact", artifact.key.to_string()),
            (
                "dev.towpath.source",
                artifact.source.as_ref().map(ToString::to_string).unwrap_or_default(),
            ),
        ];
        let order = ImageOrder {
            archive: self.parts.blobs.path(&artifact.digest).await?,
            digest: artifact.digest.clone(),
            base: base.clone(),
            reference: asked.reference.clone(),
            entry: artifact.entry.clone(),
            platform: artifact.platform.clone(),
            labels: BTreeMap::from(labels.map(|(name, value)| (name.to_string(), value))),
            login,
        };
        let pushed = match self.parts.images.push(&order).await {
            Err(PortError::Refused(why)) => {
                return Err(AppError::new("artifact/not-pushed", why)
                    .untouched("no image was made under this name"));
            }
            Err(PortError::Unavailable(why)) => {
                return Err(AppError::new("artifact/not-pushed", why)
                    .untouched("the image may be there in part; its name is not")
                    .hint("push again: what is there already is not sent again"));
            }
            pushed => pushed?,
        };
        let mut batch = Batch::new();
        let subject = artifact.component.as_ref().map(ToString::to_string).unwrap_or_default();
        let what = body(
            format!("artifact {} was pushed as {}", artifact.key.short(), pushed.reference),
            Value::Null,
            json!({"artifact": artifact.key, "reference": pushed.reference, "base": base}),
        );
        batch.event(self.event(ctx, "artifact.pushed", subject, what));
        self.store().commit(batch).await?;
        Ok(Reply {
            reference: pushed.reference,
            digest: pushed.digest,
            layers: pushed.layers as u64,
            size: pushed.size,
            artifact: artifact.key.to_string(),
        })
    }
}

/// What the image stands on.
fn base(artifact: &Artifact, asked: &Body) -> Result<String, AppError> {
    if artifact.is_static {
        return Err(AppError::new(
            "artifact/not-pushed",
            "the artifact is a site, which the platform serves itself: an image of it would run nothing",
        ));
    }
    if artifact.image.is_some() {
        return Err(AppError::new(
            "artifact/not-pushed",
            "the artifact is an image already, which its Dockerfile made: it is not put upon another one",
        )
        .hint("the engine that built it pushes it, such as by podman push"));
    }
    match (&asked.base, artifact.tool) {
        (Some(base), _) => Ok(base.clone()),
        (None, BuildTool::Go) => Ok("scratch".into()),
        (None, tool) => Err(AppError::new(
            "input/missing",
            format!("what does the image stand on? The artifact was built by {tool}, and does not run upon nothing"),
        )
        .hint("say a base with what it needs to run, as in --base registry.example/base/node:20")),
    }
}
