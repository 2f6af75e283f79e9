//! What the figures were measured on.

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use crate::say;

/// The machine, and how busy it was with other things.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    cores: usize,
    processor: String,
    /// Bytes of memory that the machine has.
    memory: u64,
    kernel: String,
    /// Of the file system that the servers store on.
    file_system: String,
    /// Processes that wanted to run in the last minute before the first benchmark, on average.
    load: f64,
    /// Other caches that somebody would compare with, and whether they are here.
    others: Vec<(&'static str, bool)>,
}

/// Programs of other caches, which no benchmark here starts.
const OTHERS: [&str; 2] = ["atticd", "harmonia"];

impl Machine {
    /// Looks at this one. `directory` is where the servers store things.
    pub(super) fn look(directory: &Path) -> Result<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kilobytes = field(&memory, "MemTotal").and_then(|text| text.split(' ').next());
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Ok(Self {
            cores: std::thread::available_parallelism()?.get(),
            processor: field(&cpu, "model name").unwrap_or("unknown").to_owned(),
            memory: kilobytes.and_then(|text| text.parse().ok()).unwrap_or(0) * 1024,
            kernel: kernel.trim().to_owned(),
            file_system: file_system(directory)?,
            load: load(),
            others: OTHERS
                .iter()
                .map(|program| (*program, fh_testkit::find_program(program, &path).is_some()))
                .collect(),
        })
    }

    /// The machine in one line.
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "{} cores ({}), {}, Linux {}, {}",
            self.cores,
            self.processor,
            say::bytes(self.memory),
            self.kernel,
            self.file_system
        );
        if self.load > QUIET {
            text.push_str(&format!(
                "; BUSY WITH OTHER THINGS (load {:.1} before the first run): take the figures as preliminary",
                self.load
            ));
        }
        text
    }

    /// What is said of other caches, one line each.
    pub(super) fn others(&self) -> Vec<String> {
        let others = self.others.iter();
        others
            .map(|(program, here)| {
                if *here {
                    format!("{program}: on this machine, but no benchmark here drives it")
                } else {
                    format!("{program}: not on this machine")
                }
            })
            .collect()
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "cores": self.cores,
            "processor": self.processor,
            "memory_bytes": self.memory,
            "kernel": self.kernel,
            "file_system": self.file_system,
            "load_before": self.load,
            "others": self.others(),
        })
    }

    #[cfg(test)]
    pub(super) fn of_a_test() -> Self {
        Self {
            cores: 2,
            processor: "a processor".to_owned(),
            memory: 8 << 30,
            kernel: "6.1.0".to_owned(),
            file_system: "ext4".to_owned(),
            load: 0.0,
            others: vec![("atticd", false), ("harmonia", true)],
        }
    }
}

/// A load up to which a machine passes for idle.
const QUIET: f64 = 0.5;

fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split(' ').next().and_then(|word| word.parse().ok());
    first.unwrap_or(f64::NAN)
}

/// The value of `key: value`.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines
        .find(|(found, _)| found.trim() == key)
        .map(|(_, value)| value.trim())
}

/// The type of the file system that a directory is on.
pub(super) fn file_system(directory: &Path) -> Result<String> {
    let directory = directory.canonicalize()?;
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    Ok(type_of(&mounts, &directory).unwrap_or("unknown").to_owned())
}

/// Of the mounts that hold the directory, the deepest counts, and the last of those in one place.
fn type_of<'a>(mounts: &'a str, directory: &Path) -> Option<&'a str> {
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            Some((words.next()?, words.next()?))
        })
        .filter(|(place, _)| directory.starts_with(place))
        .max_by_key(|(place, _)| place.len())
        .map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_mount_holds_a_directory() {
        let mounts = "/dev/a / ext4 rw 0 0\n\
                      tmpfs /dev/shm tmpfs rw 0 0\n\
                      x /data btrfs rw 0 0\n\
                      y /data xfs rw 0 0\n";
        let of = |path: &str| type_of(mounts, Path::new(path));
        assert_eq!(of("/home/somebody"), Some("ext4"));
        assert_eq!(of("/dev/shm/x"), Some("tmpfs"));
        assert_eq!(of("/dev/shmoo"), Some("ext4"));
        assert_eq!(of("/data/x"), Some("xfs"));
    }

    #[test]
    fn this_machine_is_described() {
        let machine = Machine::look(&std::env::temp_dir()).unwrap();
        assert!(machine.cores > 0);
        assert!(machine.memory > 64 << 20, "{machine:?}");
        assert!(!machine.kernel.is_empty());
        assert_eq!(field("a b\t: c d\nMemTotal:   12 kB\n", "a b"), Some("c d"));
        assert_eq!(field("MemTotal:   12 kB\n", "MemTotal"), Some("12 kB"));
    }
}
