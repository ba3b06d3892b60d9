//! What is read is what was written, and where; what is written reads back.

use serde_json::{Value, json};
use tow_formats::{Document, ScoreFile, positions, read, read_bytes, schema, to_yaml, violation};
use tow_model::{Invalid, Kind, Spec};

const SCORE: &str = include_str!("testdata/seed-score.yaml");
const KINDS: &str = include_str!("testdata/seed-kinds.yaml");

fn score(text: &str) -> ScoreFile {
    match read("score.yaml", text).unwrap_or_else(|v| panic!("{v:#?}")).remove(0) {
        Document::Score(file) => *file,
        Document::Manifest(manifest) => panic!("{manifest:?}"),
    }
}

/// Line and column of the nth place where `part` is written.
fn place(text: &str, part: &str, nth: usize) -> (u32, u32) {
    let (at, _) = text.match_indices(part).nth(nth).unwrap();
    let line = text[..at].matches('\n').count() as u32 + 1;
    let start = text[..at].rfind('\n').map_or(0, |i| i + 1);
    (line, text[start..at].chars().count() as u32 + 1)
}

#[test]
fn a_score_file_is_read_whole_with_its_places() {
    let file = score(SCORE);
    let main = &file.workload.containers["main"];
    assert_eq!(main.variables["ON"], "on");
    assert_eq!(main.variables["OCTAL"], "012");
    assert_eq!(main.files["/etc/orders.conf"].mode.as_deref(), Some("0640"));
    assert_eq!(main.volumes["/data"].read_only, Some(true));
    let migrate = &file.workload.containers["migrate"];
    assert_eq!(migrate.variables["NAME"], "migrate");
    assert_eq!(migrate.variables["OCTAL"], "012");
    let sidecar = &file.workload.containers["sidecar"];
    assert_eq!(sidecar.files["/etc/a"].content.as_deref(), Some("ä ${metadata.team}"));
    assert_eq!(sidecar.volumes["/data"].source, "${resources.disk}");
    let params = file.workload.resources["route"].params.as_ref().unwrap();
    assert_eq!(params["paths"][0]["port"], json!(80.0));
    assert_eq!(file.digest, tow_names::Digest::of(SCORE.as_bytes()));

    let at = |pointer: &str| file.positions[pointer];
    assert_eq!(at("/metadata/name"), place(SCORE, "orders", 0));
    assert_eq!(at("/service/ports/http/targetPort"), place(SCORE, "8080", 0));
    assert_eq!(at("/containers/main"), place(SCORE, "main:", 0));
    assert_eq!(at("/containers/main/args/0"), place(SCORE, "\"--name", 0));
    assert_eq!(
        at("/containers/main/files/~1etc~1orders.conf"),
        place(SCORE, "/etc/orders.conf", 0)
    );
    assert_eq!(at("/containers/sidecar/files/~1etc~1a"), place(SCORE, "/etc/a\n", 0));
    assert_eq!(at("/resources/db/type"), place(SCORE, "postgres\n", 0));
    assert_eq!(at(""), place(SCORE, "apiVersion", 0));
}

#[test]
fn a_later_refusal_points_at_its_line() {
    let file = score(SCORE);
    let invalid = |pointer: &str| Invalid::new(pointer, "plan/x", "wrong", "right");
    let at = |invalid: &Invalid, text| {
        violation("score.yaml", text, &file.positions, invalid).source.unwrap()
    };

    let found = at(&invalid("/resources/db/type"), Some(SCORE));
    assert_eq!((found.line, found.col), place(SCORE, "postgres\n", 0));
    assert_eq!((found.length, found.snippet.as_str()), (8, "    type: postgres"));

    // What is not written is shown at the nearest thing above it.
    let found = at(&invalid("/resources/disk/params/size"), Some(SCORE));
    assert_eq!((found.line, found.col), place(SCORE, "disk: {", 0));
    assert_eq!(found.length, 4);

    let found = at(&invalid("/containers/main/variables/DATABASE_URL").inside(11, 24), Some(SCORE));
    assert_eq!((found.line, found.col), place(SCORE, "${resources.db.username}", 0));
    assert_eq!(found.length, 24);

    // In the second line of a block, and at a key.
    let conf = "/containers/main/files/~1etc~1orders.conf";
    let found = at(&invalid(&format!("{conf}/content")).inside(7, 20), Some(SCORE));
    assert_eq!((found.line, found.col), place(SCORE, "${resources.db.host}\n", 0));
    assert_eq!(found.length, 20);
    let found = at(&invalid(&format!("{conf}/mode")).at_key(), Some(SCORE));
    assert_eq!((found.line, found.col), place(SCORE, "mode:", 0));

    // A text that has changed since is no reason to fail.
    let found = at(&invalid("/metadata/name"), Some("x"));
    assert_eq!((found.line, found.col), place(SCORE, "orders", 0));

    let found = at(&invalid("/metadata/name"), None);
    assert_eq!((found.line, found.snippet.as_str()), (4, ""));
}

#[test]
fn manifests_of_every_kind_are_read_and_written_back() {
    let documents = read("kinds.yaml", KINDS).unwrap_or_else(|v| panic!("{v:#?}"));
    assert_eq!(documents.len(), positions(KINDS).len());
    let mut kinds = Vec::new();
    for document in &documents {
        let Document::Manifest(manifest) = document else { panic!("{document:?}") };
        kinds.push(manifest.kind);
        let value = serde_json::to_value(manifest).unwrap();
        assert_eq!(read("again", &to_yaml(&value)).as_ref(), Ok(&vec![document.clone()]));
    }
    kinds.sort();
    kinds.dedup();
    assert_eq!(kinds.len(), Kind::ALL.len());
    let of_kind = |kind: Kind| {
        let found = documents.iter().find_map(|document| match document {
            Document::Manifest(manifest) if manifest.kind == kind => Some(manifest),
            _ => None,
        });
        found.unwrap()
    };
    let component = of_kind(Kind::Component);
    let Spec::Component(spec) = &component.spec else { panic!("{component:?}") };
    assert_eq!(spec.more["extra"], json!({ "kept": [true, null] }));
    let delivery = of_kind(Kind::Delivery);
    let Spec::Delivery(spec) = &delivery.spec else { panic!("{delivery:?}") };
    assert_eq!(spec.workloads["orders"].replicas, Some(2));
}

#[test]
fn a_score_file_reads_back_as_written() {
    let file = score(SCORE);
    let again = score(&to_yaml(&serde_json::to_value(&file.workload).unwrap()));
    assert_eq!(again.workload, file.workload);
}

#[test]
fn yaml_reads_back_as_the_same_value() {
    let texts = [
        "no",
        "on",
        "y",
        "012",
        "0x1F",
        "1e3",
        "1_000",
        "12:30",
        "~",
        "null",
        "true",
        "",
        " lead",
        "trail ",
        "a: b",
        "a #b",
        "# x",
        "- a",
        "*a",
        "&a",
        "!x",
        "%x",
        "@x",
        "`x",
        "[a",
        "{a",
        "a\nb",
        "a\nb\n",
        "\n",
        "a\n\n",
        " a\n b",
        "\ttab",
        "a\tb",
        "a\r\nb",
        "é — ü",
        "\u{1F600}",
        "\u{85}",
        "\u{2028}",
        "\u{feff}x",
        "\"",
        "'",
        "\\",
        "<<",
        "=",
        "2026-01-02",
        ".inf",
        "-",
        "?",
        "|",
        ">",
        "\u{1}",
        "\u{7f}",
        "a: |\n  x",
    ];
    let long = "word ".repeat(60);
    for text in texts.iter().copied().chain([long.as_str()]) {
        for value in
            [json!({ "k": text }), json!([text, [text]]), json!({ text: { "x": [] , "y": {}} })]
        {
            let yaml = format!(
                "apiVersion: score.dev/v1b1\nmetadata: {{name: ab}}\ncontainers: {{main: {{image: .}}}}\nresources:\n  rr:\n    type: tt\n    params:\n      v:\n{}",
                to_yaml(&value).lines().map(|l| format!("        {l}\n")).collect::<String>()
            );
            let inner =
                to_yaml(&json!({ "apiVersion": "score.dev/v1b1", "metadata": { "name": "ab" },
                "containers": { "main": { "image": "." } },
                "resources": { "rr": { "type": "tt", "params": { "v": value } } } }));
            let file = score(&inner);
            let params = file.workload.resources["rr"].params.as_ref().unwrap();
            assert_eq!(params["v"], value, "{yaml}");
        }
    }
}

#[test]
fn numbers_keep_their_value() {
    for value in [
        json!(0),
        json!(-7),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(0.1),
        json!(1e300),
        json!(1.0),
        json!(5e-324),
    ] {
        let yaml = to_yaml(&json!({ "apiVersion": "score.dev/v1b1", "metadata": { "name": "ab" },
            "containers": { "main": { "image": "." } }, "resources": { "rr": { "type": "tt", "params": { "v": value } } } }));
        let file = score(&yaml);
        assert_eq!(file.workload.resources["rr"].params.as_ref().unwrap()["v"], value, "{yaml}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_where_they_begin() {
    let violations = read_bytes("x.yaml", b"a: b\n\xc3\xa9\xff: c\n").unwrap_err();
    let source = violations[0].source.as_ref().unwrap();
    assert_eq!((violations[0].code.as_str(), source.line, source.col), ("yaml/encoding", 2, 2));
    assert!(read_bytes("x.yaml", SCORE.as_bytes()).is_ok());
    assert!(read_bytes("x.yaml", format!("\u{feff}{SCORE}").as_bytes()).is_ok());
    assert!(read("x.yaml", &SCORE.replace('\n', "\r\n")).is_ok());
}

#[test]
fn messages_say_what_was_found_and_what_was_meant() {
    let text = SCORE
        .replace("targetPort: 8080", "target: \"8080\"")
        .replace("port: 9090", "port: '9090'")
        .replace("ON: on", "ON: true");
    let violations = read("score.yaml", &text).unwrap_err();
    let told: Vec<(&str, &str, Option<&str>)> = violations
        .iter()
        .map(|v| (v.message.as_str(), v.expected.as_str(), v.hint.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            (
                "unknown field `target` in `http`",
                "one of port, protocol, targetPort",
                Some("did you mean `targetPort`?")
            ),
            (
                "`port` is the text \"9090\", not a whole number",
                "a whole number",
                Some("write it without quotes: 9090")
            ),
            ("`ON` is the word true, not a text", "a text", Some("write it in quotes: \"true\"")),
        ]
    );
    // A number alone is no length of time, in quotes or without.
    let environment = "apiVersion: towpath.dev/v1\nkind: Environment\nmetadata: {name: dev}\n\
        spec: {tier: development, runtime: local, bake: {for: 60}}\n";
    let violations = read("x", environment).unwrap_err();
    assert_eq!(violations[0].message, "`for` is the number 60, not a text");
    assert_eq!(violations[0].hint.as_deref(), Some("say the unit: 60s"));
    let violations = read("x", "apiVersion: towpath.dev/v1\nkind: Enviroment\n").unwrap_err();
    assert_eq!(violations[0].hint.as_deref(), Some("did you mean `Environment`?"));
}

#[test]
fn there_is_a_schema_for_every_kind() {
    for kind in [
        "Component",
        "components",
        "delivery",
        "score",
        "Workload",
        "user",
        "group",
        "system",
        "runtime",
        "environment",
    ] {
        let schema = schema(kind).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["additionalProperties"], Value::Bool(false), "{kind}");
        assert!(jsonschema::meta::is_valid(&schema), "{kind}");
        assert!(!schema.to_string().contains("\"null\""), "{kind}: {schema:#}");
    }
    assert_eq!(schema("nothing"), None);
}

#[test]
fn at_most_so_many_violations_are_told() {
    let text: String = (0..1000).map(|i| format!("- {i}\n---\n")).collect();
    let violations = read("x", &text).unwrap_err();
    assert_eq!(violations.len(), tow_formats::MAX_VIOLATIONS + 1);
    assert_eq!(violations.last().unwrap().code, "document/more");
}
