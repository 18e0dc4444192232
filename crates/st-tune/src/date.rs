//! Days (UTC), by number and in words.

use std::time::{SystemTime, UNIX_EPOCH};

/// Days since 1970-01-01; 0 on a machine whose clock is before that.
#[must_use]
pub fn today() -> u32 {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    u32::try_from(seconds / 86_400).unwrap_or(u32::MAX)
}

/// A day as `YYYY-MM-DD`, in the Gregorian calendar (the algorithm is Howard Hinnant's `civil_from_days`).
#[must_use]
pub fn date(day: u32) -> String {
    let z = u64::from(day) + 719_468;
    let (era, of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months are counted from March, so that the leap day comes last.
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (day, right) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_088, "2024-12-31"),
            (20_089, "2025-01-01"),
            (20_453, "2025-12-31"),
            (20_786, "2026-11-29"),
        ] {
            assert_eq!(date(day), right);
        }
        assert!(date(u32::MAX).len() > 10, "far, and no overflow");
    }
}
