//! A write as a value: what must hold, and what becomes. Everything is serialised here, so that the transaction is
//! short and knows no types.

use crate::StoreError;
use crate::index::Derived;
use serde::Serialize;
use tow_model::Manifest;
use tow_names::{EntityRef, Timestamp};
use tow_record::{
    Declaration, EventBody, Fence, NewEvent, ReadMember, Record, StatusItem, Verdict,
};

/// A reply kept for a repeated request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotent {
    /// Who asked.
    pub actor: String,
    /// For what: the endpoint's id.
    pub route: String,
    /// The key the client chose.
    pub key: String,
    /// SHA-256 of what was asked: the same key with another body is refused by the caller.
    pub body_sha256: String,
    /// The HTTP status answered.
    pub status: u16,
    /// The body answered.
    pub reply: String,
    /// When. Kept for 24 hours.
    pub at: Timestamp,
}

/// In whose name something is declared, by which request and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// Such as `user:default/ann` or `system:location`.
    pub actor: String,
    /// The request's id; empty for the platform's own work.
    pub request: String,
    /// When.
    pub at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// 0: it must not be there.
    Version(i64),
    Any,
}

/// How an object was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// At this version; 0: it was not there.
    At(i64),
    /// The same object, saying the same.
    As { uid: String, generation: i64 },
}

#[derive(Debug)]
pub(crate) struct RecordRow {
    pub(crate) subject: String,
    pub(crate) number: i64,
    pub(crate) open: bool,
    pub(crate) body: String,
}

/// `put: None` takes it away.
#[derive(Debug)]
pub(crate) struct RecordWrite {
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) expect: Expect,
    pub(crate) put: Option<RecordRow>,
}

#[derive(Debug)]
pub(crate) struct ObjectPut {
    /// For one that is made; of an existing one the stored values stay.
    pub(crate) uid: String,
    pub(crate) created_by: String,
    pub(crate) at: i64,
    pub(crate) bump_generation: bool,
    pub(crate) body: String,
    /// Which source it belongs to from now on; none: as it is.
    pub(crate) source: Option<String>,
    /// What it is found by.
    pub(crate) derived: Derived,
}

#[derive(Debug)]
pub(crate) struct ObjectWrite {
    pub(crate) entity: EntityRef,
    pub(crate) version: i64,
    pub(crate) put: Option<ObjectPut>,
}

/// What is written together. All of it, or nothing.
#[derive(Debug, Default)]
pub struct Batch {
    pub(crate) fence: Option<Fence>,
    pub(crate) expected: Vec<(String, String, i64)>,
    pub(crate) expected_objects: Vec<(EntityRef, Seen)>,
    pub(crate) records: Vec<RecordWrite>,
    pub(crate) objects: Vec<ObjectWrite>,
    pub(crate) events: Vec<(NewEvent, String)>,
    pub(crate) idempotency: Option<Idempotent>,
    pub(crate) cursors: Vec<(String, i64)>,
    pub(crate) erased: Vec<i64>,
    pub(crate) statuses: Vec<(EntityRef, Option<String>)>,
    /// A value that would not serialise; told by the commit.
    pub(crate) broken: Option<StoreError>,
}

impl Batch {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only if this lease is still at this epoch.
    pub fn fence(&mut self, fence: Fence) {
        self.fence = Some(fence);
    }

    /// A new record; it must not be there. Its version will be 1.
    pub fn create<R: Record>(&mut self, value: &R) {
        self.put(value, Expect::Version(0));
    }

    /// A record that is there at `expected_version`, which grows by one.
    pub fn update<R: Record>(&mut self, value: &R, expected_version: i64) {
        self.put(value, Expect::Version(expected_version.max(1)));
    }

    /// A record, whether it is there or not.
    pub fn upsert<R: Record>(&mut self, value: &R) {
        self.put(value, Expect::Any);
    }

    /// Takes a record away; without an expected version no error where there is none.
    pub fn remove<R: Record>(&mut self, id: impl Into<String>, expected_version: Option<i64>) {
        let expect =
            expected_version.map_or(Expect::Any, |version| Expect::Version(version.max(1)));
        self.records.push(RecordWrite { kind: R::KIND.into(), id: id.into(), expect, put: None });
    }

    /// A record must be at this version before the batch; 0: it must not be there.
    pub fn expect<R: Record>(&mut self, id: impl Into<String>, version: i64) {
        self.expected.push((R::KIND.into(), id.into(), version));
    }

    /// An object must be at this version before the batch; 0: it must not be there.
    pub fn expect_object(&mut self, entity: &EntityRef, version: i64) {
        self.expected_objects.push((entity.clone(), Seen::At(version)));
    }

    /// What a plan was made from must be as it was: `object` with a reference, or a record's kind with its id.
    pub fn expect_read(&mut self, member: &ReadMember) {
        if member.kind != "object" {
            self.expected.push((member.kind.clone(), member.id.clone(), member.version));
            return;
        }
        match EntityRef::try_from(member.id.clone()) {
            Ok(entity) if member.version == 0 => {
                self.expected_objects.push((entity, Seen::At(0)));
            }
            Ok(entity) => {
                let (uid, generation) = (member.uid.clone(), member.version);
                self.expected_objects.push((entity, Seen::As { uid, generation }));
            }
            Err(error) => self.break_off(&member.kind, &member.id, &error),
        }
    }

    /// A new object; it must not be there. Version and generation will be 1.
    pub fn create_object(
        &mut self,
        manifest: &Manifest,
        uid: impl Into<String>,
        at: Timestamp,
        by: impl Into<String>,
    ) {
        let (uid, created_by) = (uid.into(), by.into());
        self.put_object(manifest, 0, uid, created_by, at, true);
    }

    /// An object that is there at `expected_version`, which grows by one; the generation grows only when asked to:
    /// a change of the spec, not of the metadata.
    pub fn update_object(
        &mut self,
        manifest: &Manifest,
        expected_version: i64,
        at: Timestamp,
        bump_generation: bool,
    ) {
        let expected = expected_version.max(1);
        self.put_object(manifest, expected, String::new(), String::new(), at, bump_generation);
    }

    /// Takes an object away that is there at this version.
    pub fn remove_object(&mut self, entity: &EntityRef, expected_version: i64) {
        let (entity, version) = (entity.clone(), expected_version.max(1));
        self.objects.push(ObjectWrite { entity, version, put: None });
    }

    /// What a declaration makes of an object, with the event that tells of it. One that is unchanged writes nothing, but
    /// holds only if the object is still as it was seen.
    pub fn declare(&mut self, change: &Declaration, by: &Author) {
        let version = change.before.as_ref().map_or(0, |kept| kept.version);
        let entity = &change.entity;
        match (&change.after, change.verdict) {
            (_, Verdict::Unchanged) => return self.expect_object(entity, version),
            (None, _) => self.remove_object(entity, version),
            (Some(manifest), _) => {
                let uid = tow_names::Id::fresh("uid").to_string();
                let (author, at) = (by.actor.clone(), by.at);
                self.put_object(manifest, version, uid, author, at, change.respec());
                if let Some(put) = self.objects.last_mut().and_then(|write| write.put.as_mut()) {
                    put.source = Some(change.source.clone());
                }
            }
        }
        let word = match change.verdict {
            Verdict::Created => "created",
            Verdict::Removed => "deleted",
            _ => "updated",
        };
        let as_value = |manifest: Option<&Manifest>| {
            manifest
                .map_or(serde_json::Value::Null, |m| serde_json::to_value(m).unwrap_or_default())
        };
        self.event(NewEvent {
            at: by.at,
            actor: by.actor.clone(),
            request: by.request.clone(),
            kind: format!("object.{word}"),
            subject: entity.to_string(),
            body: EventBody {
                summary: format!("{entity} was {word}"),
                before: as_value(change.before.as_ref().map(|kept| &kept.manifest)),
                after: as_value(change.after.as_ref()),
            },
        });
    }

    /// What the platform has to say of an object that is there: the items of its status; none: nothing. Neither its version
    /// nor its generation moves.
    pub fn status(&mut self, entity: &EntityRef, items: &[StatusItem]) {
        let said = || serde_json::json!({ "items": items }).to_string();
        self.statuses.push((entity.clone(), (!items.is_empty()).then(said)));
    }

    /// An event; events get their places in the log in the order in which they are added.
    pub fn event(&mut self, event: NewEvent) {
        match serde_json::to_string(&event.body) {
            Ok(body) => self.events.push((event, body)),
            Err(error) => self.break_off("event", &event.kind, &error),
        }
    }

    /// Keeps the reply; a reply kept under the same actor, route and key is a conflict.
    pub fn idempotency(&mut self, reply: Idempotent) {
        self.idempotency = Some(reply);
    }

    /// A reader of the log has come this far. Never goes back.
    pub fn cursor(&mut self, consumer: impl Into<String>, seq: i64) {
        self.cursors.push((consumer.into(), seq));
    }

    /// Takes the body of an event away; its digest stays, so that the log still proves. Whoever does it tells of it in an
    /// event of the same batch.
    pub fn erase_event(&mut self, seq: i64) {
        self.erased.push(seq);
    }

    /// Writes nothing and expects nothing.
    pub fn is_empty(&self) -> bool {
        self.expected.is_empty()
            && self.expected_objects.is_empty()
            && self.records.is_empty()
            && self.objects.is_empty()
            && self.events.is_empty()
            && self.idempotency.is_none()
            && self.cursors.is_empty()
            && self.erased.is_empty()
            && self.statuses.is_empty()
            && self.broken.is_none()
    }

    fn put<R: Record>(&mut self, value: &R, expect: Expect) {
        let (kind, id) = (R::KIND.to_string(), value.id());
        let Some(body) = self.body(&kind, &id, value) else { return };
        let put = Some(RecordRow {
            subject: value.subject(),
            number: value.number(),
            open: value.open(),
            body,
        });
        self.records.push(RecordWrite { kind, id, expect, put });
    }

    fn put_object(
        &mut self,
        manifest: &Manifest,
        version: i64,
        uid: String,
        created_by: String,
        at: Timestamp,
        bump_generation: bool,
    ) {
        let entity = manifest.entity();
        let Some(body) = self.body("object", &entity.to_string(), manifest) else { return };
        let source = None;
        let derived = Derived::of(manifest);
        let put =
            Some(ObjectPut { uid, created_by, at: at.0, bump_generation, body, source, derived });
        self.objects.push(ObjectWrite { entity, version, put });
    }

    fn body(&mut self, kind: &str, id: &str, value: &impl Serialize) -> Option<String> {
        serde_json::to_string(value).map_err(|error| self.break_off(kind, id, &error)).ok()
    }

    fn break_off(&mut self, kind: &str, id: &str, why: &dyn std::fmt::Display) {
        let (kind, id) = (kind.to_string(), id.to_string());
        self.broken.get_or_insert(StoreError::Body { kind, id, why: why.to_string() });
    }
}
