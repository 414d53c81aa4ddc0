//! What the code may not contain, and where it may after all.

use super::{Problem, source::Source};

/// Where `unsafe` may stand: a file, or a folder that ends in `/`.
const UNSAFE_ALLOWED: &[&str] = &[
    "crates/gguf/src/file.rs",              // the memory map
    "crates/gguf/src/file/lost_page.rs",    // the signal of a map that lost its file
    "crates/llama-arch/src/backend/cpu.rs", // SIMD and its dispatch
    "crates/llama-arch/src/backend/cpu/",
    "crates/llama-arch/src/backend/cuda/steps.rs", // replays of recorded steps
    "crates/cuda-kernels/src/",                    // driver calls and launches
    "crates/ptx-emulator/src/",                    // the same calls answered, and wide instructions
];

/// Crate roots that forbid `unsafe` for good.
const FORBIDS_UNSAFE: &[&str] = &[
    "crates/synth-model/src/lib.rs",
    "crates/tokenizer-bpe/src/lib.rs",
    "crates/worker/src/main.rs",
    "xtask/src/main.rs",
];

/// Where files are opened: everything else takes bytes, a `GgufFile` or a writer.
const FILE_IO_ALLOWED: &[&str] = &[
    "crates/gguf/src/file.rs",
    "crates/worker/src/load.rs",  // what is read
    "crates/worker/src/store.rs", // what is written: whole or not at all
    "crates/worker/src/hub/",     // the cache that it shares with other programs
    "crates/synth-model/",
    "xtask/",
];

const FILE_IO: &[&str] = &[
    "fs::",
    "File::open",
    "File::create",
    "OpenOptions",
    "Mmap::",
    "MmapOptions",
];

/// Where state is global because nothing can be passed.
const GLOBAL_STATE_ALLOWED: &[&str] = &[
    "crates/gguf/src/file/lost_page.rs", // between handlers of a signal
];

/// What makes a `static` hold state that changes.
const STATE: &[&str] = &["Lock", "Mutex", "Cell", "Atomic"];

fn allowed(list: &[&str], path: &str) -> bool {
    let matches =
        |entry: &&str| path == *entry || (entry.ends_with('/') && path.starts_with(*entry));
    list.iter().any(matches)
}

/// A problem for every line of code for which `found` is true.
fn search(file: &Source, what: &str, found: impl Fn(&str) -> bool) -> Vec<Problem> {
    let lines = file.code().into_iter().filter(|(_, line)| found(line));
    lines
        .map(|(line, _)| Problem::new(&file.path, line, what))
        .collect()
}

fn continues_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether `text` stands in the line at the beginning of a word.
fn has_start(line: &str, text: &str) -> bool {
    line.match_indices(text)
        .any(|(at, _)| !line[..at].ends_with(continues_word))
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(continues_word)
            && !line[at + word.len()..].starts_with(continues_word)
    })
}

/// `unsafe` only in the files of [`UNSAFE_ALLOWED`].
pub(super) fn unsafe_code(file: &Source) -> Vec<Problem> {
    if allowed(UNSAFE_ALLOWED, &file.path) {
        return Vec::new();
    }
    let what = "`unsafe` outside the named files: find a safe way, or name the file in \
                xtask/src/tidy/invariants.rs with its reason";
    search(file, what, |line| has_word(line, "unsafe"))
}

/// The crates of [`FORBIDS_UNSAFE`] say so themselves.
pub(super) fn forbids_unsafe(file: &Source) -> Vec<Problem> {
    let forbids = |line: &str| line.starts_with("#![forbid(") && line.contains("unsafe_code");
    if !FORBIDS_UNSAFE.contains(&file.path.as_str())
        || file.code().iter().any(|(_, line)| forbids(line))
    {
        return Vec::new();
    }
    vec![Problem::new(
        &file.path,
        1,
        "no `#![forbid(unsafe_code)]`: add it",
    )]
}

/// No panics instead of errors. Clippy knows the types; this also holds where a lint is allowed.
pub(super) fn unwraps(file: &Source) -> Vec<Problem> {
    let what = "panics where an error belongs: return a typed error";
    search(file, what, |line| {
        line.contains(".unwrap()") || line.contains(".expect(\"")
    })
}

/// Files are opened in one place per layer, so that the rest can be tested and fed from anywhere.
pub(super) fn file_io(file: &Source) -> Vec<Problem> {
    if allowed(FILE_IO_ALLOWED, &file.path) {
        return Vec::new();
    }
    let what = "file I/O outside gguf's file.rs and worker's load.rs, store.rs and hub: take the \
                bytes, or what they are written to, as argument";
    search(file, what, |line| {
        FILE_IO.iter().any(|text| has_start(line, text))
    })
}

/// No state but what is passed: tests run side by side, and so do models.
pub(super) fn global_state(file: &Source) -> Vec<Problem> {
    if allowed(GLOBAL_STATE_ALLOWED, &file.path) {
        return Vec::new();
    }
    let what = "global state or erased type: pass the value, or name the type";
    search(file, what, |line| {
        let item = line
            .trim_start()
            .trim_start_matches("pub ")
            .trim_start_matches("pub(crate) ");
        let stateful = item.starts_with("static ") && STATE.iter().any(|word| line.contains(word));
        let erased = has_word(line, "dyn Any") || line.contains("any::Any");
        stateful
            || erased
            || ["static mut", "lazy_static", "thread_local"]
                .iter()
                .any(|word| has_word(line, word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(rule: fn(&Source) -> Vec<Problem>, path: &str, text: &str) -> Vec<usize> {
        rule(&Source::new(path, text))
            .into_iter()
            .map(|problem| problem.line)
            .collect()
    }

    #[test]
    fn unsafe_stays_in_its_files() {
        let text = "// unsafe\n#![deny(unsafe_code)]\nunsafe { a() }\n";
        assert_eq!(lines(unsafe_code, "crates/worker/src/load.rs", text), [3]);
        assert_eq!(
            lines(unsafe_code, "crates/gguf/src/file/split.rs", text),
            [3]
        );
        assert!(lines(unsafe_code, "crates/gguf/src/file.rs", text).is_empty());
        assert!(
            lines(
                unsafe_code,
                "crates/llama-arch/src/backend/cpu/q4_k.rs",
                text
            )
            .is_empty()
        );
        assert!(lines(unsafe_code, "crates/llama-arch/tests/allocations.rs", text).is_empty());
    }

    #[test]
    fn safe_crates_say_so() {
        let root = "crates/tokenizer-bpe/src/lib.rs";
        assert_eq!(
            lines(forbids_unsafe, root, "//! #![forbid(unsafe_code)]\n"),
            [1]
        );
        assert!(lines(forbids_unsafe, root, "//! A.\n#![forbid(unsafe_code)]\n").is_empty());
        assert!(lines(forbids_unsafe, "crates/gguf/src/lib.rs", "").is_empty());
    }

    #[test]
    fn panics_outside_tests() {
        let text = "/// a.unwrap()\nb.unwrap();\nc.expect(\"why\");\nself.expect(b'x')?;\n\
                    d.unwrap_or(1);\n#[cfg(test)]\nmod tests {\n    fn e() { f.unwrap() }\n}\n";
        assert_eq!(lines(unwraps, "crates/x/src/a.rs", text), [2, 3]);
        assert!(lines(unwraps, "tests/src/lib.rs", text).is_empty());
    }

    #[test]
    fn files_are_opened_in_few_places() {
        let text =
            "use std::fs::File;\nFile::open(path)?;\nprefs::get();\nModelFile::open(path)?;\n";
        assert_eq!(
            lines(file_io, "crates/llama-arch/src/model.rs", text)[..2],
            [1, 2]
        );
        assert!(lines(file_io, "crates/worker/src/load.rs", text).is_empty());
        assert!(lines(file_io, "crates/worker/src/store.rs", text).is_empty());
        assert_eq!(
            lines(file_io, "crates/worker/src/quantize.rs", text).len(),
            2
        );
        assert!(lines(file_io, "xtask/src/tidy/source.rs", text).is_empty());
    }

    #[test]
    fn state_is_passed() {
        let text = "static A: OnceLock<u8> = OnceLock::new();\nstatic NAMES: [&str; 1] = [\"a\"];\n\
                    pub static mut B: u8 = 0;\nlet a: Box<dyn Any> = b;\nfn f(a: &'static str) {}\n\
                    pub(crate) static C: AtomicUsize = d;\nlet lock = Mutex::new(1);\n";
        assert_eq!(lines(global_state, "crates/x/src/a.rs", text), [1, 3, 4, 6]);
    }
}
