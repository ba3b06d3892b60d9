//! Which programs of a sandbox get a network of their own, and what is refused where there is none.

use crate::given::{deployment, environment, place, release, web};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tow_model::kinds::environment::Tier;
use tow_names::{Id, Name, Timestamp};
use tow_plan::{Admitted, SpecInput, instance_spec, refusals};
use tow_record::{Can, Desired, Executes, Instance, InstanceSpec, Isolation, RuntimeFacts};

fn executes(text: &str) -> Executes {
    Executes { spec: serde_json::from_str(text).unwrap(), ..Executes::default() }
}

const SANDBOX: &str = r#"{"type":"process","isolation":"sandbox"}"#;

/// What an instance of it is run with, on a runtime that says this; its port of the machine is 20000.
fn spec(json: &Value, runtime: &str) -> InstanceSpec {
    let release = release(1, std::slice::from_ref(json));
    let name = json["service"]["ports"].as_object().unwrap().keys().next().unwrap().clone();
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
        ports: BTreeMap::from([(name, 20_000)]),
        desired: Desired::Running,
        created_at: Timestamp(0),
    };
    let mut deployment = deployment(1, &release, 1);
    deployment.runtime = executes(runtime);
    let environment = environment(Tier::Development);
    let config = BTreeMap::new();
    let input = SpecInput {
        instance: &instance,
        release: &release,
        deployment: &deployment,
        environment: &environment,
        artifact: None,
        config: &config,
    };
    instance_spec(input).unwrap()
}

/// Which port it offers, and where its program always listens.
fn with_ports(ports: &Value) -> Value {
    let mut json = web("web");
    json["containers"]["main"]["command"] = json!(["./app"]);
    let name = json["service"]["ports"].as_object().unwrap().keys().next().unwrap().clone();
    json["service"]["ports"] = json!({ name: ports });
    json
}

#[test]
fn who_says_where_it_always_listens_has_a_network_for_it() {
    let fixed = with_ports(&json!({"port": 80, "targetPort": 8080}));
    let told = with_ports(&json!({"port": 8080}));
    let seen = |json: &Value, runtime: &str| {
        let spec = spec(json, runtime);
        (spec.env["PORT"].clone(), spec.setting.inside, spec.ports)
    };
    let own = BTreeMap::from([(20_000, 8080)]);
    assert_eq!(seen(&fixed, SANDBOX), ("8080".into(), own, vec![20_000]));
    let shared = ("20000".to_string(), BTreeMap::new(), vec![20_000]);
    assert_eq!(seen(&told, SANDBOX), shared, "who reads PORT shares the machine's");
    assert_eq!(seen(&fixed, r#"{"type":"process"}"#), shared, "there is none to be had");
}

#[test]
fn where_there_is_no_network_to_be_had_its_line_is_refused() {
    let judged = |json: &Value, can: &[Can], isolation: Isolation| {
        let facts = RuntimeFacts {
            isolation,
            can: can.iter().copied().collect(),
            unavailable: None,
            notes: Vec::new(),
        };
        let found = refusals(&Admitted {
            release: &release(1, std::slice::from_ref(json)),
            place: &place(),
            environment: &environment(Tier::Development),
            runtime: &executes(SANDBOX),
            facts: &facts,
            keys: &BTreeSet::new(),
            tool: None,
            replicas: &BTreeMap::new(),
            missing: None,
        });
        let own = found.into_iter().filter(|one| one.invalid.code == "plan/own-network");
        own.map(|one| one.invalid.pointer).collect::<Vec<_>>()
    };
    let fixed = with_ports(&json!({"port": 80, "targetPort": 8080}));
    let told = with_ports(&json!({"port": 80}));
    let mut several = fixed.clone();
    several["containers"]["beside"] = several["containers"]["main"].clone();
    let name = fixed["service"]["ports"].as_object().unwrap().keys().next().unwrap();
    let line = [format!("/service/ports/{name}/targetPort")];
    assert_eq!(judged(&fixed, &[], Isolation::Sandbox), line);
    assert_eq!(judged(&fixed, &[Can::OwnNetwork], Isolation::Sandbox), [""; 0]);
    assert_eq!(judged(&told, &[], Isolation::Sandbox), [""; 0]);
    assert_eq!(judged(&fixed, &[], Isolation::None), [""; 0], "as it always was");
    assert_eq!(judged(&several, &[Can::OwnNetwork], Isolation::Sandbox), line);
    let both = [Can::OwnNetwork, Can::PodNetwork];
    assert_eq!(judged(&several, &both, Isolation::Sandbox), [""; 0]);
}
