//! What the command line says without a platform: exit status, standard output and standard error, whole.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use std::io::Write;
use std::process::{Command, Stdio};

/// A folder of its own, and `tow` in it with nothing of this machine's environment.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: &str) -> &Self {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// Everything a caller sees, in one text.
    fn tow(&self, args: &[&str]) -> String {
        self.tow_reading(args, "")
    }

    fn tow_reading(&self, args: &[&str], input: &str) -> String {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tow"))
            .args(args)
            .current_dir(self.0.path())
            .env_clear()
            .env("HOME", self.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A verb that doesn't read its input may be gone already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let done = child.wait_with_output().unwrap();
        let clean = |bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            text.replace(&self.0.path().display().to_string(), "PLACE")
        };
        format!(
            "exit {}\n--- out\n{}--- err\n{}",
            done.status.code().unwrap(),
            clean(&done.stdout),
            clean(&done.stderr)
        )
    }
}

const WEB: &str = "\
apiVersion: score.dev/v1b1
metadata:
  name: web
containers:
  main:
    image: .
";

#[track_caller]
fn same(got: &str, wanted: &str) {
    assert!(got == wanted, "got:\n{got}\nwanted:\n{wanted}");
}

#[test]
fn validate_points_at_the_line() {
    let place = Place::new();
    place.file("score.yaml", &WEB.replace("image: .", "imgae: .\n    image: ."));
    same(
        &place.tow(&["validate", "score.yaml"]),
        "\
exit 2
--- out
✕ no score.yaml  1 error
--- err
score.yaml:6:5: unknown field `imgae` in `main` [schema/unknown-field]
   │
 6 │     imgae: .
   │     ^^^^^
   = expected: one of args, before, command, files, image, livenessProbe, readinessProbe, resources, variables, volumes
   = hint: did you mean `image`?

",
    );
}

#[test]
fn validate_takes_a_folder_and_passes_over_what_is_not_ours() {
    let place = Place::new();
    place.file("web/score.yaml", WEB);
    place.file("deploy/pod.yaml", "apiVersion: v1\nkind: Pod\n");
    place.file(".git/score.yaml", "not: ours\n");
    same(
        &place.tow(&["validate", "."]),
        "\
exit 0
--- out
✓ ok web/score.yaml  Workload web
--- err
skipped deploy/pod.yaml: not of a kind we know by its apiVersion
",
    );
}

#[test]
fn validate_reads_standard_input_and_answers_programs() {
    let place = Place::new();
    same(
        &place.tow_reading(&["validate", "-", "-o", "json"], WEB),
        "\
exit 0
--- out
[
  {
    \"file\": \"-\",
    \"ok\": true,
    \"documents\": [
      {
        \"kind\": \"Workload\",
        \"name\": \"web\"
      }
    ],
    \"violations\": []
  }
]
--- err
",
    );
}

#[test]
fn what_is_not_there_is_said() {
    let place = Place::new();
    same(
        &place.tow(&["validate", "nope.yaml"]),
        "\
exit 2
--- out
--- err
error: nope.yaml can't be read: there is no such file or folder [file/unreadable]
  nothing was changed
",
    );
    same(
        &place.tow(&["deploy", "nope"]),
        "\
exit 2
--- out
--- err
error: nope can't be read: there is no such file or folder [file/unreadable]
  nothing was changed

hint: give the folder that holds score.yaml
",
    );
    place.file("empty/readme.txt", "");
    same(
        &place.tow(&["deploy", "empty"]),
        "\
exit 2
--- out
--- err
error: empty holds no score.yaml, *.score.yaml or score-*.yaml [project/empty]
  nothing was changed

hint: `tow schema Workload` says what a Score file may say; score.dev has examples
",
    );
}

#[test]
fn without_a_platform_a_verb_says_how_to_get_one() {
    let place = Place::new();
    same(
        &place.tow(&["status"]),
        "\
exit 1
--- out
--- err
error: no platform is running with its data in PLACE/.local/share/towpath [client/not-running]
  nothing was changed

hint: `tow up` starts one; TOW_URL and TOW_TOKEN say where another one is
",
    );
    let json = place.tow(&["status", "-o", "json"]);
    let problem = json.rsplit("--- err\n").next().unwrap();
    let problem: serde_json::Value = serde_json::from_str(problem).unwrap();
    assert_eq!(problem["code"], "client/not-running");
}

#[test]
fn an_address_that_does_not_answer_is_named() {
    let place = Place::new();
    // Port 1 is nobody's: below what programs are given, and below what a user may bind.
    let got = place.tow(&["--url", "http://127.0.0.1:1", "status"]);
    assert!(
        got.starts_with("exit 1\n--- out\n--- err\nerror: nothing answers at http://127.0.0.1:")
    );
    assert!(got.contains("[client/unreachable]"), "{got}");
    assert!(got.contains("hint: `tow up` starts one on this machine"), "{got}");
    same(
        &place.tow(&["--url", "ftp://tow.example.com", "status"]),
        "\
exit 2
--- out
--- err
error: \"ftp://tow.example.com\" is not a platform's URL: expected http://host:port or https://host [client/url]
  nothing was changed
",
    );
}

#[test]
fn a_wrong_command_line_is_usage() {
    let place = Place::new();
    same(
        &place.tow(&["config:set", "SECRET"]),
        "\
exit 2
--- out
--- err
error: argument 1 is not of the form NAME=VALUE [cli/config]
  nothing was changed

hint: as in `tow config set GREETING=hello`
",
    );
    same(
        &place.tow(&["scale", "web=many"]),
        "\
exit 2
--- out
--- err
error: \"web=many\" is not of the form WORKLOAD=N [cli/scale]
  nothing was changed

hint: as in `tow scale web=3 worker=1`
",
    );
    same(
        &place.tow(&["restart"]),
        "\
exit 2
--- out
--- err
error: it is not said which component is meant, and this folder's files name none [cli/no-component]
  nothing was changed

hint: --component NAME says it; `tow get components` lists them
",
    );
    assert!(place.tow(&["frobnicate"]).starts_with("exit 2\n--- out\n--- err\n"));
    assert!(place.tow(&["deploy", "--plan", "p", "--release", "3"]).starts_with("exit 2\n"));
}

#[test]
fn deleting_asks_and_can_be_confirmed_by_name_alone() {
    let place = Place::new();
    same(
        &place.tow(&["delete", "component", "web"]),
        "\
exit 2
--- out
--- err
error: deleting web must be confirmed, and nobody can be asked here [cli/not-confirmed]
  nothing was changed

hint: --confirm web
",
    );
    same(
        &place.tow(&["delete", "component", "web", "--confirm", "wep"]),
        "\
exit 2
--- out
--- err
error: \"wep\" is not web [cli/not-confirmed]
  nothing was changed

hint: --confirm web
",
    );
}

#[test]
fn schemas_are_printed_for_every_kind() {
    let place = Place::new();
    for kind in
        ["workload", "Component", "systems", "group", "user", "environment", "runtime", "delivery"]
    {
        let got = place.tow(&["schema", kind]);
        let text = got.strip_prefix("exit 0\n--- out\n").unwrap_or_else(|| panic!("{kind}: {got}"));
        let text = text.strip_suffix("--- err\n").unwrap();
        let schema: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(schema["type"], "object", "{kind}");
    }
    same(
        &place.tow(&["schema", "widget"]),
        "\
exit 2
--- out
--- err
error: there is no kind \"widget\" [cli/no-such-kind]
  nothing was changed

hint: kinds are Workload, Runtime, Environment, User, Group, ServiceAccount, RoleBinding, Domain, System, Component, API, Resource, AiResource, Template, Location, Delivery
",
    );
}

#[test]
fn a_file_that_is_not_text_or_too_long_is_refused_before_it_is_sent() {
    let place = Place::new();
    std::fs::write(place.0.path().join("score.yaml"), b"apiVersion: score.dev/v1b1\n\xff\n")
        .unwrap();
    let got = place.tow(&["deploy"]);
    assert!(got.contains("score.yaml is not UTF-8 from byte 27 on [file/not-text]"), "{got}");
    place.file("score.yaml", &format!("{WEB}# {}\n", "x".repeat(10 << 20)));
    let got = place.tow(&["deploy"]);
    assert!(got.starts_with("exit 2\n") && got.contains("[yaml/too-large]"), "{got}");
    let got = place.tow(&["validate", "score.yaml"]);
    assert!(got.starts_with("exit 2\n") && got.contains("[yaml/too-large]"), "{got}");
}

#[test]
fn help_is_one_screen() {
    let place = Place::new();
    let got = place.tow(&["--help"]);
    let text = got.strip_prefix("exit 0\n--- out\n").unwrap().split("--- err").next().unwrap();
    assert!(text.lines().count() <= 24, "{text}");
    for verb in ["deploy", "rollback", "up", "down", "validate", "sign-in"] {
        assert!(text.contains(verb), "{verb}");
    }
}

#[test]
fn fields_are_explained_without_a_platform() {
    let place = Place::new();
    let tier = place.tow(&["explain", "env.spec.tier"]);
    assert!(
        tier.starts_with("exit 0\n--- out\nEnvironment.spec.tier")
            || tier.contains("Environment.spec.tier (text, required)"),
        "{tier}"
    );
    assert!(tier.contains("one of: development, staging, production, preview"), "{tier}");
    let score = place.tow(&["explain", "workload.containers.image"]);
    assert!(score.contains("(text, required)"), "a map's values are looked into: {score}");
    let wrong = place.tow(&["explain", "component.spec.ownr"]);
    assert!(wrong.starts_with("exit 2\n") && wrong.contains("cli/no-such-field"), "{wrong}");
    assert!(wrong.contains("owner, system"), "it names the fields there are: {wrong}");
}
