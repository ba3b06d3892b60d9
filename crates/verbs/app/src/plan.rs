//! Plans: what would happen, saved; and then exactly that.

mod apply;
mod build;
pub(crate) mod building;
mod candidate;
mod create;
mod documents;

use crate::{App, AppError, Call, Handle, OpCtx};
use tow_api::Action;
use tow_api::plan::{
    create::PlanView,
    get::{GetPlan, Path},
};
use tow_model::Manifest;
use tow_names::Place;
use tow_policy::Object;
use tow_record::{Plan, Target};
use tow_store::Row;

pub(crate) fn view(plan: &Plan) -> PlanView {
    PlanView {
        id: plan.id.to_string(),
        targets: vec![Target {
            component: plan.place.component.to_string(),
            environment: plan.place.environment.to_string(),
        }],
        steps: plan.steps.clone(),
        changes: plan.changes,
        gates: plan.gates.clone(),
        warnings: plan.warnings.clone(),
        created_at: plan.created_at,
        created_by: plan.created_by.clone(),
        applied: plan.applied.as_ref().map(ToString::to_string),
    }
}

impl App {
    async fn plan_row(&self, path: &Path) -> Result<Row<Plan>, AppError> {
        let missing = || AppError::not_found(format!("plan {}", path.plan));
        self.store().get::<Plan>(&path.plan).await?.ok_or_else(missing)
    }

    /// Who owns what runs at a place: the component's owner, or whoever the plan would make it.
    pub(crate) async fn owner_of(
        &self,
        place: &Place,
        creates: &[Manifest],
    ) -> Result<Object, AppError> {
        let row = self.store().object(&place.component).await?;
        let new = creates.iter().find(|m| m.entity() == place.component);
        Ok(match (row, new) {
            (Some(row), _) => Object::of(&row.manifest),
            (None, Some(manifest)) => Object::of(manifest),
            (None, None) => Object::owned(Some(&place.component), None),
        })
    }
}

impl Handle<GetPlan> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<GetPlan>) -> Result<PlanView, AppError> {
        let plan = self.plan_row(&call.path).await?.value;
        let object = self.owner_of(&plan.place, &plan.creates).await?;
        self.authorize(ctx, Action::ReadPrivate, &object)?;
        Ok(view(&plan))
    }
}
