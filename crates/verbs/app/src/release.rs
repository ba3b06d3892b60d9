//! Releases.

use crate::{App, AppError, Call, Handle, OpCtx, handle::component_ref, handle::page};
use tow_api::release::list::{ListReleases, ReleaseView, Reply};
use tow_record::{Artifact, Release};
use tow_store::Find;

impl Handle<ListReleases> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<ListReleases>) -> Result<Reply, AppError> {
        let component = component_ref(&call.path.component)?;
        self.seen_row(ctx, &component).await?;
        let subject = Some(component.to_string());
        let limit = Some(page(call.query.limit));
        let find = Find { subject, limit, newest_first: true, ..Find::default() };
        let rows = self.store().list::<Release>(find).await?;
        let keys = rows.iter().filter_map(|row| Some(row.value.artifact.as_ref()?.to_string()));
        let artifacts = self.store().get_many::<Artifact>(keys.collect::<Vec<_>>()).await?;
        let items = rows.into_iter().map(|row| {
            let release = row.value;
            let artifact = release.artifact.and_then(|key| artifacts.get(key.as_str()));
            ReleaseView {
                number: release.number,
                artifact: artifact.map(|row| row.value.digest.to_string()),
                commit: release.commit,
                created_at: release.created_at,
                created_by: release.created_by,
            }
        });
        Ok(Reply { items: items.collect() })
    }
}
