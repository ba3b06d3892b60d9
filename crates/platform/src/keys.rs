//! The keys a store speaks of, against those that are there. Keys that are lost are never made anew in silence: fresh
//! ones open nothing of what was sealed, and the log's seals would look forged.

use crate::{Layout, SystemClock};
use std::collections::BTreeSet;
use tow_fake::FakeKeys;
use tow_names::Timestamp;
use tow_ports::Clock as _;
use tow_record::{AcmeAccount, Authority, Certificate, ConfigVersion, LocationHook, Seal, Webhook};
use tow_secrets::{KeyError, KeyFile};
use tow_store::{Find, Location, Store, StoreError};

/// So many of each kind are looked at, the newest: keys are added and never taken away, so these tell.
const NEWEST: u32 = 100;

/// The keys a store speaks of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedKeys {
    /// The key the last seal of the log is signed with.
    pub last_seal: Option<String>,
    /// All that were found.
    pub all: BTreeSet<String>,
    /// What was sealed here was sealed for trying out alone, without a real key.
    pub pretended: bool,
}

/// How the keys stand to what they were used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysSeen {
    /// They are there, or nothing needs them.
    Fit,
    /// Some of what was sealed needs keys that are not there.
    Some(BTreeSet<String>),
    /// There are none, or others than those that were used. Says which.
    Lost(String),
}

impl NamedKeys {
    /// Asks the store.
    pub(crate) async fn of(store: &Store) -> Result<Self, StoreError> {
        let newest = || Find { limit: Some(NEWEST), newest_first: true, ..Find::default() };
        let end = |newest_first| Find { limit: Some(1), newest_first, ..Find::default() };
        let mut named = Self::default();
        for row in store.list::<Seal>(end(false)).await? {
            named.add(&row.value.signature.key);
        }
        for row in store.list::<Seal>(end(true)).await? {
            named.last_seal = named.add(&row.value.signature.key);
        }
        for row in store.list::<ConfigVersion>(newest()).await? {
            row.value.values.values().for_each(|sealed| {
                named.add(&sealed.key);
            });
        }
        for row in store.list::<Webhook>(newest()).await? {
            named.add(&row.value.secret.key);
        }
        for row in store.list::<Certificate>(newest()).await? {
            named.add(&row.value.key.key);
        }
        for row in store.list::<Authority>(newest()).await? {
            named.add(&row.value.key.key);
        }
        for row in store.list::<AcmeAccount>(newest()).await? {
            named.add(&row.value.credentials.key);
        }
        for row in store.list::<LocationHook>(newest()).await? {
            named.add(&row.value.secret.key);
        }
        Ok(named)
    }

    fn add(&mut self, id: &str) -> Option<String> {
        if id == FakeKeys::ID {
            self.pretended = true;
        }
        if id.is_empty() || id == FakeKeys::ID {
            return None;
        }
        self.all.insert(id.to_string());
        Some(id.to_string())
    }

    /// Against the keys in a data directory. `head`: the store's last event.
    pub fn against(&self, layout: &Layout, head: i64) -> Result<KeysSeen, KeyError> {
        let ring = KeyFile::open(&layout.keys())?;
        let there: Option<BTreeSet<String>> = ring.map(|ring| {
            ring.ids().into_iter().chain(ring.signing_ids()).map(ToString::to_string).collect()
        });
        Ok(self.judge(there.as_ref(), &layout.keys().join("keys").display().to_string(), head))
    }

    fn judge(&self, there: Option<&BTreeSet<String>>, path: &str, head: i64) -> KeysSeen {
        let Some(there) = there else {
            let tried_out = self.pretended && self.all.is_empty();
            if head == 0 || tried_out {
                return KeysSeen::Fit;
            }
            return KeysSeen::Lost(format!(
                "{path} is not there, but the store is in use, up to event {head}"
            ));
        };
        let missing: BTreeSet<String> = self.all.difference(there).cloned().collect();
        let last = self.last_seal.as_ref().filter(|last| missing.contains(*last));
        if last.is_some() || (!missing.is_empty() && missing.len() == self.all.len()) {
            let named = missing.into_iter().take(3).collect::<Vec<_>>().join(", ");
            return KeysSeen::Lost(format!(
                "the keys in {path} are others than the store was sealed with: {named}"
            ));
        }
        if missing.is_empty() { KeysSeen::Fit } else { KeysSeen::Some(missing) }
    }
}

/// Why the keys could not be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysUnknown {
    /// The key file can't be read.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The store can't be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// They do not fit, and another control plane, with its own data directory, is in charge of the store.
    #[error(
        "another control plane, {holder}, is in charge of this store until {until} unless it renews that"
    )]
    Held {
        /// Its name.
        holder: String,
        /// When it loses the lease if it is dead.
        until: Timestamp,
    },
}

/// Looks whether the keys of this data directory are those of its store, before anything is opened for use. A store that
/// is not there yet needs none.
pub async fn keys_seen(layout: &Layout, at: &Location) -> Result<KeysSeen, KeysUnknown> {
    if let Location::File(path) = at
        && !path.metadata().is_ok_and(|meta| meta.len() > 0)
    {
        return Ok(KeysSeen::Fit);
    }
    let store = Store::look(at).await?;
    let seen = look(layout, &store).await;
    store.close().await;
    seen
}

async fn look(layout: &Layout, store: &Store) -> Result<KeysSeen, KeysUnknown> {
    let schema = store.schema().await?;
    if schema.found == 0 || schema.found > schema.known {
        // Empty, or refused for another reason when it is opened.
        return Ok(KeysSeen::Fit);
    }
    let head = store.head().await?;
    let named = NamedKeys::of(store).await?;
    let seen = named.against(layout, head)?;
    if matches!((&seen, store.location()), (KeysSeen::Lost(_), Location::Postgres(_)))
        && let Some(lease) = store.lease("control").await?
        && lease.expires > SystemClock.now()
        && std::fs::read_to_string(layout.identity()).unwrap_or_default().trim() != lease.holder
    {
        return Err(KeysUnknown::Held { holder: lease.holder, until: lease.expires });
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_lost_are_told_from_keys_that_are_not_needed() {
        let set = |ids: &[&str]| ids.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        let named = |last: &str, all: &[&str]| NamedKeys {
            last_seal: Some(last.to_string()).filter(|last| !last.is_empty()),
            all: set(all),
            pretended: false,
        };
        let (nothing, used) = (named("", &[]), named("sign-1", &["key-1", "sign-1"]));
        assert_eq!(nothing.judge(None, "keys", 0), KeysSeen::Fit, "a fresh store");
        assert!(matches!(nothing.judge(None, "keys", 7), KeysSeen::Lost(_)), "tokens, no seal yet");
        let pretended = NamedKeys { pretended: true, ..nothing };
        assert_eq!(pretended.judge(None, "keys", 7), KeysSeen::Fit, "it was tried out only");
        assert!(matches!(used.judge(None, "keys", 7), KeysSeen::Lost(_)));
        assert_eq!(used.judge(Some(&set(&["key-1", "key-2", "sign-1"])), "", 7), KeysSeen::Fit);
        let other = used.judge(Some(&set(&["key-9", "sign-9"])), "", 7);
        assert!(matches!(&other, KeysSeen::Lost(why) if why.contains("key-1")), "{other:?}");
        let sealed = named("", &["key-1"]);
        assert!(matches!(sealed.judge(Some(&set(&["key-9"])), "", 7), KeysSeen::Lost(_)));
        let moved_on = named("sign-9", &["key-1", "sign-1", "sign-9"]);
        let some = moved_on.judge(Some(&set(&["key-9", "sign-9"])), "", 7);
        assert_eq!(some, KeysSeen::Some(set(&["key-1", "sign-1"])));
    }
}
