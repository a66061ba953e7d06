//! Makes the table, for development and tests. In production Terraform does, from the same definition.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, LocalSecondaryIndex, Projection, ProjectionType,
    ScalarAttributeType, TableStatus, TimeToLiveSpecification,
};
use serde::Deserialize;

use super::fault::Fault;
use super::{Options, address};
use crate::StoreError;

/// What the table must look like: the one definition, in the words of DynamoDB's CreateTable.
pub const TABLE_DEFINITION: &str = include_str!("table.json");

/// How long one request may take. Nobody waits for an answer to a message here.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How often it is asked whether a new table can be used, and how long to wait in between.
const READY_TRIES: u32 = 60;
const READY_PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Definition {
    attribute_definitions: Vec<Attribute>,
    key_schema: Vec<KeyPart>,
    local_secondary_indexes: Vec<Local>,
    billing_mode: String,
    time_to_live: TimeToLive,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Attribute {
    attribute_name: String,
    attribute_type: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct KeyPart {
    attribute_name: String,
    key_type: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Local {
    index_name: String,
    key_schema: Vec<KeyPart>,
    projection: Projected,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Projected {
    projection_type: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TimeToLive {
    attribute_name: String,
}

/// Makes the table of a URL as [`TABLE_DEFINITION`] says, and waits until it can be used. One that is there stays as it is.
///
/// # Errors
/// A bad URL; a server that cannot be reached or refuses.
pub async fn create_table(url: &str) -> Result<(), StoreError> {
    let table = address::connect(url, &Options { timeout: TIMEOUT, ..Options::default() }).await?;
    create(table.client(), table.name()).await.map_err(|fault| fault.during(format_args!("make the table {table}")))
}

async fn create(client: &Client, name: &str) -> Result<(), Fault> {
    let bad = |error: String| Fault::passing(format!("the definition of the table is wrong: {error}"));
    let definition: Definition = serde_json::from_str(TABLE_DEFINITION).map_err(|error| bad(error.to_string()))?;
    let request = request(client, name, &definition).map_err(|error| bad(error.to_string()))?;
    match request.send().await {
        Ok(_) => {}
        Err(error) if error.code() == Some("ResourceInUseException") => return Ok(()),
        Err(error) => return Err(Fault::of(&error, name)),
    }
    wait_until_active(client, name).await?;
    let expiry =
        TimeToLiveSpecification::builder().enabled(true).attribute_name(definition.time_to_live.attribute_name);
    let expiry = expiry.build().map_err(|error| bad(error.to_string()))?;
    let answer = client.update_time_to_live().table_name(name).time_to_live_specification(expiry).send().await;
    answer.map(drop).map_err(|error| Fault::of(&error, name))
}

type Request = aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;

fn request(client: &Client, name: &str, definition: &Definition) -> Result<Request, BuildError> {
    let attributes = definition.attribute_definitions.iter().map(|attribute| {
        let kind = ScalarAttributeType::from(attribute.attribute_type.as_str());
        AttributeDefinition::builder().attribute_name(&attribute.attribute_name).attribute_type(kind).build()
    });
    let locals = definition.local_secondary_indexes.iter().map(|local| {
        let projection = ProjectionType::from(local.projection.projection_type.as_str());
        LocalSecondaryIndex::builder()
            .index_name(&local.index_name)
            .set_key_schema(Some(key_schema(&local.key_schema)?))
            .projection(Projection::builder().projection_type(projection).build())
            .build()
    });
    Ok((client.create_table().table_name(name))
        .set_attribute_definitions(Some(attributes.collect::<Result<_, _>>()?))
        .set_key_schema(Some(key_schema(&definition.key_schema)?))
        .set_local_secondary_indexes(Some(locals.collect::<Result<_, _>>()?))
        .billing_mode(BillingMode::from(definition.billing_mode.as_str())))
}

fn key_schema(parts: &[KeyPart]) -> Result<Vec<KeySchemaElement>, BuildError> {
    (parts.iter())
        .map(|part| {
            let kind = KeyType::from(part.key_type.as_str());
            KeySchemaElement::builder().attribute_name(&part.attribute_name).key_type(kind).build()
        })
        .collect()
}

async fn wait_until_active(client: &Client, name: &str) -> Result<(), Fault> {
    for _ in 0..READY_TRIES {
        let answer = client.describe_table().table_name(name).send().await.map_err(|error| Fault::of(&error, name))?;
        let status = answer.table.and_then(|table| table.table_status);
        if status == Some(TableStatus::Active) {
            return Ok(());
        }
        tokio::time::sleep(READY_PAUSE).await;
    }
    Err(Fault::passing(format!("the table {name} is not active yet")))
}
