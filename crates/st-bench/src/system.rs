//! What a report says of the machine and the day.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// The number of threads of the setting "all".
pub(crate) fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| n.get() as u32)
}

/// The processor's name, or its architecture where no name is to be had.
pub(crate) fn processor() -> String {
    let linux = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|l| l.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
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

/// Today's date (UTC), `YYYY-MM-DD`.
pub(crate) fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    date(seconds / 86_400)
}

/// The date of a day counted from 1970-01-01, with years that begin in March (Howard Hinnant's
/// `civil_from_days`).
fn date(days: u64) -> String {
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
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

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn days_have_dates() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(date(11_017), "2000-03-01");
        assert_eq!(date(20_088), "2024-12-31");
        assert_eq!(date(20_089), "2025-01-01");
    }
}
