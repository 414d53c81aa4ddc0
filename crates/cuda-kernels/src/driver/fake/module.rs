//! What the fake driver reads in a module.

use crate::driver::Arg;

/// Dynamic shared memory that a block may have without asking.
const USUAL_SHARED_BYTES: u32 = 48 << 10;

/// An entry point; `module` is 0 as long as it is not loaded.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) module: usize,
    pub(super) name: String,
    /// Types of its parameters, if known.
    pub(super) params: Option<Vec<&'static str>>,
    /// Whether it waits for the launch before, as chained launches must.
    pub(super) waits: bool,
    /// Dynamic shared memory that a launch may ask for.
    pub(super) shared_bytes: u32,
}

impl Entry {
    /// One of machine code, which does not say what it takes: a text is what arguments are checked
    /// by.
    fn of_cubin(name: String) -> Self {
        Self {
            module: 0,
            name,
            params: None,
            waits: true,
            shared_bytes: USUAL_SHARED_BYTES,
        }
    }

    /// Whether these are arguments for its parameters.
    pub(super) fn takes(&self, args: &[Arg]) -> bool {
        let params = self.params.as_ref();
        params.is_none_or(|params| args.iter().map(kind).eq(params.iter().copied()))
    }
}

/// Whether this is machine code.
pub(super) fn is_cubin(image: &[u8]) -> bool {
    image.starts_with(b"\x7fELF")
}

/// Entry points of machine code: each has a section of its own.
pub(super) fn cubin_entries(cubin: &[u8]) -> Vec<Entry> {
    let words = cubin.split(|&byte| byte == 0);
    let names = words.filter_map(|word| word.strip_prefix(b".text."));
    names
        .map(|name| Entry::of_cubin(String::from_utf8_lossy(name).into_owned()))
        .collect()
}

/// Entry points of a PTX text with the types of their parameters.
pub(super) fn entries(ptx: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    for rest in ptx.split(".entry ").skip(1) {
        let (name, rest) = rest.split_once('(').unwrap_or((rest, ""));
        let params = rest.split(')').next().unwrap_or_default().split(".param ");
        let params = params.skip(1).map(|param| {
            let kinds = ["u64", "u32", "f32"];
            let kind = kinds.into_iter().find(|k| param[1..].starts_with(k));
            kind.unwrap_or("?")
        });
        entries.push(Entry {
            module: 0,
            name: name.trim().to_owned(),
            params: Some(params.collect()),
            waits: rest.contains("griddepcontrol.wait"),
            shared_bytes: USUAL_SHARED_BYTES,
        });
    }
    entries
}

/// The type of an argument as PTX writes it.
fn kind(arg: &Arg) -> &'static str {
    match arg {
        Arg::Ptr(_) | Arg::U64(_) => "u64",
        Arg::U32(_) => "u32",
        Arg::F32(_) => "f32",
    }
}
