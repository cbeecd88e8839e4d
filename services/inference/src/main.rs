//! Counts people in stored pictures. See `people-counter-inference --help`.

fn main() -> std::process::ExitCode {
    iot_chassis::main::<people_counter_inference::Service>()
}
