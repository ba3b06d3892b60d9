//! Every rule of the Backstage catalog as cases of our own, each with its verdict, code and place; and the verdicts of
//! the catalog's own example files, where they are at hand.

use std::collections::{BTreeMap, BTreeSet};
use tow_formats::{Document, Files, read, read_with, references, resolve};

/// One case: what is read, and what is said to it, as `code line:col`.
struct Case {
    title: String,
    text: String,
    expected: Vec<String>,
}

/// Long texts by their short names.
fn long(text: &str) -> String {
    let a = |n: usize| "a".repeat(n);
    let sub = |last: usize| format!("{0}.{0}.{0}.{1}", a(63), a(last));
    text.replace("<a63>", &a(63))
        .replace("<a64>", &a(64))
        .replace("<sub253>", &sub(61))
        .replace("<sub254>", &sub(62))
        .replace("<slashes>", &"/".repeat(6000))
        .replace("<c500>", &"c".repeat(500))
        .replace("<c501>", &"c".repeat(501))
}

/// The text without its marks, and where they were.
fn marked(text: &str) -> (String, Vec<(usize, usize)>) {
    let (mut out, mut places, mut line, mut col) = (String::new(), Vec::new(), 1, 1);
    for c in text.chars() {
        match c {
            '«' => places.push((line, col)),
            '\n' => {
                out.push(c);
                (line, col) = (line + 1, 1);
            }
            c => {
                out.push(c);
                col += 1;
            }
        }
    }
    (out, places)
}

fn cases(data: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for block in data.split("\n== ").skip(1) {
        let (title, rest) = block.split_once('\n').unwrap();
        let (template, lines) = rest.split_once("\n--\n").unwrap();
        for line in lines.lines().filter(|line| !line.trim().is_empty()) {
            let (value, verdict) = match line.split_once(' ') {
                Some(("+", value)) => (value, ""),
                Some(("-", refused)) => refused.rsplit_once(" | ").unwrap(),
                _ => panic!("{title}: {line}"),
            };
            let value = long(value);
            // A mark in the value counts; else one in the document; else where the value begins.
            let bare = template.replace('«', "");
            let whole = match (value.contains('«'), template.contains('«')) {
                (true, _) => bare.replace('@', &value),
                (false, true) => template.replace('@', &value),
                (false, false) => bare.replace('@', &format!("«{value}")),
            };
            let (text, places) = marked(&format!("{whole}\n"));
            let (codes, at) = verdict.split_once(" at ").unwrap_or((verdict, ""));
            let codes: Vec<&str> = codes.split_whitespace().collect();
            let mut expected: Vec<String> = codes
                .iter()
                .enumerate()
                .map(|(index, code)| {
                    if !at.is_empty() {
                        return format!("{code} {at}");
                    }
                    let (line, col) = places.get(index).or(places.last()).unwrap();
                    format!("{code} {line}:{col}")
                })
                .collect();
            expected.sort();
            cases.push(Case { title: format!("{title}: {line}"), text, expected });
        }
    }
    cases
}

#[test]
fn every_rule_takes_and_refuses_what_it_should() {
    let cases = cases(include_str!("testdata/catalog-rules.txt"));
    let (mut wrong, mut taken) = (Vec::new(), 0);
    for case in &cases {
        let mut found: Vec<String> = match read("catalog-info.yaml", &case.text) {
            Ok(documents) => {
                assert_eq!(documents.len(), 1, "{}", case.title);
                Vec::new()
            }
            Err(violations) => violations
                .iter()
                .map(|v| {
                    let at = v.source.as_ref().map(|s| format!("{}:{}", s.line, s.col));
                    assert!(!v.message.is_empty() && !v.expected.is_empty(), "{}", case.title);
                    format!("{} {}", v.code, at.unwrap_or_default())
                })
                .collect(),
        };
        found.sort();
        taken += usize::from(found.is_empty());
        if found != case.expected {
            wrong.push(format!(
                "{}\n  expected {:?}\n  found    {found:?}\n{}",
                case.title,
                case.expected,
                case.text.chars().take(400).collect::<String>()
            ));
        }
    }
    println!("measured: {} cases of catalog rules, {taken} of them taken", cases.len());
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(cases.len() >= 200 && taken >= 80, "{} cases, {taken} taken", cases.len());
}

/// What the catalog's own validators say of its example files: how many entities of which kinds, or that it is refused
/// and where the first reason is. Files that hold no entity are not in the list.
const VERDICTS: &str = include_str!("testdata/catalog-examples.txt");

/// Where the example files are, if they are anywhere.
#[expect(clippy::disallowed_methods, reason = "a test reads where the examples are")]
fn examples() -> Option<std::path::PathBuf> {
    let own = std::env::var_os("TOW_BACKSTAGE_EXAMPLES").map(std::path::PathBuf::from);
    let corpus = || Some(std::path::PathBuf::from(std::env::var_os("TOW_CORPUS")?));
    own.or_else(|| corpus().map(|root| root.join("backstage-examples"))).filter(|p| p.is_dir())
}

#[test]
fn the_verdicts_on_backstages_own_examples_agree() {
    let Some(root) = examples() else {
        println!("not run: TOW_BACKSTAGE_EXAMPLES does not name the example files");
        return;
    };
    let (mut entities, mut files) = (0, 0);
    let mut refs = BTreeSet::new();
    for line in VERDICTS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (file, verdict) = line.split_once(' ').unwrap();
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let mut given = Files::new();
        for wanted in references(file, &text) {
            let content = match resolve(file, &wanted.target) {
                Ok(path) => std::fs::read_to_string(root.join(path)).map_err(|e| e.to_string()),
                // One of them stands in another repository: the test has a text in its place.
                Err(_) => Err("not here".to_string()),
            };
            let content = if wanted.is_url() { Ok("a text".to_string()) } else { content };
            given.insert(wanted.target, content);
        }
        match (read_with(file, &text, &given), verdict.split_once(' ')) {
            (Err(violations), Some(("refused", at))) => {
                let found: Vec<String> =
                    violations.iter().map(|v| format!("{} {}", v.code, v.pointer)).collect();
                assert_eq!(found.join(", "), at, "{file}: {violations:#?}");
            }
            (Ok(documents), _) => {
                let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
                for document in &documents {
                    let Document::Manifest(manifest) = document else { panic!("{file}") };
                    *kinds.entry(manifest.kind.as_str()).or_default() += 1;
                    refs.insert(manifest.entity().to_string());
                }
                let found: Vec<String> = kinds.iter().map(|(k, n)| format!("{n} {k}")).collect();
                assert_eq!(found.join(", "), verdict, "{file}");
                entities += documents.len();
            }
            (Err(violations), _) => panic!("{file} is refused: {violations:#?}"),
        }
        files += 1;
    }
    println!(
        "measured: {files} example files of Backstage with {entities} entities, all verdicts agree"
    );
    assert!(entities >= 68 && refs.len() >= 68, "{entities} entities, {} references", refs.len());
}
