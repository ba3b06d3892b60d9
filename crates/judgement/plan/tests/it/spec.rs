//! What an instance is run with: whom its probes may ask, and what its volumes are called.

use crate::given::{facts, refused, release, spec, web};
use serde_json::json;
use tow_record::{Executes, Isolation, Probe};

/// The host's loopback is everybody's: a database, an engine, the platform itself.
#[test]
fn a_probe_asks_only_what_is_the_workloads_own() {
    let mut json = web("web");
    json["service"]["ports"]["http"] = json!({"port": 80, "targetPort": 8080});
    for (name, port) in [("readinessProbe", 8080), ("livenessProbe", 80)] {
        json["containers"]["main"][name] = json!({"httpGet": {"path": "/up", "port": port}});
    }
    let judged = |json: &serde_json::Value| {
        let release = release(1, std::slice::from_ref(json));
        let facts = facts(Isolation::None, &[]);
        let found = refused(&release, &Executes::default(), &facts, None, None);
        let at = found.into_iter().filter(|refusal| refusal.invalid.code == "plan/probe-port");
        at.map(|refusal| refusal.invalid.pointer).collect::<Vec<_>>()
    };
    assert_eq!(judged(&json), [""; 0]);
    let own = spec(&json, Executes::default()).unwrap();
    for probe in [&own.readiness, own.liveness.as_ref().unwrap()] {
        assert!(matches!(probe, Probe::Http(get) if get.port == 20_000), "{probe:?}");
    }
    json["containers"]["main"]["livenessProbe"]["httpGet"]["port"] = json!(5432);
    assert_eq!(judged(&json), ["/containers/main/livenessProbe/httpGet/port"]);
    let why = spec(&json, Executes::default()).unwrap_err().0;
    assert!(why.contains("5432"), "a release of before is no way around it: {why}");
}

/// Who may choose names must not find one that comes to somebody else's volume.
#[test]
fn a_volume_is_called_by_a_whole_digest() {
    let mut json = web("web");
    json["resources"] = json!({"data": {"type": "volume"}});
    json["containers"]["main"]["volumes"] = json!({"/data": {"source": "${resources.data}"}});
    let name = spec(&json, Executes::default()).unwrap().setting.mounts[0].volume.clone();
    let digits = name.strip_prefix("v-").unwrap();
    assert_eq!(digits.len(), 64, "{name}");
    assert!(digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
}
