//! What the command line shows of declared things: YAML that can be applied again, a readable page, and the outcome of
//! what it asked for.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use crate::ferry::TOW;
use rustix::process::Signal;
use tow_testkit::binary::Binary;

fn component(name: &str) -> String {
    format!(
        "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: {name}\n  description: \"yes\"\n\
         spec:\n  type: service\n  lifecycle: production\n  owner: quay\n"
    )
}

#[test]
fn what_is_shown_is_applied_again_and_an_emptied_folder_takes_all_with_it() {
    let mut up = Binary::new(TOW);
    let folder = up.home().join("catalog");
    let (file, dir) = (folder.join("all.yaml"), folder.display().to_string());
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(&file, [component("web"), component("mail")].join("---\n")).unwrap();
    up.try_start(&["--runtime", "fake"], &[]).unwrap();
    up.tow(["apply", "-f", &dir, "--source", "shop"]).exits(0);

    let again = up.home().join("again.yaml").display().to_string();
    let shown: [&[&str]; 2] =
        [&["get", "component", "web", "-o", "yaml"], &["get", "component", "-o", "yaml"]];
    for (shown, count) in shown.into_iter().zip([1, 2]) {
        std::fs::write(&again, up.tow(shown).exits(0).out).unwrap();
        let done = up.json(&["apply", "-f", &again, "--source", "shop"]);
        let objects = done["objects"].as_array().unwrap();
        assert_eq!(objects.len(), count, "{done}");
        assert!(objects.iter().all(|object| object["verdict"] == "unchanged"), "{done}");
    }

    let page = up.tow(["describe", "component", "web"]).exits(0).out;
    for line in ["kind         Component", "source       shop", "  ownedBy  group quay"] {
        assert!(page.lines().any(|one| one == line), "{line:?} in\n{page}");
    }
    let wrong = up.tow(["get", "component", "-w", "type=service )"]).exits(2);
    assert!(wrong.err.contains("query:1:14"), "{wrong}");

    std::fs::remove_file(&file).unwrap();
    let prune = ["apply", "-f", &dir, "--source", "shop", "--prune"];
    up.tow(prune).exits(2);
    let gone = up.tow(prune.iter().chain(&["--yes"])).exits(0);
    assert_eq!(gone.out.matches("removed").count(), 2, "{gone}");
    let _ = up.end(Signal::TERM);
}

#[test]
fn a_location_is_read_before_it_is_saved_and_a_look_is_waited_for() {
    let mut up = Binary::new(TOW);
    let folder = up.home().join("catalog");
    let dir = folder.display().to_string();
    up.try_start(&["--runtime", "fake"], &[]).unwrap();

    let unread = up.tow(["location", "add", &dir, "--name", "shop"]).exits(2);
    assert!(unread.err.contains("cli/location-unread"), "{unread}");
    assert_eq!(up.json(&["location", "list"]).as_array().unwrap().len(), 0);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("web.yaml"), component("web")).unwrap();
    let added = up.json(&["location", "add", &dir, "--name", "shop"]);
    assert_eq!((&added["state"], &added["objects"]), (&"live".into(), &1.into()), "{added}");
    let twice = up.tow(["location", "add", &dir, "--name", "other"]).exits(5);
    assert!(twice.err.contains("shop reads"), "{twice}");

    // It says nothing of whose it is, so it may be ours: nothing goes for it, and it is told.
    std::fs::write(folder.join("web.yaml"), "kind: [\n").unwrap();
    let broken = up.tow(["location", "refresh", "shop"]).exits(1);
    assert!(broken.out.contains("web.yaml") && broken.out.contains("degraded"), "{broken}");
    up.tow(["get", "component", "web"]).exits(0);
    std::fs::write(folder.join("web.yaml"), component("web")).unwrap();
    up.tow(["location", "refresh", "shop"]).exits(0);
    let _ = up.end(Signal::TERM);
}
