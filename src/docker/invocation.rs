//! One command line, as a value.

use std::fmt;
use std::time::Duration;

use crate::model::secret::Secret;

/// How long a single question may take.
pub(crate) const PROBE: Duration = Duration::from_secs(3);

/// How long all questions together may take of a command that nobody watches: the controller ends
/// the plugin at 30 s.
pub(crate) const UNATTENDED: Duration = Duration::from_secs(20);

/// A program with its arguments. Secrets go through the environment or standard input, so that
/// the arguments can be shown.
#[derive(Debug, Clone)]
pub(crate) struct Invocation {
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<(&'static str, Secret)>,
    pub(crate) stdin: Vec<u8>,
    /// As long as whoever runs it has time, without one of its own.
    pub(crate) limit: Option<Duration>,
}

impl Invocation {
    /// A command line without input.
    pub(crate) fn new(argv: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            stdin: Vec::new(),
            limit: None,
        }
    }

    /// A `docker` command line.
    pub(crate) fn docker<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(std::iter::once("docker").chain(arguments))
    }

    /// A command inside a container, as the image's default user. The secrets become variables of
    /// the command's environment; docker is told their names only.
    pub(crate) fn exec<'a>(
        container: &'a str,
        secrets: &[(&'static str, &Secret)],
        command: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let names = secrets.iter().flat_map(|(name, _)| ["-e", name]);
        let arguments = ["exec", "-i"].into_iter().chain(names).chain([container]);
        let mut invocation = Self::docker(arguments.chain(command));
        for (name, secret) in secrets {
            invocation.env.push((name, (*secret).clone()));
        }
        invocation
    }

    /// With that on its standard input.
    pub(crate) fn stdin(mut self, stdin: impl Into<Vec<u8>>) -> Self {
        self.stdin = stdin.into();
        self
    }

    /// How long it may take.
    pub(crate) fn time(&self) -> Duration {
        self.limit.unwrap_or(PROBE)
    }

    /// With a limit of its own.
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }
}

/// The first words, enough to recognise it. How docker is to print its answer is none of them.
impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 6;
        let format = self.argv.iter().position(|word| word == "--format");
        let of_format = |at: usize| format.is_some_and(|format| at == format || at == format + 1);
        let words = self.argv.iter().enumerate();
        let words = words.filter(|(at, _)| !of_format(*at));
        let words: Vec<_> = words.map(|(_, word)| word.as_str()).collect();
        f.write_str(&words[..words.len().min(SHOWN)].join(" "))?;
        if words.len() > SHOWN {
            f.write_str(" …")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_docker_prints_is_not_shown() {
        let words = ["inspect", "--format", "{{json .}}", "s-db.0"];
        let invocation = Invocation::docker(words);
        assert_eq!(invocation.to_string(), "docker inspect s-db.0");
    }

    #[test]
    fn a_secret_is_in_the_environment_only() {
        let secret = Secret::chosen("password", "hunter2").unwrap();
        let invocation = Invocation::exec("s-db.0", &[("PGPASSWORD", &secret)], ["psql", "-X"]);
        assert_eq!(
            invocation.argv,
            [
                "docker",
                "exec",
                "-i",
                "-e",
                "PGPASSWORD",
                "s-db.0",
                "psql",
                "-X"
            ]
        );
        assert_eq!(invocation.env.len(), 1);
        assert_eq!(
            invocation.to_string(),
            "docker exec -i -e PGPASSWORD s-db.0 …"
        );
        assert!(!format!("{invocation:?}").contains("hunter2"));
    }
}
