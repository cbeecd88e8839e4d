//! Cameras at the edge: captures pictures, stores them, announces them.

fn main() -> std::process::ExitCode {
    iot_chassis::main::<people_counter_ingest::Service>()
}
