//! What the tests of this room start from: a release, an environment, a place.

use std::collections::BTreeMap;
use tow_model::kinds::{
    delivery::DeliverySpec,
    environment::{EnvironmentSpec, Tier},
    workload::Workload,
};
use tow_names::{Digest, EntityRef, Id, Name, Namespace, Place, Timestamp};
use tow_record::{Deployment, Reason, Release, ReleaseWorkload, State};

pub(crate) fn component() -> EntityRef {
    EntityRef::new("component", &Namespace::default(), &Name::new("shop").unwrap())
}

pub(crate) fn place() -> Place {
    Place::new(component(), &Name::new("development").unwrap())
}

pub(crate) fn environment(tier: Tier) -> EnvironmentSpec {
    EnvironmentSpec {
        tier,
        runtime: Name::new("local").unwrap(),
        region: None,
        stage: None,
        owner: None,
        variables: BTreeMap::new(),
    }
}

/// A Score file as JSON, as `formats` would have read it.
pub(crate) fn score(json: &serde_json::Value) -> Workload {
    serde_json::from_value(json.clone()).unwrap()
}

pub(crate) fn web(name: &str) -> serde_json::Value {
    serde_json::json!({
        "apiVersion": "score.dev/v1b1",
        "metadata": {"name": name},
        "service": {"ports": {"http": {"port": 8080}}},
        "containers": {"main": {"image": ".", "command": ["./run"]}}
    })
}

pub(crate) fn release(number: i64, scores: &[serde_json::Value]) -> Release {
    let workloads = scores
        .iter()
        .map(|json| {
            let score = score(json);
            let file = ReleaseWorkload {
                file: "score.yaml".into(),
                digest: Digest::of(json.to_string().as_bytes()),
                positions: BTreeMap::new(),
                score,
            };
            (file.score.metadata.name.clone(), file)
        })
        .collect();
    Release {
        component: component(),
        number,
        workloads,
        delivery: DeliverySpec::default(),
        source: None,
        artifact: None,
        commit: None,
        content: Digest::of(&number.to_le_bytes()),
        created_by: "user:default/ann".into(),
        created_at: Timestamp(0),
    }
}

pub(crate) fn deployment(number: i64, release: &Release, replicas: u32) -> Deployment {
    Deployment {
        place: place(),
        number,
        release: release.number,
        config: 0,
        variables: BTreeMap::new(),
        runtime: tow_record::Executes::default(),
        replicas: release.workloads.keys().map(|name| (name.clone(), replicas)).collect(),
        salt: 0,
        reason: Reason::Deploy,
        created_by: "user:default/ann".into(),
        created_at: Timestamp(0),
        plan: Id::parse("plan-1").unwrap(),
        operation: Id::parse("op-1").unwrap(),
        state: State::Rolling,
        outcome: None,
    }
}
