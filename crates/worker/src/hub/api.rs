//! Questions to the Hub.

use std::time::Duration;

use serde::Deserialize;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use super::cache::{Settings, is_hex};
use super::reference::is_safe_path;
use crate::error::{Failure, Result};

/// How long the Hub may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// A listing is no longer than this.
const MAX_LISTING: u64 = 16 << 20;

/// A connection to the Hub.
pub(crate) struct Api {
    agent: Agent,
    endpoint: String,
    token: Option<String>,
}

/// What a repository holds.
#[derive(Debug)]
pub(super) struct Listing {
    /// Of the newest state.
    pub(super) commit: String,
    /// Its files.
    pub(super) files: Vec<RemoteFile>,
}

/// A file on the Hub.
#[derive(Clone, Debug)]
pub(super) struct RemoteFile {
    /// `owner/name` of the repository.
    pub(super) repo: String,
    /// Its path there.
    pub(super) name: String,
    /// Its size.
    pub(super) n_bytes: u64,
    /// SHA-256 of its contents, 64 digits.
    pub(super) sha256: String,
}

#[derive(Deserialize)]
struct ListingDocument {
    sha: String,
    siblings: Vec<SiblingDocument>,
}

#[derive(Deserialize)]
struct SiblingDocument {
    rfilename: String,
    lfs: Option<LfsDocument>,
}

#[derive(Deserialize)]
struct LfsDocument {
    sha256: String,
    size: u64,
}

impl Api {
    /// Nothing is connected yet.
    pub(super) fn new(settings: &Settings) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("worker-orcd/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE));
        Self {
            agent: config.build().into(),
            endpoint: settings.endpoint.clone(),
            token: settings.token.clone(),
        }
    }

    /// The files of a repository. Those that are no large files have no checksum and are left out:
    /// no model is among them.
    pub(super) fn list(&self, repo: &str) -> Result<Listing> {
        let url = format!(
            "{}/api/models/{repo}/revision/main?blobs=true",
            self.endpoint
        );
        let mut response = self
            .get(&url, 0)
            .map_err(|error| self.unreachable(&error))?;
        self.check(response.status(), repo)?;
        let body = response.body_mut().with_config().limit(MAX_LISTING);
        let text = body
            .read_to_string()
            .map_err(|error| self.unreachable(&error))?;
        let odd = || Failure::failed(format_args!("{url} gave no listing of files"));
        let found: ListingDocument = serde_json::from_str(&text).map_err(|_| odd())?;
        if !is_hex(&found.sha, 40) {
            return Err(odd());
        }
        let files = found.siblings.into_iter().filter_map(|file| {
            let lfs = file.lfs.filter(|lfs| is_hex(&lfs.sha256, 64))?;
            is_safe_path(&file.rfilename).then(|| RemoteFile {
                repo: repo.to_owned(),
                name: file.rfilename,
                n_bytes: lfs.size,
                sha256: lfs.sha256,
            })
        });
        Ok(Listing {
            commit: found.sha,
            files: files.collect(),
        })
    }

    /// A file of a commit, from some byte on.
    pub(super) fn open(
        &self,
        file: &RemoteFile,
        commit: &str,
        start: u64,
    ) -> std::result::Result<Response<Body>, ureq::Error> {
        let name = percent_encoded(&file.name);
        let url = format!("{}/{}/resolve/{commit}/{name}", self.endpoint, file.repo);
        self.get(&url, start)
    }

    fn get(&self, url: &str, start: u64) -> std::result::Result<Response<Body>, ureq::Error> {
        let mut request = self.agent.get(url);
        if let Some(token) = &self.token {
            // It is not sent on to where the Hub redirects to.
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if start > 0 {
            request = request.header("range", format!("bytes={start}-"));
        }
        request.call()
    }

    /// What an answer that is no success means.
    pub(super) fn check(&self, status: StatusCode, what: &str) -> Result<()> {
        let has_token = self.token.is_some();
        let why = match status.as_u16() {
            200..300 => return Ok(()),
            401 if has_token => "the Hub does not accept the token; check HF_TOKEN".to_owned(),
            401 => "there is no such repository, or it is not public; check the name, or set \
                    HF_TOKEN to a token that may read it"
                .to_owned(),
            403 => format!(
                "access is not granted; accept the conditions at {}/{what}, and set HF_TOKEN",
                self.endpoint
            ),
            404 => "the Hub does not have it; check the name".to_owned(),
            429 => "the Hub asks for a pause; try again in some minutes".to_owned(),
            500.. => format!("the Hub fails ({status}); try again later"),
            _ => format!("the Hub answers {status}"),
        };
        Err(Failure::failed(format_args!("{what}: {why}")))
    }

    /// There is no answer at all.
    pub(super) fn unreachable(&self, error: &ureq::Error) -> Failure {
        Failure::failed(format_args!(
            "no answer from {}: {error}; check the network, HTTPS_PROXY and HF_ENDPOINT, or set \
             HF_HUB_OFFLINE=1 to use what was pulled before",
            self.endpoint
        ))
    }
}

/// A path in an address.
fn percent_encoded(path: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    path.bytes().map(byte).collect()
}
