//! G35: sets of files, and what only files on disk can do wrong.

use std::fs;
use std::path::{Path, PathBuf};

use gguf::{GgufFile, TensorType, Writer};

use crate::raw::Raw;
use crate::variant;

/// The variants that the tests of this file hit.
pub const VARIANTS: [&str; 7] = [
    "Io",
    "NotAFile",
    "FileChanged",
    "InPart",
    "NotFirstPart",
    "BadSplit",
    "BadSplitName",
];

/// A folder that is gone at the end of the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("gguf-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Part `number` of three, with one tensor of its own.
fn part(number: u16, count: u16, tensors: i32) -> Writer {
    let mut writer = Writer::new();
    writer
        .metadata("split.no", number)
        .metadata("split.count", count)
        .metadata("split.tensors.count", tensors)
        .tensor(
            format!("blk.{number}.w"),
            &[4],
            TensorType::I8,
            vec![number as u8; 4],
        );
    writer
}

fn name(number: u16, count: u16) -> String {
    format!("model-{:05}-of-{count:05}.gguf", number + 1)
}

fn write_set(folder: &Folder, parts: &[&Writer]) -> PathBuf {
    for (number, part) in parts.iter().enumerate() {
        folder.write(
            &name(number as u16, parts.len() as u16),
            &part.to_bytes().unwrap(),
        );
    }
    folder.0.join(name(0, parts.len() as u16))
}

fn open_error(path: &Path) -> (String, String) {
    let error = GgufFile::open(path).unwrap_err();
    (variant(&error), error.to_string())
}

#[test]
fn a_set_reads_as_one_file_and_is_written_as_one() {
    let folder = Folder::new("set");
    let parts = [part(0, 3, 3), part(1, 3, 3), part(2, 3, 3)];
    let file = GgufFile::open(write_set(&folder, &parts.each_ref())).unwrap();
    assert_eq!((file.n_parts(), file.n_tensors()), (3, 3));
    for (number, tensor) in file.tensors().enumerate() {
        assert_eq!(tensor.name(), format!("blk.{number}.w"));
        assert_eq!(tensor.bytes(), [number as u8; 4]);
        assert_eq!(file.tensor(tensor.name()).unwrap().bytes(), tensor.bytes());
    }
    assert_eq!(file.data_bytes(), 12);
    file.check_unchanged().unwrap();

    let merged = GgufFile::from_bytes(Writer::from_file(&file).to_bytes().unwrap()).unwrap();
    assert_eq!((merged.n_tensors(), merged.metadata().len()), (3, 0));
}

#[test]
fn a_set_that_does_not_belong_together_is_refused() {
    let [a, b, c] = [part(0, 3, 3), part(1, 3, 3), part(2, 3, 3)];
    let mut more = b.clone();
    more.tensor("blk.9.w", &[4], TensorType::I8, vec![9; 4]);
    let empty = Writer::new();
    let cases: [(&str, [&Writer; 3], &str, &str); 5] = [
        ("order", [&a, &c, &b], "InPart", "split.no is 2, expected 1"),
        (
            "count",
            [&a, &part(1, 4, 3), &c],
            "InPart",
            "split.count is 4, expected 3",
        ),
        (
            "alone",
            [&a, &empty, &c],
            "InPart",
            "split.count is 1, expected 3",
        ),
        (
            "fewer",
            [&part(0, 3, 4), &b, &c],
            "BadSplit",
            "split.tensors.count is 4, expected 3",
        ),
        (
            "more",
            [&a, &more, &c],
            "BadSplit",
            "split.tensors.count is 3, expected 4",
        ),
    ];
    for (id, parts, error, says) in cases {
        let folder = Folder::new(id);
        let (found, message) = open_error(&write_set(&folder, &parts));
        assert_eq!(found, error, "{id}: {message}");
        assert!(message.contains(says), "{id}: {message}");
    }
}

#[test]
fn one_name_in_two_parts_is_refused() {
    let folder = Folder::new("same-name");
    let mut second = Writer::new();
    second
        .metadata("split.no", 1_u16)
        .metadata("split.count", 2_u16)
        .tensor("blk.0.w", &[1], TensorType::I8, vec![1]);
    let (found, _) = open_error(&write_set(&folder, &[&part(0, 2, 2), &second]));
    assert_eq!(found, "DuplicateTensor");
}

#[test]
fn a_set_without_a_part_or_a_name_says_what_is_missing() {
    let folder = Folder::new("missing");
    let first = folder.write(&name(0, 3), &part(0, 3, 3).to_bytes().unwrap());
    let (found, message) = open_error(&first);
    assert_eq!(found, "Io");
    assert!(message.contains("model-00002-of-00003.gguf"), "{message}");

    let renamed = folder.write("renamed.gguf", &part(0, 3, 3).to_bytes().unwrap());
    let (found, message) = open_error(&renamed);
    assert_eq!(found, "BadSplitName");
    assert!(
        message.contains("renamed.gguf") && message.contains("-00001-of-00003"),
        "{message}"
    );

    let second = folder.write(&name(1, 3), &part(1, 3, 3).to_bytes().unwrap());
    let (found, message) = open_error(&second);
    assert_eq!(found, "NotFirstPart");
    assert!(message.contains("part 2 of a set of 3 files"), "{message}");

    folder.write(&name(1, 3), b"GGUF\x01\0\0\0");
    let (found, message) = open_error(&first);
    assert_eq!(found, "InPart");
    assert!(
        message.contains("00002-of") && message.contains("version 1"),
        "{message}"
    );
}

#[test]
fn positions_that_cannot_be_are_refused() {
    let folder = Folder::new("positions");
    for (number, count) in [(1, 1), (3, 3), (65535, 1)] {
        let path = folder.write("x.gguf", &part(number, count, 1).to_bytes().unwrap());
        let (found, message) = open_error(&path);
        assert_eq!(found, "BadSplit", "{number} of {count}");
        let says = format!("split.no is {number}, expected {}", count - 1);
        assert!(message.contains(&says), "{message}");
    }
    let file = Raw::new(3, 0, 1).pair("split.count", 65536);
    assert_eq!(open_error(&folder.write("x.gguf", &file.0)).0, "BadSplit");
    // 65534 parts are missing: the first of them is named, and nothing is made for the others.
    let path = folder.write(&name(0, 65535), &part(0, 65535, 1).to_bytes().unwrap());
    assert_eq!(open_error(&path).0, "Io");
    // In memory, the other parts cannot be found.
    let error = GgufFile::from_bytes(part(0, 3, 3).to_bytes().unwrap()).unwrap_err();
    assert_eq!(variant(&error), "NotFirstPart");
}

#[test]
fn what_is_odd_about_the_parts_is_added_up() {
    let folder = Folder::new("odd");
    let names = [name(0, 3), name(1, 3), name(2, 3)];
    for (number, path) in names.iter().enumerate() {
        // A tensor of four bytes after a hole of 64, then garbage.
        let file = Raw::new(3, 1, 2)
            .pair("split.no", number as u32)
            .pair("split.count", 3)
            .info(format!("t{number}"), &[4], TensorType::I8.id(), 64)
            .align(32)
            .zeros(96)
            .zeros(number + 1);
        folder.write(path, &file.0);
    }
    let warnings = GgufFile::open(folder.0.join(&names[0])).unwrap().warnings();
    assert_eq!(
        (
            warnings.n_holes,
            warnings.hole_bytes,
            warnings.trailing_bytes
        ),
        (3, 192, 6)
    );
    assert!(!warnings.is_empty());
}

#[test]
fn a_file_merged_from_parts_is_no_part() {
    let folder = Folder::new("merged");
    let merged = part(2, 0, 99).to_bytes().unwrap();
    let file = GgufFile::open(folder.write("merged.gguf", &merged)).unwrap();
    assert_eq!((file.n_parts(), file.n_tensors()), (1, 1));
    assert_eq!(Writer::from_file(&file).to_bytes().unwrap(), merged);
}

#[test]
fn what_is_no_file_is_refused_before_it_is_opened() {
    let folder = Folder::new("kinds");
    assert_eq!(open_error(&folder.0).0, "NotAFile");
    assert_eq!(open_error(&folder.0.join("absent.gguf")).0, "Io");
    assert_eq!(open_error(&folder.write("empty.gguf", b"")).0, "BadMagic");
    #[cfg(unix)]
    assert_eq!(open_error(Path::new("/dev/null")).0, "NotAFile");
}

#[test]
fn a_file_that_grew_or_was_written_to_is_noticed() {
    use std::io::Write as _;
    let folder = Folder::new("changed");
    let path = folder.write("m.gguf", &Writer::new().to_bytes().unwrap());
    let file = GgufFile::open(&path).unwrap();
    file.check_unchanged().unwrap();
    fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(&[0; 9])
        .unwrap();
    let error = file.check_unchanged().unwrap_err();
    assert_eq!(variant(&error), "FileChanged");

    // Of the same length, but newer.
    let file = GgufFile::open(&path).unwrap();
    let newer = std::time::SystemTime::now() + std::time::Duration::from_secs(9);
    fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .set_modified(newer)
        .unwrap();
    assert_eq!(variant(&file.check_unchanged().unwrap_err()), "FileChanged");

    // Replaced by renaming: the open one is still whole.
    let file = GgufFile::open(&path).unwrap();
    fs::rename(folder.write("new.gguf", b"other"), &path).unwrap();
    file.check_unchanged().unwrap();
}
