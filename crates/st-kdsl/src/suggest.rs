//! A near name for a misspelt one.

/// Names longer than this get no suggestion: the distance takes quadratic time.
const LONGEST: usize = 64;

/// A name of at most this many characters is shown whole in messages.
const SHOWN: usize = 40;

/// The candidate nearest to `given`, when one is near enough to be meant.
pub(crate) fn nearest<'n>(
    given: &str,
    candidates: impl IntoIterator<Item = &'n str>,
) -> Option<&'n str> {
    if given.len() > LONGEST {
        return None;
    }
    let lower = given.to_ascii_lowercase();
    candidates
        .into_iter()
        .filter_map(|name| {
            let other = name.to_ascii_lowercase();
            let allowed = match lower.len().max(other.len()) {
                0..=2 => 0,
                3..=5 => 1,
                _ => 2,
            };
            let distance = strsim::osa_distance(&lower, &other);
            (distance <= allowed).then_some((distance, other.len().abs_diff(lower.len()), name))
        })
        .min_by_key(|&(distance, length, _)| (distance, length))
        .map(|(_, _, name)| name)
}

/// The help for an unknown name: the near one, or all there are.
pub(crate) fn did_you_mean<'n>(
    given: &str,
    what: &str,
    candidates: impl IntoIterator<Item = &'n str> + Clone,
) -> String {
    match nearest(given, candidates.clone()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => {
            let all: Vec<_> = candidates.into_iter().collect();
            format!("the {what} are {}", all.join(", "))
        }
    }
}

/// A piece of the program in backquotes, cut when long.
pub(crate) fn quote(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("`{}...`", &text[..end]),
        None => format!("`{text}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let names = ["mk", "mkd", "tile", "ctile", "use_2ce", "k", "r"];
        assert_eq!(nearest("tiel", names), Some("tile"));
        assert_eq!(nearest("TILE", names), Some("tile"));
        assert_eq!(nearest("mdk", names), Some("mkd"));
        assert_eq!(nearest("use2ce", names), Some("use_2ce"));
        assert_eq!(nearest("K", names), Some("k"));
        assert_eq!(nearest("q", names), None);
        assert_eq!(nearest(&"tile".repeat(20), names), None);
    }
}
