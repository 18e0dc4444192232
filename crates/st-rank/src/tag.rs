//! Numbers for texts: a device's name, its driver, its kernels' sources.

use crate::caps::DeviceCaps;

const FNV_BASIS: u32 = 0x811C_9DC5;

const fn fnv1a(mut tag: u32, bytes: &[u8]) -> u32 {
    let mut i = 0;
    while i < bytes.len() {
        tag = (tag ^ bytes[i] as u32).wrapping_mul(0x0100_0193);
        i += 1;
    }
    tag
}

impl DeviceCaps {
    /// A number for a text: never 0 unless it is empty (Fowler, Noll and Vo's FNV-1a of 32 bits).
    #[must_use]
    pub const fn tag(text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        match fnv1a(FNV_BASIS, text.as_bytes()) {
            0 => 1,
            tag => tag,
        }
    }

    /// The [tag](Self::tag) of texts put together.
    #[must_use]
    pub fn tag_of<'t>(texts: impl Iterator<Item = &'t str>) -> u32 {
        let mut any = false;
        let tag = texts.fold(FNV_BASIS, |tag, text| {
            any |= !text.is_empty();
            fnv1a(tag, text.as_bytes())
        });
        if any { tag.max(1) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_parts_are_those_of_the_whole() {
        for parts in [&[][..], &[""], &["a"], &["", "ab", "c"], &["abc", ""]] {
            let whole = parts.concat();
            assert_eq!(DeviceCaps::tag_of(parts.iter().copied()), DeviceCaps::tag(&whole));
        }
        assert_eq!(DeviceCaps::tag(""), 0);
    }
}
