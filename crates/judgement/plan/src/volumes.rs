//! What keeps a workload from having the volumes that it names: a runtime that mounts none, a source that is none, and
//! more than one writer at a time. How volumes are made and mounted is the runtime's.

use crate::admit::escape;
use crate::{Delivered, meaning};
use tow_model::{Invalid, kinds::workload::Workload};
use tow_record::{Can, RuntimeFacts};

/// Judges the volumes of a workload of which there would be `count`.
pub(crate) fn refusals(
    score: &Workload,
    delivered: &Delivered,
    count: u32,
    facts: &RuntimeFacts,
    found: &mut Vec<Invalid>,
) {
    let mut refuse =
        |container: &str, target: &str, code, what: String, expected: &str, hint: String| {
            let at = format!("/containers/{}/volumes/{}", escape(container), escape(target));
            found.push(Invalid::new(at, code, what, expected).hint(hint));
        };
    let name = &score.metadata.name;
    for (container, spec) in &score.containers {
        for (target, volume) in &spec.volumes {
            if !facts.can(Can::Volumes) {
                refuse(
                    container,
                    target,
                    "plan/volumes",
                    "volumes can't be mounted by this runtime".into(),
                    "no volumes, or a runtime that mounts them",
                    "isolation: sandbox or type: container in the environment's Runtime mounts volumes".into(),
                );
                continue;
            }
            // An engine looks for the folder itself, later than anybody could look at it for links: whoever else writes to
            // the volume could put a link to the machine's root there in between.
            if let Some(path) = volume.path.as_deref()
                && tow_record::is_part(path)
                && !facts.can(Can::VolumePaths)
            {
                refuse(
                    container,
                    target,
                    "plan/volume-path",
                    format!(
                        "{path} is a folder of the volume, and containers can mount only the whole"
                    ),
                    "no path: a container engine would follow a link that another program put there",
                    "mount the whole volume, or give each folder a volume of its own".into(),
                );
            }
            let named = volume.source.strip_prefix("${resources.");
            if let Some(resource) = named.and_then(|rest| rest.strip_suffix('}'))
                && let Some(kind) = score.resources.get(resource).map(|found| found.kind.as_str())
                && kind != "volume"
            {
                refuse(
                    container,
                    target,
                    "plan/volumes",
                    format!("{} is of type {kind}, and can't be mounted", volume.source),
                    "a resource of type volume",
                    format!("resources: {{{resource}: {{type: volume}}}}"),
                );
            }
            let writes = volume.read_only != Some(true);
            if writes && count > 1 && meaning(delivered.kind).pods {
                refuse(
                    container,
                    target,
                    "plan/one-writer",
                    format!(
                        "{name} writes to this volume, which has one writer at a time, and there would be {count} of it"
                    ),
                    "one replica, or readOnly: true",
                    format!(
                        "replicas: 1 in tow.yaml and `tow scale {name}=1`, or another workload that writes"
                    ),
                );
            }
        }
    }
}
