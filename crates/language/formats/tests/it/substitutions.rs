//! `$text`, `$json` and `$yaml`: what is asked for, what is put in, and what is refused, where and why.

use crate::hostile::soon;
use serde_json::{Value, json};
use tow_formats::{Document, Files, Form, MAX_BYTES, read, read_with, references, resolve};

/// An API whose fields are these lines.
fn api(lines: &str) -> String {
    format!(
        "apiVersion: backstage.io/v1alpha1\nkind: API\nmetadata: {{name: berths}}\nspec:\n  type: openapi\n  lifecycle: production\n  owner: crew\n{lines}"
    )
}

fn files(given: &[(&str, &str)]) -> Files {
    given.iter().map(|(path, text)| ((*path).into(), Ok((*text).into()))).collect()
}

fn spec(text: &str, files: &Files) -> Value {
    let documents = read_with("docs/api.yaml", text, files).unwrap_or_else(|v| panic!("{v:#?}"));
    let Document::Manifest(manifest) = &documents[0] else { panic!("{documents:?}") };
    serde_json::to_value(&manifest.spec).unwrap()
}

/// `code line:col` of everything that is said.
fn refused(text: &str, files: &Files) -> Vec<String> {
    let violations = read_with("docs/api.yaml", text, files).unwrap_err();
    violations
        .iter()
        .map(|v| {
            let at = v.source.as_ref().map(|s| format!("{}:{}", s.line, s.col));
            format!("{} {}", v.code, at.unwrap_or_default())
        })
        .collect()
}

#[test]
fn what_is_asked_for_is_named_and_put_in() {
    let text = api(
        "  definition: {$text: ./a.txt}\n  meta:\n    list: [1, {$json: b.json}, {$yaml: \"../c.yaml\"}]\n    again: {$text: ./a.txt}\n    kept: {$text: x, other: {$text: never}}\n    unknown: {$openapi: never}\n",
    );
    let asked: Vec<(String, Form, u32, u32)> = references("docs/api.yaml", &text)
        .into_iter()
        .map(|w| (w.target, w.form, w.source.line, w.source.col))
        .collect();
    assert_eq!(
        asked,
        [
            ("./a.txt".into(), Form::Text, 8, 23),
            ("b.json".into(), Form::Json, 10, 23),
            ("../c.yaml".into(), Form::Yaml, 10, 40),
        ]
    );
    let given = files(&[
        ("./a.txt", "openapi: 3\n{$text: not again}\n"),
        ("b.json", "{\"a\": [1, 2.5, null, {\"$text\": \"nor this\"}]}"),
        ("../c.yaml", "a: &x [1]\nb: *x\n"),
    ]);
    let spec = spec(&text, &given);
    assert_eq!(spec["definition"], "openapi: 3\n{$text: not again}\n");
    assert_eq!(
        spec["meta"]["list"],
        json!([1, {"a": [1, 2.5, null, {"$text": "nor this"}]}, {"a": [1], "b": [1]}])
    );
    assert_eq!(spec["meta"]["again"], spec["definition"]);
    assert_eq!(spec["meta"]["kept"], json!({ "$text": "x", "other": { "$text": "never" } }));
    assert_eq!(spec["meta"]["unknown"], json!({ "$openapi": "never" }));
}

#[test]
fn rules_hold_for_what_was_put_in_too() {
    let text = api("  definition: {$json: ./a.json}\n");
    assert_eq!(refused(&text, &files(&[("./a.json", "{}")])), ["schema/type 8:3"]);
    assert_eq!(refused(&text, &files(&[("./a.json", "\"\"")])), ["schema/format 8:23"]);
    assert_eq!(spec(&text, &files(&[("./a.json", "\"x\"")]))["definition"], "x");
    let text = api("  definition: x\n  meta: {$yaml: ./a.yaml}\n");
    assert_eq!(refused(&text, &files(&[("./a.yaml", "a: 1\nA: 2")])), ["catalog/key-case 9:17"]);
}

#[test]
fn what_cannot_be_put_in_is_said_at_its_placeholder() {
    let text = |target: &str| api(&format!("  definition: {{$text: {target}}}\n"));
    let none = Files::new();
    assert_eq!(refused(&text("./a.txt"), &none), ["substitution/unread 8:23"]);
    for target in ["/etc/passwd", "~/x", "\"C:/x\"", "\"a\\\\b\"", "\"a\\nb\"", "\"\"", "7", "null"]
    {
        assert_eq!(refused(&text(target), &none), ["substitution/target 8:23"], "{target}");
        assert_eq!(references("a.yaml", &text(target)), [], "{target}");
    }
    assert_eq!(refused(&text("[a]"), &none), ["substitution/target 8:23"]);
    let url = text("https://example.org/a.yaml");
    assert_eq!(refused(&url, &none), ["substitution/url 8:23"]);
    assert!(references("a.yaml", &url)[0].is_url());
    // Whoever may fetch it has it.
    assert_eq!(spec(&url, &files(&[("https://example.org/a.yaml", "x")]))["definition"], "x");

    let gone: Files = [("./a.txt".into(), Err("it is not there".into()))].into();
    let violations = read_with("a.yaml", &text("./a.txt"), &gone).unwrap_err();
    assert!(violations[0].message.contains("it is not there"), "{violations:?}");
    assert_eq!(violations[0].pointer, "/spec/definition");

    let yaml = api("  definition: x\n  meta: {$yaml: ./a.yaml}\n");
    for (content, words) in [
        ("", "no document"),
        ("a: 1\n---\nb: 2\n", "2 documents"),
        ("a: [1\n", "./a.yaml:"),
        ("a: 1\na: 2\n", "./a.yaml:2:1"),
    ] {
        let violations = read_with("a.yaml", &yaml, &files(&[("./a.yaml", content)])).unwrap_err();
        assert_eq!(violations.len(), 1, "{content}");
        assert_eq!(violations[0].code, "substitution/content", "{content}");
        assert!(violations[0].message.contains(words), "{content}: {}", violations[0].message);
    }
    let json = api("  definition: x\n  meta: {$json: ./a.json}\n");
    for content in ["{a: 1}", r#"{"a": ["\u0000"]}"#, r#"{"\u0000": 1}"#] {
        let found = refused(&json, &files(&[("./a.json", content)]));
        assert_eq!(found, ["substitution/content 9:17"], "{content}");
    }
    let found = refused(&text("./a.txt"), &files(&[("./a.txt", "a\0b")]));
    assert_eq!(found, ["substitution/content 8:23"], "what nothing can keep");
}

#[test]
fn only_the_catalogs_kinds_ask_for_files() {
    let text = "apiVersion: towpath.dev/v1\nkind: Environment\nmetadata: {name: dev}\nspec: {tier: development, runtime: local, variables: {A: {$text: ./a}}}\n";
    assert_eq!(references("a.yaml", text), []);
    assert_eq!(read("a.yaml", text).unwrap_err()[0].code, "schema/type");
}

#[test]
fn targets_stay_below_the_root() {
    for (file, target, path) in [
        ("a.yaml", "./b.txt", "b.txt"),
        ("docs/a.yaml", "b.txt", "docs/b.txt"),
        ("docs/a.yaml", "../b.txt", "b.txt"),
        ("./docs/x/a.yaml", ".././y//b.txt", "docs/y/b.txt"),
        ("docs/a.yaml", "x/../../b", "b"),
    ] {
        assert_eq!(resolve(file, target).as_deref(), Ok(path), "{file} {target}");
    }
    for (file, target) in [
        ("a.yaml", "../b.txt"),
        ("docs/a.yaml", "../../b"),
        ("docs/a.yaml", "x/../../../docs/b"),
        ("a.yaml", "/b"),
        ("a.yaml", "\\b"),
        ("a.yaml", "."),
        ("a.yaml", ""),
    ] {
        assert!(resolve(file, target).is_err(), "{file} {target}");
    }
}

#[test]
fn files_put_in_count_against_the_limits() {
    let big = "x".repeat(MAX_BYTES);
    let text = api("  definition: {$text: ./a}\n");
    assert_eq!(
        spec(&text, &files(&[("./a", &big)]))["definition"].as_str().unwrap().len(),
        MAX_BYTES
    );
    let bigger = format!("{big}x");
    assert_eq!(refused(&text, &files(&[("./a", &bigger)])), ["substitution/too-large 8:23"]);

    // A large file behind an alias that stands there fifty thousand times.
    let many = vec!["*a"; 50_000].join(", ");
    let bomb = api(&format!("  definition: &a {{$text: ./a}}\n  meta: [{many}]\n"));
    let given = files(&[("./a", &big)]);
    let codes = soon(move || refused(&bomb, &given));
    assert!(codes.iter().all(|c| c.starts_with("substitution/too-large")), "{codes:?}");
    assert!(!codes.is_empty());

    // The same without a file: aliases of one long text.
    let many = vec!["*a"; 100_000].join(", ");
    let bomb = api(&format!("  definition: &a {}\n  meta: [{many}]\n", "x".repeat(400_000)));
    let codes = soon(move || refused(&bomb, &Files::new()));
    assert_eq!(codes.len(), 1);
    assert!(codes[0].starts_with("yaml/too-large"), "{codes:?}");

    let deep = format!("{}1{}", "[".repeat(63), "]".repeat(63));
    let text = api("  definition: x\n  meta: {$json: ./a}\n");
    assert_eq!(refused(&text, &files(&[("./a", &deep)])), ["yaml/too-deep 1:1"]);
    let laughs = {
        let mut text = String::from("a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n");
        for level in 1..10 {
            let below = vec![format!("*a{}", level - 1); 9].join(",");
            text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        text
    };
    let text = api("  definition: x\n  meta: {$yaml: ./a}\n");
    assert_eq!(refused(&text, &files(&[("./a", &laughs)])), ["substitution/content 9:17"]);

    let lines: String = (0..101).map(|i| format!("  f{i}: {{$text: ./{i}}}\n")).collect();
    let given: Files = (0..101).map(|i| (format!("./{i}"), Ok("x".to_string()))).collect();
    let text = api(&format!("  definition: x\n{lines}"));
    assert_eq!(references("a.yaml", &text).len(), 100);
    assert_eq!(refused(&text, &given), ["substitution/too-large 109:17"]);
}
