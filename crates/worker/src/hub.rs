//! Models from the Hugging Face Hub, in the cache that its other clients share.
//!
//! [`mod@reference`] says what is asked for, [`cache`] where it lies and which variables of the
//! environment count, [`api`] asks the Hub, [`download`] fetches a file, again and again from where
//! it broke off.

pub(crate) mod api;
pub(crate) mod cache;
pub(crate) mod download;
pub(crate) mod reference;

use std::path::PathBuf;

use crate::error::{Failure, Result};
use crate::logging::notice;
use api::Api;
use cache::{Cache, Settings};
use reference::Reference;

/// A model that lies in the cache.
#[derive(Debug)]
pub(crate) struct Pulled {
    /// Its file; of a split model, its first part.
    pub(crate) path: PathBuf,
    /// All its files.
    pub(crate) n_files: usize,
    /// Bytes of all of them.
    pub(crate) n_bytes: u64,
}

/// The model as the cache has it; if it has none of that name, it is pulled.
pub(crate) fn find_or_pull(reference: &Reference, settings: &Settings) -> Result<Pulled> {
    let cache = Cache::new(settings, &reference.repo);
    match cached(reference, &cache) {
        Ok(pulled) => Ok(pulled),
        Err(failure) if settings.offline => Err(failure),
        Err(_) => pull(reference, settings),
    }
}

/// The model as the Hub has it now. Offline, as the cache has it.
pub(crate) fn pull(reference: &Reference, settings: &Settings) -> Result<Pulled> {
    let cache = Cache::new(settings, &reference.repo);
    if settings.offline {
        return cached(reference, &cache);
    }
    let api = Api::new(settings);
    let listing = api.list(&reference.repo)?;
    let names: Vec<&str> = listing
        .files
        .iter()
        .map(|file| file.name.as_str())
        .collect();
    let chosen = reference.choose(&names)?;
    let mut pulled = None;
    for name in &chosen {
        let Some(file) = listing.files.iter().find(|file| file.name == **name) else {
            continue;
        };
        let path = download::file(&api, &cache, &listing.commit, file)?;
        let sum = pulled.get_or_insert(Pulled {
            path,
            n_files: 0,
            n_bytes: 0,
        });
        sum.n_files += 1;
        sum.n_bytes += file.n_bytes;
    }
    cache.set_ref(&listing.commit)?;
    pulled.ok_or_else(|| Failure::failed(format_args!("{reference}: nothing to pull")))
}

/// The model as the cache has it.
fn cached(reference: &Reference, cache: &Cache) -> Result<Pulled> {
    let absent = |what: &str| {
        Failure::failed(format_args!(
            "{reference}: {what} in the cache at {}; without HF_HUB_OFFLINE, \
             `worker-orcd pull` fetches it",
            cache.root().display()
        ))
    };
    let commit = cache.get_ref().ok_or_else(|| absent("no such model"))?;
    let files = cache.snapshot_files(&commit);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let chosen = reference
        .choose(&names)
        .map_err(|_| absent("no such file"))?;
    let sizes = files
        .iter()
        .filter(|(name, _)| chosen.contains(&name.as_str()));
    tracing::debug!(commit, "found in the cache");
    Ok(Pulled {
        path: cache.snapshot_path(&commit, chosen[0]),
        n_files: chosen.len(),
        n_bytes: sizes.map(|(_, n_bytes)| n_bytes).sum(),
    })
}

/// Says which file a reference stands for, where it does not name it.
fn say_choice(reference: &Reference, name: &str) {
    if !reference.names(name) {
        notice!(file = name, "model: {name} of {}", reference.repo);
    }
}
