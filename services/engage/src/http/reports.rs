//! `/api/v1/reports/occupancy`: how many people there were, from the counts that this replica holds.

use std::fmt::Write;
use std::str::FromStr;
use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::{Data, block};
use actix_web::{HttpRequest, HttpResponse};
use people_counter_events::DeviceID;
use serde::de::IntoDeserializer;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::devices::json;
use super::query::Parameters;
use super::{App, Problem};
use crate::access::Identity;
use crate::board::Board;
use crate::clock;
use crate::push::report::{Period, Step, occupancy as steps_of};
use crate::state::{Condition, Device, Query, Sort};

/// Most steps of all devices together.
const MOST_STEPS: usize = 100_000;
/// What is reported unless something else is asked for, and its steps, seconds.
const DEFAULT_SPAN: f64 = 3600.0;
const DEFAULT_STEP: f64 = 300.0;

/// What is asked for.
struct Asked {
    query: Query,
    period: Period,
    format: Format,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// As JSON.
    #[default]
    Json,
    /// As CSV, a line for each step.
    Csv,
}

impl FromStr for Format {
    type Err = serde::de::value::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::deserialize(text.into_deserializer())
    }
}

/// How many people there were.
#[derive(Serialize, ToSchema)]
#[schema(as = Report)]
struct Document {
    /// Unix seconds.
    from: f64,
    /// Unix seconds.
    to: f64,
    /// Length of a step, seconds.
    step: f64,
    devices: Vec<Reported>,
}

/// The same of one device.
#[derive(Serialize, ToSchema)]
struct Reported {
    #[serde(rename = "deviceID")]
    device_id: DeviceID,
    /// Time of the oldest count that this replica holds, Unix seconds.
    since: Option<f64>,
    steps: Vec<Step>,
}

impl Asked {
    fn read(request: &HttpRequest, now: f64) -> Result<Self, Problem> {
        let parameters =
            Parameters::of(request, &["from", "to", "step", "format", "state", "q"], &["label"])?;
        let to = parameters.seconds("to", "a time in Unix seconds")?.unwrap_or(now);
        let from = parameters.seconds("from", "a time in Unix seconds")?.unwrap_or(to - DEFAULT_SPAN);
        let step = parameters.seconds("step", "a number of seconds")?.unwrap_or(DEFAULT_STEP);
        let period = Period { from, to, step };
        period.check().map_err(Problem::bad_request)?;
        let format = parameters.value("format", "json or csv")?.unwrap_or_default();
        let filter = parameters.filter()?;
        Ok(Self { query: Query { filter, sort: Sort::default() }, period, format })
    }
}

/// How many people there were in each step of a time.
#[utoipa::path(
    get, path = "/api/v1/reports/occupancy", tag = "devices", operation_id = "getOccupancy",
    params(
        ("from" = Option<f64>, Query, description = "Unix seconds; an hour before `to` if it is not given"),
        ("to" = Option<f64>, Query, description = "Unix seconds, after `from`; now if it is not given"),
        (
            "step" = Option<f64>, Query, minimum = 1,
            description = "Length of a step, seconds; 300 if it is not given. At most 10,000 steps of a device"
        ),
        ("format" = Option<Format>, Query, description = "`json` if it is not given"),
        (
            "state" = Option<Vec<Condition>>, Query, style = Form, explode = false, min_items = 1,
            description = "Devices in one of these states"
        ),
        (
            "label" = Option<Vec<String>>, Query, max_items = 8, pattern = "^[^:]{0,128}:[\\s\\S]{0,128}$",
            description = "Devices with all of these labels, `key:value`"
        ),
        (
            "q" = Option<String>, Query, max_length = 128,
            description = "Devices with this text in their id or a label, whatever its case"
        ),
    ),
    responses(
        (
            status = 200, description = "The report",
            content((Document = "application/json"), (String = "text/csv"))
        ),
        (status = 400, description = "A parameter makes no sense, or there are too many steps"),
        (status = 503, description = "The report could not be made"),
    )
)]
pub async fn occupancy(app: Data<App>, who: Identity, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let now = clock::now();
    let Asked { query, period, format } = Asked::read(&request, now)?;
    let devices = query.select(app.board.read(|state| state.all(who.scope, now)));
    if devices.len().saturating_mul(period.number()) > MOST_STEPS {
        return Err(Problem::bad_request(format!(
            "these are more than {MOST_STEPS} steps: choose a longer step, or fewer devices by q, label or state"
        )));
    }
    let board = Arc::clone(&app.board);
    let reported = block(move || report(&board, &devices, period, now)).await;
    let devices = reported
        .map_err(|_| Problem::unavailable("busy", "the report could not be made, try again later"))?;
    let Period { from, to, step } = period;
    let document = Document { from, to, step, devices };
    Ok(if format == Format::Csv {
        HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, "text/csv; charset=utf-8; header=present"))
            .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"occupancy.csv\""))
            .insert_header((CACHE_CONTROL, "no-store"))
            .body(document.csv())
    } else {
        json(serde_json::to_string(&document).expect("a report has text keys and finite numbers"))
    })
}

fn report(board: &Board, devices: &[Device], period: Period, now: f64) -> Vec<Reported> {
    let reported = |device: &Device| {
        // one device at a time, so that nobody waits for a report
        let (since, points) = board.read(|state| state.history(device.id(), f64::NEG_INFINITY))?;
        let valid = device.stale_after_seconds();
        // a still scene's count is confirmed without being counted again
        let last = points.last().map_or(now, |point| (point.timestamp + valid).min(now));
        let last_until = if device.condition == Condition::Live { now } else { last };
        let steps = steps_of(&points, valid, last_until, period);
        Some(Reported { device_id: device.id().clone(), since, steps })
    };
    devices.iter().filter_map(reported).collect()
}

impl Document {
    fn csv(&self) -> String {
        let mut text = String::from("deviceID,since,from,to,minimum,mean,maximum,share\r\n");
        let number = |number: Option<f64>| number.map_or_else(String::new, |number| number.to_string());
        for Reported { device_id, since, steps } in &self.devices {
            for step in steps {
                let (low, high) = (step.minimum.map(f64::from), step.maximum.map(f64::from));
                // writing to a text cannot fail
                let _ = write!(
                    text,
                    "{device_id},{},{},{},{},{},{},{}\r\n",
                    number(*since),
                    step.from,
                    step.to,
                    number(low),
                    number(step.mean),
                    number(high),
                    step.share
                );
            }
        }
        text
    }
}
