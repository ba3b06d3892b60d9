//! An order, a step at a time: each method asks little, says what came of it, and may be called again. What was made by
//! a call whose answer was lost is found again by the order's address.

use crate::client::Client;
use crate::{make, read};
use async_trait::async_trait;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount,
    NewOrder, Order, OrderStatus,
};
use std::sync::Arc;
use tow_names::{Duration, Timestamp};
use tow_ports::{AcmeError, AcmeSetting, Certifier, Made, Ordered, PortError, Progress, Web};
use tow_record::CertificateFacts;

/// The port, over a web that judges addresses.
pub struct AcmeCertifier {
    web: Arc<dyn Web>,
}

impl AcmeCertifier {
    /// Asks nobody yet.
    pub fn new(web: Arc<dyn Web>) -> Self {
        Self { web }
    }

    fn client(&self, setting: &AcmeSetting) -> Result<Box<Client>, AcmeError> {
        Client::new(self.web.clone(), setting.root.as_deref())
            .map(Box::new)
            .map_err(AcmeError::unreached)
    }

    async fn account(
        &self,
        setting: &AcmeSetting,
        credentials: &str,
    ) -> Result<Account, AcmeError> {
        let credentials: AccountCredentials = serde_json::from_str(credentials)
            .map_err(|err| AcmeError::unreached(format!("the account is not readable: {err}")))?;
        let builder = Account::builder_with_http(self.client(setting)?);
        builder.from_credentials(credentials).await.map_err(failed)
    }

    async fn found(
        &self,
        setting: &AcmeSetting,
        credentials: &str,
        order: &str,
    ) -> Result<Order, AcmeError> {
        let account = self.account(setting, credentials).await?;
        account.order(order.to_string()).await.map_err(failed)
    }
}

/// What the authority says is its word; all else is that it was not reached.
fn failed(error: Error) -> AcmeError {
    match error {
        Error::Api(problem) => {
            let kind = problem.r#type.as_deref().unwrap_or_default();
            let kind = kind.rsplit(':').next().unwrap_or_default().to_string();
            let detail = problem.detail.clone().unwrap_or_else(|| "it did not say why".into());
            if kind == "serverInternal" {
                // It is in a bad way itself, which says nothing of what was asked.
                return AcmeError::unreached(format!("the authority has trouble: {detail}"));
            }
            AcmeError {
                // It says no time here: an hour is the window of the limits that are known.
                again: (kind == "rateLimited").then(|| Duration::from_secs(3600)),
                no_account: kind == "accountDoesNotExist",
                ..AcmeError::refused(format!("the authority refused ({kind}): {detail}"))
            }
        }
        other => AcmeError::unreached(other.to_string()),
    }
}

#[async_trait]
impl Certifier for AcmeCertifier {
    fn authority(&self, name: &str, now: Timestamp) -> Result<Made, PortError> {
        make::authority(name, now)
    }

    fn key(&self) -> Result<String, PortError> {
        make::key()
    }

    fn read(&self, chain: &str, key: Option<&str>) -> Result<CertificateFacts, PortError> {
        read::read(chain, key)
    }

    async fn enroll(&self, setting: &AcmeSetting) -> Result<String, AcmeError> {
        let contact: Vec<String> =
            setting.contact.iter().map(|one| format!("mailto:{one}")).collect();
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let wanted = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let builder = Account::builder_with_http(self.client(setting)?);
        let made = builder.create(&wanted, setting.directory.clone(), None).await;
        let (_, credentials) = made.map_err(failed)?;
        serde_json::to_string(&credentials).map_err(|err| AcmeError::unreached(err.to_string()))
    }

    async fn order(
        &self,
        setting: &AcmeSetting,
        credentials: &str,
        host: &str,
    ) -> Result<Ordered, AcmeError> {
        let account = self.account(setting, credentials).await?;
        let identifiers = [Identifier::Dns(host.to_string())];
        let mut order = account.new_order(&NewOrder::new(&identifiers)).await.map_err(failed)?;
        let mut ordered = Ordered { order: order.url().to_string(), ..Ordered::default() };
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(failed)?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let challenge = authorization.challenge(ChallengeType::Http01);
            let challenge = challenge.ok_or_else(|| {
                AcmeError::refused(format!("the authority does not prove {host} over HTTP"))
            })?;
            let answer = challenge.key_authorization().as_str().to_string();
            ordered.answers.insert(challenge.token.clone(), answer);
        }
        Ok(ordered)
    }

    async fn tell(
        &self,
        setting: &AcmeSetting,
        credentials: &str,
        order: &str,
    ) -> Result<(), AcmeError> {
        let mut order = self.found(setting, credentials, order).await?;
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(failed)?;
            if authorization.status != AuthorizationStatus::Pending {
                continue;
            }
            if let Some(mut challenge) = authorization.challenge(ChallengeType::Http01) {
                challenge.set_ready().await.map_err(failed)?;
            }
        }
        Ok(())
    }

    async fn look(
        &self,
        setting: &AcmeSetting,
        credentials: &str,
        order: &str,
        host: &str,
        key: &str,
    ) -> Result<Progress, AcmeError> {
        let mut order = self.found(setting, credentials, order).await?;
        if order.state().status == OrderStatus::Ready {
            let request = make::request(host, key).map_err(AcmeError::unreached)?;
            order.finalize_csr(&request).await.map_err(failed)?;
        }
        match order.state().status {
            OrderStatus::Valid | OrderStatus::Processing => {
                let chain = order.certificate().await.map_err(failed)?;
                Ok(chain.map_or(Progress::Pending, Progress::Done))
            }
            OrderStatus::Pending | OrderStatus::Ready => Ok(Progress::Pending),
            OrderStatus::Invalid => Err(AcmeError::refused(why_invalid(&mut order, host).await)),
        }
    }
}

/// What the authority found where it looked.
async fn why_invalid(order: &mut Order, host: &str) -> String {
    let mut authorizations = order.authorizations();
    while let Some(Ok(authorization)) = authorizations.next().await {
        let mut challenges = authorization.challenges.iter();
        if let Some(problem) = challenges.find_map(|challenge| challenge.error.as_ref()) {
            let detail = problem.detail.as_deref().unwrap_or("it did not say why");
            return format!("the authority did not find its answer under {host}: {detail}");
        }
    }
    format!("the authority gave the order of {host} up")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_authority_says_is_told_from_what_it_could_not_do() {
        let said = |kind: &str| {
            let text = format!(r#"{{"type":"urn:ietf:params:acme:error:{kind}","detail":"so"}}"#);
            failed(Error::Api(serde_json::from_str(&text).unwrap()))
        };
        let refused = said("rejectedIdentifier");
        assert!(refused.refused && refused.again.is_none(), "{refused}");
        assert_eq!(refused.why, "the authority refused (rejectedIdentifier): so");
        assert_eq!(said("rateLimited").again, Some(Duration::from_secs(3600)));
        assert!(said("accountDoesNotExist").no_account && !refused.no_account);
        let internal = said("serverInternal");
        assert!(!internal.refused, "tried again soon: {internal}");
        assert!(!failed(Error::Str("nobody answered")).refused);
    }
}
