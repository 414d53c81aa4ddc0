//! nvcc and ptxas: found on this machine, or installed below `target/` as Python wheels.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Result;
use crate::workspace;

/// The wheels of one CUDA version that make a working nvcc together; mixed versions do not.
const NVCC_WHEELS: [&str; 5] = [
    "nvidia-cuda-nvcc==13.0.*",
    "nvidia-nvvm==13.0.*",
    "nvidia-cuda-crt==13.0.*",
    "nvidia-cuda-runtime==13.0.*",
    "nvidia-cuda-cccl==13.0.*",
];
const NVCC_VENV: &str = "target/nvcc";
const NVCC_IN_WHEELS: &str = "nvidia/cu13/bin/nvcc";

/// The assembler that stands for the oldest driver: CUDA 12.1 is the first with a wheel.
pub(super) const PTXAS: &str = "12.1";
const PTXAS_WHEEL: &str = "nvidia-cuda-nvcc-cu12==12.1.105";
const PTXAS_VENV: &str = "target/ptxas";
const PTXAS_IN_WHEEL: &str = "nvidia/cuda_nvcc/bin/ptxas";

/// A compiler that runs.
pub(super) struct Nvcc {
    path: PathBuf,
    /// As `13.0.88`.
    pub(super) version: String,
}

impl Nvcc {
    /// The named one, else that of `CUDA_HOME`, of `PATH`, or installed earlier.
    pub(super) fn find(named: Option<&Path>) -> Result<Option<Self>> {
        if let Some(path) = named {
            return Self::at(path.to_owned()).map(Some);
        }
        let home = env::var_os("CUDA_HOME").map(|home| PathBuf::from(home).join("bin/nvcc"));
        let candidates = home
            .into_iter()
            .chain(on_path("nvcc"))
            .chain(in_venv(NVCC_VENV, NVCC_IN_WHEELS)?);
        for path in candidates {
            if let Ok(nvcc) = Self::at(path) {
                return Ok(Some(nvcc));
            }
        }
        Ok(None)
    }

    /// Installs the wheels.
    pub(super) fn install() -> Result<Self> {
        install(NVCC_VENV, &NVCC_WHEELS)?;
        match in_venv(NVCC_VENV, NVCC_IN_WHEELS)? {
            Some(path) => Self::at(path),
            None => Err(format!("no {NVCC_IN_WHEELS} in the wheels").into()),
        }
    }

    fn at(path: PathBuf) -> Result<Self> {
        let output = run_quietly(Command::new(&path).arg("--version"))?;
        // Cuda compilation tools, release 13.0, V13.0.88
        let version = output
            .split(", V")
            .nth(1)
            .and_then(|rest| rest.lines().next());
        match version {
            Some(version) => Ok(Self {
                path,
                version: version.trim().to_owned(),
            }),
            None => Err(format!("{}: not nvcc", path.display()).into()),
        }
    }

    /// The assembler of the same version.
    pub(super) fn ptxas(&self) -> PathBuf {
        self.path.with_file_name("ptxas")
    }

    /// A command line that begins with its include folders.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        let home = self.path.parent().and_then(Path::parent);
        for folder in ["include", "include/cccl"] {
            if let Some(folder) = home.map(|home| home.join(folder)).filter(|f| f.is_dir()) {
                command.arg("-I").arg(folder);
            }
        }
        command
    }
}

/// The named ptxas, or the one installed earlier: only an old one proves anything.
pub(super) fn find_ptxas(named: Option<&Path>) -> Result<Option<PathBuf>> {
    match named {
        Some(path) => Ok(Some(path.to_owned())),
        None => in_venv(PTXAS_VENV, PTXAS_IN_WHEEL),
    }
}

/// Installs the wheel.
pub(super) fn install_ptxas() -> Result<PathBuf> {
    install(PTXAS_VENV, &[PTXAS_WHEEL])?;
    let missing = || format!("no {PTXAS_IN_WHEEL} in {PTXAS_WHEEL}").into();
    in_venv(PTXAS_VENV, PTXAS_IN_WHEEL)?.ok_or_else(missing)
}

fn install(venv: &str, wheels: &[&str]) -> Result<()> {
    println!("installing {} into {venv}", wheels.join(" "));
    let venv = workspace::root().join(venv);
    run_quietly(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    let pip = ["-m", "pip", "install", "--quiet"];
    run_quietly(Command::new(venv.join("bin/python")).args(pip).args(wheels))?;
    Ok(())
}

/// A file of a wheel in a virtual environment, whichever Python made it.
fn in_venv(venv: &str, file: &str) -> Result<Option<PathBuf>> {
    let lib = workspace::root().join(venv).join("lib");
    if !lib.is_dir() {
        return Ok(None);
    }
    let mut pythons = Vec::new();
    for entry in std::fs::read_dir(lib)? {
        pythons.push(entry?.path().join("site-packages").join(file));
    }
    Ok(pythons.into_iter().find(|path| path.is_file()))
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut files = env::split_paths(&path).map(|folder| folder.join(program));
    files.find(|file| file.is_file())
}

/// Runs a command whose output matters only when it fails; returns standard output.
pub(super) fn run_quietly(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| format!("{program}: {e}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program}: {}\n{stdout}{stderr}", output.status).into())
}
