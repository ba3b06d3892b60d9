//! The options of the gateway's HTTPS, and of where certificates are ordered.

use super::address::Https;
use crate::error::HostError;
use std::path::PathBuf;
use tow_platform::AcmeSetting;

/// The one authority that has a name here.
const LETSENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "HTTPS")]
pub(super) struct Tls {
    /// Where the gateway speaks HTTPS, or off; port 0 picks one (else 127.0.0.1:7443 or the next free port)
    #[arg(long, value_name = "ADDRESS|off")]
    https: Option<String>,
    /// Order certificates of routed hosts at this authority: the https address of its ACME directory, or letsencrypt.
    /// Whoever says so accepts its terms; it has to reach the gateway at port 80 of each host
    #[arg(long, value_name = "DIRECTORY", env = "TOW_ACME", hide_env = true)]
    acme: Option<String>,
    /// A mail address that the authority may write to; repeatable
    #[arg(long, value_name = "MAIL", requires = "acme")]
    acme_contact: Vec<String>,
    /// PEM of a root that the authority's own certificate leads to, where this machine does not know it
    #[arg(long, value_name = "FILE", requires = "acme")]
    acme_root: Option<PathBuf>,
}

impl Tls {
    /// Where the gateway speaks HTTPS.
    pub(super) fn https(&self) -> Https<'_> {
        match self.https.as_deref() {
            None => Https::Usual,
            Some("off") => Https::Off,
            Some(address) => Https::At(address),
        }
    }

    /// Where certificates are ordered.
    pub(super) fn acme(&self) -> Result<Option<AcmeSetting>, HostError> {
        let Some(said) = self.acme.as_deref().filter(|said| !said.is_empty()) else {
            return Ok(None);
        };
        let refused = |why: String| HostError::new("host/acme", why).untouched("everything");
        let directory = if said == "letsencrypt" { LETSENCRYPT } else { said };
        if !directory.starts_with("https://") {
            return Err(refused(format!("{said:?} is no https address of a directory"))
                .hint("as in --acme https://acme.example.org/directory, or --acme letsencrypt"));
        }
        let root = match &self.acme_root {
            None => None,
            Some(path) => Some(
                std::fs::read_to_string(path)
                    .map_err(|error| refused(format!("{}: {error}", path.display())))?,
            ),
        };
        let contact = self.acme_contact.clone();
        Ok(Some(AcmeSetting { directory: directory.into(), contact, root }))
    }
}
