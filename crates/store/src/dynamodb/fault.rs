//! What DynamoDB's errors mean to an operator.

use std::error::Error;
use std::fmt::Display;

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use crate::StoreError;

/// When to try again what may soon work, in milliseconds.
const SOON_MS: u32 = 500;

/// When to try again what somebody has to repair first, in milliseconds.
const REPAIRED_MS: u32 = 5_000;

/// Why DynamoDB did not do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    reason: String,
    retry_after_ms: u32,
}

impl Fault {
    /// Something that passes.
    pub(super) fn passing(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retry_after_ms: SOON_MS }
    }

    fn lasting(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retry_after_ms: REPAIRED_MS }
    }

    /// The error of the operation `what`.
    pub(super) fn during(self, what: impl Display) -> StoreError {
        StoreError::Unavailable { what: what.to_string(), reason: self.reason, retry_after_ms: self.retry_after_ms }
    }

    /// Reads an error of the SDK. `table` is the table's name.
    pub(super) fn of<E, R>(error: &SdkError<E, R>, table: &str) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        match error {
            SdkError::ServiceError(refused) => Self::refused(refused.err(), table),
            SdkError::TimeoutError(_) => {
                Self::passing("DynamoDB did not answer in time; check the endpoint and the network between")
            }
            SdkError::DispatchFailure(failure) => {
                let cause = innermost(failure.as_connector_error().map_or(error as &dyn Error, |error| error));
                let whole = DisplayErrorContext(error).to_string();
                if whole.contains("redential") {
                    let ways = "environment, container, web identity or instance role";
                    Self::lasting(format!("there are no AWS credentials ({cause}); give the process some by {ways}"))
                } else {
                    Self::passing(format!("DynamoDB cannot be reached ({cause}); check endpoint, region and network"))
                }
            }
            SdkError::ConstructionFailure(_) => Self::lasting(format!(
                "the request could not be made ({}); check region and endpoint",
                innermost(error)
            )),
            _ => Self::passing(format!("DynamoDB's answer cannot be read ({}); check the endpoint", innermost(error))),
        }
    }

    fn refused(error: &impl ProvideErrorMetadata, table: &str) -> Self {
        let message = error.message().unwrap_or("without a message");
        let code = error.code().unwrap_or("an unknown error");
        match code {
            "ProvisionedThroughputExceededException"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "ThrottledException" => Self::passing(format!(
                "DynamoDB throttles the table {table} ({message}); raise its limits, or spread the load over more owners"
            )),
            "ResourceNotFoundException" => Self::lasting(format!(
                "there is no table {table} in this region and account ({message}); create it as docs/dynamodb.md says"
            )),
            "AccessDeniedException" => Self::lasting(format!(
                "the credentials may not do this ({message}); give them the policy of docs/dynamodb.md"
            )),
            "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "IncompleteSignatureException"
            | "MissingAuthenticationTokenException"
            | "ExpiredTokenException" => Self::lasting(format!(
                "DynamoDB does not accept the credentials ({code}: {message}); renew them and check the machine's clock"
            )),
            "ItemCollectionSizeLimitExceededException" => Self::lasting(
                "the records of this owner have reached 10 GB, DynamoDB's limit with an index; remove some or split the site",
            ),
            "ValidationException" => Self::lasting(format!(
                "DynamoDB refuses the request ({message}); check that the table {table} is as docs/dynamodb.md says"
            )),
            _ => Self::passing(format!("DynamoDB answered {code} ({message})")),
        }
    }
}

/// The cause at the end of the chain: the one that says what happened.
fn innermost<'e>(error: &'e (dyn Error + 'static)) -> &'e dyn Error {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause
}
