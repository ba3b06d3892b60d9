//! The one room that reads the environment. Every variable `tow`'s verbs look at stands in [`ALL`], with its meaning;
//! the reference is made from it.

use std::ffi::OsString;
use std::path::PathBuf;

/// A variable of the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a sentence or two.
    pub doc: &'static str,
}

/// Where the platform is.
pub const TOW_URL: Variable = Variable {
    name: "TOW_URL",
    doc: "The platform's URL, as in http://127.0.0.1:7070. Without it the local platform is found by its data directory.",
};
/// Who asks.
pub const TOW_TOKEN: Variable = Variable {
    name: "TOW_TOKEN",
    doc: "The API token to act by. Without it the local platform's own token is used, and only for the local platform.",
};
/// Whom to trust.
pub const TOW_CA: Variable = Variable {
    name: "TOW_CA",
    doc: "A file of certificates (PEM) that are trusted beside the machine's own, where the platform is asked over https.",
};
/// Where the local platform keeps its data.
pub const TOW_DATA: Variable = Variable {
    name: "TOW_DATA",
    doc: "The local platform's data directory; $XDG_DATA_HOME/towpath or ~/.local/share/towpath where it is not set.",
};
/// Which environment is meant.
pub const TOW_ENVIRONMENT: Variable = Variable {
    name: "TOW_ENVIRONMENT",
    doc: "The environment that is meant where --environment is not given; development where neither is.",
};
/// The base directory of users' data.
pub const XDG_DATA_HOME: Variable = Variable {
    name: "XDG_DATA_HOME",
    doc: "Base of the data directory, by the XDG base directory specification.",
};
/// The user's home.
pub const HOME: Variable =
    Variable { name: "HOME", doc: "The user's home, where XDG_DATA_HOME is not set." };
/// No colour.
pub const NO_COLOR: Variable = Variable {
    name: "NO_COLOR",
    doc: "Set to anything, output has no colour. Without a terminal it has none anyway.",
};

/// What kind of terminal.
pub const TERM: Variable =
    Variable { name: "TERM", doc: "The kind of terminal; handed to what `tow exec` runs on one." };

/// All of them.
pub const ALL: [Variable; 9] =
    [TOW_URL, TOW_TOKEN, TOW_CA, TOW_DATA, TOW_ENVIRONMENT, XDG_DATA_HOME, HOME, NO_COLOR, TERM];

impl Variable {
    /// Its value; empty counts as not set.
    #[expect(clippy::disallowed_methods, reason = "this is the room for it")]
    pub(crate) fn os(self) -> Option<OsString> {
        std::env::var_os(self.name).filter(|value| !value.is_empty())
    }

    /// Its value as text; one that is not UTF-8 counts as not set.
    pub(crate) fn text(self) -> Option<String> {
        self.os()?.into_string().ok()
    }

    /// Its value as a path.
    pub(crate) fn path(self) -> Option<PathBuf> {
        self.os().map(PathBuf::from)
    }
}
