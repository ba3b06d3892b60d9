//! The component as the first word of a verb, from a folder that names none: one way for all verbs. And how verbs say
//! what they say.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::ferry::{Ferry, TOW, status};
use serde_json::{Value, json};
use tow_testkit::binary::Binary;

fn value(up: &Binary, name: &str) -> Option<String> {
    let all = up.json(&["config", "list", "ferry"]);
    let found = all.as_array().unwrap().iter().find(|one| one["name"] == name).cloned();
    found.map(|one| one["value"].as_str().unwrap().to_string())
}

#[test]
fn a_component_stands_first_whatever_the_verb() {
    let up = Binary::up(TOW);
    let ferry = Ferry::patient("ferry");
    up.deploy(ferry.path());
    let done =
        |args: &[&str]| -> Value { up.tow([args, &["-o", "json"]].concat()).exits(0).json() };
    done(&["config", "set", "ferry", "TIDE=high", "MOON=full"]);
    assert_eq!(value(&up, "TIDE").as_deref(), Some("high"));
    // In no component's folder a first word of several is one; alone it is a value, of nobody.
    done(&["config", "unset", "ferry", "TIDE"]);
    assert_eq!((value(&up, "TIDE"), value(&up, "MOON").as_deref()), (None, Some("full")));
    let refused = |args: &[&str]| up.tow([args, &["-o", "json"]].concat()).problem();
    assert_eq!(refused(&["config", "unset", "MOON"])["code"], "cli/no-component");
    // In the folder both are values of its own.
    let folder = ferry.text();
    let both = ["config", "set", "-c", "ferry", "TIDE=low"];
    done(&both);
    let mut unset = up.command(["config", "unset", "TIDE", "MOON"]);
    assert!(unset.current_dir(&folder).output().unwrap().status.success());
    assert_eq!((value(&up, "TIDE"), value(&up, "MOON")), (None, None));
    done(&["scale", "ferry", "ferry=2"]);
    assert_eq!(status(&up, "ferry")["instances"], json!({"ready": 2, "wanted": 2}));
    assert_eq!(done(&["rollback", "ferry", "1"])["state"], "live");
    assert_eq!(status(&up, "ferry")["instances"], json!({"ready": 1, "wanted": 1}));
    assert_eq!(done(&["rollback", "ferry"])["state"], "live");
    // What may be a secret that somebody forgot the name of is not repeated.
    let said = refused(&["config", "set", "-c", "ferry", "s3cret/!", "A=b"]);
    assert_eq!(said["code"], "cli/config");
    assert!(!said.to_string().contains("s3cret"), "{said}");
    assert_eq!(refused(&["config", "set", "not a name!", "A=b"])["code"], "cli/config");
}

#[test]
fn what_is_said_is_said_in_words_that_fit() {
    let up = Binary::up(TOW);
    let ferry = Ferry::patient("ferry");
    up.deploy(ferry.path());
    up.json(&["scale", "ferry", "ferry=2"]);
    let events = up.json(&["events"]).to_string();
    assert!(events.contains("a plan for ferry in development with "), "{events}");
    assert!(!events.contains("with 1 changes"), "{events}");
    let quay = up.home().join("quay.yaml");
    let text = "apiVersion: towpath.dev/v1\nkind: Environment\nmetadata: {name: quay}\n\
                spec: {tier: development, runtime: local}\n";
    std::fs::write(&quay, text).unwrap();
    up.json(&["apply", "-f", &quay.display().to_string()]);
    let said = up.tow(["logs", "ferry", "-e", "quay"]).exits(4).err;
    assert!(said.contains("ferry was never deployed in quay"), "{said}");
    let said = up.tow(["deplyo"]).exits(2).err;
    assert!(said.find("'deploy'").unwrap() < said.find("'deployments'").unwrap(), "{said}");
}
