//! The image that holds a pod's network: one file of a few hundred bytes, which sleeps. Assembled here, so that no
//! registry has to be asked before the first container runs.

use serde_json::json;
use tow_names::Digest;

/// Its name in the image.
pub(crate) const PROGRAM: &str = "/pause";

/// A static ELF executable that sleeps for ever; none for an architecture that is not known here.
pub(crate) fn program(architecture: &str) -> Option<Vec<u8>> {
    // Both: ask the kernel to wait for a signal, for ever again.
    let (machine, code): (u16, &[u8]) = match architecture {
        "amd64" => (
            62,
            &[
                0xb8, 0x22, 0x00, 0x00, 0x00, // mov eax, 34 (pause)
                0x0f, 0x05, // syscall
                0xeb, 0xf7, // jmp to the first
            ],
        ),
        "arm64" => (
            183,
            &[
                0x00, 0x00, 0x80, 0xd2, // mov x0, 0
                0x01, 0x00, 0x80, 0xd2, // mov x1, 0
                0x02, 0x00, 0x80, 0xd2, // mov x2, 0
                0x03, 0x00, 0x80, 0xd2, // mov x3, 0
                0x04, 0x00, 0x80, 0xd2, // mov x4, 0
                0x28, 0x09, 0x80, 0xd2, // mov x8, 73 (ppoll)
                0x01, 0x00, 0x00, 0xd4, // svc 0
                0xf9, 0xff, 0xff, 0x17, // b to the first
            ],
        ),
        _ => return None,
    };
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let length = HEADERS + code.len() as u64;
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let two = |elf: &mut Vec<u8>, value: u16| elf.extend(value.to_le_bytes());
    let four = |elf: &mut Vec<u8>, value: u32| elf.extend(value.to_le_bytes());
    let eight = |elf: &mut Vec<u8>, value: u64| elf.extend(value.to_le_bytes());
    two(&mut elf, 2); // an executable
    two(&mut elf, machine);
    four(&mut elf, 1);
    eight(&mut elf, BASE + HEADERS); // where it begins
    eight(&mut elf, 64); // program headers
    eight(&mut elf, 0); // no sections
    four(&mut elf, 0);
    for value in [64, 56, 1, 0, 0, 0] {
        two(&mut elf, value);
    }
    four(&mut elf, 1); // loaded
    four(&mut elf, 5); // read, execute
    eight(&mut elf, 0);
    eight(&mut elf, BASE);
    eight(&mut elf, BASE);
    eight(&mut elf, length);
    eight(&mut elf, length);
    eight(&mut elf, 0x1_0000); // pages of any size
    elf.extend(code);
    Some(elf)
}

/// The image's name, which changes with its bytes.
pub(crate) fn name(architecture: &str) -> Option<String> {
    let digest = Digest::of(&program(architecture)?);
    Some(format!("localhost/tow-pause:{architecture}-{}", &digest.hex()[..12]))
}

/// The image as `POST /images/load` takes it.
pub(crate) fn archive(architecture: &str) -> std::io::Result<Vec<u8>> {
    let unknown = || std::io::Error::other(format!("no pause program is known for {architecture}"));
    let program = program(architecture).ok_or_else(unknown)?;
    let name = name(architecture).ok_or_else(unknown)?;
    let mut layer = tar::Builder::new(Vec::new());
    add(&mut layer, PROGRAM.trim_start_matches('/'), &program, 0o755)?;
    let layer = layer.into_inner()?;
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": { "Entrypoint": [PROGRAM] },
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(&layer).to_string()] },
        "history": [{ "created_by": "towpath" }],
    })
    .to_string();
    let config_name = format!("{}.json", Digest::of(config.as_bytes()).hex());
    let manifest =
        json!([{ "Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"] }]).to_string();
    let mut image = tar::Builder::new(Vec::new());
    add(&mut image, &config_name, config.as_bytes(), 0o644)?;
    add(&mut image, "layer.tar", &layer, 0o644)?;
    add(&mut image, "manifest.json", manifest.as_bytes(), 0o644)?;
    image.into_inner()
}

fn add(
    tar: &mut tar::Builder<Vec<u8>>,
    name: &str,
    bytes: &[u8],
    mode: u32,
) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    header.set_mtime(0);
    tar.append_data(&mut header, name, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use tow_engine::normal;

    #[test]
    fn the_program_of_this_machine_sleeps_and_ends_by_a_signal() {
        let Some(bytes) = program(normal(std::env::consts::ARCH)) else { return };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pause");
        std::fs::write(&path, &bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut child = std::process::Command::new(&path).spawn().unwrap();
        let began = std::time::Instant::now();
        while began.elapsed() < std::time::Duration::from_millis(200) {
            assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
            std::thread::park_timeout(std::time::Duration::from_millis(20));
        }
        // Asleep: it used no time.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let user: u64 =
            stat.rsplit(')').next().unwrap().split_whitespace().nth(11).unwrap().parse().unwrap();
        assert!(user < 3, "it does not sleep: {stat}");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn the_image_is_always_the_same_and_named_by_its_bytes() {
        for architecture in ["amd64", "arm64"] {
            assert_eq!(archive(architecture).unwrap(), archive(architecture).unwrap());
        }
        assert_ne!(name("amd64"), name("arm64"));
        assert!(archive("vax").is_err());
    }
}
