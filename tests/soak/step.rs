//! What is done to the clusters, as values that can be written down and read again. Pods are named by
//! their role at that moment, so that a step means something in every state.

use std::fmt;
use std::str::FromStr;

use crate::random::Random;

/// The cluster of three pods, or that of two whose disks are small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Three,
    Two,
}

/// A pod by its place in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Primary,
    First,
    Second,
}

macro_rules! kinds {
    ($($kind:ident $name:literal $weight:literal $low:literal..$high:literal $what:literal;)*) => {
        /// What a step does. Its number is a time in milliseconds, and stands for nothing where both
        /// ends of its range are 0.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind { $(#[doc = $what] $kind,)* }

        impl Kind {
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// How often it comes; what never does can be in a file of steps only.
            pub fn weight(self) -> u64 {
                match self { $(Self::$kind => $weight,)* }
            }

            fn range(self) -> (u64, u64) {
                match self { $(Self::$kind => ($low, $high),)* }
            }
        }
    };
}

kinds! {
    Apply "apply" 3 0..0 "applies the block as it is";
    Roll "roll" 2 0..0 "replaces every pod, as the platform does after a change";
    Scale "scale" 3 2000..8000 "takes the last pod away, and brings it back that much later";
    Promote "promote" 14 0..0 "a planned promotion of that pod";
    DryRun "dry-run" 3 0..0 "says what a promotion would do";
    Force "force" 8 0..3000 "kills the primary, and has that pod take over";
    Strand "strand" 4 500..4000 "the same after the standbys were cut off for so long, so that the primary has more";
    Lose "lose" 3 0..2000 "the same after the primary's volume is gone";
    Wipe "wipe" 3 0..0 "throws the volume of that standby away";
    Crash "crash" 8 0..0 "SIGKILL for process 1, which docker restarts";
    Server "server" 4 0..0 "SIGKILL for the postmaster";
    Kill "kill" 5 500..8000 "docker kill, and docker start that much later";
    Stop "stop" 5 500..8000 "docker stop, and docker start that much later";
    Pause "pause" 8 500..14000 "docker pause, and docker unpause that much later";
    Restart "restart" 4 0..0 "docker restart";
    Cut "cut" 5 1000..20000 "takes the pod off the network for so long";
    Forget "forget" 5 0..0 "removes the record";
    Garble "garble" 4 0..0 "damages the record";
    FillData "fill-data" 3 2000..15000 "fills the disk of that pod's data for so long";
    FillBackups "fill-backups" 3 2000..15000 "fills the disk of the backups for so long";
    Capture "capture" 5 0..0 "a dump of the primary";
    CaptureStandby "capture-standby" 4 0..0 "a dump of that standby";
    Cancel "cancel" 3 0..1500 "a capture that is cancelled that much later";
    Restore "restore" 3 0..0 "a dump, and its restore into the same database";
    Physical "physical" 3 0..0 "a physical backup";
    PhysicalRestore "physical-restore" 3 0..0 "a physical backup and its restore";
    KillInRestore "kill-in-restore" 3 300..9000 "the plugin dies in the middle of a physical restore";
    Rotate "rotate" 4 0..0 "a new password for the superuser, which rolls the pods";
    RotateQuietly "rotate-quietly" 4 0..0 "the same, and no pod is replaced";
    RotateReplication "rotate-replication" 5 0..0 "a new password for the standbys";
    Relink "relink" 4 0..3000 "takes the application's URL away, and gives it back that much later";
    Ahead "ahead" 3 0..0 "a backup that a clock ahead of this one made";
    KillInPromote "kill-in-promote" 8 50..3000 "the plugin dies in the middle of a promotion";
    KillInRotate "kill-in-rotate" 4 50..2500 "the plugin dies in the middle of a rotation";
    KillInReplication "kill-in-replication" 3 50..2500 "the plugin dies while the standbys' password changes";
    KillInCapture "kill-in-capture" 3 50..1500 "the plugin dies while it starts a capture";
    KillInLink "kill-in-link" 3 50..800 "the plugin dies while it links";
    HangUp "hang-up" 5 0..4000 "whatever plugin runs at that moment dies";
    Load "load" 4 2000..10000 "keeps every processor busy for so long";
    Cheat "cheat" 0 0..0 "deletes a row that was acknowledged, which has to be found";
    Daemon "daemon" 1 0..0 "restarts docker, where nothing else runs on it";
}

/// One thing that is done to one cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub which: Which,
    pub kind: Kind,
    pub role: Role,
    /// A time in milliseconds.
    pub number: u64,
    /// When it begins, in milliseconds after the round.
    pub after: u64,
}

/// What is done at a time, before everything has to be well again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round(pub Vec<Step>);

/// Rounds without an end.
pub struct Generator(Random);

impl Generator {
    pub fn new(seed: u64) -> Self {
        Self(Random::new(seed))
    }

    fn step(&mut self, which: Which, after: u64) -> Step {
        let random = &mut self.0;
        let kind = random.pick(Kind::ALL.iter().map(|kind| (*kind, kind.weight())));
        let (low, high) = kind.range();
        let roles = [(Role::Primary, 4), (Role::First, 4), (Role::Second, 2)];
        Step {
            // Only there are the disks small.
            which: if matches!(kind, Kind::FillData | Kind::FillBackups) {
                Which::Two
            } else {
                which
            },
            kind,
            role: random.pick(roles.into_iter()),
            number: random.between(low, high),
            after,
        }
    }

    fn which(&mut self) -> Which {
        if self.0.percent(60) {
            Which::Three
        } else {
            Which::Two
        }
    }
}

impl Iterator for Generator {
    type Item = Round;

    fn next(&mut self) -> Option<Round> {
        let which = self.which();
        let mut steps = vec![self.step(which, 0)];
        if steps[0].kind != Kind::Daemon && self.0.percent(45) {
            // Mostly on the same cluster, where they meet.
            let which = if self.0.percent(70) {
                steps[0].which
            } else {
                self.which()
            };
            let after = self.0.between(0, 2500);
            let second = self.step(which, after);
            if second.kind != Kind::Daemon {
                steps.push(second);
            }
        }
        Some(Round(steps))
    }
}

const CLUSTERS: [(Which, &str); 2] = [(Which::Three, "three"), (Which::Two, "two")];
const ROLES: [(Role, &str); 3] = [
    (Role::Primary, "primary"),
    (Role::First, "first"),
    (Role::Second, "second"),
];

fn word<T: PartialEq>(table: &[(T, &'static str)], value: &T) -> &'static str {
    let found = table.iter().find(|(known, _)| known == value);
    found.map_or("", |(_, word)| word)
}

fn value<T: Copy>(table: &[(T, &str)], word: &str) -> Result<T, String> {
    let found = table.iter().find(|(_, known)| *known == word);
    found
        .map(|(value, _)| *value)
        .ok_or_else(|| format!("{word:?} is not known"))
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (which, role) = (word(&CLUSTERS, &self.which), word(&ROLES, &self.role));
        write!(
            f,
            "{which} {} {role} {} @{}",
            self.kind, self.number, self.after
        )
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<_> = text.split_whitespace().collect();
        let [which, kind, role, number, after] = words[..] else {
            return Err(format!("{text:?} is no step"));
        };
        let kinds: Vec<_> = Kind::ALL.iter().map(|kind| (*kind, kind.name())).collect();
        let number_of = |word: &str| word.parse().map_err(|error| format!("{word}: {error}"));
        Ok(Self {
            which: value(&CLUSTERS, which)?,
            kind: value(&kinds, kind)?,
            role: value(&ROLES, role)?,
            number: number_of(number)?,
            after: number_of(after.trim_start_matches('@'))?,
        })
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&steps.join(" + "))
    }
}

impl FromStr for Round {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split('+')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}
