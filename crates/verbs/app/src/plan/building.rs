//! What a folder's build is, out of what its `Delivery` says and what a look at its source finds: the order a builder gets.
//! What can't be built is refused here, before anything is begun.

use crate::{App, AppError};
use std::collections::BTreeMap;
use tow_model::kinds::delivery::{BuildNetwork, DeliverySpec};
use tow_names::{Cpu, Duration, EntityRef, Memory, Place};
use tow_ports::PortError;
use tow_record::{
    BuildBounds, BuildSpec, BuildTool, ConfigVersion, Executes, ReleaseWorkload, Source,
};

/// How long a build may take where nothing is said.
const TIMEOUT: Duration = Duration::from_secs(20 * 60);

/// The build of a component's folder. Quantities were checked when the document was read; one that is none says nothing.
pub(crate) fn spec(
    component: &EntityRef,
    source: &Source,
    delivery: &DeliverySpec,
    runtime: &Executes,
) -> BuildSpec {
    let said = delivery.build.clone().unwrap_or_default();
    let limits = said.limits.unwrap_or_default();
    let bytes = |text: Option<String>| text.and_then(|text| Some(text.parse::<Memory>().ok()?.0));
    BuildSpec {
        dir: said.dir.unwrap_or_default(),
        command: said.command,
        output: said.output,
        watch: said.watch,
        component: Some(component.clone()),
        offline: said.network == Some(BuildNetwork::Off),
        secrets: said.secrets,
        dockerfile: said.dockerfile,
        // What is built for an environment is built where it runs.
        engine: runtime.spec.engine.clone(),
        credentials: runtime.spec.credentials.clone(),
        bounds: BuildBounds {
            memory: bytes(limits.memory),
            cpu_millis: limits.cpu.and_then(|text| Some(text.parse::<Cpu>().ok()?.0)),
            processes: limits.processes,
            disk: bytes(limits.disk),
        },
        ..BuildSpec::new(source.digest.clone(), said.timeout.unwrap_or(TIMEOUT))
    }
}

impl App {
    /// The order with what is found in the source; refused where nothing here can build it, or a secret of it is not set.
    pub(crate) async fn looked_at(
        &self,
        mut spec: BuildSpec,
        place: &Place,
        config: i64,
    ) -> Result<BuildSpec, AppError> {
        self.secrets_are_set(&spec, place, config).await?;
        let found = match self.parts.builder.inspect(&spec).await {
            Err(PortError::Refused(why)) => {
                return Err(AppError::new("build/refused", why)
                    .untouched("nothing was built, and what runs goes on running")
                    .hint("the guide on builds lists what is detected, and what build in tow.yaml can say"));
            }
            found => found?,
        };
        spec.found = Some(found);
        Ok(spec)
    }

    async fn secrets_are_set(
        &self,
        spec: &BuildSpec,
        place: &Place,
        config: i64,
    ) -> Result<(), AppError> {
        if spec.secrets.is_empty() {
            return Ok(());
        }
        let row = self.store().get::<ConfigVersion>(&format!("{place}/{config}")).await?;
        let values = row.map(|row| row.value.values).unwrap_or_default();
        let missing: Vec<&str> = spec
            .secrets
            .iter()
            .filter(|name| !values.contains_key(*name))
            .map(String::as_str)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(AppError::new(
            "build/secret-missing",
            format!(
                "build.secrets names {}, which the configuration of {} does not have",
                missing.join(", "),
                place.short()
            ),
        )
        .untouched("nothing was built, and what runs goes on running")
        .hint(format!("tow config set {}=VALUE", missing[0])))
    }
}

/// Refuses a folder of which nobody knows what runs: a container gives no command, and nothing was found that has one.
pub(crate) fn something_runs(
    spec: &BuildSpec,
    workloads: &BTreeMap<String, ReleaseWorkload>,
    is_served: impl Fn(&ReleaseWorkload) -> bool,
) -> Result<(), AppError> {
    let Some(found) = spec.found.as_ref().filter(|found| !found.runs) else { return Ok(()) };
    if !matches!(
        found.tool,
        BuildTool::None | BuildTool::Node | BuildTool::Python | BuildTool::Command
    ) {
        return Ok(());
    }
    let because = match found.tool {
        BuildTool::Command => {
            "nobody but you knows what build.command makes, and no build.output names pages"
        }
        _ => found.because.as_str(),
    };
    let hint = match found.tool {
        BuildTool::Command => {
            "give the container a command; or say build.output, the folder of the pages"
        }
        _ => {
            "give the container a command, add a Procfile with a line web:, or say build.command in tow.yaml"
        }
    };
    // A kind that is served needs no program; what is none of its files is refused elsewhere.
    let is_served = |file: &ReleaseWorkload| found.tool == BuildTool::Command && is_served(file);
    for (name, file) in workloads.iter().filter(|(_, file)| !is_served(file)) {
        for (container, said) in &file.score.containers {
            let silent = said.command.as_ref().is_none_or(Vec::is_empty);
            if said.image == "." && silent {
                return Err(AppError::new(
                    "build/nothing-runs",
                    format!(
                        "{}: container {container} of {name} gives no command, and the folder does not say what runs: {}",
                        file.file, because
                    ),
                )
                .untouched("nothing was built, and what runs goes on running")
                .hint(hint));
            }
        }
    }
    Ok(())
}
