//! Subcommands: hashes for the configuration.

use std::io::{BufRead, Write};

use anyhow::{Context, bail};
use clap::Command;

use crate::access::{hash_password, new_token};

/// All of them.
pub fn all() -> Vec<Command> {
    vec![
        Command::new("hash-password")
            .about("Read a password from the standard input and print its hash for [[access.users]]"),
        Command::new("new-token").about("Make a token and print it and its hash for [[access.tokens]]"),
    ]
}

/// Runs one.
///
/// # Errors
/// One sentence that says what was tried and what to do.
pub fn run(name: &str, mut input: impl BufRead, mut output: impl Write) -> anyhow::Result<()> {
    let printed = match name {
        "hash-password" => {
            let mut line = String::new();
            input.read_line(&mut line).context("cannot read a password from the standard input")?;
            format!("password_hash = \"{}\"\n", hash_password(line.trim_end_matches(['\r', '\n']))?)
        }
        "new-token" => {
            let (token, hash) = new_token()?;
            format!("# give this to the program, it is not shown again: {token}\nsha256 = \"{hash}\"\n")
        }
        other => bail!("there is no subcommand {other}"),
    };
    output.write_all(printed.as_bytes()).context("cannot print")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(name: &str, input: &str) -> anyhow::Result<String> {
        let mut output = Vec::new();
        run(name, input.as_bytes(), &mut output)?;
        Ok(String::from_utf8(output)?)
    }

    #[test]
    fn what_is_printed_can_stand_in_the_configuration() {
        let user = printed("hash-password", "correct horse\nrest").unwrap();
        let token = printed("new-token", "").unwrap();
        let config = format!(
            "[[users]]\nname = \"a\"\nrole = \"viewer\"\n{user}[[tokens]]\nname = \"b\"\nrole = \"viewer\"\n{token}"
        );
        toml::from_str::<crate::access::Settings>(&config).unwrap().check().unwrap();
        assert_ne!(token, printed("new-token", "").unwrap());
        let message = printed("hash-password", "\n").unwrap_err().to_string();
        assert!(message.contains("empty"), "{message}");
    }
}
