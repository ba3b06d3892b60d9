//! What an instance is run with: whom its probes may ask, and what its volumes are called.

use crate::given::{deployment, environment, place, release, web};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use tow_model::kinds::environment::Tier;
use tow_names::{Id, Name, Timestamp};
use tow_plan::{Admitted, SpecError, SpecInput, instance_spec, refusals};
use tow_record::{Desired, Executes, Instance, InstanceSpec, Isolation, Probe, RuntimeFacts};

fn spec(json: &serde_json::Value) -> Result<InstanceSpec, SpecError> {
    let release = release(1, std::slice::from_ref(json));
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
        ports: BTreeMap::from([("http".to_string(), 20_000)]),
        desired: Desired::Running,
        created_at: Timestamp(0),
    };
    instance_spec(SpecInput {
        instance: &instance,
        release: &release,
        deployment: &deployment(1, &release, 1),
        environment: &environment(Tier::Development),
        artifact: None,
        config: &BTreeMap::new(),
    })
}

/// The host's loopback is everybody's: a database, an engine, the platform itself.
#[test]
fn a_probe_asks_only_what_is_the_workloads_own() {
    let mut json = web("web");
    json["service"]["ports"]["http"] = json!({"port": 80, "targetPort": 8080});
    for (name, port) in [("readinessProbe", 8080), ("livenessProbe", 80)] {
        json["containers"]["main"][name] = json!({"httpGet": {"path": "/up", "port": port}});
    }
    let judged = |json: &serde_json::Value| {
        let facts = RuntimeFacts {
            isolation: Isolation::None,
            can: BTreeSet::new(),
            unavailable: None,
            notes: Vec::new(),
        };
        let found = refusals(&Admitted {
            release: &release(1, std::slice::from_ref(json)),
            place: &place(),
            environment: &environment(Tier::Development),
            runtime: &Executes::default(),
            facts: &facts,
            keys: &BTreeSet::new(),
            tool: None,
            replicas: &BTreeMap::new(),
            missing: None,
        });
        let at = found.into_iter().filter(|refusal| refusal.invalid.code == "plan/probe-port");
        at.map(|refusal| refusal.invalid.pointer).collect::<Vec<_>>()
    };
    assert_eq!(judged(&json), [""; 0]);
    let own = spec(&json).unwrap();
    for probe in [&own.readiness, own.liveness.as_ref().unwrap()] {
        assert!(matches!(probe, Probe::Http(get) if get.port == 20_000), "{probe:?}");
    }
    json["containers"]["main"]["livenessProbe"]["httpGet"]["port"] = json!(5432);
    assert_eq!(judged(&json), ["/containers/main/livenessProbe/httpGet/port"]);
    let why = spec(&json).unwrap_err().0;
    assert!(why.contains("5432"), "a release of before is no way around it: {why}");
}

/// Who may choose names must not find one that comes to somebody else's volume.
#[test]
fn a_volume_is_called_by_a_whole_digest() {
    let mut json = web("web");
    json["resources"] = json!({"data": {"type": "volume"}});
    json["containers"]["main"]["volumes"] = json!({"/data": {"source": "${resources.data}"}});
    let name = spec(&json).unwrap().setting.mounts[0].volume.clone();
    let digits = name.strip_prefix("v-").unwrap();
    assert_eq!(digits.len(), 64, "{name}");
    assert!(digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
}
