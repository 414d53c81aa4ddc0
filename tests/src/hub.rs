//! A Hub that does what a test says, on this machine.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};

/// The commit that the repository is at.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The name of the repository.
pub const REPO: &str = "owner/name";

/// What to do with a request for a file.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Send what is asked for.
    Good,
    /// Break the connection after so many bytes.
    Break(usize),
    /// Send the whole file, whatever was asked for.
    NoRanges,
    /// Send other bytes.
    Wrong,
    /// Send this status.
    Status(u16),
    /// Send to another host, which answers well.
    Redirect,
    /// Take a while.
    Slow,
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The path, with what follows a question mark.
    pub path: String,
    /// Its `Range`.
    pub range: Option<String>,
    /// Its `Authorization`.
    pub authorization: Option<String>,
}

/// A Hub with one repository.
pub struct Hub {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

struct State {
    port: u16,
    files: Vec<(String, Vec<u8>)>,
    /// For requests of files in turn; the last one again and again.
    answers: Mutex<Vec<Answer>>,
    listing: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Hub {
    /// A Hub with these files, that answers requests for them like this. It ends with the tests.
    pub fn new(files: &[(&str, &[u8])], answers: &[Answer]) -> Self {
        Self::with_listing(files, answers, 200)
    }

    /// A Hub whose listing has this status.
    pub fn with_listing(files: &[(&str, &[u8])], answers: &[Answer], listing: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::default();
        let state = State {
            port,
            files: files
                .iter()
                .map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec()))
                .collect(),
            answers: Mutex::new(answers.to_vec()),
            listing,
            requests: Arc::clone(&requests),
        };
        let state = Arc::new(state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&state);
                // Clients may go away: that is none of the Hub's business.
                thread::spawn(move || _ = serve(&stream, &state));
            }
        });
        Self { port, requests }
    }

    /// Where it is.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What was asked of it, without listings.
    pub fn file_requests(&self) -> Vec<Request> {
        let requests = self.requests.lock().expect("no panic").clone();
        requests
            .into_iter()
            .filter(|it| !it.path.starts_with("/api/"))
            .collect()
    }

    /// How many requests came.
    pub fn n_requests(&self) -> usize {
        self.requests.lock().expect("no panic").len()
    }
}

/// The SHA-256 of some bytes, in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a String takes all");
            hex
        })
}

/// Reads a request to the end of its headers.
fn request(stream: &TcpStream) -> std::io::Result<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut request = Request {
        path: first.split(' ').nth(1).unwrap_or_default().to_owned(),
        range: None,
        authorization: None,
    };
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "range" => request.range = Some(value.to_owned()),
            "authorization" => request.authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    Ok(request)
}

fn serve(stream: &TcpStream, state: &State) -> std::io::Result<()> {
    let request = request(stream)?;
    let mut requests = state.requests.lock().expect("no panic");
    requests.push(request.clone());
    drop(requests);
    let Request { path, range, .. } = request;
    let send = |status: u16, headers: &str, length: usize, body: &[u8]| {
        let mut out = stream;
        write!(
            out,
            "HTTP/1.1 {status} .\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
        )?;
        out.write_all(body)
    };
    if path.starts_with("/api/") {
        let body = listing(&state.files);
        return send(state.listing, "", body.len(), body.as_bytes());
    }
    let answer = {
        let mut answers = state.answers.lock().expect("no panic");
        if answers.len() > 1 {
            answers.remove(0)
        } else {
            answers[0].clone()
        }
    };
    let plain = path.replace("%20", " ");
    let known = state
        .files
        .iter()
        .find(|(name, _)| plain.ends_with(&format!("/{name}")));
    let Some((_, bytes)) = known else {
        return send(404, "", 0, b"");
    };
    let start = range.as_deref().and_then(|range| {
        range
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse::<usize>()
            .ok()
    });
    let start = start.unwrap_or(0).min(bytes.len());
    let (rest, all) = (&bytes[start..], bytes.len());
    let headers = format!("Content-Range: bytes {start}-{}/{all}\r\n", all - 1);
    let status = if start > 0 { 206 } else { 200 };
    match answer {
        Answer::Good => send(status, &headers, rest.len(), rest),
        Answer::Slow => {
            thread::sleep(Duration::from_millis(700));
            send(status, &headers, rest.len(), rest)
        }
        Answer::Break(n) => send(status, &headers, rest.len(), &rest[..n.min(rest.len())]),
        Answer::NoRanges => send(200, "", all, bytes),
        Answer::Wrong => send(status, &headers, rest.len(), &vec![7; rest.len()]),
        Answer::Status(status) => send(status, "", 0, b""),
        Answer::Redirect => {
            let there = format!("Location: http://localhost:{}/cdn{path}\r\n", state.port);
            send(302, &there, 0, b"")
        }
    }
}

fn listing(files: &[(String, Vec<u8>)]) -> String {
    let files = files.iter().map(|(name, bytes)| {
        let lfs = serde_json::json!({ "sha256": sha256(bytes), "size": bytes.len() });
        serde_json::json!({ "rfilename": name, "size": bytes.len(), "lfs": lfs })
    });
    let mut siblings: Vec<_> = files.collect();
    siblings.push(serde_json::json!({ "rfilename": "README.md", "size": 9, "blobId": "0" }));
    serde_json::json!({ "sha": COMMIT, "siblings": siblings }).to_string()
}
