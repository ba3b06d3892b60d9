//! Where the passphrase comes from: a file, a variable, or whoever sits at the terminal. Never an argument, which others
//! of this machine could read.

use crate::error::HostError;
use std::{io::IsTerminal as _, path::PathBuf};
use tow_platform::backup::Passphrase;

/// The variable.
pub(crate) const VARIABLE: &str = "TOW_BACKUP_PASSPHRASE";

/// What was said of it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Secret {
    /// The file with the passphrase (else TOW_BACKUP_PASSPHRASE, else you are asked)
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl Secret {
    /// The passphrase; asked for twice where a backup is to be made with it.
    pub(crate) fn get(&self, fresh: bool) -> Result<Passphrase, HostError> {
        if let Some(path) = &self.passphrase_file {
            let text = std::fs::read_to_string(path)
                .map_err(|error| none(format!("{}: {error}", path.display())))?;
            return Ok(Passphrase::new(&text));
        }
        #[expect(clippy::disallowed_methods, reason = "the host reads the host's environment")]
        if let Ok(text) = std::env::var(VARIABLE)
            && !text.is_empty()
        {
            return Ok(Passphrase::new(&text));
        }
        if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
            return Err(none("nobody can be asked for the passphrase here".into()));
        }
        let prompt = inquire::Password::new("Passphrase of the backup")
            .with_display_mode(inquire::PasswordDisplayMode::Masked);
        let asked = if fresh { prompt.prompt() } else { prompt.without_confirmation().prompt() };
        asked.map(|text| Passphrase::new(&text)).map_err(|error| none(error.to_string()))
    }
}

fn none(why: String) -> HostError {
    HostError::new("backup/no-passphrase", why)
        .untouched("everything")
        .hint("--passphrase-file FILE, or TOW_BACKUP_PASSPHRASE")
}
