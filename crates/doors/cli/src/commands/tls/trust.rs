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

/// What each system wants, with `FILE` for the certificate's.
const WAYS: [(&str, &[&str]); 9] = [
    (
        "Debian, Ubuntu",
        &[
            "sudo cp FILE /usr/local/share/ca-certificates/towpath.crt",
            "sudo update-ca-certificates",
        ],
    ),
    (
        "Fedora, RHEL",
        &["sudo cp FILE /etc/pki/ca-trust/source/anchors/towpath.pem", "sudo update-ca-trust"],
    ),
    (
        "macOS",
        &["security add-trusted-cert -r trustRoot -k ~/Library/Keychains/login.keychain-db FILE"],
    ),
    ("Windows", &["certutil -user -addstore Root FILE"]),
    (
        "Firefox",
        &[
            "Settings > Privacy & Security > Certificates > View Certificates > Authorities > Import FILE",
        ],
    ),
    ("Java", &["keytool -importcert -cacerts -alias towpath -file FILE"]),
    ("Node", &["export NODE_EXTRA_CA_CERTS=FILE"]),
    (
        "Python",
        &[
            "export SSL_CERT_FILE=FILE          # the standard library",
            "export REQUESTS_CA_BUNDLE=FILE     # requests",
        ],
    ),
    ("curl", &["curl --cacert FILE https://NAME.localhost:PORT/"]),
];

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
        for (system, lines) in WAYS {
            text.push_str(&format!("\n{system}\n"));
            for line in lines {
                text.push_str(&format!("  {}\n", line.replace("FILE", &file)));
            }
        }
        text
    })?;
    cx.printer.hint("nothing was changed; browsers on Linux other than Firefox use the system's, or their own: certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n towpath -i FILE");
    Ok(())
}
