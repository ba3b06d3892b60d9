//! Whom a token belongs to. Asked at every request, so what was found is kept for as long as nothing changed that decides
//! who may do what; a withdrawn token or a change of membership counts at once.

use super::token::{refused, well_formed};
use crate::{App, AppError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tow_names::EntityRef;
use tow_names::{Digest, Duration, Timestamp};
use tow_policy::{Directory, MACHINE_OWNER, Standing};
use tow_record::{Actor, Purpose, Token, TokenUse};
use tow_store::{Batch, ObjectRow, Topic};

/// So many are kept of each; beyond that all are forgotten and found again.
const KEPT: usize = 20_000;
/// The use of a token is written down at most so often.
const COARSE: Duration = Duration::from_secs(3600);
/// Servers of one platform tell the time this much apart at most.
const APART: Duration = Duration::from_secs(60);

/// May `who`, whose own object is `own`, hold what was given to them `since`? With their object goes what they held, for
/// good: somebody declared under the same name later is somebody else. The machine's owner needs no object.
pub(super) fn stays(who: &EntityRef, own: Option<&ObjectRow>, since: Timestamp) -> bool {
    who.to_string() == MACHINE_OWNER || own.is_some_and(|own| own.created_at <= since.plus(APART))
}

/// What was found at a revision of the store.
#[derive(Default)]
pub(crate) struct Known {
    at: Mutex<At>,
    /// Token id → the use that is written down. Outlives revisions.
    used: Mutex<HashMap<String, Timestamp>>,
}

#[derive(Default)]
struct At {
    revision: u64,
    /// By the digest of a token's text.
    tokens: HashMap<String, (Actor, Option<Timestamp>, String)>,
    standings: HashMap<String, Arc<Standing>>,
    directory: Option<Arc<Directory>>,
}

impl Known {
    /// What is known at this revision: nothing, where it is a new one.
    fn at(&self, revision: u64) -> MutexGuard<'_, At> {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        if at.revision != revision || at.tokens.len() > KEPT || at.standings.len() > KEPT {
            *at = At { revision, ..At::default() };
        }
        at
    }

    /// Keeps what was found of an older revision from being taken for what holds now.
    fn keep(&self, revision: u64, put: impl FnOnce(&mut At)) {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        if at.revision == revision {
            put(&mut at);
        }
    }

    pub(super) fn standing(&self, revision: u64, who: &str) -> Option<Arc<Standing>> {
        self.at(revision).standings.get(who).cloned()
    }

    pub(super) fn keep_standing(&self, revision: u64, who: &str, standing: &Arc<Standing>) {
        self.keep(revision, |at| {
            at.standings.insert(who.into(), standing.clone());
        });
    }

    pub(super) fn directory(&self, revision: u64) -> Option<Arc<Directory>> {
        self.at(revision).directory.clone()
    }

    pub(super) fn keep_directory(&self, revision: u64, directory: &Arc<Directory>) {
        self.keep(revision, |at| at.directory = Some(directory.clone()));
    }
}

impl App {
    /// What decides who may do what has this revision.
    pub(super) fn access_revision(&self) -> u64 {
        self.store().revision(Topic::Access)
    }

    /// Who holds this token or session. Unknown, expired and withdrawn ones are refused alike; what is no token by its
    /// form is refused without asking the store.
    pub async fn authenticate(&self, text: &str) -> Result<Actor, AppError> {
        well_formed(text)?;
        let digest = Digest::of(text.as_bytes()).hex().to_string();
        let revision = self.access_revision();
        let known = self.who.at(revision).tokens.get(&digest).cloned();
        let (actor, expires_at, id) = match known {
            Some(known) => known,
            None => {
                let found = self.identified(&digest).await?;
                self.who.keep(revision, |at| {
                    at.tokens.insert(digest, found.clone());
                });
                found
            }
        };
        let now = self.now();
        if expires_at.is_some_and(|at| at <= now) {
            return Err(refused());
        }
        self.note_use(&id, &actor.name, now).await;
        Ok(actor)
    }

    async fn identified(
        &self,
        digest: &str,
    ) -> Result<(Actor, Option<Timestamp>, String), AppError> {
        let row = self.store().get::<Token>(&Token::id_of(digest)).await?.ok_or_else(refused)?;
        let token = row.value;
        if token.digest != digest || token.revoked {
            return Err(refused());
        }
        let who = super::actor_ref(&token.owner).map_err(|_| refused())?;
        let own = self.store().object(&who).await?;
        // Who is no longer declared does not act. Whoever reads the data directory always does.
        if token.purpose != Purpose::Local && !stays(&who, own.as_ref(), token.created_at) {
            return Err(refused());
        }
        let standing = self.standing_with(&who, own.map(|row| row.manifest)).await?;
        // Whoever reads the data directory is administrator, whatever is bound.
        let role = match token.purpose {
            Purpose::Local => token.role,
            Purpose::Api | Purpose::Session => token.role.min(standing.role),
        };
        let groups = standing.memberships.iter().map(|m| m.group.clone()).collect();
        let actor = Actor { name: token.owner, role, groups, limits: token.limits };
        Ok((actor, token.expires_at, token.id.to_string()))
    }

    /// Writes down that a token was used, at most once an hour. Nobody waits for it to succeed: a full disk must not
    /// keep anybody from reading.
    async fn note_use(&self, id: &str, owner: &str, now: Timestamp) {
        let recent = |at: &Timestamp| at.plus(COARSE) > now;
        {
            let mut used = self.who.used.lock().unwrap_or_else(PoisonError::into_inner);
            if used.get(id).is_some_and(recent) {
                return;
            }
            if used.len() > KEPT {
                used.clear();
            }
            // Whoever comes meanwhile finds it done.
            used.insert(id.into(), now);
        }
        let before = self.store().get::<TokenUse>(id).await;
        if before.is_ok_and(|row| row.is_some_and(|row| recent(&row.value.at))) {
            return;
        }
        let mut batch = Batch::new();
        batch.upsert(&TokenUse { token: id.into(), owner: owner.into(), at: now });
        if let Err(error) = self.store().commit(batch).await {
            tracing::debug!(%error, "the use of a token was not written down");
        }
    }
}
