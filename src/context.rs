//! What a command may touch: its surroundings, each as a value or a function that `lib.rs` binds
//! to the real thing.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;

use crate::backups::place::Finder;
use crate::cluster::lease::{Claim, Holder};
use crate::controller::{self, Controller};
use crate::docker::engine::Docker;
use crate::docker::runner::Runner;
use crate::model::defaults;
use crate::model::refusal::Refusal;
use crate::wire::dispatch::Invocation;

/// Where the controller is when it did not call the plugin itself.
const CONTROLLER_URL: &str = "VOODU_CONTROLLER_URL";

/// Where backups lie on the host; the pods' bind mount follows it.
const BACKUPS_ROOT: &str = "VOODU_BACKUPS_ROOT";

/// Where the controller keeps the plugin, and lets it write.
const PLUGIN_DIR: &str = "VOODU_PLUGIN_DIR";

/// The plugin's own directory, below one that belongs to root.
const OWN_DIR: &str = ".voodu-postgres";

/// The certificates to trust, where it is set, as for other programs.
const TRUSTED: &str = "SSL_CERT_FILE";

/// Makes a controller's client for an address.
pub(crate) type Connect<'a> = &'a dyn Fn(&str) -> Result<Box<dyn Controller>, controller::Error>;

/// The surroundings of one run.
pub(crate) struct Context<'a> {
    /// Reads an environment variable.
    pub(crate) env: &'a dyn Fn(&str) -> Option<OsString>,
    /// Reads all of standard input; `None` when it is a terminal, which is never waited for.
    pub(crate) stdin: &'a dyn Fn() -> io::Result<Option<Vec<u8>>>,
    /// Fills a buffer with bytes that nobody can guess.
    pub(crate) random: &'a dyn Fn(&mut [u8]) -> io::Result<()>,
    /// The clock.
    pub(crate) now: &'a dyn Fn() -> SystemTime,
    /// Where the plugin itself is.
    pub(crate) binary: &'a dyn Fn() -> io::Result<PathBuf>,
    /// Not called before a command needs it: `expand` never does.
    pub(crate) connect: Connect<'a>,
    /// Shows a line to whoever runs the plugin by hand, at once.
    pub(crate) progress: &'a dyn Fn(&str),
    /// Starts processes.
    pub(crate) runner: &'a dyn Runner,
}

/// One command's way to the controller.
pub(crate) struct Session {
    pub(crate) controller: Box<dyn Controller>,
    pub(crate) caller: Caller,
}

/// Who started the plugin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The controller: it carries out the actions of the reply.
    Controller,
    /// An operator, with whatever was piped in.
    Operator { input: Vec<u8> },
}

impl<'a> Context<'a> {
    /// The machine's docker.
    pub(crate) fn docker(&self) -> Docker<'a> {
        Docker::new(self.runner)
    }

    /// Where the clusters' backups directories are.
    pub(crate) fn backups_root(&self) -> Result<PathBuf, Refusal> {
        let Some(root) = (self.env)(BACKUPS_ROOT).filter(|root| !root.is_empty()) else {
            return Ok(defaults::BACKUPS_ROOT.into());
        };
        let usable = |root: &&str| {
            let odd = |c: char| c == ':' || c.is_control();
            Path::new(root).is_absolute() && !root.contains(odd)
        };
        match root.to_str().filter(usable) {
            Some(root) => Ok(root.into()),
            None => Err(Refusal::new(
                format!("{BACKUPS_ROOT} is not an absolute path that docker can mount"),
                format!("use a path such as {}", defaults::BACKUPS_ROOT),
            )),
        }
    }

    /// What a command takes the lease of a cluster with.
    pub(crate) fn claim(&self, holder: Holder) -> Claim {
        Claim {
            holder,
            own_dirs: self.own_dirs(),
        }
    }

    /// Where the plugin's own directory may be. An upgrade of the plugin replaces the second place.
    pub(crate) fn own_dirs(&self) -> Vec<PathBuf> {
        let plugin = (self.env)(PLUGIN_DIR).map(PathBuf::from);
        let plugin = plugin.filter(|dir| dir.is_absolute());
        let places = self.backups_root().ok().into_iter().chain(plugin);
        places.map(|place| place.join(OWN_DIR)).collect()
    }

    /// The certificates that somebody wants to be trusted instead of the host's.
    pub(crate) fn trusted(&self) -> Option<PathBuf> {
        let named = (self.env)(TRUSTED).filter(|path| !path.is_empty());
        named.map(PathBuf::from)
    }

    /// Finds the controller: the one that called, else the one that the environment names.
    pub(crate) fn session(&self) -> anyhow::Result<Session> {
        let input = (self.stdin)().context("read standard input")?;
        let input = input.unwrap_or_default();
        let (url, caller) = match Invocation::parse(&input) {
            Some(invocation) => (invocation.controller_url, Caller::Controller),
            None => (self.named_url()?, Caller::Operator { input }),
        };
        Ok(Session {
            controller: (self.connect)(&url)?,
            caller,
        })
    }

    fn named_url(&self) -> Result<String, Refusal> {
        let named = (self.env)(CONTROLLER_URL).and_then(|url| url.into_string().ok());
        named.filter(|url| !url.is_empty()).ok_or_else(|| {
            Refusal::new(
                "no controller is known: none called, and VOODU_CONTROLLER_URL is not set",
                "run it as vd pg:<command>, or set VOODU_CONTROLLER_URL=http://127.0.0.1:8686",
            )
        })
    }
}

impl Session {
    /// For what is nothing but actions: by hand nobody would carry them out, and they hold
    /// passwords. `line` is how an operator types the command.
    pub(crate) fn check_caller(&self, line: &str) -> Result<(), Refusal> {
        match self.caller {
            Caller::Controller => Ok(()),
            Caller::Operator { .. } => Err(Refusal::new(
                "this changes what the controller keeps, and by hand nobody would carry it out",
                format!("run it as {line}"),
            )),
        }
    }

    /// The way to the clusters' backups.
    pub(crate) fn backups<'a>(&'a self, context: &Context<'a>, root: &'a Path) -> Finder<'a> {
        Finder {
            controller: &*self.controller,
            docker: context.docker(),
            root,
        }
    }
}
