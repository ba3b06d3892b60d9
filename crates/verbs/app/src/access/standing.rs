//! Where somebody stands: read from the catalog, judged by policy, kept until something changes.

use crate::{App, AppError};
use std::sync::Arc;
use tow_model::{Kind, Manifest};
use tow_names::EntityRef;
use tow_policy::{Directory, MACHINE_OWNER, Standing};

impl App {
    /// Role, bindings and groups of a user or service account at present.
    pub(super) async fn standing(&self, who: &EntityRef) -> Result<Arc<Standing>, AppError> {
        let revision = self.access_revision();
        if let Some(standing) = self.who.standing(revision, &who.to_string()) {
            return Ok(standing);
        }
        let own = self.store().object(who).await?.map(|row| row.manifest);
        self.standing_with(who, own).await
    }

    /// Refuses whoever is in no catalog, so that a slip in a name makes nobody; the machine's owner is excepted.
    pub(super) async fn in_catalog(&self, who: &EntityRef) -> Result<(), AppError> {
        if who.to_string() == MACHINE_OWNER || self.store().object(who).await?.is_some() {
            return Ok(());
        }
        let what = format!("{who} is not in the catalog");
        let name = who.name();
        Err(AppError::new("object/not-found", what).hint(if who.kind() == "user" {
            format!("is it a slip? else declare a User first: tow user add {name} --group GROUP")
        } else {
            "is it a slip? else declare a ServiceAccount first: tow apply -f FILE".to_string()
        }))
    }

    /// The same, where their own object was read.
    pub(super) async fn standing_with(
        &self,
        who: &EntityRef,
        own: Option<Manifest>,
    ) -> Result<Arc<Standing>, AppError> {
        let revision = self.access_revision();
        let name = who.to_string();
        if let Some(standing) = self.who.standing(revision, &name) {
            return Ok(standing);
        }
        let directory = self.directory(revision).await?;
        let standing = Arc::new(directory.standing(who, own.as_ref()));
        self.who.keep_standing(revision, &name, &standing);
        Ok(standing)
    }

    /// All groups and bindings: two statements, once a change.
    async fn directory(&self, revision: u64) -> Result<Arc<Directory>, AppError> {
        if let Some(directory) = self.who.directory(revision) {
            return Ok(directory);
        }
        let groups = self.store().objects(Some(Kind::Group)).await?;
        let bindings = self.store().objects(Some(Kind::RoleBinding)).await?;
        let manifests = groups.iter().chain(&bindings).map(|row| &row.manifest);
        let directory = Arc::new(Directory::new(manifests));
        self.who.keep_directory(revision, &directory);
        Ok(directory)
    }
}
