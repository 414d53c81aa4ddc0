//! Models split over several files: which they are, and whether they belong together.

use std::path::{Path, PathBuf};

use super::header::Part;
use super::{Origin, in_part};
use crate::error::Error;
use crate::metadata::Metadata;

const NUMBER_KEY: &str = "split.no";
const COUNT_KEY: &str = "split.count";
const TENSORS_KEY: &str = "split.tensors.count";

/// The number of this part, from 0, and the number of parts. A file that was merged from parts has
/// a count of 0: the usual tool for that leaves the other keys as they were in the first part.
fn position(metadata: &Metadata) -> Result<(u64, u64), Error> {
    let count = metadata.find_u64(COUNT_KEY)?.unwrap_or(0);
    if count == 0 {
        return Ok((0, 1));
    }
    let max = u64::from(u16::MAX);
    if count > max {
        return Err(Error::BadSplit {
            what: COUNT_KEY,
            found: count,
            expected: max,
        });
    }
    let number = metadata.find_u64(NUMBER_KEY)?.unwrap_or(0);
    if number >= count {
        return Err(Error::BadSplit {
            what: NUMBER_KEY,
            found: number,
            expected: count - 1,
        });
    }
    Ok((number, count))
}

/// The paths of the further parts, if the file at `path` is the first of a set; else none.
pub(super) fn further_paths(path: &Path, metadata: &Metadata) -> Result<Vec<PathBuf>, Error> {
    let (number, count) = position(metadata)?;
    if number > 0 {
        return Err(Error::NotFirstPart { number, count });
    }
    if count == 1 {
        return Ok(Vec::new());
    }
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let stem = name
        .strip_suffix(&format!("-00001-of-{count:05}.gguf"))
        .ok_or_else(|| Error::BadSplitName {
            path: path.to_owned(),
            count,
        })?;
    let sibling = |number| path.with_file_name(format!("{stem}-{number:05}-of-{count:05}.gguf"));
    Ok((2..=count).map(sibling).collect())
}

/// Refuses a file in memory that is only a part: the others cannot be found.
pub(super) fn refuse_split(metadata: &Metadata) -> Result<(), Error> {
    match position(metadata)? {
        (_, 1) => Ok(()),
        (number, count) => Err(Error::NotFirstPart { number, count }),
    }
}

/// Checks that each part says of itself what its name says, and that no tensors are missing.
pub(super) fn check_set(first: &Part, further: &[Part], origins: &[Origin]) -> Result<(), Error> {
    if further.is_empty() {
        return Ok(());
    }
    let parts = || std::iter::once(first).chain(further);
    for (at, (part, origin)) in parts().zip(origins).enumerate() {
        let check = || {
            let (number, count) = position(&part.metadata)?;
            expect(COUNT_KEY, count, origins.len() as u64)?;
            expect(NUMBER_KEY, number, at as u64)
        };
        check().map_err(|source| in_part(&origin.path, source))?;
    }
    match first.metadata.find_u64(TENSORS_KEY)? {
        Some(n_tensors) => expect(
            TENSORS_KEY,
            n_tensors,
            parts().map(|part| part.tensors.len() as u64).sum(),
        ),
        None => Ok(()),
    }
}

fn expect(what: &'static str, found: u64, expected: u64) -> Result<(), Error> {
    if found == expected {
        Ok(())
    } else {
        Err(Error::BadSplit {
            what,
            found,
            expected,
        })
    }
}
