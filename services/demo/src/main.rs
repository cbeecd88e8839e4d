//! People Counter in one process. See `people-counter --help`.

fn main() -> std::process::ExitCode {
    people_counter_demo::main()
}
