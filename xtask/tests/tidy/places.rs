//! No path of one machine and no registry's host is written into the project: the first are wrong
//! elsewhere, and the second are for each machine's own configuration to say.

use super::{Source, check, sample};

/// The patterns are put together here, so that this file does not contain them.
fn machine_paths() -> Vec<String> {
    ["work", "root", "home", "tmp", "Users"].iter().map(|dir| format!("/{dir}/")).collect()
}

fn hosts() -> Vec<String> {
    let of = |names: &[&str], domain: &str| {
        names.iter().map(|name| format!("{name}{domain}")).collect::<Vec<_>>()
    };
    [
        of(&["index.", "static.", "//"], "crates.io"),
        of(&["//pypi.", "//test.pypi.", "pythonhosted."], "org"),
        of(&["deb.", "security.", "snapshot.", "ftp."], "debian.org"),
        of(&["registry.npm", "registry.yarn"], "js.org"),
        of(&["download.pytorch.", "proxy.golang."], "org"),
    ]
    .concat()
}

/// Whether `path` occurs in `line` as the beginning of an absolute path.
fn has_absolute(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        // After a name, a variable or a dot it goes on with a relative path.
        !line[..at]
            .ends_with(|before: char| before.is_alphanumeric() || "_-.}])~*".contains(before))
    })
}

fn faults(source: &Source) -> Vec<String> {
    // Cargo writes the lock file, and in it the name of its registry.
    if source.path.ends_with("Cargo.lock") {
        return Vec::new();
    }
    let (paths, hosts) = (machine_paths(), hosts());
    let mut faults = Vec::new();
    for (number, line) in source.text.lines().enumerate() {
        let mut fault = |what: &str, word: &str| {
            faults.push(format!("{}:{}: {what} {word}", source.path, number + 1));
        };
        for path in paths.iter().filter(|path| has_absolute(line, path)) {
            fault("a machine's path", path);
        }
        for host in hosts.iter().filter(|host| line.contains(host.as_str())) {
            fault("a registry's host", host);
        }
    }
    faults
}

#[test]
fn no_machine_is_named() {
    check(faults);
}

#[test]
fn named_machines_are_found() {
    let of = |text: &str| faults(&sample("a.md", text)).len();
    for path in machine_paths() {
        assert_eq!(of(&format!("open(\"{path}x\")")), 1, "{path}");
        assert_eq!(of(&format!("see {path}x")), 1, "{path}");
        assert_eq!(of(&format!("docs{path}x and {{dir}}{path}x and ..{path}x")), 0, "{path}");
    }
    for host in hosts() {
        assert_eq!(of(&format!("https:{host}/simple")).min(1), 1, "{host}");
    }
    assert_eq!(of("published on crates.io; the ground truth is in target/tmp"), 0);
    assert_eq!(faults(&sample("Cargo.lock", &hosts().join(" "))), [""; 0]);
}
