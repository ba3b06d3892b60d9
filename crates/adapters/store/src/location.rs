//! Where a store is: a file of this machine, or a database on a Postgres server. Never shows a password.

use crate::StoreError;
use sqlx::postgres::PgConnectOptions;
use std::path::PathBuf;

/// Where the store is.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// An SQLite database in this file.
    File(PathBuf),
    /// A Postgres database, as `postgres://user:password@host:port/database`.
    Postgres(String),
}

impl Location {
    /// From what somebody wrote: `postgres://…`, or a path.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let text = text.trim();
        let Some((scheme, _)) = text.split_once("://") else {
            return match text {
                "" => Err(StoreError::Location { why: "it is empty".into() }),
                path => Ok(Self::File(path.into())),
            };
        };
        if !matches!(scheme, "postgres" | "postgresql") {
            return Err(StoreError::Location { why: format!("{scheme:?} is no database we know") });
        }
        options(text)?;
        Ok(Self::Postgres(text.into()))
    }
}

/// What the driver is to connect with. The error says nothing of the text: a password may be in it.
pub(crate) fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    url.parse().map_err(|error: sqlx::Error| {
        let why = match &error {
            sqlx::Error::Configuration(why) => why.to_string(),
            other => other.to_string(),
        };
        let secret = |part: &str| part.len() > 2 && why.contains(part);
        let shows = url.split(['/', ':', '@', '?', '&', '=']).any(secret);
        StoreError::Location { why: if shows { "it can't be read as a URL".into() } else { why } }
    })
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Postgres(url) => match options(url) {
                Ok(options) => {
                    let host = match options.get_socket() {
                        Some(socket) => socket.display().to_string(),
                        None => options.get_host().to_string(),
                    };
                    let (user, port) = (options.get_username(), options.get_port());
                    let database = options.get_database().unwrap_or(user);
                    write!(f, "postgres://{user}@{host}:{port}/{database}")
                }
                Err(_) => f.write_str("postgres://…"),
            },
        }
    }
}

impl std::fmt::Debug for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&std::path::Path> for Location {
    fn from(path: &std::path::Path) -> Self {
        Self::File(path.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_path_or_a_url_and_shows_no_password() {
        assert_eq!(Location::parse("data/tow.db").unwrap(), Location::File("data/tow.db".into()));
        let shown = |text| Location::parse(text).unwrap().to_string();
        let far = "postgres://tow:s3cret-word@db.example.org/towpath?sslmode=require";
        assert_eq!(shown(far), "postgres://tow@db.example.org:5432/towpath");
        assert_eq!(shown("postgresql://tow@127.0.0.1:6000"), "postgres://tow@127.0.0.1:6000/tow");
        assert!(!format!("{:?}", Location::parse(far).unwrap()).contains("s3cret"));
        for wrong in [
            "",
            "mysql://tow:s3cret-word@host/db",
            "postgres://tow:s3cret-word@host:port/db",
            "postgres://tow:s3cret-word@host/db?sslmode=s3cret-word",
        ] {
            let error = Location::parse(wrong).unwrap_err();
            assert_eq!(error.code(), "store/location", "{wrong}");
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        }
    }
}
