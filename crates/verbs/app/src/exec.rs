//! Commands beside programs that run, for those who may deploy the component. Each is in the log with who ran it, before
//! it runs and when it ended; what goes into it and comes out of it is not.

use crate::{App, AppError, OpCtx};
use tow_api::Action;
use tow_policy::Object;
use tow_ports::{ExecSession, ExecSpec, PortError};
use tow_record::{EventBody, Exit, Instance};
use tow_store::Batch;

/// An instance that somebody may run a command in.
#[derive(Debug, Clone)]
pub struct Beside {
    row: Instance,
}

impl Beside {
    /// Why a command that was begun came to no end of its own.
    pub fn broke(&self, error: PortError) -> AppError {
        match error {
            PortError::NotThere(why) => gone(self.row.id.as_str(), &why)
                .untouched("what the command had done until then stays done"),
            other => other.into(),
        }
    }
}

impl App {
    /// The instance, if it runs and the asker may.
    pub async fn beside(&self, ctx: &OpCtx, instance: &str) -> Result<Beside, AppError> {
        let missing = || gone(instance, "it is not there (any more)");
        let found = self.store().get::<Instance>(instance).await?.map(|row| row.value);
        let Some(row) = found else { return Err(missing()) };
        let component = &row.place.component;
        let objects = self.store().objects_by(std::slice::from_ref(component)).await?;
        let object = objects.first().map(|row| Object::of(&row.manifest));
        let object = object.unwrap_or_else(|| Object::owned(Some(component), None));
        self.authorize(ctx, Action::Deploy, &object)?;
        let seen = self.parts.runtime.observe().await?;
        match seen.iter().find(|one| one.id == row.id) {
            Some(one) if one.pid.is_some() => Ok(Beside { row }),
            Some(one) if !one.message.is_empty() => Err(gone(instance, &one.message)),
            _ => Err(gone(instance, "it has no process now")),
        }
    }

    /// Runs a command in it. It ends when the session is dropped.
    pub async fn exec(
        &self,
        ctx: &OpCtx,
        beside: &Beside,
        spec: ExecSpec,
    ) -> Result<ExecSession, AppError> {
        let lease = self.store().lease("control").await?;
        let epoch = lease.map_or(0, |lease| lease.epoch);
        // First the word, then the deed: nobody runs anything that the log does not tell of.
        let told = serde_json::json!({
            "instance": beside.row.id,
            "command": spec.argv,
            "terminal": spec.tty.is_some(),
        });
        self.tell(ctx, "instance.exec", beside, &spec.argv, told).await?;
        let argv = spec.argv.clone();
        match self.parts.runtime.exec(epoch, &beside.row.id, spec).await {
            Ok(session) => Ok(session),
            Err(error) => {
                let told = serde_json::json!({
                    "instance": beside.row.id, "command": argv, "refused": error.to_string(),
                });
                self.tell(ctx, "instance.exec-ended", beside, &argv, told).await?;
                Err(match error {
                    PortError::NotThere(why) => gone(beside.row.id.as_str(), &why),
                    PortError::Refused(why) => AppError::new("exec/refused", why).untouched(""),
                    other => other.into(),
                })
            }
        }
    }

    /// Keeps how a command ended; nothing where its asker went first.
    pub async fn exec_ended(
        &self,
        ctx: &OpCtx,
        beside: &Beside,
        argv: &[String],
        exit: Option<Exit>,
    ) -> Result<(), AppError> {
        let told = serde_json::json!({
            "instance": beside.row.id, "command": argv, "exit": exit,
        });
        self.tell(ctx, "instance.exec-ended", beside, argv, told).await
    }

    async fn tell(
        &self,
        ctx: &OpCtx,
        kind: &str,
        beside: &Beside,
        argv: &[String],
        after: serde_json::Value,
    ) -> Result<(), AppError> {
        let row = &beside.row;
        let command = argv.first().map_or("nothing", String::as_str);
        let source = format!("{}/{} {}", row.workload, row.replica, row.container);
        let summary = match kind {
            "instance.exec" => format!("runs {command} in {source}"),
            _ => format!("{command} in {source} ended"),
        };
        let body = EventBody { summary, before: serde_json::Value::Null, after };
        let mut batch = Batch::new();
        batch.event(self.event(ctx, kind, row.place.to_string(), body));
        self.store().commit(batch).await?;
        Ok(())
    }
}

fn gone(instance: &str, why: &str) -> AppError {
    AppError::new("exec/gone", format!("no command can be run in {instance}: {why}"))
        .hint("tow ps lists what runs")
        .next("tow ps")
}
