//! Files that an instance is given: where they are seen, by whom, and that nothing else is written.

use super::harness::{EPOCH, Harness, Program, say};
use super::{Act, group};
use tow_names::Digest;
use tow_ports::PortError;
use tow_record::InstanceSpec;

group! { "files":
    "a file is there before the program is" => there,
    "a file has the mode that was asked for" => mode,
    "a file may lie in a folder of its own" => nested,
    "a file's content is kept byte by byte" => content,
    "a file is there again after a restart" => again,
    "a file that leads out of its folder is refused" => escapes,
    "an artifact is unpacked into the working folder" [Artifacts] => artifact,
    "a file that is given lies over the artifact's" [Artifacts] => over_artifact,
    "an artifact that is not there is said, and may be tried again" [Artifacts] => no_artifact,
    "a file may have an absolute path" [AbsoluteFiles] => absolute,
    "an absolute file has its mode" [AbsoluteFiles] => absolute_mode,
    "an absolute file is seen by its instance alone" [AbsoluteFiles] => apart,
    "nothing of an absolute file is on the machine" [AbsoluteFiles] => not_on_machine,
    "what the system has can't be written" [AbsoluteFiles] => system_is_read_only,
    "what one writes into /tmp is not seen by another" [AbsoluteFiles] => own_tmp,
}

fn show(path: &str) -> Act {
    Act::Show(path.into())
}

async fn given(h: &Harness, name: &str, file: (&str, &str, u32), acts: &[Act]) -> Vec<String> {
    let mut spec = h.made(name, acts).await;
    spec.files.insert(file.0.into(), (file.1.as_bytes().to_vec(), file.2));
    h.running(&spec).await;
    let lines = h.lines(&spec.id, acts.len()).await;
    h.finish(&spec.id).await;
    lines
}

async fn there(h: &Harness) {
    let lines = given(h, "there", ("greeting.txt", "salut", 0o644), &[show("greeting.txt")]).await;
    assert_eq!(lines, ["greeting.txt: salut"]);
}

async fn mode(h: &Harness) {
    let acts = [Act::Mode("key".into())];
    assert_eq!(given(h, "mode", ("key", "k", 0o600), &acts).await, ["key: 600"]);
}

async fn nested(h: &Harness) {
    let lines = given(h, "nested", ("etc/app/a.conf", "a", 0o644), &[show("etc/app/a.conf")]).await;
    assert_eq!(lines, ["etc/app/a.conf: a"]);
}

async fn content(h: &Harness) {
    let text = "tab\tquote ' \" $HOME `x` \\ ünïcode";
    let lines = given(h, "content", ("odd", text, 0o644), &[show("odd")]).await;
    assert_eq!(lines, [format!("odd: {text}")]);
}

async fn again(h: &Harness) {
    let mut spec = h.made("again", &[show("note"), Act::Wait(50), Act::Exit(1)]).await;
    spec.files.insert("note".into(), (b"n".to_vec(), 0o644));
    h.start(&spec).await;
    assert_eq!(h.lines(&spec.id, 2).await[..2], ["note: n", "note: n"]);
    h.finish(&spec.id).await;
}

async fn escapes(h: &Harness) {
    let mut spec = h.made("escapes", &[]).await;
    spec.files.insert("../out".into(), (b"n".to_vec(), 0o644));
    let refused = h.runtime.start(EPOCH, &spec).await;
    assert!(matches!(refused, Err(PortError::Refused(_))), "{refused:?}");
    assert_eq!(h.look(&spec.id).await, None, "what is refused leaves nothing");
}

/// With the archive; what runs then is a command of the folder, and no image's.
fn unpacks(h: &Harness, spec: &mut InstanceSpec) {
    spec.artifact = Some(h.artifact.clone());
    if let Program::Image { command: Some(argv), .. } = &spec.program {
        spec.program = Program::Command { argv: argv.clone() };
    }
}

async fn artifact(h: &Harness) {
    let mut spec = h.made("artifact", &[show("note")]).await;
    unpacks(h, &mut spec);
    h.running(&spec).await;
    h.said(&spec.id, "note: from the artifact").await;
    h.finish(&spec.id).await;
}

async fn over_artifact(h: &Harness) {
    let mut spec = h.made("over", &[show("note")]).await;
    unpacks(h, &mut spec);
    spec.files.insert("note".into(), (b"given".to_vec(), 0o644));
    h.running(&spec).await;
    h.said(&spec.id, "note: given").await;
    h.finish(&spec.id).await;
}

async fn no_artifact(h: &Harness) {
    let mut spec = h.made("no-artifact", &[say("here")]).await;
    unpacks(h, &mut spec);
    spec.artifact = Some(Digest::of(b"nobody has this"));
    let missing = h.runtime.start(EPOCH, &spec).await;
    assert!(matches!(missing, Err(PortError::NotThere(_))), "{missing:?}");
    assert_eq!(h.look(&spec.id).await, None, "a start that failed leaves nothing");
    spec.artifact = Some(h.artifact.clone());
    h.running(&spec).await;
    h.finish(&spec.id).await;
}

const ABSOLUTE: &str = "/etc/tow-conformance/note";

async fn absolute(h: &Harness) {
    let lines = given(h, "absolute", (ABSOLUTE, "abs", 0o644), &[show(ABSOLUTE)]).await;
    assert_eq!(lines, [format!("{ABSOLUTE}: abs")]);
}

async fn absolute_mode(h: &Harness) {
    let acts = [Act::Mode(ABSOLUTE.into())];
    let lines = given(h, "absolute-mode", (ABSOLUTE, "abs", 0o640), &acts).await;
    assert_eq!(lines, [format!("{ABSOLUTE}: 640")]);
}

async fn apart(h: &Harness) {
    let ports = h.runtime.free_ports(2, &[]).await.expect("ports");
    let mut one = h.spec("apart-one", &[show(ABSOLUTE)], ports[0]);
    let mut two = h.spec("apart-two", &[show(ABSOLUTE)], ports[1]);
    one.files.insert(ABSOLUTE.into(), (b"one".to_vec(), 0o644));
    two.files.insert(ABSOLUTE.into(), (b"two".to_vec(), 0o644));
    h.running(&one).await;
    h.running(&two).await;
    h.said(&one.id, &format!("{ABSOLUTE}: one")).await;
    h.said(&two.id, &format!("{ABSOLUTE}: two")).await;
    h.finish(&one.id).await;
    h.finish(&two.id).await;
}

async fn not_on_machine(h: &Harness) {
    let mut spec = h.made("machine", &[show(ABSOLUTE)]).await;
    spec.files.insert(ABSOLUTE.into(), (b"abs".to_vec(), 0o644));
    h.running(&spec).await;
    h.said(&spec.id, &format!("{ABSOLUTE}: abs")).await;
    assert!(!std::path::Path::new(ABSOLUTE).exists(), "it is on the machine");
    h.finish(&spec.id).await;
}

async fn system_is_read_only(h: &Harness) {
    let spec = h.made("read-only", &[Act::Write("/usr/tow-conformance".into(), "x".into())]).await;
    h.running(&spec).await;
    h.said(&spec.id, "/usr/tow-conformance: refused").await;
    h.finish(&spec.id).await;
    assert!(!std::path::Path::new("/usr/tow-conformance").exists());
}

async fn own_tmp(h: &Harness) {
    let path = "/tmp/tow-conformance-note";
    let one = h.made("tmp-one", &[Act::Write(path.into(), "one".into())]).await;
    h.running(&one).await;
    h.said(&one.id, &format!("{path}: written")).await;
    let two = h.made("tmp-two", &[show(path)]).await;
    h.running(&two).await;
    h.said(&two.id, &format!("{path}: refused")).await;
    assert!(!std::path::Path::new(path).exists(), "it is on the machine");
    h.finish(&one.id).await;
    h.finish(&two.id).await;
}
