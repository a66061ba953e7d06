//! The edge to Lambda's runtime.

use http::HeaderValue;
use http::header;
use lambda_runtime::streaming::Response;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;

use crate::Error;
use crate::invocation::{Ai, Body, CONTENT_TYPE};

/// The runtime's variables without which it panics.
const VARIABLES: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
];

/// Takes invocations until the runtime API is gone.
pub(crate) async fn serve(ai: Ai) -> Result<(), Error> {
    if let Some(missing) = VARIABLES.iter().find(|variable| std::env::var_os(variable).is_none()) {
        return Err(Error::NoRuntime(missing));
    }
    let serve = service_fn(|event: LambdaEvent<Value>| {
        let body = ai.body(event.payload, event.context.deadline);
        async move { Ok::<_, lambda_runtime::Error>(response(body)) }
    });
    lambda_runtime::run(serve).await.map_err(|error| Error::Runtime(error.to_string()))
}

fn response(body: Body) -> Response<Body> {
    let mut response = Response::from(body);
    response.metadata_prelude.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    response
}
