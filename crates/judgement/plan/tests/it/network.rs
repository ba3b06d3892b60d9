//! Which programs of a sandbox get a network of their own, and what is refused where there is none.

use crate::given::{executes, facts, refused, release, spec, web};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tow_record::{Can, Executes, Isolation};

fn sandbox() -> Executes {
    executes(json!({"type": "process", "isolation": "sandbox"}))
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
    let seen = |json: &Value, runtime: Executes| {
        let spec = spec(json, runtime).unwrap();
        (spec.env["PORT"].clone(), spec.setting.inside, spec.ports)
    };
    let own = BTreeMap::from([(20_000, 8080)]);
    assert_eq!(seen(&fixed, sandbox()), ("8080".into(), own, vec![20_000]));
    let shared = ("20000".to_string(), BTreeMap::new(), vec![20_000]);
    assert_eq!(seen(&told, sandbox()), shared, "who reads PORT shares the machine's");
    assert_eq!(
        seen(&fixed, executes(json!({"type": "process"}))),
        shared,
        "there is none to be had"
    );
}

#[test]
fn where_there_is_no_network_to_be_had_its_line_is_refused() {
    let judged = |json: &Value, can: &[Can], isolation: Isolation| {
        let release = release(1, std::slice::from_ref(json));
        let found = refused(&release, &sandbox(), &facts(isolation, can), None, None);
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
