//! `people-counter-engage`: see the library.

fn main() -> std::process::ExitCode {
    iot_chassis::main::<people_counter_engage::Service>()
}
