//! What a runtime can't do it refuses, says why, and leaves nothing.

use super::harness::{EPOCH, Program, say};
use super::{Act, Harness};
use std::collections::BTreeMap;
use tow_names::Duration;
use tow_ports::PortError;
use tow_record::{Bounds, Can, Mount};

/// Asks for something that needs this.
pub(super) async fn refused(h: &Harness, lacking: Can) {
    let mut spec = h.made("refused", &[say("here")]).await;
    match lacking {
        Can::Exec => {
            h.running(&spec).await;
            let why = h.asked(&spec.id, &[Act::Exit(0)]).await.map(|_| ());
            assert!(matches!(why, Err(PortError::Refused(_))), "{why:?}");
            return h.finish(&spec.id).await;
        }
        Can::Images => {
            let image = "localhost/none:1".to_string();
            spec.program = Program::Image { image, command: None, args: None };
        }
        Can::Artifacts => spec.artifact = Some(h.artifact.clone()),
        Can::AbsoluteFiles => {
            spec.files = BTreeMap::from([("/etc/tow/note".into(), (b"note".to_vec(), 0o644))]);
        }
        Can::Volumes => {
            let (volume, target) = ("v-refused".into(), "/var/kept".into());
            spec.setting.mounts = vec![Mount { volume, target, path: None, read_only: false }];
        }
        Can::VolumePaths => {
            let (volume, target) = ("v-refused".into(), "/var/kept".into());
            let path = Some("part".into());
            spec.setting.mounts = vec![Mount { volume, target, path, read_only: false }];
        }
        Can::MemoryLimit => bounds(&mut spec.setting.bounds).memory = Some(64 << 20),
        Can::CpuLimit => bounds(&mut spec.setting.bounds).cpu_millis = Some(500),
        Can::ProcessLimit => bounds(&mut spec.setting.bounds).processes = Some(64),
        Can::DiskLimit => bounds(&mut spec.setting.bounds).disk = Some(64 << 20),
        Can::OwnNetwork => spec.setting.inside = BTreeMap::from([(spec.ports[0], 8080)]),
        Can::PodNetwork => {
            spec.setting.inside = BTreeMap::from([(spec.ports[0], 8080)]);
            spec.setting.several = true;
        }
        Can::OtherUser => spec.setting.user = Some("65532:65532".into()),
        Can::ReadOnlyRoot => spec.setting.read_only = true,
        Can::HandedSockets => spec.listen = vec!["127.0.0.1:0".into()],
    }
    assert!(spec.needs().contains(&lacking), "the request does not need {lacking}");
    match h.runtime.start(EPOCH, &spec).await {
        Err(PortError::Refused(why)) => assert!(!why.is_empty()),
        other => panic!("what needs {lacking} was not refused: {other:?}"),
    }
    assert_eq!(h.look(&spec.id).await, None, "what is refused leaves nothing");
    h.runtime.stop(EPOCH, &spec.id, Duration::ZERO).await.expect("stop of nothing");
}

fn bounds(bounds: &mut Bounds) -> &mut Bounds {
    bounds
}
