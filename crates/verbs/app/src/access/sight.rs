//! What may be seen: for everybody the whole catalog, for a token that is cut down to some components and systems those.
//! What may not be seen is not there.

use crate::{App, AppError, OpCtx};
use std::collections::BTreeSet;
use tow_names::EntityRef;
use tow_policy::{Object, decide};
use tow_record::Right;
use tow_store::ObjectRow;

impl App {
    /// Reads an object that the asker may see; of another one it says that it is not there.
    pub(crate) async fn seen_row(
        &self,
        ctx: &OpCtx,
        entity: &EntityRef,
    ) -> Result<ObjectRow, AppError> {
        let row = self.object_row(entity).await?;
        self.authorize(ctx, Right::Read, &Object::of(&row.manifest))?;
        Ok(row)
    }

    /// Which of these components may be seen. One statement, and none where everything may be.
    pub(crate) async fn seen<'a>(
        &self,
        ctx: &OpCtx,
        components: impl IntoIterator<Item = &'a EntityRef>,
    ) -> Result<Sight, AppError> {
        if ctx.actor.limits.only.is_none() {
            return Ok(Sight(None));
        }
        let asked: BTreeSet<EntityRef> = components.into_iter().cloned().collect();
        let asked: Vec<EntityRef> = asked.into_iter().collect();
        let rows = self.store().objects_by(&asked).await?;
        let sees =
            |row: &ObjectRow| decide(&ctx.actor, Right::Read, &Object::of(&row.manifest)).allow;
        let seen = rows.into_iter().filter(sees).map(|row| row.manifest.entity()).collect();
        Ok(Sight(Some(seen)))
    }
}

/// Which components may be seen; none: all.
pub(crate) struct Sight(Option<BTreeSet<EntityRef>>);

impl Sight {
    /// May this one be seen?
    pub(crate) fn has(&self, component: &EntityRef) -> bool {
        self.0.as_ref().is_none_or(|seen| seen.contains(component))
    }
}
