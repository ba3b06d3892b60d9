//! Static sites from a folder to the browser: what `tow.yaml` says of serving, and files that a Score file takes from
//! beside it.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::ferry::{TOW, get};
use std::path::Path;
use tow_testkit::binary::Binary;

const SCORE: &str = "\
apiVersion: score.dev/v1b1
metadata: {name: leaflet}
service: {ports: {web: {port: 8080}}}
containers:
  main:
    image: .
    files:
      about.txt: {source: ./words/about.txt}
      raw.txt: {source: ./words/about.txt, noExpand: true}
      dot.bin: {source: ./words/dot.bin}
";

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    std::fs::create_dir(dir.path().join("words")).unwrap();
    write("index.html", b"<h1>leaflet</h1>");
    write("words/about.txt", b"I am ${metadata.name}");
    write("words/dot.bin", &[0xff, 0xfe, 0x00, b'!']);
    write("score.yaml", SCORE.as_bytes());
    dir
}

fn deploy(up: &Binary, dir: &Path) -> (String, i64) {
    let done = up.deploy(dir);
    (done["url"].as_str().unwrap().to_string(), done["release"].as_i64().unwrap())
}

#[test]
fn files_beside_a_score_file_are_part_of_the_release() {
    let up = Binary::up(TOW);
    let dir = folder();
    let (url, first) = deploy(&up, dir.path());
    assert_eq!(get(&url, "/about.txt"), (200, "I am leaflet".into()));
    assert_eq!(get(&url, "/raw.txt"), (200, "I am ${metadata.name}".into()));
    let (status, binary) = get(&url, "/dot.bin");
    assert_eq!((status, binary.as_bytes().last()), (200, Some(&b'!')));

    std::fs::write(dir.path().join("words/about.txt"), "another").unwrap();
    let (url, second) = deploy(&up, dir.path());
    assert_eq!(second, first + 1, "another content is another release");
    assert_eq!(get(&url, "/about.txt").1, "another");

    std::fs::remove_file(dir.path().join("words/dot.bin")).unwrap();
    let refused = up.tow(["deploy", &dir.path().display().to_string(), "-o", "json"]).exits(2);
    let violation = &refused.problem()["violations"][0];
    assert_eq!(violation["code"], "plan/file-source", "{violation}");
    assert_eq!(violation["source"]["line"], 10, "{violation}");
    assert_eq!(get(&url, "/about.txt").1, "another", "what served goes on");
}

#[test]
fn nothing_outside_the_folder_comes_along() {
    let up = Binary::up(TOW);
    let dir = folder();
    let inner = dir.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(inner.join("index.html"), "inner").unwrap();
    std::fs::write(inner.join("score.yaml"), SCORE.replace("./words", "../words")).unwrap();
    let refused = up.tow(["deploy", &inner.display().to_string(), "-o", "json"]).exits(2);
    assert_eq!(refused.problem()["violations"].as_array().map(Vec::len), Some(3));
}

#[test]
fn a_site_answers_as_its_delivery_says() {
    let up = Binary::up(TOW);
    let dir = folder();
    std::fs::write(
        dir.path().join("tow.yaml"),
        "apiVersion: towpath.dev/v1\nkind: Delivery\nmetadata: {name: leaflet}\nspec:\n  workloads:\n    leaflet:\n      \
         kind: static\n      static:\n        fallback: index.html\n",
    )
    .unwrap();
    let (url, _) = deploy(&up, dir.path());
    assert_eq!(get(&url, "/a/page/of/it"), (200, "<h1>leaflet</h1>".into()));
    assert_eq!(get(&url, "/gone.css").0, 404);
    assert_eq!(get(&url, "/.tow/site.json").0, 404);
}
