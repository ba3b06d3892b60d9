//! What a folder's build is, out of what its `Delivery` says: the order a builder gets.

use tow_model::kinds::delivery::{BuildNetwork, DeliverySpec};
use tow_names::{Cpu, Duration, EntityRef, Memory};
use tow_record::{BuildBounds, BuildSpec, Source};

/// How long a build may take where nothing is said.
const TIMEOUT: Duration = Duration::from_secs(20 * 60);

/// The build of a component's folder. Quantities were checked when the document was read; one that is none says nothing.
pub(crate) fn spec(component: &EntityRef, source: &Source, delivery: &DeliverySpec) -> BuildSpec {
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
        bounds: BuildBounds {
            memory: bytes(limits.memory),
            cpu_millis: limits.cpu.and_then(|text| Some(text.parse::<Cpu>().ok()?.0)),
            processes: limits.processes,
            disk: bytes(limits.disk),
        },
        ..BuildSpec::new(source.digest.clone(), said.timeout.unwrap_or(TIMEOUT))
    }
}
