//! Certificates: the gateway shows what is kept, and what an authority outside is to make is ordered, a step a look. The
//! own authority is made where the gateway speaks HTTPS for the first time.
//!
//! A step at an authority is asked only after the commit that says so, and its answer is committed before the next: an
//! order whose answer was lost is found again by its address, and one of which nobody knows the address runs out by
//! itself. With 10,000 hosts a look does one step and asks for the next look at once.

use crate::driver::{ReconcileError, Reconciler, Ticked};
use crate::journal::put;
use std::collections::BTreeMap;
use tow_names::{Digest, Id, Timestamp};
use tow_plan::certificate::{self, LOOK, Next, PATIENCE};
use tow_ports::{AcmeError, AcmeSetting, Progress};
use tow_record::{
    AcmeAccount, AcmeOrder, AcmeStage, Authority, Certificate, CertificateFacts, CertificateSet,
    CertificateSource, EventBody, Installation, NewEvent, RouteSet, Sealed, ServedCertificate,
};
use tow_store::{Batch, Find, Row};

/// Who acts.
const ACTOR: &str = "system:certificate";
/// How the gateway's spec calls the address that speaks HTTPS.
const HTTPS: &str = "https=";

/// A certificate that an authority made, and that can be shown.
struct Usable {
    chain: String,
    facts: CertificateFacts,
    key: Sealed,
}

impl Reconciler {
    pub(crate) async fn certificates(&self) -> Result<Ticked, ReconcileError> {
        let listens = self.parts.gateway.iter().flat_map(|spec| &spec.listen);
        if !listens.into_iter().any(|address| address.starts_with(HTTPS)) {
            return Ok(self.idle());
        }
        let store = &self.parts.store;
        let Some(authority) = store.get::<Authority>(Authority::ID).await? else {
            return self.make_authority().await;
        };
        let certificates = store.list::<Certificate>(Find::default()).await?;
        let orders = store.list::<AcmeOrder>(Find::default()).await?;
        let version = version(&authority, &certificates, &orders);
        let edge = self.parts.edge.observe().await?;
        if !edge.reachable {
            return Ok(Ticked { progressed: false, until: self.now().plus(LOOK) });
        }
        if edge.certificates != version {
            let set =
                self.served_certificates(version, &authority.value, &certificates, &orders)?;
            self.parts.edge.certify(&set).await?;
            return Ok(Ticked { progressed: true, until: self.now() });
        }
        match &self.parts.acme {
            Some(setting) => self.certificate_orders(setting, certificates, orders).await,
            None => Ok(self.idle()),
        }
    }

    async fn make_authority(&self) -> Result<Ticked, ReconcileError> {
        let known = self.parts.store.get::<Installation>(Installation::ONE).await?;
        let id = known.map_or_else(|| Id::fresh("tow"), |row| row.value.id);
        let name = authority_name(&self.parts.runtime.node(), &id);
        let made = self.parts.certifier.authority(&name, self.now())?;
        let facts = self.parts.certifier.read(&made.chain, Some(&made.key))?;
        let key = self.parts.keys.seal(Authority::CONTEXT, made.key.as_bytes())?;
        let mut batch = self.batch();
        batch.create(&Authority { name, facts, chain: made.chain, key });
        self.parts.store.commit(batch).await?;
        Ok(Ticked { progressed: true, until: self.now() })
    }

    /// What the gateway is told. A key that can't be opened is left out with a word: the others are shown.
    fn served_certificates(
        &self,
        version: String,
        authority: &Authority,
        certificates: &[Row<Certificate>],
        orders: &[Row<AcmeOrder>],
    ) -> Result<CertificateSet, ReconcileError> {
        let open = |context: &str, sealed: &Sealed| {
            let plain = self.parts.keys.open(context, sealed).map_err(|err| err.to_string());
            plain.and_then(|plain| String::from_utf8(plain).map_err(|err| err.to_string()))
        };
        let mut set = CertificateSet { epoch: self.epoch, version, ..CertificateSet::default() };
        match open(Authority::CONTEXT, &authority.key) {
            Ok(key) => {
                set.authority = Some(ServedCertificate {
                    host: authority.name.clone(),
                    chain: authority.chain.clone(),
                    key,
                    until: Some(authority.facts.until),
                });
            }
            Err(error) => tracing::warn!(error, "the key of the own authority can't be opened"),
        }
        for Row { value: one, .. } in certificates {
            match open(&Certificate::context(&one.host), &one.key) {
                Ok(key) => set.certificates.push(ServedCertificate {
                    host: one.host.clone(),
                    chain: one.chain.clone(),
                    key,
                    until: Some(one.facts.until),
                }),
                Err(error) => {
                    tracing::warn!(
                        host = one.host,
                        error,
                        "the key of a certificate can't be opened"
                    );
                }
            }
        }
        for Row { value: order, .. } in orders {
            if let AcmeStage::Proving { answers, .. } = &order.stage {
                set.answers.extend(answers.clone());
            }
        }
        Ok(set)
    }

    /// One step of one order; when the next is due. The gateway shows everything that is kept.
    async fn certificate_orders(
        &self,
        setting: &AcmeSetting,
        certificates: Vec<Row<Certificate>>,
        orders: Vec<Row<AcmeOrder>>,
    ) -> Result<Ticked, ReconcileError> {
        let store = &self.parts.store;
        let table = store.get::<RouteSet>("routes").await?.map(|row| row.value).unwrap_or_default();
        let all: Vec<Certificate> = certificates.iter().map(|row| row.value.clone()).collect();
        let hosts = certificate::hosts(&table, &all);
        let mut by_host: BTreeMap<String, Row<Certificate>> =
            certificates.into_iter().map(|row| (row.value.host.clone(), row)).collect();
        let mut of_host: BTreeMap<String, Row<AcmeOrder>> =
            orders.into_iter().map(|row| (row.value.host.clone(), row)).collect();
        let (now, mut until) = (self.now(), self.idle().until);
        for host in hosts {
            let (certificate, order) = (by_host.remove(&host), of_host.remove(&host));
            let (known, under_way) =
                (certificate.as_ref().map(|row| &row.value), order.as_ref().map(|row| &row.value));
            let next = certificate::next(known, under_way, &setting.directory, now);
            if let Next::Wait(then) = next {
                until = until.min(then);
                continue;
            }
            self.order_step(setting, next, &host, certificate, order).await?;
            return Ok(Ticked { progressed: true, until: now });
        }
        // Nobody routes these any more, or somebody gave a certificate.
        if let Some((host, row)) = of_host.pop_first() {
            let mut batch = self.batch();
            batch.remove::<AcmeOrder>(host, Some(row.version));
            store.commit(batch).await?;
            return Ok(Ticked { progressed: true, until: now });
        }
        Ok(Ticked { progressed: false, until })
    }

    async fn order_step(
        &self,
        setting: &AcmeSetting,
        next: Next,
        host: &str,
        certificate: Option<Row<Certificate>>,
        row: Option<Row<AcmeOrder>>,
    ) -> Result<(), ReconcileError> {
        let now = self.now();
        let version = row.as_ref().map_or(0, |row| row.version);
        let before = row.map(|row| row.value).filter(|order| order.directory == setting.directory);
        let order = before.unwrap_or_else(|| AcmeOrder {
            host: host.into(),
            directory: setting.directory.clone(),
            stage: AcmeStage::Due,
            failures: 0,
            began: now,
            next_at: now,
            reason: String::new(),
        });
        let done = match next {
            Next::Begin => self.order_begins(setting, &order).await,
            Next::Tell => self.order_told(setting, &order).await,
            Next::Look => match self.order_looked(setting, &order).await {
                Ok(Some(made)) => {
                    return self.keep_certificate(made, &order, version, certificate).await;
                }
                Ok(None) => Ok(AcmeOrder { next_at: now.plus(LOOK), ..order.clone() }),
                Err(error) => Err(error),
            },
            Next::Wait(_) => return Ok(()),
        };
        let mut batch = self.batch();
        let is_stale = order.stage != AcmeStage::Due && now.since(order.began) > PATIENCE;
        let after = match done {
            Ok(after) if is_stale => {
                let why = "the authority did not come to an end with it";
                certificate::failed(&after, why, true, None, now)
            }
            Ok(after) => after,
            Err(error) if error.no_account => {
                // Orders of it went with it; another account is made at the next try, which is soon.
                self.forget_account(setting, &mut batch).await?;
                let order = AcmeOrder { stage: AcmeStage::Due, ..order.clone() };
                certificate::failed(&order, &error.why, false, error.again, self.now())
            }
            Err(error) => {
                let (refused, again) = (error.refused || is_stale, error.again);
                certificate::failed(&order, &error.why, refused, again, self.now())
            }
        };
        if !after.reason.is_empty() && after.reason != order.reason {
            tracing::warn!(host, reason = after.reason, "no certificate yet");
            let summary = format!("no certificate of {host} yet: {}", after.reason);
            batch.event(event("certificate.failed", host, summary, now));
        }
        put(&mut batch, &after, version);
        self.parts.store.commit(batch).await?;
        Ok(())
    }

    async fn order_begins(
        &self,
        setting: &AcmeSetting,
        order: &AcmeOrder,
    ) -> Result<AcmeOrder, AcmeError> {
        let credentials = self.acme_credentials(setting).await?;
        let made =
            self.parts.certifier.key().map_err(|err| AcmeError::unreached(err.to_string()))?;
        let key = self.parts.keys.seal(&AcmeOrder::context(&order.host), made.as_bytes());
        let key = key.map_err(|err| AcmeError::unreached(err.to_string()))?;
        let ordered = self.parts.certifier.order(setting, &credentials, &order.host).await?;
        // Where the authority believes already there is nothing to tell it.
        let told = ordered.answers.is_empty();
        let (order_at, answers) = (ordered.order, ordered.answers);
        Ok(AcmeOrder {
            stage: AcmeStage::Proving { order: order_at, answers, told, key },
            began: self.now(),
            next_at: self.now(),
            ..order.clone()
        })
    }

    async fn order_told(
        &self,
        setting: &AcmeSetting,
        order: &AcmeOrder,
    ) -> Result<AcmeOrder, AcmeError> {
        let AcmeStage::Proving { order: at, answers, key, .. } = &order.stage else {
            return Ok(order.clone());
        };
        let credentials = self.acme_credentials(setting).await?;
        self.parts.certifier.tell(setting, &credentials, at).await?;
        let (at, answers, key) = (at.clone(), answers.clone(), key.clone());
        Ok(AcmeOrder {
            stage: AcmeStage::Proving { order: at, answers, told: true, key },
            next_at: self.now().plus(LOOK),
            ..order.clone()
        })
    }

    async fn order_looked(
        &self,
        setting: &AcmeSetting,
        order: &AcmeOrder,
    ) -> Result<Option<Usable>, AcmeError> {
        let AcmeStage::Proving { order: at, key, .. } = &order.stage else { return Ok(None) };
        let credentials = self.acme_credentials(setting).await?;
        let key = self.opened_text(&AcmeOrder::context(&order.host), key)?;
        let certifier = &self.parts.certifier;
        let chain = match certifier.look(setting, &credentials, at, &order.host, &key).await? {
            Progress::Done(chain) => chain,
            Progress::Pending => return Ok(None),
        };
        // Whatever is wrong with it is this host's trouble, and keeps no other from its certificate.
        let broken = |why: String| AcmeError::refused(why);
        let facts = certifier.read(&chain, Some(&key)).map_err(|error| {
            broken(format!("the authority's certificate is of no use: {error}"))
        })?;
        if let Some(why) = certificate::useless(&facts, &order.host, self.now()) {
            return Err(broken(why));
        }
        let sealed = self.parts.keys.seal(&Certificate::context(&order.host), key.as_bytes());
        let key = sealed.map_err(|error| AcmeError::unreached(error.to_string()))?;
        Ok(Some(Usable { chain, facts, key }))
    }

    fn opened_text(&self, context: &str, sealed: &Sealed) -> Result<String, AcmeError> {
        let broken = |why: String| AcmeError::refused(why);
        let plain = self.parts.keys.open(context, sealed).map_err(|err| broken(err.to_string()))?;
        String::from_utf8(plain).map_err(|err| broken(err.to_string()))
    }

    /// The account's, made where there is none. One that was made and not kept is of no use and does no harm.
    async fn acme_credentials(&self, setting: &AcmeSetting) -> Result<String, AcmeError> {
        let lost = |err: &dyn std::fmt::Display| AcmeError::unreached(err.to_string());
        let store = &self.parts.store;
        let known = store.get::<AcmeAccount>(&setting.directory).await.map_err(|err| lost(&err))?;
        let context = AcmeAccount::context(&setting.directory);
        if let Some(row) = known {
            return self.opened_text(&context, &row.value.credentials);
        }
        let made = self.parts.certifier.enroll(setting).await?;
        let credentials = self.parts.keys.seal(&context, made.as_bytes()).map_err(|e| lost(&e))?;
        let mut batch = self.batch();
        batch.create(&AcmeAccount { directory: setting.directory.clone(), credentials });
        store.commit(batch).await.map_err(|err| lost(&err))?;
        Ok(made)
    }

    /// The authority does not know it any more: it restored an older state, or ended the account.
    async fn forget_account(
        &self,
        setting: &AcmeSetting,
        batch: &mut Batch,
    ) -> Result<(), ReconcileError> {
        let known = self.parts.store.get::<AcmeAccount>(&setting.directory).await?;
        if let Some(row) = known {
            batch.remove::<AcmeAccount>(setting.directory.clone(), Some(row.version));
        }
        Ok(())
    }

    /// The certificate is there: it takes the place of the one before, and its order is done.
    async fn keep_certificate(
        &self,
        made: Usable,
        order: &AcmeOrder,
        version: i64,
        before: Option<Row<Certificate>>,
    ) -> Result<(), ReconcileError> {
        let (host, now) = (order.host.clone(), self.now());
        let summary = format!("{} made a certificate of {host}", made.facts.issuer);
        let certificate = Certificate {
            key: made.key,
            host: host.clone(),
            facts: made.facts,
            source: CertificateSource::Acme,
            chain: made.chain,
            added_by: ACTOR.into(),
            added_at: now,
        };
        let mut batch = self.batch();
        put(&mut batch, &certificate, before.map_or(0, |row| row.version));
        batch.remove::<AcmeOrder>(host.as_str(), Some(version));
        batch.event(event("certificate.issued", &host, summary, now));
        self.parts.store.commit(batch).await?;
        Ok(())
    }
}

/// What people find it by. Programs choose an authority by its name, so no two platforms of a machine have the same; nor
/// have two that were there one after the other.
fn authority_name(node: &str, id: &Id) -> String {
    // A name has room for 64 characters; the end of an id is what is random in it.
    let node: String = node.chars().take(40).collect();
    let tag = id.as_str();
    let tag = tag.get(tag.len().saturating_sub(8)..).unwrap_or(tag);
    format!("Towpath on {node} {tag}")
}

fn event(kind: &str, host: &str, summary: String, now: Timestamp) -> NewEvent {
    NewEvent {
        at: now,
        actor: ACTOR.into(),
        request: String::new(),
        kind: kind.into(),
        subject: host.into(),
        body: EventBody {
            summary,
            before: serde_json::Value::Null,
            after: serde_json::json!({ "host": host }),
        },
    }
}

/// What the gateway shows is known by: it changes with each row that it is made of.
fn version(
    authority: &Row<Authority>,
    certificates: &[Row<Certificate>],
    orders: &[Row<AcmeOrder>],
) -> String {
    let mut text =
        format!("authority {} {}\n", authority.version, authority.value.facts.fingerprint);
    for row in certificates {
        text.push_str(&format!(
            "certificate {} {} {}\n",
            row.value.host, row.version, row.value.facts.fingerprint
        ));
    }
    for row in orders {
        // How often it was tried changes nothing of what is shown.
        if let AcmeStage::Proving { answers, .. } = &row.value.stage {
            text.extend(answers.iter().map(|(token, answer)| format!("answer {token} {answer}\n")));
        }
    }
    Digest::of(text.as_bytes()).hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_of_one_machine_have_names_of_their_own() {
        let (one, other) = (Id::fresh("tow"), Id::fresh("tow"));
        let name = authority_name("barge", &one);
        assert!(name.starts_with("Towpath on barge "), "{name}");
        assert_eq!(name, authority_name("barge", &one));
        assert_ne!(name, authority_name("barge", &other));
        assert!(authority_name(&"n".repeat(64), &one).len() <= 64);
    }
}
