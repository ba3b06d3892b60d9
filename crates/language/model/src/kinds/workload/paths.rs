//! Names and paths of a Score file that no runtime could take: images that are no image's name, targets and volume paths
//! that lead out of where they belong. Judged from the text alone, so that nothing is stopped for them first.

use crate::{Invalid, pointer};
use serde_json::Value;

/// Where the kernel's own files are: nothing is put there.
const KERNEL: [&str; 2] = ["/proc", "/sys"];

/// `image`: `.`, or a name as registries take it.
pub(super) fn image(path: &str, image: &Value, out: &mut Vec<Invalid>) {
    let Some(text) = image.as_str().filter(|text| !text.is_empty() && *text != ".") else {
        return;
    };
    if let Some(why) = no_image(text) {
        out.push(
            Invalid::new(
                format!("{path}/image"),
                "score/image",
                format!("{text:?} is no image's name: {why}"),
                "image: . (this folder, built), or [registry/]name[:tag][@sha256:…]",
            )
            .hint(
                "names are small letters, digits and . _ - /; the digest has 64 hexadecimal digits",
            ),
        );
    }
}

/// Why a text is no name of an image. By the grammar of the OCI distribution specification.
fn no_image(text: &str) -> Option<String> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    if let Some(digest) = digest {
        let hex =
            |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let length = match digest.split_once(':') {
            Some(("sha256", _)) => 64,
            Some(("sha512", _)) => 128,
            _ => return Some("after @ a digest is expected, as in @sha256:…".into()),
        };
        let digits = digest.split_once(':').map_or("", |(_, digits)| digits);
        if digits.len() != length || !hex(digits) {
            return Some(format!("its digest is not {length} hexadecimal digits"));
        }
    }
    let last = rest.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = match rest[last..].find(':') {
        Some(at) => (&rest[..last + at], Some(&rest[last + at + 1..])),
        None => (rest, None),
    };
    if let Some(tag) = tag {
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if tag.is_empty()
            || tag.len() > 128
            || tag.starts_with(['-', '.'])
            || !tag.chars().all(word)
        {
            return Some(format!("{tag:?} is no tag"));
        }
    }
    let (host, name) = match name.split_once('/') {
        Some((first, more)) if first.contains(['.', ':']) || first == "localhost" => {
            (Some(first), more)
        }
        _ => (None, name),
    };
    let host_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    let begins = |c: char| c.is_ascii_alphanumeric() || c == '[';
    let is_host = |host: &str| host.starts_with(begins) && host.chars().all(host_word);
    if let Some(host) = host.filter(|host| !is_host(host)) {
        return Some(format!("{host:?} is no registry"));
    }
    name.split('/').find(|part| !is_part(part)).map(|part| match part {
        "" => "a part of its name is empty".into(),
        part => format!("{part:?} can't be in it"),
    })
}

/// Small letters and digits, with single dots, one or two underscores or any dashes between them.
fn is_part(part: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let word = |c: char| edge(c) || matches!(c, '.' | '_' | '-');
    part.chars().all(word)
        && part.starts_with(edge)
        && part.ends_with(edge)
        && !["..", "___", "._", "_.", ".-", "-.", "_-", "-_"].iter().any(|bad| part.contains(bad))
}

/// The target of a file or a volume: not out of where it belongs, and not among the kernel's own files.
pub(super) fn target(path: &str, target: &str, what: &str, out: &mut Vec<Invalid>) {
    let invalid = if climbs(target) {
        Invalid::new(
            path,
            "score/target-climbs",
            format!("the target {target:?} of this {what} climbs by .."),
            "a path in the container without ..",
        )
    } else if KERNEL.iter().any(|own| is_below(target, own)) {
        Invalid::new(
            path,
            "score/target-kernel",
            format!("the target {target:?} of this {what} is among the kernel's own files"),
            format!("a path that is not in {}", KERNEL.join(", ")),
        )
    } else {
        return;
    };
    out.push(invalid.at_key());
}

/// What a volume mounts: a resource or a plain name, and a path that stays in it.
pub(super) fn volume(path: &str, volume: &Value, out: &mut Vec<Invalid>) {
    if let Some(source) = volume["source"].as_str()
        && !source.contains("${")
        && !is_name(source)
    {
        out.push(
            Invalid::new(
                format!("{path}/source"),
                "score/volume-source",
                format!("{source:?} is no volume: no folder of the machine is ever mounted"),
                "${resources.NAME} of type volume, or a plain name",
            )
            .hint("resources: {data: {type: volume}} and source: ${resources.data}"),
        );
    }
    if let Some(within) = volume["path"].as_str().filter(|within| climbs(within)) {
        out.push(Invalid::new(
            format!("{path}/path"),
            "score/volume-path",
            format!("{within:?} leads out of the volume"),
            "a path inside the volume, without ..",
        ));
    }
}

fn climbs(path: &str) -> bool {
    path.split('/').any(|part| part == "..")
}

fn is_below(path: &str, folder: &str) -> bool {
    // `/./proc` and `//proc` are /proc, too.
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    path.starts_with('/') && parts.first().is_some_and(|first| *first == &folder[1..])
}

fn is_name(text: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
    !text.is_empty() && text.chars().all(word) && !matches!(text, "." | "..")
}

/// The pointer of one volume or file of a container.
pub(super) fn at(container: &str, list: &str, target: &str) -> String {
    pointer(&format!("{container}/{list}"), target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_of_images_are_told_from_other_texts() {
        let digest = "a".repeat(64);
        for good in [
            "busybox",
            "busybox:1.36",
            "library/busybox:latest",
            "localhost/x",
            "localhost:5000/team/web_app:V1",
            "registry.example/a/b--c@sha256:",
        ] {
            let good = match good.strip_suffix("sha256:") {
                Some(start) => format!("{start}sha256:{digest}"),
                None => good.to_string(),
            };
            assert_eq!(no_image(&good), None, "{good}");
        }
        for bad in [
            "bad image name",
            "busybox@sha256:123",
            "busybox@latest",
            "Busybox",
            "busybox:",
            "a//b",
            "-x",
            "../x",
            "/x",
            "a:b:c",
        ] {
            assert!(no_image(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn what_leads_out_is_told_at_its_place() {
        let mut out = Vec::new();
        for (path, text) in
            [("/a", "/../../etc/x"), ("/b", "/proc/x"), ("/c", "//./sys"), ("/d", "../x")]
        {
            target(path, text, "file", &mut out);
        }
        for (path, text) in
            [("/ok", "/process"), ("/ok", "a..b/c"), ("/ok", "etc/proc"), ("/ok", "/a/proc")]
        {
            target(path, text, "file", &mut out);
        }
        volume("/v", &json!({"source": "../../../etc", "path": "../../etc"}), &mut out);
        volume("/w", &json!({"source": "${resources.data}", "path": "a/b"}), &mut out);
        volume("/x", &json!({"source": "data", "path": "/a"}), &mut out);
        let found: Vec<(&str, &str)> = out.iter().map(|i| (i.pointer.as_str(), i.code)).collect();
        assert_eq!(
            found,
            [
                ("/a", "score/target-climbs"),
                ("/b", "score/target-kernel"),
                ("/c", "score/target-kernel"),
                ("/d", "score/target-climbs"),
                ("/v/source", "score/volume-source"),
                ("/v/path", "score/volume-path"),
            ]
        );
    }
}
