//! Certificates: looked at, brought by people, taken away. What the gateway shows follows from what is kept; it is told
//! by a controller.

use crate::{App, AppError, Call, Handle, OpCtx, handle::body, handle::internal};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tow_api::tls::{
    add::{AddCertificate, Body},
    authority::{self, GetAuthority},
    list::{self, CertificateView, ListCertificates},
    remove::RemoveCertificate,
};
use tow_api::{Action, Nothing};
use tow_names::{Timestamp, covers, is_local_host, is_public_host};
use tow_policy::Object;
use tow_record::{AcmeOrder, Authority, Certificate, CertificateFacts, CertificateSource};
use tow_store::Find;

/// There are no more than so many: the gateway is told of all of them at once.
const MOST: usize = 2_000;
/// Letters of a chain or a key.
const LONGEST: usize = 256 * 1024;

fn state(facts: &CertificateFacts, now: Timestamp) -> &'static str {
    if facts.until <= now {
        "expired"
    } else if facts.from > now {
        "not-yet"
    } else {
        "good"
    }
}

fn view(one: Certificate, order: Option<&AcmeOrder>, now: Timestamp) -> CertificateView {
    let failing = order.filter(|order| !order.reason.is_empty());
    CertificateView {
        state: state(&one.facts, now).into(),
        host: one.host,
        facts: Some(one.facts),
        source: one.source,
        reason: failing.map(|order| order.reason.clone()).unwrap_or_default(),
        next_at: failing.map(|order| order.next_at),
        added_by: one.added_by,
    }
}

fn ordered(order: AcmeOrder) -> CertificateView {
    CertificateView {
        state: if order.reason.is_empty() { "ordered" } else { "failing" }.into(),
        host: order.host,
        facts: None,
        source: CertificateSource::Acme,
        reason: order.reason,
        next_at: Some(order.next_at),
        added_by: String::new(),
    }
}

/// The host as it is kept; refused where it is none.
fn host(text: &str) -> Result<String, AppError> {
    let host = text.trim_end_matches('.').to_ascii_lowercase();
    let plain = host.strip_prefix("*.").unwrap_or(&host);
    if is_public_host(plain) || is_local_host(plain) || plain.parse::<std::net::IpAddr>().is_ok() {
        return Ok(host);
    }
    Err(AppError::new("tls/host", format!("{text:?} is not a host"))
        .untouched("no certificate was changed")
        .hint("a name such as shop.example.org, or *.example.org for all below"))
}

impl App {
    /// What the certificate says, where it is one that can be shown for the host.
    fn admitted_certificate(&self, host: &str, asked: &Body) -> Result<CertificateFacts, AppError> {
        let refuse = |code: &str, why: String| {
            AppError::new(code, why)
                .untouched("no certificate was changed, and the gateway shows what it showed")
        };
        if asked.chain.len() > LONGEST || asked.key.len() > LONGEST {
            let why = format!("no certificate and no key is longer than {} KiB", LONGEST / 1024);
            return Err(refuse("tls/unreadable", why)
                .hint("a PEM file of one host's certificate and those that signed it, not a bundle of all roots"));
        }
        let facts = self.parts.certifier.read(&asked.chain, Some(&asked.key)).map_err(|error| {
            refuse("tls/unreadable", error.to_string())
                .hint("a PEM file: the host's certificate first, then the ones that signed it; and its key")
        })?;
        if !facts.names.iter().any(|name| covers(name, host)) {
            let names = match facts.names.as_slice() {
                [] => "no host at all".into(),
                names => names.join(", "),
            };
            return Err(refuse(
                "tls/other-host",
                format!("the certificate is not for {host}, but for {names}"),
            )
            .hint("add it for a host that it names, or have one made that names this host"));
        }
        let now = self.now();
        if facts.until <= now {
            return Err(refuse(
                "tls/expired",
                format!("the certificate of {host} was good until {}", facts.until),
            )
            .hint("bring the one that was made after it"));
        }
        Ok(facts)
    }
}

impl Handle<ListCertificates> for App {
    async fn handle(
        &self,
        ctx: &OpCtx,
        _: Call<ListCertificates>,
    ) -> Result<list::Reply, AppError> {
        self.authorize(ctx, Action::Govern, &Object::platform())?;
        let now = self.now();
        let orders = self.store().list::<AcmeOrder>(Find::default()).await?;
        let mut orders: BTreeMap<String, AcmeOrder> =
            orders.into_iter().map(|row| (row.value.host.clone(), row.value)).collect();
        let rows = self.store().list::<Certificate>(Find::default()).await?;
        let mut items: Vec<CertificateView> = rows
            .into_iter()
            .map(|row| {
                let order = orders.remove(&row.value.host);
                view(row.value, order.as_ref(), now)
            })
            .collect();
        items.extend(orders.into_values().map(ordered));
        items.sort_by(|a, b| a.host.cmp(&b.host));
        Ok(list::Reply { items })
    }
}

impl Handle<AddCertificate> for App {
    async fn handle(
        &self,
        ctx: &OpCtx,
        call: Call<AddCertificate>,
    ) -> Result<CertificateView, AppError> {
        self.write(ctx, &call, async |batch| {
            self.authorize(ctx, Action::Govern, &Object::platform())?;
            let host = host(&call.path.host)?;
            let facts = self.admitted_certificate(&host, &call.body)?;
            let before = self.store().get::<Certificate>(&host).await?;
            if before.is_none() {
                let there = self.store().list::<Certificate>(Find::default()).await?.len();
                if there >= MOST {
                    let why = format!("there are {there} certificates already");
                    return Err(AppError::new("tls/too-many", why)
                        .untouched("no certificate was changed")
                        .hint("tow tls remove takes one away; one with a star covers many hosts"));
                }
            }
            let key = self.parts.keys.seal(&Certificate::context(&host), call.body.key.as_bytes());
            let certificate = Certificate {
                host: host.clone(),
                facts,
                source: CertificateSource::Given,
                chain: call.body.chain.clone(),
                key: key.map_err(internal)?,
                added_by: ctx.actor.name.clone(),
                added_at: self.now(),
            };
            let (was, is) = (before.as_ref().map(|row| &row.value.facts), &certificate.facts);
            let what = body(
                format!("{host} has a certificate of {}", is.issuer),
                json!(was.map(|facts| json!({"host": host, "fingerprint": facts.fingerprint}))),
                json!({"host": host, "fingerprint": is.fingerprint, "until": is.until}),
            );
            match &before {
                Some(row) => batch.update(&certificate, row.version),
                None => batch.create(&certificate),
            }
            batch.event(self.event(ctx, "certificate.added", host, what));
            Ok(view(certificate, None, self.now()))
        })
        .await
    }
}

impl Handle<RemoveCertificate> for App {
    async fn handle(
        &self,
        ctx: &OpCtx,
        call: Call<RemoveCertificate>,
    ) -> Result<Nothing, AppError> {
        self.write(ctx, &call, async |batch| {
            self.authorize(ctx, Action::Govern, &Object::platform())?;
            let host = host(&call.path.host)?;
            let row = self.store().get::<Certificate>(&host).await?.ok_or_else(|| {
                AppError::not_found(format!("a certificate of {host}"))
                    .hint("tow tls list names them")
            })?;
            batch.remove::<Certificate>(host.as_str(), Some(row.version));
            let what = body(
                format!("the certificate of {host} was taken away"),
                json!({"host": host, "fingerprint": row.value.facts.fingerprint}),
                Value::Null,
            );
            batch.event(self.event(ctx, "certificate.removed", host, what));
            Ok(Nothing {})
        })
        .await
    }
}

impl Handle<GetAuthority> for App {
    async fn handle(
        &self,
        ctx: &OpCtx,
        _: Call<GetAuthority>,
    ) -> Result<authority::Reply, AppError> {
        self.authorize(ctx, Action::Read, &Object::platform())?;
        let row = self.store().get::<Authority>(Authority::ID).await?;
        let Authority { name, facts, chain, .. } = row.map(|row| row.value).ok_or_else(|| {
            AppError::not_found("the platform's own certificate authority")
                .hint("it is made where the gateway speaks HTTPS: see tow up --https")
        })?;
        Ok(authority::Reply { name, facts, chain })
    }
}
