//! Why a call did not answer, apart from what the platform itself says.

use tow_record::Problem;

/// Why a call did not answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ClientError {
    /// The platform answered, with a problem.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    /// Nothing answers there: nothing was sent.
    #[error("nothing answers at {url}: {reason}")]
    Unreachable {
        /// The platform's URL.
        url: String,
        /// What the machine says.
        reason: String,
    },
    /// Who answers could not prove to be the platform: nothing was sent.
    #[error("{url} is not trusted: {reason}")]
    Tls {
        /// The platform's URL.
        url: String,
        /// What TLS says.
        reason: String,
    },
    /// The file of a certificate authority is none.
    #[error("{path} names nobody to trust: {reason}")]
    Ca {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The connection broke after the request was sent, more than once: it may or may not have been done.
    #[error("the connection to {url} broke: {reason}")]
    Interrupted {
        /// The platform's URL.
        url: String,
        /// What happened.
        reason: String,
    },
    /// Something answers, but not a platform of this contract.
    #[error("{url} answered {status} with something that is not Towpath's: {reason}")]
    Foreign {
        /// The platform's URL.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What could not be read.
        reason: String,
    },
    /// The URL is not one that can be called.
    #[error("{url:?} is not a platform's URL: {reason}")]
    Url {
        /// As it was given.
        url: String,
        /// Why.
        reason: String,
    },
    /// A local file or stream could not be read.
    #[error("{0}")]
    Source(String),
}

impl ClientError {
    /// Could the same call succeed a moment later, because the platform is being started again?
    pub fn passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Interrupted { .. } => true,
            Self::Problem(problem) => matches!(problem.status, 502..=504),
            _ => false,
        }
    }
}
