//! Delivery, gates, refusals, routes and drafts: what follows from what.

use crate::given::{deployment, environment, place, release, score, web};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use tow_model::kinds::{
    delivery::DeliverySpec,
    environment::{EnvironmentSpec, Tier},
};
use tow_names::{Duration, Id, Name};
use tow_plan::{Admitted, Draft, Placed, delivered, draft, gate, refusals, routes, workload_urls};
use tow_record::{
    Action, Can, Change, Desired, Executes, Gate, GateKind, Instance, Isolation, Observed,
    ObservedInstance, Phase, Placement, Pod, Release, RuntimeFacts, State,
};

fn delivery(yaml_as_json: serde_json::Value) -> DeliverySpec {
    serde_json::from_value(yaml_as_json).unwrap()
}

#[test]
fn defaults_follow_the_tier_and_the_last_matching_override_wins() {
    let score = score(&web("web"));
    let name = Name::new("staging").unwrap();
    let spec = delivery(json!({
        "workloads": {"web": {"replicas": 2, "health": {"successes": 5}}},
        "overrides": [
            {"tier": "staging", "workloads": {"web": {"replicas": 3}}},
            {"environment": "staging", "workloads": {"web": {"health": {"interval": "1s"}}}},
            {"environment": "other", "workloads": {"web": {"replicas": 9}}}
        ]
    }));
    let got = delivered(&spec, &score, &name, &environment(Tier::Staging));
    assert_eq!((got.replicas, got.successes, got.interval), (3, 5, Duration::from_secs(1)));
    let dev = delivered(&DeliverySpec::default(), &score, &name, &environment(Tier::Development));
    assert_eq!((dev.interval, dev.successes), (Duration::from_millis(50), 1));
    assert_eq!(dev.min_healthy_time, Duration::ZERO);
    let live = delivered(&DeliverySpec::default(), &score, &name, &environment(Tier::Production));
    assert_eq!((live.successes, live.min_healthy_time), (3, Duration::from_secs(10)));
}

#[test]
fn a_gate_is_the_probe_else_the_port_else_alive() {
    let environment = environment(Tier::Development);
    let name = Name::new("development").unwrap();
    let kind = |json: &serde_json::Value| {
        let score = score(json);
        let delivered = delivered(&DeliverySpec::default(), &score, &name, &environment);
        gate(&score, "main", &delivered).unwrap()
    };
    let known = |gate: Gate| (gate.probe, gate.min_healthy_time);
    let mut json = web("web");
    assert_eq!(known(kind(&json)), (GateKind::Tcp { port: "http".into() }, Duration::ZERO));
    json["containers"]["main"]["readinessProbe"] =
        json!({"httpGet": {"path": "/up", "port": 8080}});
    assert_eq!(known(kind(&json)), (GateKind::Http { path: "/up".into() }, Duration::ZERO));
    json["containers"]["main"].as_object_mut().unwrap().remove("readinessProbe");
    json.as_object_mut().unwrap().remove("service");
    let half = Duration::from_millis(500);
    assert_eq!(known(kind(&json)), (GateKind::Alive, half), "being started is no sign of life");
}

#[test]
fn what_this_runtime_cannot_do_is_refused_at_its_pointer() {
    let mut json = web("web");
    json["containers"]["main"]["image"] = json!("nginx:1");
    json["containers"]["main"]["files"] = json!({"/etc/app.conf": {"content": "x"}});
    json["containers"]["main"]["resources"] = json!({"limits": {"cpu": "1"}});
    json["containers"]["main"]["variables"] =
        json!({"A": "${resources.env.MISSING}", "B": "${resources.env.SET}"});
    json["resources"] = json!({"db": {"type": "postgres"}, "env": {"type": "environment"}});
    let keys = BTreeSet::from(["SET".to_string()]);
    let (place, executes, facts) = (place(), Executes::default(), plain());
    let asked = |release: &Release, environment: &EnvironmentSpec| {
        refusals(&Admitted {
            release,
            place: &place,
            environment,
            runtime: &executes,
            facts: &facts,
            keys: &keys,
            tool: None,
            replicas: &BTreeMap::new(),
            missing: None,
        })
    };
    let found = asked(&release(1, &[json]), &environment(Tier::Development));
    let at: Vec<(&str, &str)> =
        found.iter().map(|r| (r.invalid.pointer.as_str(), r.invalid.code)).collect();
    assert_eq!(
        at,
        [
            ("/containers/main/image", "plan/no-container-runtime"),
            ("/containers/main/resources/limits/cpu", "plan/limits"),
            ("/containers/main/files/~1etc~1app.conf", "plan/absolute-target"),
            ("/resources/db/type", "plan/no-recipe"),
            ("/containers/main/variables/A", "plan/config-missing"),
        ]
    );
    let live = asked(&release(1, &[web("web")]), &environment(Tier::Production));
    assert_eq!(live[0].invalid.code, "plan/isolation");
}

/// Plain processes.
fn plain() -> RuntimeFacts {
    RuntimeFacts {
        isolation: Isolation::None,
        can: BTreeSet::from([Can::Artifacts]),
        unavailable: None,
        notes: Vec::new(),
    }
}

fn ready(id: &Id, ready: bool) -> ObservedInstance {
    ObservedInstance {
        id: id.clone(),
        phase: Phase::Running,
        ready,
        ready_since: None,
        pid: None,
        restarts: 0,
        exit: None,
        probe: None,
        isolation: Isolation::None,
        listening: Vec::new(),
        usage: None,
        message: String::new(),
    }
}

#[test]
fn routes_name_ready_instances_only_and_say_why_there_are_none() {
    let release = release(1, &[web("web"), web("api")]);
    let environment = environment(Tier::Development);
    let mut placement = Placement::empty(place());
    placement.deployment = 1;
    let mut rows = Vec::new();
    let mut observed = Observed::default();
    for (n, workload) in ["web", "web", "api"].iter().enumerate() {
        let id = Id::parse(&format!("i-{n}")).unwrap();
        rows.push(Instance {
            id: id.clone(),
            place: place(),
            deployment: 1,
            release: 1,
            workload: (*workload).into(),
            container: "main".into(),
            replica: n as u32,
            revision: "r".into(),
            node: "n".into(),
            runtime: Name::local(),
            run: None,
            ports: BTreeMap::from([("http".to_string(), 20_000 + n as u16)]),
            desired: Desired::Running,
            created_at: tow_names::Timestamp(0),
        });
        observed.instances.insert(id.clone(), ready(&id, n == 0));
        placement.serving.push(Pod {
            workload: (*workload).into(),
            replica: n as u32,
            revision: "r".into(),
            instances: vec![id],
        });
    }
    let placed = Placed {
        placement: &placement,
        release: &release,
        environment: &environment,
        instances: &rows,
    };
    let table = routes(&[placed], &observed);
    let hosts: Vec<&str> = table.iter().flat_map(|r| r.hosts.iter().map(String::as_str)).collect();
    assert_eq!(hosts, ["api-shop-development.localhost", "web-shop-development.localhost"]);
    assert!(table[0].targets.is_empty() && table[0].state == State::Degraded);
    assert!(!table[0].reason.is_empty());
    let targets: Vec<&str> = table[1].targets.iter().map(|t| t.address.as_str()).collect();
    assert_eq!(targets, ["127.0.0.1:20000"]);
    placement.ports.insert(table[1].id.clone(), 40_000);
    let placed = Placed {
        placement: &placement,
        release: &release,
        environment: &environment,
        instances: &rows,
    };
    assert_eq!(
        workload_urls(&placed, "web", 7080),
        ["http://web-shop-development.localhost:7080/", "http://127.0.0.1:40000/"]
    );
}

#[test]
fn outside_development_only_a_route_resource_routes() {
    let mut json = web("web");
    let staging = environment(Tier::Staging);
    let placement = Placement::empty(place());
    let table = |json: &serde_json::Value| {
        let release = release(1, std::slice::from_ref(json));
        let placed = Placed {
            placement: &placement,
            release: &release,
            environment: &staging,
            instances: &[],
        };
        routes(&[placed], &Observed::default())
    };
    assert!(table(&json).is_empty());
    json["resources"] = json!({"www": {"type": "route", "params": {"host": "Shop.Example", "port": 8080, "path": "/x"}}});
    let routed = table(&json);
    assert_eq!((routed[0].hosts[0].as_str(), routed[0].path.as_str()), ("shop.example", "/x"));
}

#[test]
fn rules_of_a_route_come_from_tow_yaml_by_its_name_and_from_what_holds_there() {
    let mut json = web("web");
    let rules = |json: &serde_json::Value, tier| {
        let mut release = release(1, std::slice::from_ref(json));
        release.delivery = serde_json::from_value(serde_json::json!({
            "workloads": {"web": {"routes": {
                "http": {"timeout": "5s", "retries": 0},
                "www": {"body": "1Mi"},
            }}},
            "overrides": [{"tier": "staging", "workloads": {"web": {"routes": {
                "www": {"timeout": "9s"},
            }}}}],
        }))
        .unwrap();
        let placement = Placement::empty(place());
        let environment = environment(tier);
        let placed = Placed {
            placement: &placement,
            release: &release,
            environment: &environment,
            instances: &[],
        };
        routes(&[placed], &Observed::default()).remove(0).rules
    };
    let by_port = rules(&json, Tier::Development);
    assert_eq!((by_port.timeout, by_port.retries), (Some(Duration::from_secs(5)), Some(0)));
    json["resources"] = json!({"www": {"type": "route"}});
    let staging = rules(&json, Tier::Staging);
    assert_eq!(staging.timeout, Some(Duration::from_secs(9)));
    assert_eq!((staging.body_bytes(), staging.retries), (Some(1 << 20), None));
}

#[test]
fn a_draft_says_what_is_kept_and_what_is_replaced() {
    let old = release(1, &[web("web")]);
    let current = deployment(1, &old, 2);
    let mut placement = Placement::empty(place());
    placement.deployment = 1;
    for pod in tow_plan::pods(&old, &current) {
        placement.serving.push(Pod {
            workload: pod.workload,
            replica: pod.replica,
            revision: pod.revision,
            instances: vec![Id::fresh("i")],
        });
    }
    let environment = environment(Tier::Development);
    let drafted = |change: &Change, release: &Release, deployment: &tow_record::Deployment| {
        draft(&Draft {
            change,
            placement: &placement,
            environment: &environment,
            runtime: &plain(),
            current: Some((&current, &old)),
            release,
            deployment,
            build: None,
            creates: &[],
            urls: &[],
        })
    };
    let same = drafted(&Change::Deploy { release: None }, &old, &current);
    assert_eq!((same.changes, same.gates.len()), (0, 0), "{:?}", same.steps);

    let more = deployment(2, &old, 3);
    let scale = Change::Scale { replicas: BTreeMap::from([("web".into(), 3)]) };
    let scaled = drafted(&scale, &old, &more);
    assert_eq!(scaled.steps[0].action, Action::UpdateInPlace, "{:?}", scaled.steps);

    let mut new = release(0, &[web("web")]);
    new.delivery.build = Some(tow_model::kinds::delivery::Build::default());
    let next = deployment(2, &new, 2);
    let replaced = drafted(&Change::Deploy { release: None }, &new, &next);
    let actions: Vec<Action> = replaced.steps.iter().map(|s| s.action).collect();
    assert_eq!(actions[..2], [Action::Create, Action::Replace], "{:?}", replaced.steps);
    assert!(replaced.steps[0].reason.contains("tow.yaml"), "{:?}", replaced.steps);
    assert_eq!(replaced.gates.len(), 1);
}
