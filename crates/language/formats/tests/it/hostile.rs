//! Texts that mean harm: an answer every time, soon, and never a panic.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tow_formats::{MAX_BYTES, read, read_bytes};

/// How long a single text may take before it counts as hanging.
const DEADLINE_OF_ONE: Duration = Duration::from_secs(30);

/// Runs work on a thread and fails if it does not end; `at` says what it was at.
pub(crate) fn in_time<T: Send + 'static>(
    deadline: Duration,
    at: &Arc<AtomicUsize>,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (done, wait) = mpsc::channel();
    let worker = std::thread::spawn(move || {
        let result = work();
        let _ = done.send(());
        result
    });
    if wait.recv_timeout(deadline) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("hangs at {}", at.load(Ordering::Relaxed));
    }
    worker.join().unwrap()
}

pub(crate) fn soon<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    in_time(DEADLINE_OF_ONE, &Arc::default(), work)
}

/// The codes a text is refused with.
fn refused(text: String) -> Vec<String> {
    soon(move || match read("bomb.yaml", &text) {
        Ok(documents) => panic!("accepted: {} documents", documents.len()),
        Err(violations) => {
            assert!(violations.iter().all(|v| v.source.is_some() || v.code == "document/more"));
            violations.into_iter().map(|v| v.code).collect()
        }
    })
}

#[test]
fn a_billion_laughs_are_not_laughed() {
    let mut text = String::from("a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n");
    for level in 1..10 {
        let below = vec![format!("*a{}", level - 1); 9].join(",");
        text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    assert_eq!(refused(text), ["yaml/too-many-values"]);

    let mut maps = String::from("a0: &a0 {k0: x, k1: x, k2: x}\n");
    for level in 1..30 {
        maps.push_str(&format!(
            "a{level}: &a{level} {{x: *a{0}, y: *a{0}, z: *a{0}}}\n",
            level - 1
        ));
    }
    assert_eq!(refused(maps), ["yaml/too-many-values"]);
}

#[test]
fn merges_are_counted_too() {
    let mut text = String::from("big: &big\n");
    for key in 0..2_000 {
        text.push_str(&format!("  key{key}: x\n"));
    }
    for key in 0..5_000 {
        text.push_str(&format!("m{key}: {{<<: *big}}\n"));
    }
    assert_eq!(refused(text), ["yaml/too-many-values"]);
}

#[test]
fn deep_texts_end_at_a_limit() {
    for (open, close) in
        [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", ""), ("&a [", "]"), ("!!seq [", "]")]
    {
        let text = format!("{}{}", open.repeat(100_000), close.repeat(100_000));
        let codes = refused(text);
        assert!(matches!(codes[0].as_str(), "yaml/too-deep" | "yaml/syntax"), "{open}: {codes:?}");
    }
    let nested: String = (0..500).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    assert_eq!(refused(nested), ["yaml/too-deep"]);
    let mut chain = String::from("a0: &a0 [x]\n");
    for level in 1..200 {
        chain.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert_eq!(refused(chain), ["yaml/too-deep"]);
}

#[test]
fn too_large_texts_are_refused_before_they_are_read() {
    let mut text = String::from(
        "apiVersion: score.dev/v1b1\nmetadata: {name: web-app}\ncontainers:\n  main:\n    image: .\n    files:\n      /a:\n        content: |\n",
    );
    while text.len() < 10 << 20 {
        text.push_str("          ${resources.db.host} and some more text to fill the line with\n");
    }
    let bytes = text.clone().into_bytes();
    let violations = soon(move || read("big.yaml", &text)).unwrap_err();
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0].code, "yaml/too-large");
    assert!(
        violations[0].message.contains("1 MiB")
            && violations[0].expected.contains(&MAX_BYTES.to_string())
    );
    assert_eq!(violations[0].source.as_ref().map(|s| (s.line, s.col)), Some((1, 1)));

    let mut broken = bytes;
    broken[5] = 0xff;
    assert_eq!(
        soon(move || read_bytes("big.yaml", &broken)).unwrap_err()[0].code,
        "yaml/too-large"
    );
}

#[test]
fn a_text_of_the_largest_size_is_read() {
    let head = "apiVersion: score.dev/v1b1\nmetadata: {name: web-app}\nresources: {db: {type: postgres}}\ncontainers:\n  main:\n    image: .\n    variables:\n";
    let mut text = head.to_string();
    let mut index = 0;
    while text.len() < MAX_BYTES - 100 {
        text.push_str(&format!("      V{index}: \"a ${{resources.db.host}} b\"\n"));
        index += 1;
    }
    let good = text.clone();
    assert_eq!(soon(move || read("x", &good)).map(|d| d.len()), Ok(1));
    // The same with everything wrong: still an answer, with the first of the faults.
    let codes = refused(text.replace("db.host", "xx.host"));
    assert_eq!(codes.len(), tow_formats::MAX_VIOLATIONS + 1);
    let codes = refused(text.replace('"', "").replace("a ${resources.db.host} b", "17"));
    assert_eq!(codes.len(), tow_formats::MAX_VIOLATIONS + 1);
}

#[test]
fn everything_in_one_line_ends_too() {
    let variables: Vec<String> = (0..55_000).map(|i| format!("\"V{i}\":\"ä$\"")).collect();
    let text = format!(
        "{{\"apiVersion\":\"score.dev/v1b1\",\"metadata\":{{\"name\":\"web-app\"}},\"containers\":{{\"main\":{{\"image\":\".\",\"variables\":{{{}}}}}}}}}",
        variables.join(",")
    );
    assert!(text.len() < MAX_BYTES, "{}", text.len());
    let good = text.clone();
    assert_eq!(soon(move || read("x", &good)).map(|d| d.len()), Ok(1));
    for wrong in [
        text.replace("\"ä$\"", "1"),
        text.replace("\"ä$\"", "\"${}\""),
        text.replace("ä$", "${x}"),
        text.replace("\"variables\":{", "").replacen("}}}}", "}}}", 1),
        text.replace("\"V", "\"W=V").replace("ä$", ""),
    ] {
        assert_eq!(refused(wrong).len(), tow_formats::MAX_VIOLATIONS + 1);
    }
    let twice: String = (0..100_000).map(|_| "A: 1, ").collect();
    assert_eq!(refused(format!("{{{twice}}}")).len(), tow_formats::MAX_VIOLATIONS + 1);
}

#[test]
fn long_and_strange_texts_end() {
    let n = 500_000;
    for text in [
        "a".repeat(n),
        "\"".repeat(n),
        "'".repeat(n),
        "# \n".repeat(n / 3),
        "--- \n".repeat(n / 5),
        "---\n- x\n...\n".repeat(n / 12),
        "a: b: c: ".repeat(n / 9),
        "- - - - ".repeat(n / 8),
        "? ".repeat(n / 2),
        ": ".repeat(n / 2),
        "&a ".repeat(n / 3),
        "!x ".repeat(n / 3),
        "%TAG ! x\n".repeat(n / 9),
        "\t".repeat(n),
        "\r".repeat(n),
        "\u{feff}".repeat(n / 3),
        "[".repeat(n),
        "]".repeat(n),
        "{,".repeat(n / 2),
        "| \n".repeat(n / 3),
        format!("{{{}", "\"a\": ${".repeat(n / 8)),
        format!("a: |\n{}", " \n".repeat(n / 2)),
        format!("{}: x", "k".repeat(n)),
        format!("? {}\n: x", "k".repeat(n)),
        format!(
            "apiVersion: score.dev/v1b1\nmetadata: {{name: ab}}\ncontainers: {{main: {{image: ., variables: {{A: '{}'}}}}}}",
            "${".repeat(n / 2)
        ),
        format!(
            "apiVersion: score.dev/v1b1\nmetadata: {{name: ab}}\ncontainers: {{main: {{image: ., variables: {{A: '{}'}}}}}}",
            "${}".repeat(n / 3)
        ),
    ] {
        let head: String = text.chars().take(12).collect();
        let unclosed = text.contains("${${");
        let answer = soon(move || read("x", &text).map(|documents| documents.len()));
        // Braces that are never closed are a text like any other.
        assert_eq!(answer.is_ok(), unclosed, "{head}: {answer:?}");
    }
}

#[test]
fn nul_is_refused_where_it_stands() {
    let of = |description: &str| {
        format!(
            "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata:\n  name: crew\n  description: {description}\nspec: {{type: team, children: []}}\n"
        )
    };
    let said = |text: &str| -> Vec<String> {
        let violations = read("a.yaml", text).unwrap_err();
        let place = |v: &tow_record::Violation| v.source.clone().map(|s| (s.line, s.col)).unwrap();
        violations.iter().map(|v| format!("{} {:?}", v.code, place(v))).collect()
    };
    for written in ["\"a\\0b\"", "\"a\\u0000b\"", "\"\\x00\"", "\"\\U00000000\""] {
        assert_eq!(said(&of(written)), ["yaml/nul (5, 16)"], "{written}");
    }
    // As a key, in an alias' anchor's value, and raw: there the parser would stop reading and say nothing of the rest.
    assert_eq!(
        said(&of("x\n  labels: {\"k\\0\": v}")),
        ["yaml/nul (6, 12)", "catalog/label-key (6, 12)"]
    );
    assert_eq!(said(&of("a\0b")), ["yaml/nul (5, 17)"]);
    assert_eq!(said(&format!("{}---\0", of("x"))), ["yaml/nul (7, 4)"]);
    // As JSON, which is YAML.
    let json = "{\"apiVersion\":\"backstage.io/v1alpha1\",\"kind\":\"System\",\"metadata\":{\"name\":\"x\",\"title\":\"\\u0000\"},\"spec\":{\"owner\":\"o\"}}";
    assert_eq!(said(json).len(), 1);
    assert!(read("a.yaml", &of("\"\\u0001\\u202e\"")).is_ok(), "all others are kept");
}
