//! One store into another, as when a platform moves from a file to a server: the same stream of rows as a backup's, and
//! then both are read again and compared.

use super::drill::{chain, keys};
use super::error::BackupError;
use crate::{Layout, SystemClock};
use std::sync::Arc;
use tow_ports::{Clock as _, Crossings, NoCrossings};
use tow_store::{Location, Store, StoreError, Summary};

/// A copy that was made and compared.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Copied {
    /// From where; shows no password.
    pub from: String,
    /// To where; shows no password.
    pub to: String,
    /// The last event.
    pub head: i64,
    /// Rows and digest of each table, the same on both sides.
    pub tables: Summary,
    /// What the copied log's seals say.
    pub audit: String,
}

/// Copies everything of `from` into `to`, which must be empty. Nobody may be at work on `from`: the caller holds the
/// data directory `layout`, where its keys are, so that a lease of `holder`, that directory's name, is nobody's.
pub async fn copy(
    layout: &Layout,
    holder: &str,
    from: &Location,
    to: &Location,
) -> Result<Copied, BackupError> {
    // The copied log is proved with them.
    keys(layout)?;
    let source = Store::look(from).await?;
    let copied = with(layout, holder, &source, from, to).await;
    source.close().await;
    copied
}

async fn with(
    layout: &Layout,
    holder: &str,
    source: &Store,
    from: &Location,
    to: &Location,
) -> Result<Copied, BackupError> {
    let now = SystemClock.now();
    // On a server the lease alone says whether somebody is in charge; on a file whoever holds the directory knows.
    if matches!(from, Location::Postgres(_))
        && let Some(lease) = source
            .leases()
            .await?
            .into_iter()
            .find(|lease| lease.expires > now && lease.holder != holder)
    {
        return Err(BackupError::new(
            "copy/running",
            format!("{} is in charge of {from} until {}", lease.holder, lease.expires),
        )
        .hint("stop that platform; its lease ends by itself"));
    }
    let crossings: Arc<dyn Crossings> = Arc::new(NoCrossings);
    let target = Store::open(to, crossings).await?;
    let done = rows(source, &target).await;
    let copied = match done {
        Ok(head) => compare(layout, source, &target, head, from, to).await,
        Err(error) => Err(error),
    };
    target.close().await;
    copied
}

async fn rows(source: &Store, target: &Store) -> Result<i64, BackupError> {
    let mut export = source.export().await?;
    let head = export.head();
    let mut import = target.import(export.schema()).await.map_err(|error| match error {
        StoreError::NotEmpty { at } => {
            BackupError::new("copy/not-empty", format!("{at} is not empty")).hint(
                "name an empty database: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
            )
        }
        other => other.into(),
    })?;
    while let Some(part) = export.next().await? {
        import.part(part).await?;
    }
    import.finish(Some(&export.summary())).await?;
    Ok(head)
}

async fn compare(
    layout: &Layout,
    source: &Store,
    target: &Store,
    head: i64,
    from: &Location,
    to: &Location,
) -> Result<Copied, BackupError> {
    let (one, other) = (source.summary().await?, target.summary().await?);
    let differs = one.differences(&other);
    let broken = |detail: String| {
        BackupError::new("copy/differs", detail)
            .hint("drop what was copied and copy again; the source is as it was")
    };
    if !differs.is_empty() {
        return Err(broken(differs.join("; ")));
    }
    let (holds, audit) = chain(layout, target).await?;
    if !holds {
        return Err(broken(format!("the copied log does not hold to its seals: {audit}")));
    }
    Ok(Copied { from: from.to_string(), to: to.to_string(), head, tables: other, audit })
}
