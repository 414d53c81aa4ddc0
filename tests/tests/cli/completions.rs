//! `completions` and `man`: what shells and `man` read.

use std::process::Command;

use integration_tests::worker;

/// Every command that users are told of.
fn commands() -> Vec<String> {
    let ran = worker(["man", "--list"]).output();
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn every_shell_learns_every_command() {
    let commands = commands();
    assert!(commands.len() > 9, "{commands:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = worker(["completions", shell]).output();
        assert_eq!((ran.code, &*ran.stderr), (0, ""), "{shell}");
        for command in &commands {
            assert!(
                ran.stdout.contains(command),
                "{shell} does not know {command}"
            );
        }
        assert!(ran.stdout.contains("max-tokens"), "{shell}");
    }
    let ran = worker(["completions", "cmd.exe"]).output();
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("powershell"), "{ran:?}");
}

/// What bash offers for the last of these words; `None` where there is no bash.
fn bash_offers(words: &str) -> Option<Vec<String>> {
    let script = worker(["completions", "bash"]).output().stdout;
    let ask = "\nCOMP_WORDS=($1 '')\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n\
               _worker__orcd worker-orcd '' ${COMP_WORDS[COMP_CWORD-1]}\n\
               printf '%s\\n' \"${COMPREPLY[@]}\"\n";
    let output = Command::new("bash")
        .args(["-c", &(script + ask), "bash", words])
        .output()
        .ok()?;
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("completions are text");
    Some(text.lines().map(str::to_owned).collect())
}

#[test]
fn bash_completes_commands_and_values() {
    let rows = [
        ("worker-orcd", "generate"),
        ("worker-orcd generate", "--max-tokens"),
        ("worker-orcd inspect --format", "json"),
    ];
    for (words, expected) in rows {
        let Some(offers) = bash_offers(words) else {
            eprintln!("skipped: there is no bash");
            return;
        };
        assert!(
            offers.iter().any(|offer| offer == expected),
            "{words}: {offers:?}"
        );
    }
}

#[test]
fn every_command_has_a_page() {
    for command in commands() {
        let ran = worker(["man", &command])
            .env("WORKER_ORCD_THREADS", "7")
            .output();
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(
            ran.stdout.contains(&format!(".TH worker-orcd-{command} 1")),
            "{}",
            ran.stdout
        );
        assert!(ran.stdout.contains(".SH DESCRIPTION"), "{command}");
        assert!(
            !ran.stdout.contains("=7"),
            "the environment is in the page of {command}"
        );
    }
    let program = worker(["man"]).output().stdout;
    for command in commands() {
        let shown = command.replace('-', "\\-");
        assert!(
            program.contains(&format!("worker\\-orcd\\-{shown}(1)")),
            "{command}"
        );
    }
    let ran = worker(["man", "generat"]).output();
    assert_eq!(ran.code, 2);
    assert!(ran.error().contains("generat"), "{ran:?}");
}
