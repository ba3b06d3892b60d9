//! `tow tls trust`: how each system is told to trust the platform's own authority. It changes nothing by itself: whom a
//! machine trusts is for its user to say.

use crate::context::Context;
use crate::failure::{Failure, Verdict};
use crate::render::time;
use std::path::PathBuf;
use tow_api::Nothing;
use tow_api::tls::authority::GetAuthority;

/// Explain how to trust the platform's own certificates, system by system; changes nothing by itself
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write the authority's certificate to this file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// What each system wants, with [`HERE`] where the certificate's file is named.
const WAYS: [(&str, &[&str]); 10] = [
    (
        "Debian, Ubuntu",
        &["sudo cp {} /usr/local/share/ca-certificates/towpath.crt", "sudo update-ca-certificates"],
    ),
    (
        "Fedora, RHEL",
        &["sudo cp {} /etc/pki/ca-trust/source/anchors/towpath.pem", "sudo update-ca-trust"],
    ),
    (
        "macOS",
        &["security add-trusted-cert -r trustRoot -k ~/Library/Keychains/login.keychain-db {}"],
    ),
    ("Windows", &["certutil -user -addstore Root {}"]),
    (
        "Firefox",
        &[
            "Settings > Privacy & Security > Certificates > View Certificates > Authorities > Import {}",
        ],
    ),
    (
        "Chromium and Chrome on Linux",
        &["certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n towpath -i {}    # of libnss3-tools"],
    ),
    ("Java", &["keytool -importcert -cacerts -alias towpath -file {}"]),
    ("Node", &["export NODE_EXTRA_CA_CERTS={}"]),
    (
        "Python",
        &[
            "export SSL_CERT_FILE={}          # the standard library",
            "export REQUESTS_CA_BUNDLE={}     # requests",
        ],
    ),
    ("curl", &["curl --cacert {} https://NAME.localhost:PORT/"]),
];

/// Stands for the certificate's file.
const HERE: &str = "{}";

/// The ways, for one file.
fn ways(file: &str) -> String {
    // A shell takes it for one word.
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+~".contains(c);
    let file = match file.chars().all(plain) {
        true => file.to_string(),
        false => format!("'{}'", file.replace('\'', "'\\''")),
    };
    let mut text = String::new();
    for (system, lines) in WAYS {
        text.push_str(&format!("\n{system}\n"));
        for line in lines {
            text.push_str(&format!("  {}\n", line.replace(HERE, &file)));
        }
    }
    text
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let reply = cx.client()?.call::<GetAuthority>(&Nothing {}, &Nothing {}, &Nothing {}).await?;
    let file = match &args.write {
        Some(path) => {
            let bad = |error: std::io::Error| {
                Failure::new("cli/file", format!("{}: {error}", path.display()))
                    .hint("--write names a file that you may write, in a folder that is there")
            };
            std::fs::write(path, &reply.chain).map_err(bad)?;
            std::path::absolute(path).map_err(bad)?.display().to_string()
        }
        None => "towpath-ca.pem".into(),
    };
    cx.printer.data(&reply, || {
        let mut text = format!(
            "{}\n  good until   {}\n  SHA-256      {}\n  good for     localhost, *.localhost, *.test and 127.0.0.1; for nothing else, and its certificate says so\n",
            reply.name,
            time(reply.facts.until),
            reply.facts.fingerprint
        );
        match &args.write {
            Some(_) => text.push_str(&format!("  written to   {file}\n")),
            None => text.push_str(&format!("\nFirst: tow tls trust --write {file}\n")),
        }
        text.push_str(&ways(&file));
        text
    })?;
    // What was written is named above; whom this machine trusts is as it was all the same.
    cx.printer.hint(
        "whom this machine trusts was not changed: the lines above do that, where you want it",
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_stands_where_it_is_meant_and_nowhere_else() {
        let text = ways("/tmp/ca.pem");
        for line in [
            "  sudo cp /tmp/ca.pem /usr/local/share/ca-certificates/towpath.crt\n",
            "  certutil -user -addstore Root /tmp/ca.pem\n",
            "  export SSL_CERT_FILE=/tmp/ca.pem ",
            " -n towpath -i /tmp/ca.pem ",
            "  curl --cacert /tmp/ca.pem https://NAME.localhost:PORT/\n",
        ] {
            assert!(text.contains(line), "{line:?} in {text}");
        }
        assert!(!text.contains(HERE) && !text.replace("SSL_CERT_FILE", "").contains("FILE"));
        assert!(ways("/my files/ca.pem").contains("--cacert '/my files/ca.pem' https"));
    }
}
