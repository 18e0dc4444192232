//! Choices given by hand: `mk=4,mkd=0,tile=512,...`, as numbers or as the names that plans show.

use st_core::ops::rank_entry::{Choice, Field, MergeDetail, MergeKind};

use crate::Result;

/// A choice like `base` but for the fields in the text, which are separated by commas or spaces.
/// Another merge kind has a detail of its own, or is left to choose one.
pub(crate) fn parse(text: &str, base: Choice) -> Result<Choice> {
    let mut choice = base;
    if text.contains("mk=") {
        choice.mkd = MergeDetail::Auto;
    }
    for word in text.split([',', ' ']).filter(|w| !w.is_empty()) {
        let (name, value) = word.split_once('=').ok_or_else(|| wrong(text, word))?;
        let field = Field::ALL.into_iter().find(|f| f.name() == name);
        let field = field.ok_or_else(|| wrong(text, word))?;
        let code = code(field, value).ok_or_else(|| wrong(text, word))?;
        choice = choice.with(field, code).ok_or_else(|| wrong(text, word))?;
    }
    Ok(choice)
}

fn code(field: Field, value: &str) -> Option<u32> {
    if let Ok(number) = value.parse() {
        return Some(number);
    }
    match field {
        Field::Mk => MergeKind::ALL.iter().find(|m| m.name() == value).map(|m| m.code().into()),
        Field::Mkd => MergeDetail::ALL.iter().find(|m| m.name() == value).map(|m| m.code().into()),
        Field::Use2ce => value.parse::<bool>().ok().map(u32::from),
        _ => None,
    }
}

fn wrong(text: &str, word: &str) -> String {
    let fields = Field::ALL.map(Field::name).join(", ");
    format!("--choice \"{text}\": {word} is no field with a value; the fields are {fields}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Choice = Choice {
        mk: MergeKind::Radix,
        mkd: MergeDetail::Auto,
        tile: 512,
        ctile: 4096,
        use_2ce: true,
        wg: 256,
        kl: 4,
        ch: 8192,
    };

    #[test]
    fn another_kernel_does_not_get_the_detail_of_the_base() {
        let base = Choice { mkd: MergeDetail::Heap, mk: MergeKind::Shared, ..BASE };
        assert_eq!(parse("mk=filter", base).unwrap().mkd, MergeDetail::Auto);
        assert_eq!(parse("mkd=kway,mk=1", base).unwrap().mkd, MergeDetail::Kway);
        assert_eq!(parse("tile=64", base).unwrap().mkd, MergeDetail::Heap);
    }

    #[test]
    fn fields_are_replaced_and_the_rest_stays() {
        assert_eq!(parse("", BASE).unwrap(), BASE);
        let got = parse("mk=4,tile=1024,use_2ce=0,ch=0", BASE).unwrap();
        let want = Choice { mk: MergeKind::Filter, tile: 1024, use_2ce: false, ch: 0, ..BASE };
        assert_eq!(got, want);
        // What a plan shows is read again.
        assert_eq!(parse(&want.to_string(), BASE).unwrap(), want);
        for bad in ["mk", "mk=9", "mk=best", "use_2ce=2", "tile=-1", "depth=3", "tile=true"] {
            assert!(parse(bad, BASE).is_err(), "{bad}");
        }
    }
}
