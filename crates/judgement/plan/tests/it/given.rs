//! What the tests of this room start from: a release, an environment, a place.

use std::collections::{BTreeMap, BTreeSet};
use tow_model::kinds::{
    delivery::DeliverySpec,
    environment::{EnvironmentSpec, Tier},
    workload::Workload,
};
use tow_names::{Digest, EntityRef, Id, Name, Namespace, Place, Timestamp};
use tow_plan::{Admitted, Refusal, SpecError, SpecInput, instance_spec, refusals};
use tow_record::{
    BuildTool, Can, Deployment, Desired, Executes, Instance, InstanceSpec, Isolation,
    ObservedInstance, Operation, Phase, Progress, Reason, Release, ReleaseWorkload, RuntimeFacts,
    State,
};

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
        bake: None,
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
        runtime: Executes::default(),
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

/// A runtime that is declared so.
pub(crate) fn executes(spec: serde_json::Value) -> Executes {
    Executes { spec: serde_json::from_value(spec).unwrap(), ..Executes::default() }
}

/// A runtime that can do this on its machine.
pub(crate) fn facts(isolation: Isolation, can: &[Can]) -> RuntimeFacts {
    let can = can.iter().copied().collect();
    RuntimeFacts { isolation, can, unavailable: None, notes: Vec::new() }
}

/// What of a release is refused in development, with so many of workload `web`.
pub(crate) fn refused(
    release: &Release,
    runtime: &Executes,
    facts: &RuntimeFacts,
    tool: Option<BuildTool>,
    count: Option<u32>,
) -> Vec<Refusal> {
    refusals(&Admitted {
        release,
        place: &place(),
        environment: &environment(Tier::Development),
        runtime,
        facts,
        keys: &BTreeSet::new(),
        tool,
        replicas: &count.map(|count| ("web".to_string(), count)).into_iter().collect(),
        missing: None,
    })
}

/// What container `main` of workload `web` is run with; its first port is 20000 of the machine.
pub(crate) fn spec(json: &serde_json::Value, runtime: Executes) -> Result<InstanceSpec, SpecError> {
    let release = release(1, std::slice::from_ref(json));
    let ports = json["service"]["ports"].as_object().unwrap();
    let instance = Instance {
        id: Id::fresh("i"),
        place: place(),
        deployment: 1,
        release: 1,
        workload: "web".into(),
        container: "main".into(),
        replica: 0,
        revision: "r".into(),
        node: "n".into(),
        runtime: Name::local(),
        run: None,
        ports: ports.keys().take(1).map(|name| (name.clone(), 20_000)).collect(),
        desired: Desired::Running,
        created_at: Timestamp(0),
    };
    let mut deployment = deployment(1, &release, 1);
    deployment.runtime = runtime;
    instance_spec(SpecInput {
        instance: &instance,
        release: &release,
        deployment: &deployment,
        environment: &environment(Tier::Development),
        artifact: None,
        config: &BTreeMap::new(),
    })
}

/// An instance as its runtime sees it.
pub(crate) fn observed(id: &Id, phase: Phase, ready: bool) -> ObservedInstance {
    ObservedInstance {
        id: id.clone(),
        phase,
        ready,
        ready_since: ready.then_some(Timestamp(0)),
        pid: Some(1),
        restarts: 0,
        exit: None,
        probe: None,
        isolation: Isolation::None,
        listening: Vec::new(),
        usage: None,
        message: String::new(),
    }
}

/// The operation that makes a deployment live.
pub(crate) fn operation(deployment: &Deployment) -> Operation {
    Operation {
        id: Id::parse(&format!("op-{}", deployment.number)).unwrap(),
        place: place(),
        plan: None,
        reason: Reason::Deploy,
        heal: false,
        build: None,
        release: None,
        artifact: None,
        deployment: Some(deployment.number),
        replicas: deployment.replicas.clone(),
        scaled: BTreeMap::new(),
        stops: false,
        config: 0,
        variables: BTreeMap::new(),
        runtime: Executes::default(),
        salt: 0,
        release_number: Some(deployment.release),
        deadline: Some(Timestamp(60_000_000)),
        drain_until: None,
        switched: false,
        progress: Progress::default(),
        reverts: None,
        cancelled_by: None,
        failure: None,
        remark: None,
        started_at: Timestamp(0),
        finished_at: None,
        created_by: "user:default/ann".into(),
        request: String::new(),
    }
}
