//! Folders that outlive instances.

use super::harness::{EPOCH, Harness};
use super::{Act, group};
use tow_names::Id;
use tow_ports::PortError;
use tow_record::{InstanceSpec, Mount};

group! { "volumes":
    "what is written into a volume is there for the next instance" [Volumes] => outlives,
    "it is there after a restart, too" [Volumes] => restart,
    "volumes of other names hold nothing of it" [Volumes] => apart,
    "one volume may be seen by two at once" [Volumes] => shared,
    "a volume may be seen at a path that no image has" [Volumes] => deep,
    "a volume that is read-only can't be written" [Volumes] => read_only,
    "a part of a volume may be seen" [Volumes, VolumePaths] => part,
    "a part that leads out of the volume is refused" [Volumes, VolumePaths] => escapes,
    "a target that is not absolute is refused" [Volumes] => relative,
    "a command beside the program sees it" [Volumes, Exec] => by_exec,
}

const AT: &str = "/var/kept";

fn mount(volume: &str) -> Mount {
    Mount { volume: volume.into(), target: AT.into(), path: None, read_only: false }
}

fn write(text: &str) -> Act {
    Act::Write(format!("{AT}/note"), text.into())
}

fn show() -> Act {
    Act::Show(format!("{AT}/note"))
}

fn fresh() -> String {
    format!("v-{}", Id::fresh("v"))
}

async fn with(h: &Harness, name: &str, mount: Mount, acts: &[Act]) -> InstanceSpec {
    let mut spec = h.made(name, acts).await;
    spec.setting.mounts = vec![mount];
    spec
}

/// Runs it until it has said this, and takes it away.
async fn says(h: &Harness, spec: &InstanceSpec, text: &str) {
    h.running(spec).await;
    h.said(&spec.id, text).await;
    h.finish(&spec.id).await;
}

async fn outlives(h: &Harness) {
    let volume = fresh();
    let one = with(h, "writes", mount(&volume), &[write("kept")]).await;
    says(h, &one, "/var/kept/note: written").await;
    let two = with(h, "reads", mount(&volume), &[show()]).await;
    says(h, &two, "/var/kept/note: kept").await;
}

async fn restart(h: &Harness) {
    let acts = [show(), write("again"), Act::Wait(50), Act::Exit(1)];
    let spec = with(h, "restarted", mount(&fresh()), &acts).await;
    h.start(&spec).await;
    let lines = h.lines(&spec.id, 3).await;
    let (first, then) = (format!("{AT}/note: refused"), format!("{AT}/note: again"));
    assert_eq!((&lines[0], &lines[2]), (&first, &then));
    h.finish(&spec.id).await;
}

async fn apart(h: &Harness) {
    let one = with(h, "one", mount(&fresh()), &[write("kept")]).await;
    says(h, &one, "/var/kept/note: written").await;
    let two = with(h, "other", mount(&fresh()), &[show()]).await;
    says(h, &two, "/var/kept/note: refused").await;
}

async fn shared(h: &Harness) {
    let volume = fresh();
    let one = with(h, "one", mount(&volume), &[write("both")]).await;
    h.running(&one).await;
    h.said(&one.id, "/var/kept/note: written").await;
    let two = with(h, "two", mount(&volume), &[show()]).await;
    says(h, &two, "/var/kept/note: both").await;
    h.finish(&one.id).await;
}

async fn deep(h: &Harness) {
    let target = "/srv/tow-conformance/deep/er";
    let at = Mount { target: target.into(), ..mount(&fresh()) };
    let spec = with(h, "deep", at, &[Act::Write(format!("{target}/n"), "x".into())]).await;
    says(h, &spec, &format!("{target}/n: written")).await;
    assert!(!std::path::Path::new("/srv/tow-conformance").exists(), "it is on the machine");
}

async fn read_only(h: &Harness) {
    let volume = fresh();
    let one = with(h, "writes", mount(&volume), &[write("kept")]).await;
    says(h, &one, "/var/kept/note: written").await;
    let at = Mount { read_only: true, ..mount(&volume) };
    let two = with(h, "reads", at, &[write("changed"), show()]).await;
    h.running(&two).await;
    assert_eq!(
        h.lines(&two.id, 2).await,
        ["/var/kept/note: refused", "/var/kept/note: kept"].map(String::from)
    );
    h.finish(&two.id).await;
}

async fn part(h: &Harness) {
    let volume = fresh();
    let at = Mount { path: Some("sub/part".into()), ..mount(&volume) };
    let one = with(h, "part", at, &[write("inner")]).await;
    says(h, &one, "/var/kept/note: written").await;
    let path = format!("{AT}/sub/part/note");
    let two = with(h, "whole", mount(&volume), &[Act::Show(path.clone())]).await;
    says(h, &two, &format!("{path}: inner")).await;
}

async fn refused(h: &Harness, mount: Mount) {
    let spec = with(h, "refused", mount, &[]).await;
    let refused = h.runtime.start(EPOCH, &spec).await;
    assert!(matches!(refused, Err(PortError::Refused(_))), "{refused:?}");
    assert_eq!(h.look(&spec.id).await, None, "what is refused leaves nothing");
}

async fn escapes(h: &Harness) {
    refused(h, Mount { path: Some("../../other".into()), ..mount(&fresh()) }).await;
}

async fn relative(h: &Harness) {
    refused(h, Mount { target: "kept".into(), ..mount(&fresh()) }).await;
}

async fn by_exec(h: &Harness) {
    let spec = with(h, "exec", mount(&fresh()), &[write("kept")]).await;
    h.running(&spec).await;
    h.said(&spec.id, "/var/kept/note: written").await;
    assert_eq!(h.done(&spec.id, &[show()]).await.out, "/var/kept/note: kept\n");
    h.finish(&spec.id).await;
}
