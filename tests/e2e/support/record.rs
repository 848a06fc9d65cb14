//! The cluster's record, read and written from outside.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::Cluster;

impl Cluster {
    /// The pods' shared directory on the host.
    pub fn backups(&self) -> PathBuf {
        self.root.join("backups").join(&self.scope).join("db")
    }

    /// The shared record's text.
    pub fn record(&self) -> String {
        fs::read_to_string(self.backups().join(".topology")).unwrap_or_default()
    }

    /// The recorded primary.
    pub fn primary(&self) -> u16 {
        field(&self.record(), "primary=")
            .parse()
            .expect("an ordinal")
    }

    /// Puts a text in the record's place, as a file rename does.
    pub fn write_record(&self, text: &str) {
        let temporary = self.backups().join(".by-the-test");
        fs::write(&temporary, text).expect("write a record");
        fs::rename(temporary, self.backups().join(".topology")).expect("install a record");
    }

    /// Writes the next steady record, with another primary.
    pub fn move_record(&self, primary: u16) {
        self.move_record_with(primary, "");
    }

    /// The same, with more lines.
    pub fn move_record_with(&self, primary: u16, lines: &str) {
        let record = self.record();
        let epoch: u64 = field(&record, "epoch=").parse().expect("an epoch");
        let cluster = field(&record, "cluster=");
        let next = epoch + 1;
        let timeline = timeline(&record);
        self.write_record(&format!(
            "cluster={cluster}\nepoch={next}\nprimary={primary}\nstate=steady\n{timeline}{lines}"
        ));
    }

    /// Writes the record of a handover, as `promote` does.
    pub fn hand_over_to(&self, target: u16) {
        let record = self.record();
        let epoch: u64 = field(&record, "epoch=").parse().expect("an epoch");
        let (cluster, primary) = (field(&record, "cluster="), field(&record, "primary="));
        let next = epoch + 1;
        let timeline = timeline(&record);
        self.write_record(&format!(
            "cluster={cluster}\nepoch={next}\nprimary={primary}\nstate=handover\ntarget={target}\n{timeline}"
        ));
    }

    /// Makes the record look as if it had been written that many seconds ago.
    pub fn age_record(&self, seconds: u64) {
        let changed = SystemTime::now() - Duration::from_secs(seconds);
        let record = File::options()
            .append(true)
            .open(self.backups().join(".topology"));
        let aged = record.and_then(|record| record.set_modified(changed));
        aged.expect("a record");
    }

    /// Writes into the record that an operator wants this pod back as a standby.
    pub fn ask_to_rejoin(&self, ordinal: u16) {
        self.move_record_with(self.primary(), &format!("rejoin={ordinal}\n"));
    }
}

/// The line of the highest timeline; none in format 1.
fn timeline(record: &str) -> String {
    let line = record.lines().find(|line| line.starts_with("timeline="));
    line.map_or_else(String::new, |line| format!("{line}\n"))
}

/// The value of a record's line.
fn field(record: &str, key: &str) -> String {
    let line = record.lines().find_map(|line| line.strip_prefix(key));
    line.unwrap_or_else(|| panic!("no {key} in {record}"))
        .to_owned()
}
