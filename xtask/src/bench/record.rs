//! What was found, where and of what: a table, and a file to keep.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use super::options::Options;
use super::programs::Measured;
use super::suite::Test;
use super::{Result, base};

const HEADER: &str =
    "| model | test | ours, tokens/s | of read | llama.cpp | ratio | by default | ratio |
|---|---|---|---|---|---|---|---|
";

/// One test of one model.
pub(super) struct Row {
    pub(super) model: String,
    pub(super) test: Test,
    pub(super) ours: Measured,
    pub(super) peer: Measured,
}

impl Row {
    fn line(&self) -> String {
        let dash = || "-".to_owned();
        let ours = self.ours.speed();
        let speed = |speed: Option<f64>| speed.map_or_else(dash, rounded);
        let beside = |peer: Option<f64>| {
            let ratio = ours.zip(peer).map(|(ours, peer)| ours / peer);
            let ratio = ratio.map_or_else(dash, |ratio| format!("{ratio:.2}"));
            format!("{} | {ratio}", speed(peer))
        };
        let share = self.ours.share();
        format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            self.model,
            self.test,
            speed(ours),
            share.map_or_else(dash, |share| format!("{:.1} %", share * 100.0)),
            beside(self.peer.speed()),
            beside(self.peer.speed_by_default()),
        )
    }
}

/// Four digits, and no more than there are before the dot.
fn rounded(speed: f64) -> String {
    if speed < 1000.0 {
        format!("{speed:.1}")
    } else {
        format!("{speed:.0}")
    }
}

/// Everything about one run.
pub(super) struct Record {
    pub(super) rows: Vec<Row>,
    path: PathBuf,
    date: String,
    commit: String,
    machine: String,
    device: String,
    clocks: Vec<String>,
    repetitions: (usize, usize),
    began: SystemTime,
}

impl Record {
    /// Looks at machine and clocks before anything runs.
    pub(super) fn begin(options: &Options) -> Result<Self> {
        let on_gpu = options.device != "cpu";
        let gpu = nvidia_smi("name,memory.total").zip(nvidia_smi("driver_version"));
        let gpu = gpu.filter(|_| on_gpu);
        let gpu = gpu.map(|(gpu, driver)| format!("{gpu}, driver {driver}"));
        let machine = gpu.unwrap_or_else(processor);
        let date = today()?;
        let folder = options.out.clone().unwrap_or_else(|| {
            let name = short_name(&machine);
            base().join(format!("bench/record/{date}-{name}"))
        });
        let commit = options
            .commit
            .clone()
            .or_else(|| asked("git", &["describe", "--always", "--dirty"]));
        let mut record = Self {
            rows: Vec::new(),
            path: folder.join("comparison.md"),
            date,
            commit: commit.unwrap_or_else(|| "unknown".to_owned()),
            machine,
            device: String::new(),
            clocks: Vec::new(),
            repetitions: (options.rounds, options.reps),
            began: SystemTime::now(),
        };
        record.note_clocks("before");
        Ok(record)
    }

    fn note_clocks(&mut self, when: &str) {
        let clocks = nvidia_smi("clocks.sm,clocks.mem,temperature.gpu,power.draw");
        self.clocks
            .extend(clocks.map(|clocks| format!("{when}: {clocks}")));
    }

    /// The device as the worker names it.
    pub(super) fn note_device(&mut self, device: String) {
        if self.device.is_empty() {
            self.device = device;
            self.note_clocks("at work");
        }
    }

    /// The results of one model, as a table.
    pub(super) fn table_of(&self, model: &str) -> String {
        let rows = self.rows.iter().filter(|row| row.model == model);
        HEADER.to_owned() + &rows.map(Row::line).collect::<String>()
    }

    /// Where the record is written.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file.
    pub(super) fn end(&mut self, commands: &[String]) -> Result<()> {
        self.note_clocks("after");
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&self.path, self.text(commands)?)
            .map_err(|error| format!("{}: {error}", self.path.display()).into())
    }

    fn text(&self, commands: &[String]) -> Result<String> {
        let (rounds, reps) = self.repetitions;
        let mut text = format!("# Beside llama.cpp, {}\n\n| | |\n|---|---|\n", self.date);
        writeln!(text, "| machine | {} |", self.machine)?;
        writeln!(text, "| device | {} |", self.device)?;
        if !self.clocks.is_empty() {
            writeln!(text, "| clocks | {} |", self.clocks.join("; "))?;
        }
        writeln!(text, "| commit | {} |", self.commit)?;
        writeln!(
            text,
            "| models | `cargo xtask synth-model`, random weights; names are preset and type |"
        )?;
        writeln!(
            text,
            "| taken | {rounds} rounds in turns, {reps} repetitions each, medians; {} s in all |\n",
            self.began.elapsed()?.as_secs()
        )?;
        text += HEADER;
        text.extend(self.rows.iter().map(Row::line));
        text += "\nDecoding at a depth (@) and of several sequences (x, each after 128 tokens); \
                 ours chooses\ntokens greedily. llama.cpp has the better of two micro-batch sizes \
                 for prefill;\nby default it takes the smaller.\n\n";
        text += "    cargo xtask bench\n";
        for command in commands {
            writeln!(text, "    {command}")?;
        }
        Ok(text)
    }
}

/// What a program prints, if it is there and content.
fn asked(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next().unwrap_or_default().trim();
    (output.status.success() && !line.is_empty()).then(|| line.to_owned())
}

fn nvidia_smi(what: &str) -> Option<String> {
    let query = format!("--query-gpu={what}");
    asked("nvidia-smi", &[&query, "--format=csv,noheader"])
}

/// The processor's name, and how many it is.
fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let name = name.map_or("unknown processor", |rest| {
        rest.trim_start_matches([' ', '\t', ':'])
    });
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{name}, {threads} threads")
}

/// A machine in letters that folders are named with: the words before the first comma.
fn short_name(machine: &str) -> String {
    let first = machine.split(',').next().unwrap_or_default().to_lowercase();
    let words = first.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> = words
        .filter(|word| !word.is_empty() && *word != "nvidia")
        .collect();
    words.join("-")
}

/// The date in UTC.
fn today() -> Result<String> {
    let days = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / 86_400;
    let (year, month, day) = civil(days);
    Ok(format!("{year}-{month:02}-{day:02}"))
}

/// Year, month and day, so many days after 1970-01-01.
fn civil(days: u64) -> (u64, u64, u64) {
    // Years that begin with March end with the leap day; they repeat after 400.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(59), (1970, 3, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_778), (2026, 11, 21));
    }

    #[test]
    fn machines_name_folders() {
        assert_eq!(short_name("NVIDIA H200, 143771 MiB, 580.1"), "h200");
        assert_eq!(short_name("AMD EPYC 9B45, 2 threads"), "amd-epyc-9b45");
    }

    #[test]
    fn a_row_without_a_peer_has_no_ratio() {
        let measured = |speed| Measured {
            samples: vec![speed],
            ..Measured::default()
        };
        let mut row = Row {
            model: "m".to_owned(),
            test: Test::Prefill { n: 512 },
            ours: measured(1234.5),
            peer: Measured::default(),
        };
        assert_eq!(
            row.line(),
            "| m | prefill 512 | 1234 | - | - | - | - | - |\n"
        );
        row.peer = measured(500.0);
        assert_eq!(
            row.line(),
            "| m | prefill 512 | 1234 | - | 500.0 | 2.47 | - | - |\n"
        );
    }
}
