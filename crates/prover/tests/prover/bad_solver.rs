//! Programs in the solver's place: what they answer proves nothing, and they get nowhere.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{run, solver};

/// A program that says it is cvc5, and answers each question so.
fn answering(dir: &Path, version: &str, answer: &str) -> PathBuf {
    let text = format!(
        "#!/bin/sh\n\
         if [ \"$1\" = --version ]; then echo 'This is cvc5 version {version} [git]'; exit; fi\n\
         while read -r line; do case \"$line\" in *check-sat*) {answer};; esac; done\n"
    );
    program(dir, &text)
}

fn program(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("solver");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}

/// The real solver for the first question, which is the control; to every other it answers so.
fn turning(dir: &Path, answer: &str) -> PathBuf {
    let text = format!(
        "#!/bin/sh\n\
         if [ \"$1\" = --version ]; then echo Python 3; exit; fi\n\
         adapter=$(printf '%s' \"$3\" | sed 's/answer = session.answer(text)$/answer = ask(session, text)/')\n\
         exec '{}' -I -c \"\n\
         asked = []\n\
         def ask(session, text):\n\
         \x20   if 'check-sat' in text: asked.append(text)\n\
         \x20   return session.answer(text) if len(asked) < 2 else '{answer}\\n'\n\
         $adapter\" \"$4\"\n",
        std::path::absolute(solver()).unwrap().display()
    );
    program(dir, &text)
}

#[test]
fn what_the_solver_does_not_know_is_not_proven() {
    let dir = tempfile::tempdir().unwrap();
    for (answer, why) in [("unknown", "unknown"), ("sat", ""), ("certainly", "certainly")] {
        let ran = run(&["prove"], &turning(dir.path(), answer));
        assert_eq!(ran.code, 5, "{answer}: {}", ran.said);
        let finding = ran.finding("one-platform");
        assert!(finding["proven"] == false && finding["counterexample"].is_null(), "{finding}");
        assert!(finding["undecided"].as_str().unwrap().contains(why), "{answer}: {finding}");
    }
    assert_eq!(run(&["prove"], &turning(dir.path(), "unsat")).code, 0);
}

#[test]
fn a_solver_that_does_not_know_what_is_known_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    for (answer, why) in [
        ("echo unknown", "unknown"),
        ("echo sat; echo '('; echo ')'", ""),
        ("echo '(error \"no\")'", "no"),
        ("echo certainly", "certainly"),
        ("exit 3", ""),
        ("kill -9 $$", ""),
        // It would prove anything.
        ("echo unsat", "finds no request where there is one"),
    ] {
        let ran = run(&["prove"], &answering(dir.path(), "1.4.2", answer));
        assert_eq!((ran.code, ran.lines.len()), (1, 0), "{answer}: {}", ran.said);
        assert!(ran.said.contains("not to be believed") && ran.said.contains(why), "{answer}: {}", ran.said);
    }
    assert_eq!(run(&["prove"], &solver()).code, 0);
}

#[test]
fn a_solver_that_does_not_answer_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let hanging = answering(dir.path(), "1.4.2", "exec sleep 1000017");
    let ran = run(&["prove", "--seconds", "0"], &hanging);
    assert_eq!(ran.code, 1, "{}", ran.said);
    assert!(ran.said.contains("the solver did not answer in time"), "{}", ran.said);
    // None of those that were started is left. One that was ended takes a moment to go.
    let left = || {
        let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let words = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
            words.windows(7).any(|part| part == b"1000017").then_some(words)
        });
        all.count()
    };
    for _ in 0..600 {
        if left() == 0 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("{} processes are left", left());
}

#[test]
fn a_solver_that_is_too_old_or_none_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let old = run(&["solver"], &answering(dir.path(), "1.0.3", "echo unsat"));
    assert!(old.code == 1 && old.said.contains("1.0.3 is too old"), "{}", old.said);
    let none = run(&["solver"], Path::new("/bin/true"));
    assert!(none.code == 1 && none.said.contains("neither"), "{}", none.said);
    let nowhere = run(&["solver"], &dir.path().join("nowhere"));
    assert!(nowhere.code == 1 && nowhere.said.contains("cannot be started"), "{}", nowhere.said);
    let young = run(&["solver"], &answering(dir.path(), "1.3.1", "echo unsat"));
    assert_eq!(young.code, 0, "{}", young.said);
}

#[test]
fn a_solver_writes_nothing_and_reaches_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let file = dir.path().join("written");
    let tries = format!(
        "#!/usr/bin/env python3\n\
         import os, socket, sys\n\
         did = []\n\
         def attempt(name, act):\n\
         \x20   try: act(); did.append(name)\n\
         \x20   except OSError: pass\n\
         attempt('write', lambda: open('{}', 'w').close())\n\
         attempt('network', lambda: socket.create_connection(('127.0.0.1', {port}), 5).close())\n\
         attempt('udp', lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close())\n\
         attempt('signal', lambda: os.kill({}, 0))\n\
         print('cvc5 version', '+'.join(['9'] + did) + '.0.0', len(os.environ.get('CARETAKER_PLANTED', '')))\n",
        file.display(),
        std::process::id()
    );
    // Started by its interpreter, which no environment leads to.
    let python = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
    let python = String::from_utf8(python.stdout).unwrap();
    let path = program(dir.path(), &tries.replace("/usr/bin/env python3", python.trim()));

    let free = Command::new(&path).arg("--version").output().unwrap();
    let free = String::from_utf8(free.stdout).unwrap();
    assert!(free.contains("9+write+network+udp+signal.0.0"), "{free}");
    std::fs::remove_file(&file).unwrap();

    let ran = run(&["solver"], &path);
    // `9` alone is a version; with anything more it is none.
    assert_eq!(ran.code, 0, "{}", ran.said);
    assert_eq!(ran.lines[0]["name"], "cvc5 9.0.0");
    assert!(!file.exists());
}
