//! Releases.

use crate::{App, AppError, Call, Handle, OpCtx, handle::component_ref};
use tow_api::release::list::{ListReleases, ReleaseView, Reply};
use tow_record::Release;
use tow_store::Find;

impl Handle<ListReleases> for App {
    async fn handle(&self, _: &OpCtx, call: Call<ListReleases>) -> Result<Reply, AppError> {
        let component = component_ref(&call.path.component)?;
        self.object_row(&component).await?;
        let subject = Some(component.to_string());
        let find = Find { subject, newest_first: true, ..Find::default() };
        let mut items = Vec::new();
        for row in self.store().list::<Release>(find).await? {
            let release = row.value;
            let artifact = self.store().artifact(&release).await?;
            items.push(ReleaseView {
                number: release.number,
                artifact: artifact.map(|a| a.digest.to_string()),
                commit: release.commit,
                created_at: release.created_at,
                created_by: release.created_by,
            });
        }
        Ok(Reply { items })
    }
}
