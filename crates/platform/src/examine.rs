//! What the doctor wants to know of a store, in one look that changes nothing and does not wait for long. Judges nothing.

use crate::{NamedKeys, SystemClock};
use std::collections::BTreeSet;
use std::time::Duration;
use tow_model::kinds::runtime::RuntimeType;
use tow_names::Timestamp;
use tow_ports::Clock as _;
use tow_record::{
    AcmeOrder, Artifact, Certificate, CertificateSource, Event, Instance, Lease, Operation, Outbox,
    Seal, Source, Webhook,
};
use tow_store::{Find, Location, Schema, Search, Store, StoreError};

/// What a store holds, as far as it tells how the platform is.
#[derive(Debug, Clone)]
pub struct Examined {
    /// Where it is; shows no password.
    pub at: String,
    /// Its schema. Where it is another one than this binary's, nothing else was looked at.
    pub schema: Schema,
    /// What is wrong with its structure; none where looking would have taken too long.
    pub damage: Option<Vec<String>>,
    /// The last event's number.
    pub head: i64,
    /// By how many microseconds the clock of the database's server is ahead of this machine's; none of a file.
    pub clock_ahead: Option<i64>,
    /// When the last event was written.
    pub last_event: Option<Timestamp>,
    /// All leases.
    pub leases: Vec<Lease>,
    /// Events up to here are sealed.
    pub sealed: i64,
    /// When the first event that is not sealed was written.
    pub unsealed_since: Option<Timestamp>,
    /// How far each webhook has come.
    pub outboxes: Vec<OutboxSeen>,
    /// The instances that are to be there.
    pub instances: BTreeSet<String>,
    /// The builds that somebody knows.
    pub builds: BTreeSet<String>,
    /// The blobs that something refers to: hexadecimal digests.
    pub blobs: BTreeSet<String>,
    /// Runtimes of containers by name, with the engine that each names.
    pub engines: Vec<(String, Option<String>)>,
    /// The last event about a backup.
    pub last_backup: Option<Event>,
    /// The keys that were used.
    pub keys: NamedKeys,
    /// Certificates that are kept or ordered.
    pub certificates: Vec<CertificateSeen>,
}

/// The certificate of a host.
#[derive(Debug, Clone)]
pub struct CertificateSeen {
    /// Which host.
    pub host: String,
    /// Good until then; none where there is none yet.
    pub until: Option<Timestamp>,
    /// The next one is due then.
    pub due: Option<Timestamp>,
    /// The platform itself gets the next one.
    pub renewed: bool,
    /// Why there is none yet.
    pub reason: String,
}

/// May this binary take over the store? Not one that a newer binary wrote. Changes nothing.
pub async fn may_take_over(at: &Location) -> Result<(), StoreError> {
    let store = Store::look(at).await?;
    let schema = store.schema().await;
    let shown = at.to_string();
    store.close().await;
    match schema? {
        Schema { found, known } if found > known => {
            Err(StoreError::Newer { at: shown, found, known })
        }
        _ => Ok(()),
    }
}

/// A webhook's way through the log.
#[derive(Debug, Clone)]
pub struct OutboxSeen {
    /// Which.
    pub webhook: String,
    /// Where it leads, without what may be secret.
    pub origin: String,
    /// Why it carries nothing, where it does not.
    pub paused: Option<String>,
    /// Events up to here are dealt with.
    pub seq: i64,
    /// When the first event was written that is not dealt with.
    pub waiting_since: Option<Timestamp>,
}

/// Looks. `patience`: how long checking the structure may take; all of it where nothing is said.
pub async fn examine(at: &Location, patience: Option<Duration>) -> Result<Examined, StoreError> {
    let store = Store::look(at).await?;
    let examined = look(&store, patience).await;
    store.close().await;
    examined
}

/// What is wrong with a store's structure, through connections of its own; nothing where it is whole. Takes as long as
/// reading all of it.
pub async fn damage(at: &Location) -> Result<Vec<String>, StoreError> {
    let store = Store::look(at).await?;
    let found = store.damage().await;
    store.close().await;
    found
}

/// As if the server had looked halfway between question and answer.
async fn clock_ahead(store: &Store) -> Result<Option<i64>, StoreError> {
    // The first question may make a connection; the second takes only as long as the way there and back.
    store.server_clock().await?;
    let before = SystemClock.now();
    let server = store.server_clock().await?;
    let after = SystemClock.now();
    Ok(server.map(|server| server.0 - before.0.midpoint(after.0)))
}

async fn certificates(store: &Store) -> Result<Vec<CertificateSeen>, StoreError> {
    let mut seen: Vec<CertificateSeen> = Vec::new();
    for row in store.list::<Certificate>(Find::default()).await? {
        seen.push(CertificateSeen {
            due: Some(row.value.due()),
            host: row.value.host,
            until: Some(row.value.facts.until),
            renewed: row.value.source == CertificateSource::Acme,
            reason: String::new(),
        });
    }
    for row in store.list::<AcmeOrder>(Find::default()).await? {
        let AcmeOrder { host, reason, .. } = row.value;
        if !reason.is_empty() && !seen.iter().any(|one| one.host == host) {
            seen.push(CertificateSeen { host, until: None, due: None, renewed: true, reason });
        }
    }
    Ok(seen)
}

async fn look(store: &Store, patience: Option<Duration>) -> Result<Examined, StoreError> {
    let schema = store.schema().await?;
    let mut seen = Examined {
        at: store.location().to_string(),
        schema,
        damage: None,
        head: 0,
        clock_ahead: clock_ahead(store).await?,
        last_event: None,
        leases: Vec::new(),
        sealed: 0,
        unsealed_since: None,
        outboxes: Vec::new(),
        instances: BTreeSet::new(),
        builds: BTreeSet::new(),
        blobs: BTreeSet::new(),
        engines: Vec::new(),
        last_backup: None,
        keys: NamedKeys::default(),
        certificates: Vec::new(),
    };
    seen.damage = match patience {
        None => Some(store.damage().await?),
        Some(patience) => tokio::time::timeout(patience, store.damage()).await.ok().transpose()?,
    };
    if schema.found != schema.known {
        return Ok(seen);
    }
    seen.head = store.head().await?;
    seen.last_event = store.event_time(seen.head).await?;
    seen.leases = store.leases().await?;
    seen.sealed = store.cursor(Seal::CONSUMER).await?;
    seen.unsealed_since = store.event_time(seen.sealed + 1).await?;
    let outboxes = store.list::<Outbox>(Find::default()).await?;
    for row in store.list::<Webhook>(Find::default()).await? {
        let webhook = row.value;
        let outbox = outboxes.iter().find(|row| row.value.webhook == webhook.id);
        let seq = outbox.map_or(webhook.since, |row| row.value.seq.max(webhook.since));
        seen.outboxes.push(OutboxSeen {
            origin: Webhook::origin(&webhook.url).to_string(),
            paused: webhook.paused.map(|paused| paused.why),
            seq,
            waiting_since: store.event_time(seq + 1).await?,
            webhook: webhook.id.to_string(),
        });
    }
    seen.keys = NamedKeys::of(store).await?;
    seen.certificates = certificates(store).await?;
    let instances = store.list::<Instance>(Find::default()).await?;
    seen.instances = instances.into_iter().map(|row| row.value.id.to_string()).collect();
    let operations = store.list::<Operation>(Find::default()).await?;
    seen.builds = operations.iter().map(|row| row.value.build_id().to_string()).collect();
    for row in store.list::<Source>(Find::default()).await? {
        seen.blobs.insert(row.value.digest.hex().to_string());
    }
    for row in store.list::<Artifact>(Find::default()).await? {
        seen.blobs.insert(row.value.digest.hex().to_string());
    }
    for row in store.objects(Some(tow_model::Kind::Runtime)).await? {
        if let tow_model::Spec::Runtime(spec) = &row.manifest.spec
            && spec.kind == RuntimeType::Container
        {
            seen.engines.push((row.manifest.metadata.name.to_string(), spec.engine.clone()));
        }
    }
    let about =
        Search { newest_first: true, limit: 1, kind: Some("backup.".into()), ..Search::default() };
    seen.last_backup = store.search(&about).await?.events.into_iter().next();
    Ok(seen)
}
