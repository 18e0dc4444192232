//! `cargo xtask fresh`: the proof that the README's two commands do all the set-up.
//!
//! A minimal Debian root is made in a temporary directory, with a C linker, Python and the
//! toolchain that runs us, and nothing else. The two commands run there, in a fresh clone. What a
//! machine needs to reach its registries (mirror, certificates, proxies) is taken from this one.

use crate::error::{Error, Result, at};
use crate::report::Report;
use crate::setup;
use crate::shell::{Shell, shell};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// What a machine has that has only the Rust toolchain (whose linker is the C compiler's) and
/// Python.
const BASE: &str = "ca-certificates,gcc,libc6-dev,python3";

/// The toolchain's and the project's places in the root.
const TOOLCHAIN: &str = "opt/rust";
const PROJECT: &str = "srv/spiraltorch";

/// The README's two commands.
const COMMANDS: [&str; 2] =
    ["run --release -p st-cli -- topk examples/data/digits.npy -k 5", "xtask test"];

pub(crate) fn fresh(dirty: bool, keep: bool) -> Result<()> {
    setup::need(setup::DEBOOTSTRAP)?;
    let fresh = Fresh { dir: env::temp_dir().join(format!("spiral-fresh-{}", std::process::id())) };
    let mut report = Report::default();
    if report.step("a fresh root", || fresh.make(dirty)) {
        report.step("main command", || fresh.cargo(COMMANDS[0]));
        report.step("test command", || fresh.cargo(COMMANDS[1]));
    }
    if keep {
        println!("kept: {}", fresh.dir.display());
    } else {
        report.step("clean up", || fs::remove_dir_all(&fresh.dir).map_err(at(&fresh.dir)));
    }
    report.finish()
}

struct Fresh {
    dir: PathBuf,
}

impl Fresh {
    fn make(&self, dirty: bool) -> Result<()> {
        let (suite, mirror) = debian_here()?;
        shell("debootstrap")
            .arg("--variant=minbase")
            .arg(format!("--include={BASE}"))
            .arg(suite)
            .arg(&self.dir)
            .arg(mirror)
            .run()?;
        self.copy_network()?;

        let sysroot = shell("rustc").words("--print sysroot").read()?;
        let toolchain = self.dir.join(TOOLCHAIN);
        fs::create_dir_all(&toolchain).map_err(at(&toolchain))?;
        for part in ["bin", "lib"] {
            shell("cp")
                .arg("-a")
                .arg(Path::new(sysroot.trim()).join(part))
                .arg(&toolchain)
                .run()?;
        }

        let project = self.dir.join(PROJECT);
        if !dirty {
            return shell("git").words("clone --quiet .").arg(&project).run();
        }
        fs::create_dir_all(&project).map_err(at(&project))?;
        shell("sh")
            .arg("-c")
            .arg("git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t \"$0\"")
            .arg(&project)
            .run()
    }

    /// Names and certificates, as they are here.
    fn copy_network(&self) -> Result<()> {
        for file in ["etc/resolv.conf", "etc/hosts", "etc/pip.conf"] {
            let here = Path::new("/").join(file);
            if here.exists() {
                fs::copy(&here, self.dir.join(file)).map_err(at(here))?;
            }
        }
        let certificates = certificates();
        let file = self.dir.join("etc/ssl/certs/ca-certificates.crt");
        fs::copy(&certificates, file).map_err(at(certificates))?;
        Ok(())
    }

    /// Runs cargo in the root, with an empty cache, and nothing of our own surroundings but what
    /// says how the registries are reached.
    fn cargo(&self, words: &str) -> Result<()> {
        let certificates = "/etc/ssl/certs/ca-certificates.crt";
        // Programs find their libraries through /proc; in a mount namespace of its own it is gone
        // with the command.
        let enter = "mount -t proc proc \"$0/proc\" && exec chroot \"$0\" /usr/bin/env -i \"$@\"";
        let mut inside: Shell = shell("unshare")
            .words("--mount sh -c")
            .arg(enter)
            .arg(&self.dir)
            .arg(format!("PATH=/{TOOLCHAIN}/bin:/usr/sbin:/usr/bin:/sbin:/bin"))
            .arg("HOME=/srv")
            .arg(format!("SSL_CERT_FILE={certificates}"))
            .arg(format!("PIP_CERT={certificates}"));
        let proxies = env::vars().filter(|(name, _)| name.to_lowercase().ends_with("_proxy"));
        for (name, value) in proxies {
            inside = inside.arg(format!("{name}={value}"));
        }
        inside.words("sh -c").arg(format!("cd /{PROJECT} && exec cargo {words}")).run()
    }
}

/// The bundle of certificates in use here.
fn certificates() -> PathBuf {
    let given = env::var_os("SSL_CERT_FILE").map(PathBuf::from).filter(|file| file.exists());
    given.unwrap_or_else(|| "/etc/ssl/certs/ca-certificates.crt".into())
}

/// This machine's Debian release and the mirror it installs from.
fn debian_here() -> Result<(String, String)> {
    let release = Path::new("/etc/os-release");
    let release = fs::read_to_string(release).map_err(at(release))?;
    let suite = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let suite = suite.ok_or_else(|| Error::Other("this is not a Debian release".into()))?;
    // `apt-get indextargets` knows both forms of the list of sources.
    let mirrors = shell("apt-get")
        .args(["indextargets", "--format", "$(SITE) $(CODENAME) $(COMPONENT)"])
        .read()?;
    let mirror = mirrors.lines().find_map(|line| {
        let (site, rest) = line.split_once(' ')?;
        (rest == format!("{suite} main")).then(|| site.to_owned())
    });
    let mirror = mirror.ok_or_else(|| Error::Other(format!("apt-get has no mirror of {suite}")))?;
    Ok((suite.to_owned(), mirror))
}
