//! What is known before anything is stopped is refused by the plan, at its pointer: volumes with two writers, volumes that
//! are none, artifacts without an image to run in.

use crate::given::{executes, facts, release, web};
use serde_json::{Value, json};
use tow_record::{BuildTool, Can, Executes, Isolation};

/// Code, pointer and hint of everything that is refused.
fn refused(
    json: &Value,
    count: u32,
    runtime: &Executes,
    tool: BuildTool,
    can: &[Can],
) -> Vec<(&'static str, String, String)> {
    let release = release(1, std::slice::from_ref(json));
    let facts = facts(runtime.isolation(), can);
    let told = |r: tow_plan::Refusal| {
        (r.invalid.code, r.invalid.pointer, r.invalid.hint.unwrap_or_default())
    };
    let found = crate::given::refused(&release, runtime, &facts, Some(tool), Some(count));
    found.into_iter().map(told).collect()
}

#[test]
fn a_volume_has_one_writer_at_a_time() {
    let sandbox = executes(json!({"type": "process", "isolation": "sandbox"}));
    assert_eq!(sandbox.isolation(), Isolation::Sandbox);
    let judged = |json: &Value, count| {
        let all = refused(json, count, &sandbox, BuildTool::Go, &[Can::Artifacts, Can::Volumes]);
        all.into_iter().map(|(code, at, _)| (code, at)).collect::<Vec<_>>()
    };
    let mut json = web("web");
    json["containers"]["main"]["volumes"] = json!({"/data": {"source": "${resources.disk}"}});
    json["resources"] = json!({"disk": {"type": "volume"}});
    let at = "/containers/main/volumes/~1data".to_string();
    assert_eq!(judged(&json, 2), [("plan/one-writer", at.clone())]);
    assert_eq!(judged(&json, 1), []);
    json["containers"]["main"]["volumes"]["/data"]["readOnly"] = json!(true);
    assert_eq!(judged(&json, 2), [], "they only read it");
    json["resources"]["disk"]["type"] = json!("environment");
    assert_eq!(judged(&json, 1), [("plan/volumes", at)], "it is no volume");
}

#[test]
fn a_runtime_without_volumes_says_which_have_them() {
    let mut json = web("web");
    json["containers"]["main"]["volumes"] = json!({"/data": {"source": "data"}});
    let found = refused(&json, 1, &Executes::default(), BuildTool::Go, &[Can::Artifacts]);
    let [(code, _, hint)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(*code, "plan/volumes");
    assert!(hint.contains("isolation: sandbox") && hint.contains("type: container"), "{hint}");
}

#[test]
fn an_artifact_needs_an_image_to_run_in_where_containers_run() {
    let judged = |json: &Value, bases: Value, tool| {
        let boxes = executes(json!({"type": "container", "bases": bases}));
        let all = refused(json, 1, &boxes, tool, &[Can::Artifacts, Can::Images]);
        all.into_iter().map(|(code, at, _)| (code, at)).collect::<Vec<_>>()
    };
    let json = web("web");
    let at = "/containers/main/image".to_string();
    assert_eq!(judged(&json, json!({}), BuildTool::Go), [("plan/no-base", at.clone())]);
    assert_eq!(judged(&json, json!({"node": "x"}), BuildTool::Go), [("plan/no-base", at)]);
    assert_eq!(judged(&json, json!({"go": "x"}), BuildTool::Go), []);
    assert_eq!(judged(&json, json!({"default": "x"}), BuildTool::Go), []);
    assert_eq!(judged(&json, json!({}), BuildTool::Dockerfile), [], "its image is its own");
    let mut site = web("web");
    site["containers"]["main"].as_object_mut().unwrap().remove("command");
    assert_eq!(judged(&site, json!({}), BuildTool::Static), [], "the platform serves its files");
}

#[test]
fn rules_of_a_route_that_the_workload_has_not_are_refused() {
    let refused = |name: &str| {
        let mut release = release(1, &[web("web")]);
        release.delivery = serde_json::from_value(
            json!({"workloads": {"web": {"routes": {name: {"timeout": "5s"}}}}}),
        )
        .unwrap();
        let facts = facts(Isolation::None, &[]);
        let all = crate::given::refused(&release, &Executes::default(), &facts, None, None);
        all.into_iter().map(|r| (r.invalid.code, r.invalid.expected)).collect::<Vec<_>>()
    };
    assert_eq!(refused("http"), []);
    assert_eq!(refused("https"), [("plan/route-unknown", "one of http".to_string())]);
}
