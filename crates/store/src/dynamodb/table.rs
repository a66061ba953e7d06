//! The table: its definition, and requests to it.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    ConsumedCapacity, PutRequest, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure, Select,
    WriteRequest,
};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::capacity::{Consumed, Meter};
use super::fault::Fault;
use super::item::Item;

/// The most items that one request may write.
pub(super) const MAX_BATCH: usize = 25;

/// How often the rest of a batch is tried again when DynamoDB leaves some of it undone.
const BATCH_TRIES: u32 = 8;

/// How long to wait before that. Doubles each time.
const BATCH_PAUSE: Duration = Duration::from_millis(20);

/// How many requests may be on their way at once; others wait. Each has a connection of its own. At 5 ms a request these are
/// 50,000 in a second, more than DynamoDB gives a table by default.
const MAX_REQUESTS: usize = 256;

/// One table, and who may use it. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Table {
    client: Client,
    name: Arc<str>,
    meter: Option<Arc<Meter>>,
    requests: Arc<Semaphore>,
}

/// What became of a conditional write.
#[derive(Debug)]
pub(super) enum Wrote {
    /// It is done. The item's new attributes, if they were asked for.
    Done(Item),
    /// The condition does not hold; this is the item as it is. Empty: there is none.
    Refused(Item),
}

/// A condition, and what it compares with.
#[derive(Debug, Default)]
pub(super) struct Condition {
    pub(super) expression: String,
    pub(super) values: Item,
}

impl Condition {
    pub(super) fn new(expression: impl Into<String>) -> Self {
        Self { expression: expression.into(), values: Item::new() }
    }

    pub(super) fn with(mut self, name: &str, value: aws_sdk_dynamodb::types::AttributeValue) -> Self {
        self.values.insert(name.to_owned(), value);
        self
    }

    /// Both must hold.
    pub(super) fn and(mut self, expression: &str) -> Self {
        self.expression = format!("({}) AND ({expression})", self.expression);
        self
    }
}

/// A part of a partition, in the order of the sort keys.
#[derive(Debug)]
pub(super) struct Span {
    /// Such as `pk = :pk AND sk > :sk`.
    pub(super) keys: Condition,
    /// `None`: the table itself.
    pub(super) index: Option<&'static str>,
    /// Only items for which this holds; what it compares with is among the values of `keys`.
    pub(super) filter: Option<&'static str>,
    /// Only these attributes.
    pub(super) only: Option<&'static str>,
    /// From the end.
    pub(super) backward: bool,
    /// Whether it sees every write that was answered before.
    pub(super) consistent: bool,
    /// The most items.
    pub(super) limit: usize,
    /// Where the page before ended.
    pub(super) after: Option<Item>,
}

impl Span {
    pub(super) fn new(keys: Condition) -> Self {
        Self {
            keys,
            index: None,
            filter: None,
            only: None,
            backward: false,
            consistent: true,
            limit: usize::MAX,
            after: None,
        }
    }
}

/// Some items, and where the next page begins if there is one.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) items: Vec<Item>,
    pub(super) next: Option<Item>,
}

impl Table {
    pub(super) fn new(client: Client, name: &str, meter: Option<Arc<Meter>>) -> Self {
        Self { client, name: name.into(), meter, requests: Arc::new(Semaphore::new(MAX_REQUESTS)) }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) async fn put(&self, item: Item, condition: Option<Condition>) -> Result<Wrote, Fault> {
        let _turn = self.turn().await?;
        let (expression, values) = split(condition);
        let answer = (self.client.put_item().table_name(&*self.name).set_item(Some(item)))
            .set_condition_expression(expression)
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .set_return_consumed_capacity(self.count());
        match Box::pin(answer.send()).await {
            Ok(done) => {
                self.wrote(done.consumed_capacity());
                Ok(Wrote::Done(Item::new()))
            }
            Err(SdkError::ServiceError(refused)) if refused.err().is_conditional_check_failed_exception() => {
                let PutItemError::ConditionalCheckFailedException(failed) = refused.into_err() else {
                    return Ok(Wrote::Refused(Item::new()));
                };
                Ok(self.refused(failed.item))
            }
            Err(error) => Err(Fault::of(&error, &self.name)),
        }
    }

    /// Changes an item, or makes it, and returns what `change` set.
    pub(super) async fn update(&self, key: Item, change: String, condition: Condition) -> Result<Wrote, Fault> {
        let _turn = self.turn().await?;
        let (expression, values) = split(Some(condition));
        let answer = (self.client.update_item().table_name(&*self.name).set_key(Some(key)))
            .update_expression(change)
            .set_condition_expression(expression)
            .set_expression_attribute_values(values)
            .return_values(ReturnValue::UpdatedNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .set_return_consumed_capacity(self.count());
        match Box::pin(answer.send()).await {
            Ok(done) => {
                self.wrote(done.consumed_capacity());
                Ok(Wrote::Done(done.attributes.unwrap_or_default()))
            }
            Err(SdkError::ServiceError(refused)) if refused.err().is_conditional_check_failed_exception() => {
                let UpdateItemError::ConditionalCheckFailedException(failed) = refused.into_err() else {
                    return Ok(Wrote::Refused(Item::new()));
                };
                Ok(self.refused(failed.item))
            }
            Err(error) => Err(Fault::of(&error, &self.name)),
        }
    }

    /// Removes an item if `condition` holds; it is no error if it does not.
    pub(super) async fn delete(&self, key: Item, condition: Condition) -> Result<(), Fault> {
        let _turn = self.turn().await?;
        let (expression, values) = split(Some(condition));
        let answer = (self.client.delete_item().table_name(&*self.name).set_key(Some(key)))
            .set_condition_expression(expression)
            .set_expression_attribute_values(values)
            .set_return_consumed_capacity(self.count());
        match Box::pin(answer.send()).await {
            Ok(done) => self.wrote(done.consumed_capacity()),
            Err(SdkError::ServiceError(refused)) if refused.err().is_conditional_check_failed_exception() => {
                self.refused(None);
            }
            Err(error) => return Err(Fault::of(&error, &self.name)),
        }
        Ok(())
    }

    pub(super) async fn get(&self, key: Item) -> Result<Option<Item>, Fault> {
        let _turn = self.turn().await?;
        let answer = (self.client.get_item().table_name(&*self.name).set_key(Some(key)))
            .consistent_read(true)
            .set_return_consumed_capacity(self.count());
        let done = Box::pin(answer.send()).await.map_err(|error| Fault::of(&error, &self.name))?;
        self.read(done.consumed_capacity());
        Ok(done.item)
    }

    pub(super) async fn query(&self, span: Span) -> Result<Page, Fault> {
        let _turn = self.turn().await?;
        let (expression, values) = split(Some(span.keys));
        // A limit that does not fit is none.
        let limit = i32::try_from(span.limit).ok();
        let answer = (self.client.query().table_name(&*self.name))
            .set_key_condition_expression(expression)
            .set_expression_attribute_values(values)
            .set_index_name(span.index.map(str::to_owned))
            .set_filter_expression(span.filter.map(str::to_owned))
            .set_select(span.only.map(|_| Select::SpecificAttributes))
            .set_projection_expression(span.only.map(str::to_owned))
            .scan_index_forward(!span.backward)
            .consistent_read(span.consistent)
            .set_limit(limit)
            .set_exclusive_start_key(span.after)
            .set_return_consumed_capacity(self.count());
        let done = Box::pin(answer.send()).await.map_err(|error| Fault::of(&error, &self.name))?;
        self.read(done.consumed_capacity());
        let next = done.last_evaluated_key.filter(|key| !key.is_empty());
        Ok(Page { items: done.items.unwrap_or_default(), next })
    }

    /// Puts at most [`MAX_BATCH`] items, whatever is there.
    pub(super) async fn put_all(&self, items: Vec<Item>) -> Result<(), Fault> {
        let mut left = Vec::with_capacity(items.len());
        for item in items {
            let put = PutRequest::builder().set_item(Some(item)).build();
            let put = put.map_err(|error| Fault::passing(format!("an item cannot be made ({error})")))?;
            left.push(WriteRequest::builder().put_request(put).build());
        }
        let mut pause = BATCH_PAUSE;
        for _ in 0..BATCH_TRIES {
            let turn = self.turn().await?;
            let answer = (self.client.batch_write_item().request_items(&*self.name, left))
                .set_return_consumed_capacity(self.count());
            let done = Box::pin(answer.send()).await.map_err(|error| Fault::of(&error, &self.name))?;
            drop(turn);
            done.consumed_capacity().iter().for_each(|consumed| self.wrote(Some(consumed)));
            left = done.unprocessed_items.and_then(|mut items| items.remove(&*self.name)).unwrap_or_default();
            if left.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Err(Fault::passing(format!("DynamoDB throttles the table {}: it left {} writes undone", self.name, left.len())))
    }

    pub(super) fn consumed(&self) -> Consumed {
        self.meter.as_ref().map(|meter| meter.total()).unwrap_or_default()
    }

    /// The right to one request, until it is dropped.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, Fault> {
        self.requests.acquire().await.map_err(|_| Fault::passing("the store is closed"))
    }

    fn count(&self) -> Option<ReturnConsumedCapacity> {
        self.meter.as_ref().map(|_| ReturnConsumedCapacity::Total)
    }

    fn wrote(&self, consumed: Option<&ConsumedCapacity>) {
        if let (Some(meter), Some(units)) = (&self.meter, consumed.and_then(ConsumedCapacity::capacity_units)) {
            meter.wrote(units);
        }
    }

    fn read(&self, consumed: Option<&ConsumedCapacity>) {
        if let (Some(meter), Some(units)) = (&self.meter, consumed.and_then(ConsumedCapacity::capacity_units)) {
            meter.read(units);
        }
    }

    /// A write that was refused is billed too, by the size of the item that is there, and not counted in the answer.
    fn refused(&self, item: Option<Item>) -> Wrote {
        let item = item.unwrap_or_default();
        if let Some(meter) = &self.meter {
            let bytes: usize =
                item.values().filter_map(|value| value.as_b().ok()).map(|blob| blob.as_ref().len()).sum();
            meter.wrote((bytes / 1024 + 1) as f64);
        }
        Wrote::Refused(item)
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// Values must be absent, not empty.
fn split(condition: Option<Condition>) -> (Option<String>, Option<Item>) {
    let Some(Condition { expression, values }) = condition else { return (None, None) };
    (Some(expression).filter(|expression| !expression.is_empty()), Some(values).filter(|values| !values.is_empty()))
}
