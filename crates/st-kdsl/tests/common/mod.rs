//! The schema of the planner, and variables for it.
#![allow(dead_code)]

use st_kdsl::{Name, Rules, Schema, Type, Value};

const fn number(name: &'static str) -> Name {
    Name::new(name, Type::Number, "")
}

const fn flag(name: &'static str) -> Name {
    Name::new(name, Type::Bool, "")
}

pub(crate) const SCHEMA: Schema = Schema {
    fields: &[
        number("mk"),
        number("mkd"),
        number("tile"),
        number("ctile"),
        flag("use_2ce"),
        number("wg"),
        number("kl"),
        number("ch"),
    ],
    variables: &[
        number("r"),
        number("c"),
        number("k"),
        number("sgc"),
        number("kc"),
        number("lane"),
        number("wgmax"),
        number("smem"),
        number("cores"),
        number("es"),
        flag("sg"),
        flag("wgpu"),
        flag("cuda"),
        flag("hip"),
        flag("mps"),
        flag("cpu"),
        flag("topk"),
        flag("midk"),
        flag("bottomk"),
        flag("range"),
    ],
};

pub(crate) const SEED: &str = include_str!("../seed.kdsl");

/// Variables in the order of the schema: a WGPU device with 32 lanes.
pub(crate) fn variables(r: f64, c: f64, k: f64, sg: bool) -> Vec<Value> {
    let kc = if k <= 1024.0 {
        1.0
    } else if k <= 16384.0 {
        2.0
    } else {
        3.0
    };
    let numbers = [r, c, k, if sg { 32.0 } else { 1.0 }, kc, 32.0, 256.0, 32768.0, 8.0, 4.0];
    let flags = [sg, true, false, false, false, false, true, false, false, false];
    numbers.map(Value::Number).into_iter().chain(flags.map(Value::Bool)).collect()
}

pub(crate) fn compile(text: &str) -> Rules {
    Rules::compile("rules.kdsl", text, &SCHEMA, &[]).unwrap_or_else(|e| panic!("{text}\n{e}"))
}

/// What a program leaves in a field.
pub(crate) fn field(text: &str, name: &str) -> Option<Value> {
    let mut assigned = [None; 8];
    compile(text).eval(&variables(1024.0, 65536.0, 100.0, true), &mut assigned);
    assigned[SCHEMA.field(name).unwrap()]
}

/// What a number expression is worth.
pub(crate) fn value(expression: &str) -> Option<f64> {
    match field(&format!("wg: {expression}"), "wg") {
        Some(Value::Number(x)) => Some(x),
        _ => None,
    }
}

/// What a bool expression is worth.
pub(crate) fn truth(expression: &str) -> Option<bool> {
    match field(&format!("use_2ce: {expression}"), "use_2ce") {
        Some(Value::Bool(b)) => Some(b),
        _ => None,
    }
}
