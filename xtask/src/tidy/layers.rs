//! Which crate may know which: the layers of ARCHITECTURE.md.

use std::error::Error;

use serde_json::Value;

use super::Problem;
use crate::workspace;

/// For each crate the workspace crates it may depend on.
const LAYERS: &[(&str, &[&str])] = &[
    ("gguf", &[]),
    ("cuda-kernels", &[]),
    ("ptx-emulator", &["cuda-kernels"]),
    ("tokenizer-bpe", &["gguf"]),
    ("llama-arch", &["gguf", "cuda-kernels"]),
    ("synth-model", &["gguf"]),
    ("worker", &["gguf", "tokenizer-bpe", "llama-arch"]),
    ("xtask", &["gguf", "synth-model"]),
    ("benchmarks", &["gguf", "tokenizer-bpe", "llama-arch"]),
    (
        "integration-tests",
        &[
            "gguf",
            "tokenizer-bpe",
            "llama-arch",
            "synth-model",
            "worker",
        ],
    ),
];

/// What any crate may use in its tests besides.
const FOR_TESTS: &[&str] = &["synth-model", "ptx-emulator"];

/// Crates that must stay free of [`OUTER_ONLY`].
const BELOW_WORKER: &[&str] = &[
    "gguf",
    "cuda-kernels",
    "tokenizer-bpe",
    "llama-arch",
    "ptx-emulator",
    "synth-model",
];

/// Serialisation, HTTP and async belong to the outermost layer.
const OUTER_ONLY: &[&str] = &["serde", "serde_json", "tokio", "axum", "hyper"];

/// One dependency of a workspace crate.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Edge {
    from: String,
    to: String,
    dev: bool,
    /// `to` is part of the workspace.
    local: bool,
    /// Of `from`, relative to the root.
    manifest: String,
}

/// The declared dependencies of every workspace crate, as cargo sees them.
pub(super) fn read() -> Result<Vec<Edge>, Box<dyn Error>> {
    let mut command = workspace::cargo();
    let output = command
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()?;
    if !output.status.success() {
        return Err(format!(
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr)
        )
        .into());
    }
    Ok(edges(&serde_json::from_slice(&output.stdout)?))
}

fn edges(metadata: &Value) -> Vec<Edge> {
    let root = format!("{}/", text(&metadata["workspace_root"]));
    let mut edges = Vec::new();
    for package in list(&metadata["packages"]) {
        let manifest = text(&package["manifest_path"]);
        for dependency in list(&package["dependencies"]) {
            edges.push(Edge {
                from: text(&package["name"]).to_string(),
                to: text(&dependency["name"]).to_string(),
                dev: dependency["kind"] == "dev",
                local: dependency["path"].is_string(),
                manifest: manifest.strip_prefix(&root).unwrap_or(manifest).to_string(),
            });
        }
    }
    edges
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Every edge goes down a layer, and the lower layers stay light.
pub(super) fn check(edges: &[Edge]) -> Vec<Problem> {
    edges
        .iter()
        .filter_map(|edge| Some(Problem::new(&edge.manifest, 1, problem(edge)?)))
        .collect()
}

fn problem(edge: &Edge) -> Option<String> {
    let Edge { from, to, .. } = edge;
    let layer = LAYERS.iter().find(|(name, _)| name == from);
    let Some((_, may_know)) = layer else {
        return Some(format!(
            "`{from}` has no layer: give it one in xtask/src/tidy/layers.rs"
        ));
    };
    if edge.local {
        let allowed =
            may_know.contains(&to.as_str()) || (edge.dev && FOR_TESTS.contains(&to.as_str()));
        return (!allowed).then(|| format!("`{from}` may not know `{to}`: turn the edge around"));
    }
    let too_heavy =
        !edge.dev && BELOW_WORKER.contains(&from.as_str()) && OUTER_ONLY.contains(&to.as_str());
    too_heavy.then(|| format!("`{from}` depends on `{to}`: that belongs to `worker`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(from: &str, to: &str, dev: bool, local: bool) -> bool {
        let (from, to) = (from.to_string(), to.to_string());
        check(&[Edge {
            from,
            to,
            dev,
            local,
            manifest: String::new(),
        }])
        .is_empty()
    }

    #[test]
    fn edges_go_down() {
        assert!(is_allowed("worker", "llama-arch", false, true));
        assert!(is_allowed("llama-arch", "gguf", false, true));
        assert!(!is_allowed("gguf", "llama-arch", false, true));
        assert!(!is_allowed("tokenizer-bpe", "llama-arch", false, true));
        assert!(!is_allowed("xtask", "worker", false, true));
        assert!(!is_allowed("worker", "synth-model", false, true));
        assert!(is_allowed("worker", "synth-model", true, true));
        assert!(!is_allowed("gguf", "tokenizer-bpe", true, true));
        assert!(!is_allowed("stranger", "gguf", false, true));
    }

    #[test]
    fn lower_layers_stay_light() {
        assert!(!is_allowed("gguf", "serde", false, false));
        assert!(is_allowed("gguf", "serde", true, false));
        assert!(is_allowed("gguf", "half", false, false));
        assert!(is_allowed("worker", "tokio", false, false));
    }

    #[test]
    fn reads_cargo_metadata() {
        let metadata = serde_json::json!({
            "workspace_root": "/a",
            "packages": [{
                "name": "worker",
                "manifest_path": "/a/crates/worker/Cargo.toml",
                "dependencies": [
                    { "name": "gguf", "kind": null, "path": "/a/crates/gguf" },
                    { "name": "serde_json", "kind": "dev" },
                ],
            }],
        });
        let edge = |to: &str, dev, local| Edge {
            from: "worker".to_string(),
            to: to.to_string(),
            dev,
            local,
            manifest: "crates/worker/Cargo.toml".to_string(),
        };
        assert_eq!(
            edges(&metadata),
            [edge("gguf", false, true), edge("serde_json", true, false)]
        );
    }
}
