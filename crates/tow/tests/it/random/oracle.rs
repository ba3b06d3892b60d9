//! What must be so of every answer, whoever asked for whatever.

use super::offer::Operation;
use super::wire::{Answer, Request};
use super::world::{Who, World};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use tow_policy::floor;
use tow_record::{CODES, Right};

/// Statuses of 500 and more that the contract knows: a part that does not answer, and a full disk.
const ALLOWED: [(u16, &str); 2] = [(503, "platform/unavailable"), (507, "store/full")];

/// Who shows a fresh secret, once.
const MAKERS: [&str; 5] = [
    "token.create",
    "webhook.create",
    "location.push-secret",
    "sign-in-link.create",
    "portal.enter",
];

pub(super) struct Oracle<'a> {
    world: &'a World,
    actions: BTreeMap<String, Right>,
}

impl<'a> Oracle<'a> {
    pub(super) fn new(world: &'a World, operations: &[Operation]) -> Self {
        let actions =
            operations.iter().filter_map(|of| Some((of.id.clone(), of.action?))).collect();
        Self { world, actions }
    }

    /// What is wrong with it, in a word for its kind and in a sentence.
    pub(super) fn judge(
        &self,
        who: &Who,
        request: &Request,
        answer: &Answer,
    ) -> Result<(), (&'static str, String)> {
        Self::shape(request, answer)?;
        self.right(who, request, answer)?;
        self.leak(who, request, answer)
    }

    fn shape(request: &Request, answer: &Answer) -> Result<(), (&'static str, String)> {
        let path = request.target.split('?').next().unwrap_or_default();
        let status = answer.status;
        if status < 400 || request.method == "HEAD" {
            return if status >= 500 { Err(("status", format!("{status}"))) } else { Ok(()) };
        }
        let (kind, body) = (answer.header("content-type"), answer.json());
        let code = body["code"].as_str().unwrap_or_default();
        let backstage = path.starts_with("/api/catalog/") && body["error"]["name"].is_string();
        if status >= 500 {
            let known =
                ALLOWED.contains(&(status, code)) || (backstage && matches!(status, 501 | 503));
            if !known {
                return Err(("status", format!("{status}")));
            }
        }
        // Pages say it to people; a browser never sends what they answer without a page.
        if !path.starts_with("/api")
            && ["", "text/html", "text/plain"].iter().any(|one| kind.split(';').next() == Some(one))
        {
            return Ok(());
        }
        // Backstage's answer about an entity that is not valid.
        if path == "/api/catalog/validate-entity"
            && status == 400
            && body["errors"][0]["name"].is_string()
        {
            return Ok(());
        }
        if backstage {
            let same =
                body["response"]["statusCode"] == status && body["error"]["message"].is_string();
            return if same { Ok(()) } else { Err(("shape", "not quite Backstage's".into())) };
        }
        if kind != "application/problem+json" {
            return Err(("shape", format!("{status} is of type {kind:?}")));
        }
        if !CODES.iter().any(|known| known.code == code && known.status == status) {
            return Err(("code", format!("{status} {code:?} is in no list")));
        }
        Ok(())
    }

    fn right(
        &self,
        who: &Who,
        request: &Request,
        answer: &Answer,
    ) -> Result<(), (&'static str, String)> {
        let Some(action) = self.actions.get(&request.operation) else { return Ok(()) };
        let may = who.actor.as_ref().is_some_and(|actor| floor(actor, *action).allow);
        if may || !(200..400).contains(&answer.status) {
            return Ok(());
        }
        Err((
            "right",
            format!("{} may {} nothing, and got {}", who.name, action.as_str(), answer.status),
        ))
    }

    fn leak(
        &self,
        who: &Who,
        request: &Request,
        answer: &Answer,
    ) -> Result<(), (&'static str, String)> {
        let said = answer.said();
        let asked = request.said();
        for mark in &self.world.marks {
            if !said.contains(&mark.text) || asked.contains(&mark.text.to_lowercase()) {
                continue;
            }
            if mark.is_for(who) {
                mark.met.fetch_add(1, Ordering::Relaxed);
            } else {
                let what = format!("{} is told {}: {}", who.name, mark.what, mark.text);
                return Err(("leak", what));
            }
        }
        if MAKERS.contains(&request.operation.as_str()) {
            return Ok(());
        }
        for (begin, length) in [("tow_", 40), ("whsec_", 20), ("$argon2", 10), ("PRIVATE KEY", 0)] {
            for (at, _) in said.match_indices(begin) {
                let rest = said[at + begin.len()..].bytes();
                let secret =
                    rest.take_while(|b| b.is_ascii_alphanumeric() || b"+/=$_,".contains(b)).count();
                let text = &said[at..at + begin.len() + secret];
                if secret >= length && !asked.contains(&text.to_lowercase()) {
                    return Err(("secret", format!("{} is told {text}", who.name)));
                }
            }
        }
        Ok(())
    }
}
