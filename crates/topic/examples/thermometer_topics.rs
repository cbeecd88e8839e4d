//! The topics of a plant's thermometers, without any MQTT client: `cargo run -p iot-topic --example thermometer_topics`.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::error::Error;

use iot_topic::{Topic, matches, shared};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Reading {
    celsius: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let readings: Topic<Reading> = Topic::new("plant/{site}/thermometers/{sensor}/reading")?;

    let name = readings.name(&["bonn", "t-7"])?;
    let payload = readings.encode(&Reading { celsius: 21.5 })?;
    println!("publish {} on {name}", String::from_utf8_lossy(&payload));

    let filter = readings.filter();
    println!("subscribe to {filter}, or as one of many to {}", shared("archive", &filter)?);
    println!("it receives that topic: {}", matches(&filter, &name));

    if let Some(parameters) = readings.parse(&name) {
        println!("{parameters:?} says {:?}", readings.decode(&payload)?);
    }
    match readings.name(&["bonn", "t-7/reading/#"]) {
        Ok(name) => println!("{name}"),
        Err(error) => println!("a hostile name is refused: {error}"),
    }
    Ok(())
}
