//! What a report says of the machine and the day.

use std::path::PathBuf;

/// The number of threads of the setting "all".
pub(crate) fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| n.get() as u32)
}

/// The processor's name, or its architecture where no name is to be had.
pub(crate) fn processor() -> String {
    let linux = st_core::backend::cpu_exec::processor().map(str::to_owned);
    let mac = || {
        let mut sysctl = std::process::Command::new("sysctl");
        let out = sysctl.args(["-n", "machdep.cpu.brand_string"]).output().ok()?;
        let name = String::from_utf8(out.stdout).ok()?.trim().to_owned();
        (!name.is_empty()).then_some(name)
    };
    linux.or_else(mac).unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// Threads that wanted to run in the last minute, where the system counts them.
pub(crate) fn load() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// The command that was given, without this machine's paths.
pub(crate) fn command() -> String {
    let mut words = vec!["cargo run --release -p st-bench --".to_owned()];
    let mut args = std::env::args().skip(1);
    let mut to_file = false;
    while let Some(arg) = args.next() {
        let (name, value) = match arg.split_once('=') {
            Some((name, value)) if name.starts_with("--") => {
                (name.to_owned(), Some(value.to_owned()))
            }
            _ => (arg, None),
        };
        match name.as_str() {
            // Its `--json` names a file.
            "wgpu" => {
                to_file = true;
                words.push(name);
            }
            // Where the report goes says nothing of the numbers.
            "--json" if !to_file => {}
            "--json" | "--markdown" => drop(value.or_else(|| args.next())),
            "--python" => {
                drop(value.or_else(|| args.next()));
                words.push("--python PYTHON".to_owned());
            }
            _ if value.is_none() && name.contains(['[', '=', ' ']) => {
                words.push(format!("'{name}'"));
            }
            _ => {
                let file = PathBuf::from(value.as_deref().unwrap_or(&name));
                let last = file.file_name().map(|f| f.to_string_lossy().into_owned());
                match (value.is_some(), last) {
                    (true, Some(last)) => words.push(format!("{name} {last}")),
                    (false, Some(last)) => words.push(last),
                    (_, None) => {}
                }
            }
        }
    }
    words.join(" ")
}
