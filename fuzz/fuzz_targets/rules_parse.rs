//! Any bytes as a rules program: parsed, checked, evaluated, printed, edited.
#![no_main]

use libfuzzer_sys::fuzz_target;
use st_kdsl::{Name, Program, Rules, Schema, Type, Value, decode};

const fn number(name: &'static str) -> Name {
    Name::new(name, Type::Number, "")
}

const fn flag(name: &'static str) -> Name {
    Name::new(name, Type::Bool, "")
}

const SCHEMA: Schema = Schema {
    fields: &[number("mk"), number("tile"), number("ctile"), flag("use_2ce")],
    variables: &[number("r"), number("c"), number("k"), flag("sg")],
};

const NEW: &str = "soft(tile, 7, 0.5, c > 3)";

fuzz_target!(|data: &[u8]| {
    // The first bytes are the variables: any bits at all, NaN included.
    let Some((numbers, rest)) = data.split_first_chunk::<24>() else { return };
    let variable = |i: usize| {
        let bytes = std::array::from_fn(|j| numbers[8 * i + j]);
        Value::Number(f64::from_le_bytes(bytes))
    };
    let variables = [variable(0), variable(1), variable(2), Value::Bool(numbers[0] & 1 == 1)];

    let text = match decode("fuzz", rest) {
        Ok(text) => text,
        Err(error) => {
            assert!(error.to_string().contains("fuzz:"));
            return;
        }
    };
    let program = match Program::parse("fuzz", text) {
        Ok(program) => program,
        Err(error) => {
            assert!(error.to_string().contains("fuzz:"));
            return;
        }
    };

    let printed = program.to_string();
    let again = Program::parse("fuzz", &printed).expect("what is printed can be parsed");
    assert!(again == program, "printing changed the program");
    assert_eq!(again.to_string(), printed, "printing is idempotent");

    let count = program.statements().len();
    let longer = program.append("why", NEW).expect("a statement can be appended");
    assert_eq!(longer.statements().len(), count + 1);
    assert_eq!(longer.remove(count).expect("it is there").statements().len(), count);
    if count > 0 {
        let index = usize::from(numbers[1]) % count;
        let shorter = program.remove(index).expect("it is there");
        assert_eq!(shorter.statements().len(), count - 1);
        let other = program.replace(index, NEW).expect("it is there");
        assert_eq!(other.statements().len(), count);
    }

    // Field 1 is assigned by "a program before", but to a value of arbitrary bits.
    match Rules::check(&program, &SCHEMA, &[1]) {
        Ok(rules) => {
            let mut assigned = [None, Some(variable(0)), None, None];
            let outcome = rules.eval(&variables, &mut assigned);
            let candidate = [variable(0), variable(1), variable(2), Value::Bool(true)];
            for vote in &outcome.votes {
                assert!(vote.weight.is_finite());
                if let Err(note) = vote.applies(&variables, &candidate) {
                    assert!(note.of_candidates().starts_with("fuzz:"));
                }
            }
            for note in &outcome.notes {
                assert!(note.to_string().starts_with("fuzz:"));
            }
        }
        Err(error) => assert!(error.to_string().contains("fuzz:")),
    }
});
