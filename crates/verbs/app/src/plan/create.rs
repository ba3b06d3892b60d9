//! `plan.create`: reads, judges, drafts and saves. Nothing else happens.

use super::{
    candidate::{Asked, Candidate},
    documents::folder,
    view,
};
use crate::{App, AppError, Call, Handle, OpCtx, handle::body, handle::component_ref};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tow_api::Action;
use tow_api::plan::create::{Body, ChangeRequest, CreatePlan, PlanView};
use tow_model::{Kind, Spec, kinds::environment::EnvironmentSpec};
use tow_names::{EntityRef, Id, Name, Namespace, Place};
use tow_plan::Clash;
use tow_policy::Object;
use tow_record::{
    Action as StepAction, Change, ConfigVersion, Executes, Placement, Plan, PlanStep, ReadMember,
    RouteSet, RuntimeFacts, Scale, Violation,
};
use tow_store::{Batch, PlaceFacts, Row, environment_ref};

impl Handle<CreatePlan> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<CreatePlan>) -> Result<PlanView, AppError> {
        self.write(ctx, &call, async |batch| self.created(ctx, &call.body, batch).await).await
    }
}

impl App {
    async fn created(
        &self,
        ctx: &OpCtx,
        asked: &Body,
        batch: &mut Batch,
    ) -> Result<PlanView, AppError> {
        let is_folder = matches!(asked.change, ChangeRequest::Deploy { release: None });
        let folder = if is_folder {
            Some(folder(&asked.documents, asked.component.as_deref())?)
        } else {
            None
        };
        let component = match (&folder, &asked.component) {
            (Some(folder), _) => folder.component.clone(),
            (None, Some(text)) => component_ref(text)?,
            (None, None) => {
                return Err(AppError::new("input/missing", "which component?")
                    .hint("say --component NAME, or run it in the component's folder"));
            }
        };
        let name = asked.environment.as_deref().unwrap_or("development");
        let name = Name::new(name).map_err(|e| AppError::new("input/invalid", e.to_string()))?;
        let place = Place::new(component, &name);
        let facts = self.store().place(&place).await?;
        let environment = self.environment_of(&place, &facts).await?;
        let (runtime, runtime_seen) = self.runtime_of(&environment).await?;

        let creates = folder.as_ref().and_then(|f| f.entry.clone());
        let row = self.store().object(&place.component).await?;
        let object = match (&row, &creates) {
            (Some(row), _) => Object::of(&row.manifest),
            (None, Some(entry)) => Object::of(entry),
            // A component nobody has declared yet becomes the deployer's own.
            (None, None) if is_folder => {
                Object::owned(Some(&place.component), Some(ctx.actor.name.clone()))
            }
            (None, None) => {
                return Err(AppError::not_found(&place.component).hint(
                    "its first deploy makes it; or declare it: tow apply -f catalog-info.yaml",
                ));
            }
        };
        self.authorize(ctx, Action::Deploy, &object)?;
        if let (Some(_), Some(entry)) = (&row, &creates) {
            self.authorize(ctx, Action::Declare, &Object::of(entry))?;
        }

        let question = Asked {
            ctx,
            place: &place,
            facts: &facts,
            environment: &environment,
            runtime: &runtime,
            body: asked,
            folder: folder.as_ref(),
        };
        let mut plan = match self.candidate(&question).await? {
            (None, Some(version)) => self.config_only(ctx, &place, version),
            (None, None) => return Err(AppError::not_found(&place)),
            (Some(candidate), _) => {
                let texts = folder.as_ref().map(|f| f.texts.clone()).unwrap_or_default();
                self.refuse(&candidate, &place, &environment, &texts).await?;
                self.drafted(ctx, &place, &facts, &environment, candidate).await?
            }
        };
        let component = row.as_ref().map_or((String::new(), 0), |r| (r.uid.clone(), r.generation));
        plan.read_set = read_set(&place, &facts, component);
        plan.read_set.push(runtime_seen);
        batch.create(&plan);
        let changes = match plan.changes {
            1 => "1 change".to_string(),
            more => format!("{more} changes"),
        };
        let what = body(
            format!("a plan for {} with {changes}", place.short()),
            Value::Null,
            json!({"plan": plan.id, "change": plan.change, "changes": plan.changes}),
        );
        batch.event(self.event(ctx, "plan.created", place.to_string(), what));
        Ok(view(&plan))
    }
}

impl App {
    /// What executes an environment's deployments, and how it was seen.
    pub(crate) async fn runtime_of(
        &self,
        environment: &EnvironmentSpec,
    ) -> Result<(Executes, ReadMember), AppError> {
        let entity = Kind::Runtime.named(&environment.runtime);
        let row = self.store().object(&entity).await?;
        let row = row.ok_or_else(|| {
            AppError::not_found(format!("runtime {}", environment.runtime))
                .hint("the environment names it; declare it, or let the environment name another")
                .next("tow get runtimes")
        })?;
        let Spec::Runtime(spec) = row.manifest.spec else {
            return Err(AppError::not_found(&entity));
        };
        let seen = ReadMember {
            kind: "object".into(),
            id: entity.to_string(),
            version: row.generation,
            uid: row.uid,
            what: format!("runtime {}", environment.runtime),
        };
        Ok((Executes { name: environment.runtime.clone(), spec }, seen))
    }

    /// What a runtime can do just now.
    async fn runtime_facts(&self, runtime: &Executes) -> Result<RuntimeFacts, AppError> {
        Ok(self.parts.runtime.facts(runtime).await?)
    }
}

/// How far a place is decided; 0 where nothing ever was.
pub(super) const fn decided(placement: &Row<Placement>) -> i64 {
    if placement.version == 0 { 0 } else { placement.value.decided() }
}

fn read_set(place: &Place, facts: &PlaceFacts, component: (String, i64)) -> Vec<ReadMember> {
    let member = |kind: &str, id: String, (uid, version): (String, i64), what: String| ReadMember {
        kind: kind.into(),
        id,
        version,
        uid,
        what,
    };
    let environment = environment_ref(place);
    vec![
        member(
            "object",
            environment.to_string(),
            facts.environment_seen.clone(),
            format!("environment {}", place.environment),
        ),
        member(
            "object",
            place.component.to_string(),
            component,
            format!("component {}", place.component.short()),
        ),
        member(
            "placement",
            place.to_string(),
            (String::new(), decided(&facts.placement)),
            format!("what {} has in {}", place.component.short(), place.environment),
        ),
    ]
}

impl App {
    async fn environment_of(
        &self,
        place: &Place,
        facts: &PlaceFacts,
    ) -> Result<EnvironmentSpec, AppError> {
        if let Some(environment) = &facts.environment {
            return Ok(environment.clone());
        }
        // The store has none of this name, or something else under it.
        self.environment_row(&place.environment).await?;
        Err(AppError::not_found(format!("environment {}", place.environment)))
    }

    fn empty_plan(&self, ctx: &OpCtx, place: &Place, change: Change) -> Plan {
        Plan {
            id: Id::fresh("plan"),
            place: place.clone(),
            change,
            steps: Vec::new(),
            changes: 0,
            gates: Vec::new(),
            warnings: Vec::new(),
            read_set: Vec::new(),
            release: None,
            release_number: None,
            deployment: None,
            scaled: BTreeMap::new(),
            build: None,
            config: None,
            creates: Vec::new(),
            created_by: ctx.actor.name.clone(),
            created_at: self.now(),
            applied: None,
        }
    }

    /// Configuration that is set before anything was deployed: it is kept for the first deploy.
    fn config_only(&self, ctx: &OpCtx, place: &Place, version: ConfigVersion) -> Plan {
        let change = Change::Config {
            set: version.values.keys().cloned().collect(),
            unset: Vec::new(),
            version: version.number,
        };
        let mut plan = self.empty_plan(ctx, place, change);
        plan.steps.push(PlanStep {
            action: StepAction::Create,
            subject: format!("configuration {}", version.number),
            reason: "kept for the first deployment here".into(),
        });
        plan.changes = 1;
        plan.config = Some(version);
        plan
    }

    /// A release that is there may be older than its artifact was kept, and nothing rebuilds it: only its source does.
    async fn artifact_is_there(&self, candidate: &Candidate) -> Result<(), AppError> {
        let (None, Some(key)) = (&candidate.build, &candidate.release.artifact) else {
            return Ok(());
        };
        if self.store().get::<tow_record::Artifact>(key.as_str()).await?.is_some() {
            return Ok(());
        }
        let release = &candidate.release;
        let commit = release.commit.as_ref().map(|commit| format!(" (commit {commit})"));
        Err(AppError::new(
            "plan/artifact-gone",
            format!(
                "the artifact of release {} was pruned: there is nothing to run",
                release.number
            ),
        )
        .untouched("what runs goes on running")
        .hint(format!(
            "deploy its source{} again, which builds it: tow deploy in its folder",
            commit.unwrap_or_default()
        ))
        .next("tow artifact list"))
    }

    /// Refuses what this environment can't run, each by its line.
    async fn refuse(
        &self,
        candidate: &Candidate,
        place: &Place,
        environment: &EnvironmentSpec,
        texts: &BTreeMap<String, String>,
    ) -> Result<(), AppError> {
        // Stopping is always allowed; what is scaled to nothing must still be able to run.
        if candidate.deployment.reason == tow_record::Reason::Stop {
            return Ok(());
        }
        self.artifact_is_there(candidate).await?;
        let keys = self.config_keys(candidate, place).await?;
        let runtime = &candidate.deployment.runtime;
        let facts = self.runtime_facts(runtime).await?;
        let built = candidate.build.as_ref().and_then(|build| build.found.as_ref());
        let tool = match (built, &candidate.release.artifact) {
            (Some(found), _) => Some(found.tool),
            (None, Some(key)) => {
                let known = self.store().get::<tow_record::Artifact>(key.as_str()).await?;
                known.map(|row| row.value.tool)
            }
            (None, None) => None,
        };
        let found = tow_plan::refusals(&tow_plan::Admitted {
            release: &candidate.release,
            place,
            environment,
            runtime,
            facts: &facts,
            keys: &keys,
            tool,
            replicas: &candidate.deployment.replicas,
            missing: built.and_then(|found| found.missing.as_deref()),
        });
        let mut violations: Vec<Violation> = Vec::new();
        for refusal in found {
            let file = &candidate.release.workloads[&refusal.workload];
            violations.push(tow_formats::violation(
                &file.file,
                texts.get(&file.file).map(String::as_str),
                &file.positions,
                &refusal.invalid,
            ));
        }
        if violations.is_empty() {
            return Ok(());
        }
        Err(AppError::invalid("plan/refused", violations))
    }

    async fn drafted(
        &self,
        ctx: &OpCtx,
        place: &Place,
        facts: &PlaceFacts,
        environment: &EnvironmentSpec,
        candidate: Candidate,
    ) -> Result<Plan, AppError> {
        let placement: &Placement = &facts.placement.value;
        let placed = tow_plan::Placed {
            placement,
            release: &candidate.release,
            environment,
            instances: &[],
        };
        let table = tow_plan::routes(&[placed], &tow_record::Observed::default());
        self.refuse_taken_hosts(&table).await?;
        let urls: Vec<String> = candidate
            .release
            .workloads
            .keys()
            .flat_map(|name| tow_plan::workload_urls(&placed, name, self.gateway_port()))
            .collect();
        let creates: Vec<String> =
            candidate.creates.iter().map(|m| m.entity().to_string()).collect();
        let runtime = self.runtime_facts(&candidate.deployment.runtime).await?;
        let kept = self.store().get::<Scale>(&place.to_string()).await?.map(|row| row.value);
        let again = facts.current.as_ref().is_some_and(|(now, _)| {
            candidate.release.number != 0
                && tow_plan::revision(now) == tow_plan::revision(&candidate.deployment)
        });
        let counted = tow_plan::scale::counted(
            &candidate.deployment,
            &candidate.release,
            environment,
            kept.as_ref().filter(|_| !placement.stopped),
            !again,
        );
        let drafted = tow_plan::draft(&tow_plan::Draft {
            runtime: &runtime,
            change: &candidate.change,
            placement,
            environment,
            current: facts.current.as_ref().map(|(d, r)| (d, r)),
            release: &candidate.release,
            deployment: &counted,
            build: candidate.build.as_ref(),
            creates: &creates,
            urls: &urls,
        });
        let mut plan = self.empty_plan(ctx, place, candidate.change);
        plan.steps = drafted.steps;
        plan.changes = drafted.changes;
        plan.gates = drafted.gates;
        plan.warnings = drafted.warnings;
        let found = candidate.build.as_ref().and_then(|build| build.found.as_ref());
        plan.warnings.extend(found.into_iter().flat_map(|found| found.notes.clone()));
        plan.release_number = (candidate.release.number != 0).then_some(candidate.release.number);
        plan.build = candidate.build;
        plan.release = (candidate.release.number == 0).then(|| Box::new(candidate.release));
        plan.deployment = Some(Box::new(candidate.deployment));
        plan.scaled = candidate.scaled;
        plan.config = candidate.config;
        plan.creates = candidate.creates;
        Ok(plan)
    }

    /// Nobody's route takes what is another's: the same host and path is one component's, and a host is shared only by
    /// components of one owner.
    async fn refuse_taken_hosts(&self, table: &[tow_record::Route]) -> Result<(), AppError> {
        let Some(set) = self.store().get::<RouteSet>("routes").await? else { return Ok(()) };
        for (route, other, clash) in tow_plan::clashes(table, &set.value.routes) {
            if clash == Clash::Beside {
                let own = self.declared_owner(&route.component).await?;
                if own.is_some() && own == self.declared_owner(&other.component).await? {
                    continue;
                }
            }
            let taken = format!(
                "{}{} is {}'s in {}",
                other.hosts.join(", "),
                if other.path == "/" { "" } else { &other.path },
                other.component,
                other.environment
            );
            let hint = match clash {
                Clash::Same => "give the route resource another host, or another path",
                Clash::Beside => {
                    "give the route resource another host: components share one only where they have one owner"
                }
            };
            return Err(AppError::new("plan/refused", taken).hint(hint));
        }
        Ok(())
    }

    async fn declared_owner(&self, component: &str) -> Result<Option<EntityRef>, AppError> {
        let default = Namespace::default();
        let Ok(entity) = EntityRef::parse(component, Some("component"), &default) else {
            return Ok(None);
        };
        Ok(self.store().object(&entity).await?.and_then(|row| row.manifest.owner()))
    }
}
