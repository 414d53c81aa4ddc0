//! `cargo xtask build-ptx`: compiles the kernels to what is committed beside them: PTX that every
//! driver compiles, and machine code ("cubins") that saves drivers of this nvcc's time the work.
//!
//! Users need a driver, not a compiler: it is only who changes a kernel that needs nvcc. Options:
//! `--check` compares instead of writing, `--nvcc PATH` and `--ptxas PATH` name the compilers.
//!
//! Every kernel is compiled for `compute_80`. One that uses what only newer devices have is
//! listed in [`ALSO_NEWER`] and compiled for `compute_90` as well. A source `NAME_sm90a.cu` is
//! compiled for compute capability 9.0 alone.
//!
//! nvcc stamps its own version on what it writes, and drivers refuse PTX from a future they do
//! not know. The kernels are written to an old instruction set, so their PTX is stamped with that
//! version, and an assembler of that time proves that it was true.

mod manifest;
mod tools;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use self::manifest::Manifest;
use self::tools::{Nvcc, run_quietly};
use crate::{Usage, workspace};

/// The crate whose kernels these are.
const CRATE: &str = "crates/cuda-kernels";
/// A virtual architecture, the second part of file names, with what its PTX must assemble for.
#[derive(Clone, Copy)]
struct Target {
    name: &'static str,
    assemble_for: &'static [&'static str],
}

const BASELINE: Target = Target {
    name: "compute_80",
    assemble_for: &["sm_80", "sm_90"],
};
const NEWER: Target = Target {
    name: "compute_90",
    assemble_for: &["sm_90"],
};
const HOPPER_ALONE: Target = Target {
    name: "compute_90a",
    assemble_for: &["sm_90a"],
};
/// Stems of the sources that are also compiled for [`NEWER`].
const ALSO_NEWER: &[&str] = &[
    "argmax",
    "attention_decode",
    "matvec",
    "pack_rows",
    "rope_append",
    "sample",
];
/// The PTX version that the kernels need: drivers of CUDA 12.0 know it.
const PTX_VERSION: &str = "8.0";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[derive(Debug, Default, PartialEq)]
struct Options {
    check: bool,
    nvcc: Option<PathBuf>,
    ptxas: Option<PathBuf>,
}

/// Builds, or checks what was built.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let options = parse(args)?;
    let folder = workspace::root().join(CRATE);
    if options.check {
        check(&folder, &options)
    } else {
        build(&folder, &options)
    }
}

fn parse(args: &[String]) -> std::result::Result<Options, Usage> {
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut path = || match args.next() {
            Some(path) => Ok(Some(PathBuf::from(path))),
            None => Err(Usage(format!("`{arg}` needs a path"))),
        };
        match arg.as_str() {
            "--check" => options.check = true,
            "--nvcc" => options.nvcc = path()?,
            "--ptxas" => options.ptxas = path()?,
            _ => {
                let usage = "build-ptx [--check] [--nvcc PATH] [--ptxas PATH]";
                return Err(Usage(format!("unknown argument `{arg}`; usage: {usage}")));
            }
        }
    }
    Ok(options)
}

fn build(folder: &Path, options: &Options) -> Result<()> {
    let nvcc = match Nvcc::find(options.nvcc.as_deref())? {
        Some(nvcc) => nvcc,
        None => Nvcc::install()?,
    };
    let ptx_folder = folder.join("ptx");
    fs::create_dir_all(&ptx_folder)?;
    let cubin_folder = folder.join("cubin");
    fs::create_dir_all(&cubin_folder)?;
    for stale in outputs(&ptx_folder, &cubin_folder)? {
        fs::remove_file(stale)?;
    }
    compile_all(&nvcc, folder, &ptx_folder)?;
    assemble_cubins(&nvcc, &ptx_folder, &cubin_folder)?;
    let manifest = Manifest::of(folder, &nvcc.version)?;
    fs::write(manifest::path(folder), manifest.to_string())?;
    println!("{} modules by nvcc {}", count(folder)?, nvcc.version);
    let ptxas = match tools::find_ptxas(options.ptxas.as_deref())? {
        Some(ptxas) => ptxas,
        None => tools::install_ptxas()?,
    };
    assemble_all(&ptxas, folder)
}

fn check(folder: &Path, options: &Options) -> Result<()> {
    let committed = Manifest::read(folder)?;
    let problems = committed.differences(&Manifest::of(folder, &committed.nvcc)?);
    if !problems.is_empty() {
        let again = "run `cargo xtask build-ptx` and commit what it writes";
        return Err(format!("{}\n{again}", problems.join("\n")).into());
    }
    println!("sources, PTX and cubins are those of the manifest");

    match Nvcc::find(options.nvcc.as_deref())? {
        None => println!("not rebuilt: no nvcc (--nvcc PATH, CUDA_HOME, PATH)"),
        Some(nvcc) if nvcc.version != committed.nvcc => println!(
            "not rebuilt: this is nvcc {}, what is committed is by {}",
            nvcc.version, committed.nvcc
        ),
        Some(nvcc) => rebuild_and_compare(&nvcc, folder)?,
    }
    match tools::find_ptxas(options.ptxas.as_deref())? {
        None => println!("not assembled: no ptxas {} (--ptxas PATH)", tools::PTXAS),
        Some(ptxas) => assemble_all(&ptxas, folder)?,
    }
    Ok(())
}

fn rebuild_and_compare(nvcc: &Nvcc, folder: &Path) -> Result<()> {
    let again = workspace::root().join("target/ptx-rebuilt");
    if again.is_dir() {
        fs::remove_dir_all(&again)?;
    }
    fs::create_dir_all(&again)?;
    compile_all(nvcc, folder, &again)?;
    assemble_cubins(nvcc, &again, &again)?;
    let names = |paths: &[PathBuf]| -> Vec<_> {
        let names = paths.iter().filter_map(|path| path.file_name());
        names.map(ToOwned::to_owned).collect()
    };
    let committed = outputs(&folder.join("ptx"), &folder.join("cubin"))?;
    let rebuilt = outputs(&again, &again)?;
    if names(&committed) != names(&rebuilt) {
        return Err("a rebuild makes other files than those committed".into());
    }
    for (committed, rebuilt) in committed.iter().zip(&rebuilt) {
        if fs::read(committed)? != fs::read(rebuilt)? {
            return Err(format!("{} differs from a rebuild", committed.display()).into());
        }
    }
    println!("rebuilt by nvcc {}: the same bytes", nvcc.version);
    Ok(())
}

/// What a source is compiled for.
fn targets(stem: &str) -> &'static [Target] {
    if stem.ends_with("_sm90a") {
        &[HOPPER_ALONE]
    } else if ALSO_NEWER.contains(&stem) {
        &[BASELINE, NEWER]
    } else {
        &[BASELINE]
    }
}

fn compile_all(nvcc: &Nvcc, folder: &Path, out: &Path) -> Result<()> {
    for source in list(&folder.join("kernels"), "cu")? {
        let stem = source.file_stem().unwrap_or_default().to_string_lossy();
        for target in targets(&stem) {
            let path = out.join(format!("{stem}.{}.ptx", target.name));
            let mut command = nvcc.command();
            command
                .args(["-ptx", "-std=c++17", "-fmad=false"])
                .arg(format!("-arch={}", target.name))
                .arg("-I")
                .arg(folder.join("kernels/include"))
                .arg(&source)
                .arg("-o")
                .arg(&path);
            run_quietly(&mut command)?;
            fs::write(&path, normalise(&fs::read_to_string(&path)?)?)?;
        }
    }
    Ok(())
}

/// Machine code of every PTX for the devices that run no other variant of it.
fn assemble_cubins(nvcc: &Nvcc, ptx: &Path, out: &Path) -> Result<()> {
    for path in list(ptx, "ptx")? {
        let target = target_of(&path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let stem = name.split('.').next().unwrap_or_default();
        let more_special = &targets(stem)[1..];
        for arch in target.assemble_for {
            let is_taken = |other: &Target| other.assemble_for.contains(arch);
            if target.name == BASELINE.name && more_special.iter().any(is_taken) {
                continue;
            }
            let cubin = out.join(format!("{stem}.{arch}.cubin"));
            assemble(&nvcc.ptxas(), arch, &path, &cubin)?;
        }
    }
    Ok(())
}

fn assemble(ptxas: &Path, arch: &str, ptx: &Path, out: &Path) -> Result<()> {
    let mut command = Command::new(ptxas);
    let command = command.arg(format!("-arch={arch}")).arg(ptx);
    run_quietly(command.arg("-o").arg(out)).map(drop)
}

/// Without what names the compiler or the machine, and with the version that the code needs.
fn normalise(ptx: &str) -> Result<String> {
    let mut text = String::with_capacity(ptx.len());
    let mut is_stamped = false;
    for line in ptx.lines() {
        // A hint about the load after it, of a later version than the stamp: drivers refuse it.
        let is_hint = line.trim_start().starts_with(".pragma \"used_bytes_mask");
        if line.trim_start().starts_with("//") || is_hint {
            continue;
        }
        if line.starts_with(".version ") {
            text += &format!(".version {PTX_VERSION}\n");
            is_stamped = true;
        } else if !(line.is_empty() && (text.is_empty() || text.ends_with("\n\n"))) {
            text += line.trim_end();
            text.push('\n');
        }
    }
    if is_stamped {
        Ok(text)
    } else {
        Err("nvcc wrote PTX without a version".into())
    }
}

fn assemble_all(ptxas: &Path, folder: &Path) -> Result<()> {
    let out = workspace::root().join("target/assembled.cubin");
    fs::create_dir_all(workspace::root().join("target"))?;
    for path in list(&folder.join("ptx"), "ptx")? {
        for arch in target_of(&path)?.assemble_for {
            assemble(ptxas, arch, &path, &out)?;
        }
    }
    println!("assembled by ptxas {}", tools::PTXAS);
    Ok(())
}

/// The target that a file is named after.
fn target_of(path: &Path) -> Result<Target> {
    let name = path.to_string_lossy();
    let named = |target: &Target| name.ends_with(&format!(".{}.ptx", target.name));
    let target = [BASELINE, NEWER, HOPPER_ALONE].into_iter().find(named);
    target.ok_or_else(|| format!("{name}: not named after a target").into())
}

fn count(folder: &Path) -> Result<usize> {
    Ok(list(&folder.join("ptx"), "ptx")?.len())
}

/// Everything that was built.
fn outputs(ptx: &Path, cubin: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = list(ptx, "ptx")?;
    paths.extend(list(cubin, "cubin")?);
    Ok(paths)
}

/// The files of a folder with an extension, by name.
fn list(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ptx_loses_its_origin_and_gets_its_version() {
        let ptx = "//\n// Compiler Build ID: 1\n\n.version 9.0\n.target sm_80\n\n\t// .globl\tf\n\n\
                   \t.pragma \"used_bytes_mask 15\";\n.visible .entry f(\n";
        let expected = ".version 8.0\n.target sm_80\n\n.visible .entry f(\n";
        assert_eq!(normalise(ptx).unwrap(), expected);
        assert_eq!(normalise(expected).unwrap(), expected);
        assert!(normalise(".target sm_80\n").is_err());
    }

    #[test]
    fn sources_have_their_targets() {
        let names = |stem| targets(stem).iter().map(|target| target.name);
        assert!(names("swiglu").eq(["compute_80"]));
        assert!(names("gemm_sm90a").eq(["compute_90a"]));
        for stem in ALSO_NEWER {
            assert!(names(stem).eq(["compute_80", "compute_90"]));
        }
        let target = target_of(Path::new("ptx/gemm_sm90a.compute_90a.ptx"));
        assert_eq!(target.unwrap().name, "compute_90a");
        assert!(target_of(Path::new("ptx/gemm.ptx")).is_err());
    }

    #[test]
    fn options() {
        let parse = |line: &str| parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let options = parse("--check --nvcc a/nvcc").unwrap();
        assert!(options.check && options.nvcc == Some("a/nvcc".into()) && options.ptxas.is_none());
        assert!(parse("--nvcc").is_err());
        assert!(parse("--fast").is_err());
    }
}
