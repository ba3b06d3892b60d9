//! What is done with requests beside handing them on, by whose order, and who answers what.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use crate::ferry::{Ferry, TOW, get, served, status};
use crate::given::{DEVELOPMENT, FOLDER_ONE, ann};
use crate::upgrade::{another_build, upgrade};
use std::cell::Cell;
use tow_api::Nothing;
use tow_api::route::maintain::ModeView;
use tow_api::route::pause::{Body, PauseRoutes};
use tow_gateway::EdgeClient;
use tow_names::Duration;
use tow_ports::{Clock as _, Edge as _};
use tow_record::Mode;
use tow_testkit::TestPlatform;
use tow_testkit::binary::{Binary, until};

#[test]
fn requests_wait_while_paused_and_are_refused_while_maintained() {
    let up = Binary::up(TOW);
    let ferry = Ferry::patient("ferry");
    up.deploy(ferry.path());
    let url = status(&up, "ferry")["port_url"].as_str().unwrap().to_string();
    served(&url);

    // Held, and answered once it serves again.
    let paused = up.json(&["pause", "ferry", "--limit", "20s"]);
    assert_eq!(paused["mode"]["mode"], "paused");
    assert_eq!(paused["confirmed"], true);
    let why = status(&up, "ferry")["reason"].as_str().unwrap().to_string();
    assert_eq!(why, "paused: requests are held, up to 20s");
    let waits = std::thread::spawn({
        let url = url.clone();
        move || get(&url, "/")
    });
    // What ends maintenance ends no pause.
    let still = up.json(&["maintenance", "off", "ferry"]);
    assert_eq!(still["mode"]["mode"], "paused");
    assert_eq!(up.json(&["resume", "ferry"])["mode"]["mode"], "serving");
    let (code, body) = waits.join().unwrap();
    assert_eq!(code, 200, "{body}");

    // Refused, but for some.
    let words = ["maintenance", "on", "ferry", "--message", "the lock is painted"];
    let words = [&words[..], &["--retry-after", "5m", "--allow", "10.0.0.0/8"]].concat();
    up.tow(&words).exits(0);
    let (code, page) = get(&url, "/");
    assert_eq!(code, 503, "it holds once the verb is back: {page}");
    assert!(page.contains("the lock is painted"), "{page}");
    // It goes through a rollout, and over the death of the control plane.
    up.tow(["restart", "ferry"]).exits(0);
    assert_eq!(get(&url, "/").0, 503);
    up.tow(["maintenance", "on", "ferry", "--allow", "127.0.0.1"]).exits(0);
    assert_eq!(get(&url, "/").0, 200, "this machine is served");
    // As soon as the verb is back, and each time.
    for _ in 0..4 {
        up.tow(["maintenance", "on", "ferry"]).exits(0);
        assert_eq!(get(&url, "/").0, 503);
        up.tow(["maintenance", "off", "ferry"]).exits(0);
        assert_eq!(get(&url, "/").0, 200);
        up.tow(["pause", "ferry", "--limit", "200ms"]).exits(0);
        assert_eq!(get(&url, "/").0, 504);
        up.tow(["resume", "ferry"]).exits(0);
    }
    assert_eq!(status(&up, "ferry")["reason"], "");

    // All of it is in the log of events.
    let events = up.tow(["events", "-o", "json"]).exits(0).out;
    for kind in ["route.paused", "route.serving", "route.maintenance"] {
        assert!(events.contains(kind), "{kind}");
    }
}

/// While time passes.
async fn paused(platform: &TestPlatform) -> ModeView {
    let (person, over) = (ann(platform), Cell::new(false));
    let body = Body { component: "web".into(), ..Body::default() };
    let asked = async {
        let answer = person.call::<PauseRoutes>(Nothing {}, Nothing {}, body).await;
        over.set(true);
        answer.unwrap()
    };
    let time = async {
        while !over.get() {
            platform.pass(Duration::from_millis(100)).await;
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(asked, time).0
}

#[tokio::test]
async fn what_the_gateway_has_not_confirmed_is_not_said_to_hold() {
    let platform = TestPlatform::start().await;
    ann(&platform).deploy(DEVELOPMENT, &FOLDER_ONE, "source").await.unwrap();
    platform.settle().await;
    let held = |platform: &TestPlatform| {
        let routes = platform.world().routes().routes;
        routes.iter().all(|route| matches!(route.mode, Mode::Paused { .. }))
    };
    platform.world().edge_reachable(false);
    let began = platform.clock().now();
    let view = paused(&platform).await;
    assert!(!view.confirmed && !held(&platform), "{view:?}");
    let took = platform.clock().now().since(began);
    assert!(took >= Duration::from_secs(10) && took < Duration::from_secs(12), "{took}");
    // It is kept, and the same again waits for it again.
    platform.world().edge_reachable(true);
    let view = paused(&platform).await;
    assert!(view.confirmed && held(&platform), "{view:?}");
    platform.finish().await;
}

/// The gateway is another one by then; whoever is held by the first is let through by what is told to the second.
#[test]
fn who_is_held_by_a_pause_outlasts_an_upgrade() {
    let up = Binary::up(TOW);
    let ferry = Ferry::patient("ferry");
    up.deploy(ferry.path());
    let url = status(&up, "ferry")["port_url"].as_str().unwrap().to_string();
    served(&url);
    up.tow(["pause", "ferry", "--limit", "2m"]).exits(0);
    let edge = EdgeClient::new(up.data().join("run/gateway"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let came = || {
        let seen = runtime.block_on(edge.observe()).unwrap();
        seen.routes.values().map(|route| route.requests).sum::<u64>()
    };
    let before = came();
    let waits = std::thread::spawn({
        let url = url.clone();
        move || get(&url, "/")
    });
    until("it is held", || came() > before);
    upgrade(&up, &another_build(&up, "tow-2")).exits(0);
    until("both gateways are there", || up.role("gateway").len() == 2);
    assert!(!waits.is_finished());
    up.tow(["resume", "ferry"]).exits(0);
    let (code, body) = waits.join().unwrap();
    assert_eq!(code, 200, "{body}");
    until("one gateway is left", || up.role("gateway").len() == 1);
    served(&url);
}

#[test]
fn bad_words_change_nothing_and_say_what_was_expected() {
    let up = Binary::up(TOW);
    let none = up.tow(["pause", "ferry", "-o", "json"]).exits(4);
    assert_eq!(none.problem()["code"], "object/not-found", "{none}");
    let ferry = Ferry::patient("ferry");
    up.deploy(ferry.path());
    for words in [
        ["maintenance", "on", "ferry", "--allow", "10.0.0.0/40"].as_slice(),
        ["maintenance", "on", "ferry", "--allow", "localhost"].as_slice(),
        ["pause", "ferry", "--limit", "1h"].as_slice(),
        ["route", "explain", "ftp://x"].as_slice(),
    ] {
        let words = [words, &["-o", "json"]].concat();
        let refused = up.tow(&words).exits(2);
        assert_eq!(refused.problem()["code"], "input/invalid", "{refused}");
        assert!(refused.problem()["hint"].is_string(), "{refused}");
    }
    assert_eq!(status(&up, "ferry")["reason"], "");
    let none = up.tow(["rollout", "abort", "ferry", "-o", "json"]).exits(4);
    assert_eq!(none.problem()["code"], "rollout/none", "{none}");
}

#[test]
fn a_url_is_explained_and_an_unknown_host_names_what_is_near() {
    let up = Binary::up(TOW);
    let ferry = Ferry::patient("ferry");
    up.deploy(ferry.path());
    let line = status(&up, "ferry");
    let (name, port) = (line["url"].as_str().unwrap(), line["port_url"].as_str().unwrap());
    for url in [name, port] {
        let found = up.json(&["route", "explain", &format!("{url}any/path")]);
        assert_eq!(found["route"]["component"], "ferry", "{found}");
        assert_eq!(found["route"]["targets"][0]["release"], 1);
        assert!(found["why"].as_str().unwrap().contains("its path is /"), "{found}");
    }
    let wrong = name.replace("ferry", "fery");
    let said = up.tow(["route", "explain", &wrong]).exits(4);
    assert!(said.out.contains("nothing answers: no route is for host fery-development"), "{said}");
    assert!(said.out.contains("near: ferry-development.localhost"), "{said}");
    // Nobody listens there, whatever the host.
    let gateway = name.rsplit(':').next().unwrap();
    let unheard = up.tow(["route", "explain", &name.replace(gateway, "1/")]).exits(4);
    assert!(
        unheard.out.contains("nothing answers: no route is at port 1, and the gateway is at "),
        "{unheard}"
    );
    // What is done with requests comes first, and does not look as if all were well.
    up.tow(["maintenance", "on", "ferry"]).exits(0);
    let closed = up.tow(["route", "explain", name]).exits(0);
    assert!(closed.out.starts_with("⊘ maintenance  component:default/ferry@"), "{closed}");
    let line = closed.out.lines().nth(1).unwrap();
    assert_eq!(line.trim(), "maintenance: requests are refused, to come again after 10m");
    let shown = up.tow(["status", "ferry"]).exits(0);
    assert!(shown.out.contains("⊘ maintenance") && !shown.out.contains("● live"), "{shown}");
    assert!(
        shown.out.contains("REMARK") && shown.out.contains("to come again after 10m"),
        "{shown}"
    );
    up.tow(["maintenance", "off", "ferry"]).exits(0);
    let listed = up.tow(["route", "list"]).exits(0).out;
    assert!(listed.contains("ferry-development.localhost"), "{listed}");
}
