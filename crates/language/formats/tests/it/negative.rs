//! Documents that have to be refused, each with its code, line and column: exactly those violations and no other.

use tow_formats::read;

struct Case {
    file: &'static str,
    title: String,
    text: String,
    expected: Vec<String>,
}

/// The template of a case: what comes before its lines, how far they are indented, what comes after.
fn template(name: &str) -> (&'static str, &'static str, &'static str) {
    const SCORE: &str = "apiVersion: score.dev/v1b1\n";
    match name {
        "whole" => ("", "", ""),
        "name" => (
            "apiVersion: score.dev/v1b1\nmetadata:\n  name: ",
            "",
            "containers: {main: {image: .}}\n",
        ),
        "root" => ("apiVersion: score.dev/v1b1\nmetadata: {name: web-app}\n", "", ""),
        "container" => (
            "apiVersion: score.dev/v1b1\nmetadata: {name: web-app}\ncontainers:\n  main:\n    image: .\n",
            "    ",
            "",
        ),
        "metadata-score" => (
            "apiVersion: score.dev/v1b1\nmetadata:\n  name: web-app\n",
            "  ",
            "containers: {main: {image: .}}\n",
        ),
        "metadata" => (
            "apiVersion: backstage.io/v1alpha1\nkind: System\nspec: {owner: team}\nmetadata:\n",
            "  ",
            "",
        ),
        "component" => {
            ("apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: web}\n", "", "")
        }
        "system" => {
            ("apiVersion: backstage.io/v1alpha1\nkind: System\nmetadata: {name: web}\n", "", "")
        }
        "group" => {
            ("apiVersion: backstage.io/v1beta1\nkind: Group\nmetadata: {name: web}\n", "", "")
        }
        "user" => {
            ("apiVersion: backstage.io/v1alpha1\nkind: User\nmetadata: {name: ann}\n", "", "")
        }
        "environment" => {
            ("apiVersion: towpath.dev/v1\nkind: Environment\nmetadata: {name: dev}\n", "", "")
        }
        "runtime" => {
            ("apiVersion: towpath.dev/v1\nkind: Runtime\nmetadata: {name: local}\n", "", "")
        }
        "delivery" => {
            ("apiVersion: towpath.dev/v1\nkind: Delivery\nmetadata: {name: web}\n", "", "")
        }
        other => panic!("no template {other} {SCORE}"),
    }
}

fn cases(file: &'static str, data: &str) -> Vec<Case> {
    let score = file.contains("score");
    data.split("\n%% ")
        .skip(1)
        .map(|block| {
            let (head, body) = block.split_once('\n').unwrap_or((block, ""));
            let [name, codes, title] = head
                .split(" | ")
                .collect::<Vec<_>>()
                .try_into()
                .unwrap_or_else(|_| panic!("{head}"));
            let name = if score && name == "metadata" { "metadata-score" } else { name };
            let (before, indent, after) = template(name);
            let mut text = before.to_string();
            for line in body.trim_end_matches('\n').split('\n') {
                text.push_str(indent);
                text.push_str(line);
                text.push('\n');
            }
            text.push_str(after);
            if name == "root" && !body.starts_with("containers") {
                text.push_str("containers: {main: {image: .}}\n");
            }
            let (text, places) = marked(&text);
            let codes: Vec<&str> = codes.split(' ').collect();
            let places = if places.is_empty() { vec![(3, 3)] } else { places };
            assert_eq!(codes.len(), places.len(), "{title}: codes and marks");
            let expected =
                codes.iter().zip(places).map(|(c, (l, k))| format!("{c} {l}:{k}")).collect();
            Case { file, title: title.to_string(), text, expected }
        })
        .collect()
}

/// Takes the marks out and says where they were.
fn marked(text: &str) -> (String, Vec<(u32, u32)>) {
    let (mut out, mut places, mut line, mut col) = (String::new(), Vec::new(), 1, 1);
    for c in text.chars() {
        match c {
            '«' => places.push((line, col)),
            '\n' => {
                out.push(c);
                line += 1;
                col = 1;
            }
            c => {
                out.push(c);
                col += 1;
            }
        }
    }
    (out, places)
}

#[test]
fn each_is_refused_with_its_code_line_and_column() {
    let mut all = cases("negative-score.txt", include_str!("testdata/negative-score.txt"));
    let score = all.len();
    all.extend(cases("negative-kinds.txt", include_str!("testdata/negative-kinds.txt")));
    let mut wrong = Vec::new();
    for case in &all {
        let mut found: Vec<String> = match read("case.yaml", &case.text) {
            Ok(_) => Vec::new(),
            Err(violations) => violations
                .iter()
                .map(|v| {
                    let at = v.source.as_ref().map_or("-".into(), |s| {
                        assert!(s.length >= 1 && s.file == "case.yaml", "{}", case.title);
                        let line = case.text.split('\n').nth(s.line as usize - 1).unwrap_or("");
                        assert_eq!(s.snippet.trim_end(), line.trim_end(), "{}", case.title);
                        format!("{}:{}", s.line, s.col)
                    });
                    assert!(!v.message.is_empty() && !v.expected.is_empty(), "{}", case.title);
                    format!("{} {at}", v.code)
                })
                .collect(),
        };
        let mut expected = case.expected.clone();
        found.sort();
        expected.sort();
        if found != expected {
            wrong.push(format!(
                "{}: {}\n  expected {expected:?}\n  found    {found:?}\n{}",
                case.file, case.title, case.text
            ));
        }
    }
    println!("measured: {} negative cases, {score} of Score", all.len());
    assert!(score >= 150, "{score} cases of Score");
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}
