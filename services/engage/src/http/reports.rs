//! `/api/v1/reports/occupancy`: how many people there were, from the counts that this replica holds.

use std::fmt::Write;
use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::{Data, block};
use actix_web::{HttpRequest, HttpResponse};
use people_counter_events::DeviceID;
use serde::Serialize;

use super::devices::json;
use super::query::Parameters;
use super::{App, Problem};
use crate::access::Identity;
use crate::board::Board;
use crate::clock;
use crate::push::report::{Period, Step, occupancy as steps_of};
use crate::state::{Condition, Device, Filter, Query, QueryError, Sort};

/// Most steps of all devices together.
const MOST_STEPS: usize = 100_000;
/// What is reported unless something else is asked for, and its steps, seconds.
const DEFAULT_SPAN: f64 = 3600.0;
const DEFAULT_STEP: f64 = 300.0;

/// What is asked for.
struct Asked {
    query: Query,
    period: Period,
    csv: bool,
}

#[derive(Serialize)]
struct Document {
    from: f64,
    to: f64,
    step: f64,
    devices: Vec<Reported>,
}

#[derive(Serialize)]
struct Reported {
    #[serde(rename = "deviceID")]
    device_id: DeviceID,
    /// The oldest count that this replica holds.
    since: Option<f64>,
    steps: Vec<Step>,
}

impl Asked {
    fn read(request: &HttpRequest, now: f64) -> Result<Self, Problem> {
        let parameters =
            Parameters::of(request, &["from", "to", "step", "format", "state", "q"], &["label"])?;
        let to = parameters.value("to", "a time in Unix seconds")?.unwrap_or(now);
        let from = parameters.value("from", "a time in Unix seconds")?.unwrap_or(to - DEFAULT_SPAN);
        let step = parameters.value("step", "a number of seconds")?.unwrap_or(DEFAULT_STEP);
        let period = Period { from, to, step };
        period.check().map_err(Problem::bad_request)?;
        let csv = match parameters.text("format") {
            None | Some("json") => false,
            Some("csv") => true,
            Some(_) => return Err(Problem::bad_request("format is json or csv")),
        };
        let states = parameters.text("state").into_iter().flat_map(|text| text.split(','));
        let text = parameters.text("q").unwrap_or_default();
        let bad = |error: QueryError| Problem::bad_request(error.to_string());
        let filter = Filter::new(states, parameters.pairs("label")?, text).map_err(bad)?;
        Ok(Self { query: Query { filter, sort: Sort::default() }, period, csv })
    }
}

/// The report that is asked for.
pub async fn occupancy(app: Data<App>, who: Identity, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let now = clock::now();
    let Asked { query, period, csv } = Asked::read(&request, now)?;
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
    Ok(if csv {
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
