//! Files that cannot be read, written or locked: a remark, and nothing lost.

use std::fs::{self, File};
use std::process::Command;
use std::time::{Duration, Instant};

use st_tune::rewrite::{Config, Error, Files, Settled, journal, settle};

use crate::sim::{
    CAPS, Home, PROBLEM, Process, candidates, config, knowledge, news, pairs, tell, times,
};

fn settle_in(files: &Files, config: &Config) -> Result<Settled, Error> {
    let (own, others) = candidates(&PROBLEM, b"");
    let told = [news(&PROBLEM, own, others[0], pairs(400, 1.2))];
    settle(files, &st_plan::identity(&CAPS), &told, config, &knowledge)
}

#[test]
fn a_lock_that_others_hold_is_waited_for_and_no_longer() {
    let home = Home::new();
    fs::create_dir_all(&home.files.folder).expect("a folder");
    let held = File::create(home.files.folder.join("lock")).expect("a file");
    held.lock().expect("held");
    let short = Config { wait: Duration::from_millis(50), ..config(0) };
    let begun = Instant::now();
    let refused = settle_in(&home.files, &short).expect_err("it is locked");
    assert!(matches!(refused, Error::Locked { .. }), "{refused}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(home.rules(), None);
    // A process keeps what it has learnt, and tells it when it can.
    let mut process = Process::begin(&home, short, 0.1, &times(|_| 100e3));
    for _ in 0..3000 {
        let plan = process.plan(&PROBLEM);
        process.rewriter.call(&plan, &mut process.device).expect("it runs");
    }
    let learnt: u64 = process.rewriter.news().values().map(|n| n.pairs.trials()).sum();
    assert!(learnt > 0 && process.rewriter.settle().is_err());
    let kept: u64 = process.rewriter.news().values().map(|n| n.pairs.trials()).sum();
    assert_eq!(kept, learnt);
    drop(held);
    let settled = process.rewriter.settle().expect("settled");
    assert_eq!(settled[0].document.comparisons[0].pairs.trials(), learnt);
    assert!(process.rewriter.news().is_empty());
}

/// The tests may run as root, who can write anywhere: but not below a file.
#[test]
fn a_home_that_cannot_be_written_is_told_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "no folder").expect("written");
    let files = Files::new(&file, &file.join("heur.kdsl"));
    let refused = settle_in(&files, &config(0)).expect_err("no folder can be made");
    assert!(refused.to_string().contains("SPIRAL_HOME"), "{refused}");
    // Evidence can be kept, the rules cannot be written: it is kept as it was before it was acted on.
    let rules = folder.path().join("heur.kdsl");
    fs::write(&rules, "").expect("written");
    let mut permissions = fs::metadata(&rules).expect("there").permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&rules, permissions).expect("set");
    let files = Files::new(&folder.path().join("home"), &rules);
    let settled = settle_in(&files, &config(0)).expect("settled");
    assert!(settled.fault.as_ref().is_some_and(|why| why.contains("read-only")), "{settled:?}");
    assert!(settled.done.is_empty() && settled.document.comparisons[0].is_under_way());
    assert_eq!(fs::read_to_string(&rules).expect("there"), "");
}

#[test]
fn rules_with_a_fault_are_left_alone_and_evidence_kept() {
    let home = Home::new();
    home.put_rules("mk: ;\n");
    let (own, others) = candidates(&PROBLEM, b"");
    let told = [news(&PROBLEM, own, others[0], pairs(400, 1.2))];
    let settled = tell(&home, &told).expect("settled");
    assert!(settled.fault.as_ref().is_some_and(|why| why.contains(":1:5")), "{settled:?}");
    assert_eq!(home.rules().as_deref(), Some("mk: ;\n"));
    home.put_rules("");
    assert_eq!(tell(&home, &[]).expect("settled").done.len(), 1, "the evidence was kept");
}

#[test]
fn evidence_that_cannot_be_read_is_set_aside() {
    let home = Home::new();
    fs::create_dir_all(&home.files.folder).expect("a folder");
    let path = home.files.evidence(&st_plan::identity(&CAPS));
    for rubbish in [&b"{\"schema\":1"[..], b"", b"\xff\xfe", b"[1, 2]"] {
        fs::write(&path, rubbish).expect("written");
        let settled = tell(&home, &[]).expect("settled");
        assert!(settled.document.comparisons.is_empty());
        let told = settled.remarks.concat();
        assert!(told.contains("it is set aside as") && told.contains("evidence-"), "{told}");
        let mut aside = path.clone().into_os_string();
        aside.push(".unreadable");
        assert_eq!(fs::read(&aside).expect("it is kept"), rubbish);
    }
    fs::write(home.files.journal(), "rubbish").expect("written");
    let refused = journal::changes(&home.files).expect_err("it makes no sense");
    assert!(matches!(refused, Error::Journal { .. }), "{refused}");
    let settled = settle_in(&home.files, &config(0)).expect("settled");
    assert!(settled.done.len() == 1 && settled.remarks.concat().contains("cannot be undone"));
    assert_eq!(journal::changes(&home.files).expect("a new one").len(), 1);
}

#[cfg(unix)]
#[test]
fn links_and_permissions_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let home = Home::new();
    let target = home.files.rules.with_file_name("dotfiles.kdsl");
    fs::write(&target, "# mine\n").expect("written");
    fs::set_permissions(&target, PermissionsExt::from_mode(0o640)).expect("set");
    symlink(&target, &home.files.rules).expect("a link");
    assert_eq!(settle_in(&home.files, &config(0)).expect("settled").done.len(), 1);
    assert!(fs::symlink_metadata(&home.files.rules).expect("there").is_symlink());
    assert!(fs::read_to_string(&target).expect("there").contains("soft(mk"));
    let mode = fs::metadata(&target).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

/// On a file system of 32 KiB that is full.
#[test]
fn a_full_disk_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=32k", "tmpfs"])
        .arg(folder.path())
        .output();
    if !mount.is_ok_and(|out| out.status.success()) {
        println!("skipped: no file system can be mounted here, so that none is full");
        return;
    }
    let rules = folder.path().join("heur.kdsl");
    fs::write(&rules, "# mine\n").expect("written");
    let files = Files::new(folder.path(), &rules);
    drop(files.lock(Duration::ZERO).expect("its folders are there"));
    let _ = fs::write(folder.path().join("full"), vec![0; 64 << 10]);
    let refused = settle_in(&files, &config(0));
    let there = fs::read_to_string(&rules);
    let unmounted = Command::new("umount").arg(folder.path()).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    assert_eq!(there.expect("there"), "# mine\n");
    assert!(refused.is_err(), "{refused:?}");
}

/// A program that only calls is not slowed down by a home that cannot be: it is tried every interval, not at every call.
#[test]
fn a_home_that_cannot_be_is_not_asked_at_every_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "no folder").expect("written");
    let home = Home::at(file.to_str().expect("UTF-8"));
    let often = Config { interval: Some(Duration::from_millis(100)), ..config(0) };
    let mut process = Process::begin(&home, often, 0.1, &times(|_| 100e3));
    let begun = Instant::now();
    let mut calls = 0;
    while begun.elapsed() < Duration::from_millis(450) {
        let plan = process.plan(&PROBLEM);
        process.rewriter.call(&plan, &mut process.device).expect("it runs");
        calls += 1;
    }
    let asked = process.asked();
    println!("{calls} calls, files asked for {asked} times");
    assert!((1..=8).contains(&asked), "{asked} times");
    assert_eq!(process.device.ran.len(), calls, "and nothing is tried");
}
