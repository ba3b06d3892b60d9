//! Finds the platform: what was said, else the files a local platform leaves in its data directory.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// `run/platform.json` of the data directory: written by the platform once it is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformFile {
    /// Of the API and the portal, `http://127.0.0.1:7070`.
    pub url: String,
    /// Of the gateway, `http://127.0.0.1:7080`.
    pub gateway: String,
    /// Of the gateway by HTTPS, `https://127.0.0.1:7443`; none where it speaks none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https: Option<String>,
    /// The data directory.
    pub data: String,
    /// Which build of `tow` the control plane runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// The control plane's process.
    pub pid: u32,
    /// A one-time link, where one was made at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in: Option<String>,
}

/// What was said about where the platform is, from flags and environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// `TOW_URL`.
    pub url: Option<String>,
    /// `TOW_TOKEN`.
    pub token: Option<String>,
    /// The data directory of a local platform.
    pub data: Option<PathBuf>,
}

/// Where the platform is and what proves who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// Without a trailing slash.
    pub url: String,
    /// Goes into `Authorization`; none asks as nobody.
    pub token: Option<String>,
}

/// Why no platform was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocalError {
    /// Nothing was said, and the data directory holds no running platform.
    #[error("no platform is running with its data in {0}")]
    NotRunning(String),
    /// Nothing was said, and there is no home to look in.
    #[error("no home directory, so no data directory either")]
    NoHome,
    /// A file is there but can't be read.
    #[error("{path} can't be read: {reason}")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
}

/// The data directory: `TOW_DATA`, else `$XDG_DATA_HOME/towpath`, else `~/.local/share/towpath`. Values that are empty
/// count as not set, and a relative `XDG_DATA_HOME` is ignored, as the XDG base directory specification asks.
pub fn data_dir(
    tow_data: Option<PathBuf>,
    xdg: Option<PathBuf>,
    home: Option<PathBuf>,
) -> Option<PathBuf> {
    let set = |path: Option<PathBuf>| path.filter(|path| !path.as_os_str().is_empty());
    set(tow_data)
        .or_else(|| set(xdg).filter(|path| path.is_absolute()).map(|path| path.join("towpath")))
        .or_else(|| set(home).map(|path| path.join(".local/share/towpath")))
}

impl Local {
    /// A said URL wins; the local platform's token is used for it only if it is the local platform's own URL, so that
    /// no token ever goes to somebody else.
    pub fn find(wanted: &Wanted) -> Result<Self, LocalError> {
        if let Some(url) = wanted.url.as_deref().filter(|url| !url.is_empty()) {
            let url = url.trim_end_matches('/').to_string();
            let token = wanted.token.clone().filter(|token| !token.is_empty()).or_else(|| {
                let data = wanted.data.as_deref()?;
                let file = platform_file(data).ok()?;
                (file.url.trim_end_matches('/') == url).then(|| token(data).ok().flatten())?
            });
            return Ok(Self { url, token });
        }
        let data = wanted.data.as_deref().ok_or(LocalError::NoHome)?;
        let file = platform_file(data)?;
        let token = match wanted.token.clone().filter(|token| !token.is_empty()) {
            Some(token) => Some(token),
            None => token(data)?,
        };
        Ok(Self { url: file.url.trim_end_matches('/').to_string(), token })
    }
}

fn platform_file(data: &Path) -> Result<PlatformFile, LocalError> {
    let path = data.join("run/platform.json");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(LocalError::NotRunning(data.display().to_string()));
        }
        Err(e) => return Err(unreadable(&path, &e)),
    };
    serde_json::from_str(&text).map_err(|e| unreadable(&path, &e))
}

fn token(data: &Path) -> Result<Option<String>, LocalError> {
    let path = data.join("run/token");
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim().to_string()).filter(|text| !text.is_empty())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(unreadable(&path, &e)),
    }
}

fn unreadable(path: &Path, reason: &dyn std::fmt::Display) -> LocalError {
    LocalError::Unreadable { path: path.display().to_string(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_directory_follows_xdg() {
        let some = |text: &str| Some(PathBuf::from(text));
        assert_eq!(data_dir(some("d"), some("/x"), some("/h")), some("d"));
        assert_eq!(data_dir(some(""), some("/x"), some("/h")), some("/x/towpath"));
        assert_eq!(data_dir(None, some("x"), some("/h")), some("/h/.local/share/towpath"));
        assert_eq!(data_dir(None, None, None), None);
    }

    #[test]
    fn a_local_token_goes_to_the_local_platform_alone() {
        let data = std::env::temp_dir().join(tow_names::Id::fresh("client").to_string());
        std::fs::create_dir_all(data.join("run")).expect("temp");
        let file = r#"{"url":"http://127.0.0.1:1","gateway":"g","data":"d","pid":1}"#;
        std::fs::write(data.join("run/platform.json"), file).expect("temp");
        std::fs::write(data.join("run/token"), "t\n").expect("temp");
        let find = |url: Option<&str>| {
            Local::find(&Wanted { url: url.map(Into::into), token: None, data: Some(data.clone()) })
        };
        assert_eq!(find(None).map(|l| l.token), Ok(Some("t".into())));
        assert_eq!(find(Some("http://127.0.0.1:1/")).map(|l| l.token), Ok(Some("t".into())));
        assert_eq!(find(Some("http://10.0.0.1:1")).map(|l| l.token), Ok(None));
        std::fs::remove_dir_all(&data).expect("temp");
        assert!(matches!(find(None), Err(LocalError::NotRunning(_))));
    }
}
