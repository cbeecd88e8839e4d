//! Which build this is.

/// Names the build: what `$BUILD_ID` was when it was compiled (a commit, a pipeline's number), else `development`.
pub const BUILD: &str = match option_env!("BUILD_ID") {
    Some(id) => id,
    None => "development",
};
