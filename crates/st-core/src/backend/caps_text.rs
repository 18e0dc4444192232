//! A device in words, as `wgpu,lane=32,subgroup=true,wg=256,smem=32768`: the command's `--caps`, Python's `caps=`.

use core::str::FromStr;

use st_rank::caps::{Backend, DeviceCaps};

const KEYS: &str = "lane, subgroup, wg, smem, cores, bandwidth, l2";

/// Reads a device: a backend and `key=value` pairs, with commas between them. Keys that are not given have the backend's
/// common values.
///
/// # Errors
/// What cannot be read, and what to write instead.
pub fn parse(text: &str) -> Result<DeviceCaps, String> {
    let mut parts = text.split(',').map(str::trim);
    let mut caps = match parts.next().unwrap_or_default() {
        "wgpu" => DeviceCaps::wgpu(32, true, 256),
        "cuda" => DeviceCaps::cuda(32, 1024),
        "hip" => DeviceCaps::hip(64, 1024),
        "mps" => DeviceCaps::mps(32, 1024),
        "cpu" => DeviceCaps::cpu(4, 1),
        other => {
            return Err(format!("`{other}` is no backend: begin with wgpu, cuda, hip, mps or cpu"));
        }
    };
    let mut seen = Vec::new();
    for part in parts {
        let (key, value) = part
            .split_once('=')
            .ok_or_else(|| format!("`{part}` is no key=value: the keys are {KEYS}"))?;
        if seen.contains(&key) {
            return Err(format!("{key} is given twice"));
        }
        seen.push(key);
        match key {
            "lane" => caps.lane = lanes(value)?,
            "subgroup" => caps.subgroups = boolean(key, value)?,
            "wg" => caps.max_workgroup = positive(key, value)?,
            "smem" => caps.shared_mem = number(key, value)?,
            "cores" => caps.cores = number(key, value)?,
            "bandwidth" => caps.bandwidth = number(key, value)?,
            "l2" => caps.l2 = number(key, value)?,
            _ => return Err(format!("{key} is no key: the keys are {KEYS}")),
        }
    }
    if caps.backend != Backend::Cpu && caps.max_workgroup < caps.lane {
        return Err(format!(
            "wg = {} is less than lane = {}: a workgroup holds at least one subgroup",
            caps.max_workgroup, caps.lane
        ));
    }
    // The threads worth running on a processor are its cores, unless said otherwise.
    if caps.backend == Backend::Cpu && !seen.contains(&"wg") {
        caps.max_workgroup = caps.cores.max(1);
    }
    Ok(caps)
}

fn number<T: FromStr>(key: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{key} = `{value}`: give a whole number in range"))
}

fn positive(key: &str, value: &str) -> Result<u32, String> {
    match number(key, value)? {
        0 => Err(format!("{key} must be at least 1")),
        n => Ok(n),
    }
}

/// More lanes than any device has would only make plans for none.
const MAX_LANES: u32 = 1024;

fn lanes(value: &str) -> Result<u32, String> {
    match positive("lane", value)? {
        n if n > MAX_LANES => Err(format!("lane = {n}: give at most {MAX_LANES}")),
        n => Ok(n),
    }
}

fn boolean(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(format!("{key} = `{value}`: give true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_example_is_read() {
        let caps = parse("wgpu,lane=32,subgroup=true,wg=256,smem=32768").unwrap();
        assert_eq!(caps, DeviceCaps::wgpu(32, true, 256).with_shared_mem(32768));
        let caps = parse("cpu,lane=16,cores=8,bandwidth=40000000000,l2=2097152").unwrap();
        let want = DeviceCaps::cpu(16, 8).with_bandwidth(40_000_000_000).with_l2(2 << 20);
        assert_eq!(caps, want);
    }

    #[test]
    fn errors_say_what_to_write() {
        for (text, part) in [
            ("", "begin with wgpu"),
            ("tpu,lane=8", "begin with wgpu"),
            ("wgpu,lane", "key=value"),
            ("wgpu,lanes=8", "the keys are lane"),
            ("wgpu,lane=0", "at least 1"),
            ("wgpu,lane=-1", "whole number"),
            ("cpu,lane=4294967295", "at most 1024"),
            ("wgpu,lane=64,wg=32", "less than lane"),
            ("wgpu,lane=8,lane=8", "twice"),
            ("wgpu,subgroup=maybe", "true or false"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
