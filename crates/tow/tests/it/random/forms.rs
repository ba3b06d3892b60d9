//! From a JSON Schema to a value that fits, nearly fits or does not fit at all; with names and ids that are there.

use super::dice::Dice;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// So many of each are kept.
const KEPT: usize = 80;

/// Ids and names from answers, by what they begin with (`plan`, `token`, …), and `cursor`, `seq`, `uid`, `digest`.
#[derive(Debug, Clone, Default)]
pub(super) struct Learned(Arc<Mutex<BTreeMap<String, Vec<String>>>>);

impl Learned {
    pub(super) fn add(&self, pool: &str, text: &str, dice: &mut Dice) {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = pools.entry(pool.into()).or_default();
        if pool.iter().any(|known| known == text) {
            return;
        }
        if pool.len() < KEPT {
            pool.push(text.into());
        } else {
            let at = dice.below(KEPT);
            pool[at] = text.into();
        }
    }

    /// Everything in an answer by which something can be asked for; never a text that somebody wrote.
    pub(super) fn read(&self, value: &Value, dice: &mut Dice) {
        match value {
            Value::Array(items) => items.iter().take(30).for_each(|item| self.read(item, dice)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    match (name.as_str(), value) {
                        (
                            "next" | "previous" | "nextCursor" | "prevCursor",
                            Value::String(text),
                        ) => {
                            self.add("cursor", text, dice);
                        }
                        ("seq" | "head" | "last", Value::Number(number)) => {
                            self.add("seq", &number.to_string(), dice);
                        }
                        ("uid", Value::String(text)) => self.add("uid", text, dice),
                        (_, Value::String(text)) => {
                            if let Some((kind, rest)) = text.split_once('-')
                                && rest.len() >= 16
                                && rest.bytes().all(|b| b.is_ascii_hexdigit())
                            {
                                self.add(kind, text, dice);
                            } else if text.starts_with("sha256:") {
                                self.add("digest", text, dice);
                            }
                        }
                        (_, value) => self.read(value, dice),
                    }
                }
            }
            _ => {}
        }
    }

    pub(super) fn of(&self, pool: &str, dice: &mut Dice) -> Option<String> {
        let pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = pools.get(pool)?;
        (!pool.is_empty()).then(|| dice.one(pool).clone())
    }

    /// Something to put where this name is: mostly what belongs there.
    pub(super) fn fit(&self, name: &str, nice: bool, dice: &mut Dice) -> String {
        if !nice && dice.chance(8) {
            let pools: Vec<String> = {
                let pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                pools.keys().cloned().collect()
            };
            if !pools.is_empty() {
                let pool = dice.one(&pools).clone();
                return self.of(&pool, dice).unwrap_or_default();
            }
        }
        if !nice && dice.chance(14) {
            return dice.text();
        }
        let known = match name {
            "plan" | "token" | "build" => self.of(name, dice),
            "webhook" => self.of("wh", dice),
            "operation" => self.of("op", dice),
            "instance" => self.of("i", dice),
            "after" | "seq" => self.of("seq", dice),
            "from" | "cursor" => self.of("cursor", dice),
            "uid" | "id" => self.of("uid", dice),
            "source" | "digest" => self.of("digest", dice),
            _ => None,
        };
        known.unwrap_or_else(|| likely(name, nice, dice))
    }
}

/// What people would write there.
fn likely(name: &str, nice: bool, dice: &mut Dice) -> String {
    let choice: &[&str] = match name {
        "component" => {
            &["web-dock", "gate-dock", "vault-dock", "web-free", "gate-free", "default/web-dock"]
        }
        "environment" => &["development", "development", "production", "staging"],
        "namespace" => &["default", "default", "default", "fuzz", "other"],
        "workload" => &["web-dock", "gate-dock", "vault-dock", "web-free"],
        "kind" => &[
            "component",
            "Component",
            "components",
            "group",
            "user",
            "system",
            "api",
            "resource",
            "location",
            "template",
            "environment",
            "runtime",
            "delivery",
            "rolebinding",
            "serviceaccount",
            "domain",
            "airesource",
            "object.*",
            "plan.created",
            "deployment.live",
            "token.*",
        ],
        "name" => &[
            "web-dock",
            "gate-dock",
            "vault-dock",
            "web-free",
            "yard-dock",
            "quay",
            "ann",
            "development",
            "local",
        ],
        "object" => &[
            "web-dock",
            "component:default/gate-dock",
            "vault-dock",
            "platform",
            "group:quay",
            "user:ann",
        ],
        "actor" | "user" | "owner" => &[
            "ann",
            "user:default/bob",
            "kim",
            "root",
            "admin",
            "all",
            "serviceaccount:ci",
            "group:quay",
            "keep",
        ],
        "for" => &["serviceaccount:ci", "serviceaccount:default/ci", "user:bob", "group:keep"],
        "only" => &[
            "web-dock",
            "component:default/vault-dock",
            "system:default/shop",
            "component:default/web-free",
        ],
        "subject" => &[
            "component:default/web-dock",
            "component:default/vault-dock@development",
            "user:default/ann",
            "component:default/gate-dock@development",
            "group:default/quay",
        ],
        "order" => &[
            "asc",
            "desc",
            "type,-updated",
            "-name",
            "name",
            "metadata.name",
            "-spec.owner",
            "spec.lifecycle",
            ",",
        ],
        "q" | "query" => &[
            "type=service",
            "owner=quay",
            "owner=keep or tag:java",
            "-lifecycle=production",
            "\"dock\"",
            "marker",
            "vault",
            "not (kind=component)",
            "((",
            "name=vault-dock",
            "tag:x -tag:y",
            "relations.ownedBy=group:default/keep",
            "metadata.annotations.tow/x=1",
            "description=marker",
            "uid=1",
            "spec.type=*",
            "owner=group:keep,quay",
        ],
        "fields" => &[
            "metadata.name",
            "kind,metadata.name,spec.owner",
            "spec",
            "relations",
            "status",
            "metadata.description",
        ],
        "keys" | "facet" | "facets" => &[
            "kind",
            "type",
            "owner,tag",
            "spec.owner",
            "metadata.name",
            "relations.ownedBy",
            "lifecycle",
            "description",
            "metadata.description",
        ],
        "filter" => &[
            "kind=component",
            "kind=component,spec.owner=quay",
            "metadata.name",
            "relations.ownedBy=group:default/keep",
            "metadata.name=vault-dock",
            "kind=",
            "=x",
            "metadata.description=marker",
            "metadata.annotations.a/b=c",
        ],
        "orderField" | "orderFields" => {
            &["metadata.name", "metadata.name,desc", "spec.owner,asc", ",", "kind,up"]
        }
        "fullTextFilterTerm" => &["marker", "vault", "dock", "we"],
        "fullTextFilterFields" => &["metadata.description", "metadata.name", "spec.owner"],
        "limit" | "tail" | "offset" => &["0", "1", "2", "10", "100", "1000", "1001", "-1"],
        "since" | "until" => {
            &["2026-01-01T00:00:00Z", "1h", "7d", "2030-01-01T00:00:00Z", "yesterday"]
        }
        "total" | "follow" | "dryRun" | "entityRef" => &["true", "false", "1"],
        "events" => &["*", "object.created", "deployment.*", "webhook.*"],
        "action" | "actions" => &[
            "read",
            "read-private",
            "declare",
            "deploy",
            "govern",
            "audit",
            "erase",
            "manage-access",
            "own-tokens",
        ],
        "url" | "target" => {
            &["http://127.0.0.1:1/hook", "http://127.0.0.1:1/", "https://127.0.0.1:1/x"]
        }
        "expires_in" => &["1s", "1h", "30d", "366d", "0s"],
        "password" | "current" | "again" => {
            &["correct horse battery", "another horse battery", "short"]
        }
        "entityRefs" => {
            &["component:default/vault-dock", "component:default/web-dock", "group:default/keep"]
        }
        "commit" => &["0123456789abcdef0123456789abcdef01234567", "abc+changes"],
        _ => return if nice || dice.chance(50) { dice.word() } else { dice.text() },
    };
    dice.pick(choice).to_string()
}

/// Makes values.
pub(super) struct Forms<'a> {
    pub(super) schemas: &'a Value,
    pub(super) learned: &'a Learned,
    /// In so many of a hundred places something is not as the schema says.
    pub(super) wrong: usize,
}

impl Forms<'_> {
    pub(super) fn value(&self, name: &str, schema: &Value, dice: &mut Dice, depth: usize) -> Value {
        if depth > 12 {
            return Value::Null;
        }
        if dice.chance(self.wrong) {
            return self.other(name, dice);
        }
        if let Some(of) = schema["$ref"].as_str() {
            let of = of.rsplit('/').next().unwrap_or_default();
            if of == "Document" && dice.chance(95) {
                return super::documents::document(name == "document", self.nice(), dice);
            }
            return self.value(name, &self.schemas[of], dice, depth + 1);
        }
        if let Some(fixed) = schema.get("const") {
            return fixed.clone();
        }
        if let Some(choice) = schema["enum"].as_array() {
            return dice.one(choice).clone();
        }
        let mut fields = Map::new();
        for key in ["oneOf", "anyOf", "allOf"] {
            let Some(of) = schema[key].as_array().filter(|of| !of.is_empty()) else { continue };
            let chosen = self.value(name, dice.one(of), dice, depth + 1);
            match chosen {
                Value::Object(more) if schema.get("properties").is_some() => fields.extend(more),
                other => return other,
            }
        }
        match self.kind(schema, dice) {
            "object" => {
                self.object(schema, &mut fields, dice, depth);
                Value::Object(fields)
            }
            "array" => {
                let length = [0, 1, 1, 1, 2, 3, 7][dice.below(7)];
                let item = |dice: &mut Dice| self.value(name, &schema["items"], dice, depth + 1);
                Value::Array((0..length).map(|_| item(dice)).collect())
            }
            "string" => Value::String(self.learned.fit(name, self.nice(), dice)),
            "integer" | "number" if !self.nice() && dice.chance(25) => dice.number(),
            "integer" | "number" => {
                let name = if name == "events" { "seq" } else { name };
                let known = self.learned.fit(name, self.nice(), dice).parse::<u64>().ok();
                json!(known.unwrap_or(dice.throw() % 20))
            }
            "boolean" => json!(dice.chance(50)),
            _ => Value::Null,
        }
    }

    fn nice(&self) -> bool {
        self.wrong == 0
    }

    fn kind(&self, schema: &Value, dice: &mut Dice) -> &'static str {
        const KINDS: [&str; 7] =
            ["object", "array", "string", "integer", "number", "boolean", "null"];
        let name = match &schema["type"] {
            Value::Array(of) => dice.one(of).as_str().unwrap_or("null").to_string(),
            Value::String(one) => one.clone(),
            _ if schema.get("properties").is_some() => "object".into(),
            _ => return dice.pick(&KINDS),
        };
        KINDS.into_iter().find(|known| *known == name).unwrap_or("null")
    }

    fn object(
        &self,
        schema: &Value,
        fields: &mut Map<String, Value>,
        dice: &mut Dice,
        depth: usize,
    ) {
        let required: Vec<&str> = schema["required"]
            .as_array()
            .map_or(Vec::new(), |names| names.iter().filter_map(Value::as_str).collect());
        for (name, of) in schema["properties"].as_object().into_iter().flatten() {
            let wanted = if required.contains(&name.as_str()) { 97 } else { 40 };
            if dice.chance(wanted) {
                fields.insert(name.clone(), self.value(name, of, dice, depth + 1));
            }
        }
        if schema["additionalProperties"].is_object() {
            for _ in 0..dice.below(4) {
                let name = if self.nice() || dice.chance(70) { dice.word() } else { dice.text() };
                let name = if self.nice() || dice.chance(50) {
                    name.to_uppercase().replace('-', "_")
                } else {
                    name
                };
                let of = &schema["additionalProperties"];
                fields.insert(name, self.value("", of, dice, depth + 1));
            }
        }
        if dice.chance(self.wrong) {
            fields.insert(dice.text(), self.other("", dice));
        }
    }

    /// Something else altogether.
    fn other(&self, name: &str, dice: &mut Dice) -> Value {
        match dice.below(10) {
            0 => Value::Null,
            1 => json!([]),
            2 => json!({}),
            3 => json!([[[[{ "a": [null] }]]]]),
            4 => dice.number(),
            5 => json!(true),
            6 => json!({ name: dice.text() }),
            7 => json!([dice.text(), dice.number()]),
            8 => json!(dice.text().repeat(50)),
            _ => json!(dice.text()),
        }
    }
}
