//! What the caller tells the language: which fields and variables there are, and their types.

use std::fmt;

/// The two types. There is no conversion between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// A finite 64-bit float.
    Number,
    /// `true` or `false`.
    Bool,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Number => "number",
            Type::Bool => "bool",
        })
    }
}

/// A value of one of the two types.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A number; the evaluator makes only finite ones.
    Number(f64),
    /// A bool.
    Bool(bool),
}

impl Value {
    /// The value's type.
    pub fn ty(self) -> Type {
        match self {
            Value::Number(_) => Type::Number,
            Value::Bool(_) => Type::Bool,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(x) => x.fmt(f),
            Value::Bool(b) => b.fmt(f),
        }
    }
}

/// One field or variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// How a program writes it: an ASCII letter or `_`, then letters, digits and `_`.
    pub name: &'static str,
    /// Its type.
    pub ty: Type,
    /// What it is, in a few words, for help texts. May be empty.
    pub about: &'static str,
}

impl Name {
    /// A name with its type and a few words about it.
    pub const fn new(name: &'static str, ty: Type, about: &'static str) -> Name {
        Name { name, ty, about }
    }
}

/// The names a program may use.
///
/// A name should be in one list only; when it is in both, the field is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// What a program decides, at most [`Schema::MAX_FIELDS`] of them.
    pub fields: &'static [Name],
    /// What a program is told.
    pub variables: &'static [Name],
}

impl Schema {
    /// The most fields a schema may have: [`FieldSet`] is a 64-bit set.
    pub const MAX_FIELDS: usize = 64;

    /// The index of a field.
    pub fn field(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.name == name)
    }

    /// The index of a variable.
    pub fn variable(&self, name: &str) -> Option<usize> {
        self.variables.iter().position(|v| v.name == name)
    }
}

/// A set of fields, by their index in the schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FieldSet(u64);

impl FieldSet {
    /// Adds a field. Indices of [`Schema::MAX_FIELDS`] and above are ignored.
    pub fn insert(&mut self, field: usize) {
        if field < Schema::MAX_FIELDS {
            self.0 |= 1 << field;
        }
    }

    /// Whether a field is in the set.
    pub fn contains(self, field: usize) -> bool {
        field < Schema::MAX_FIELDS && self.0 >> field & 1 == 1
    }

    /// Whether no field is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many fields are in the set.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The indices in the set, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..Schema::MAX_FIELDS).filter(move |&i| self.contains(i))
    }
}

impl FromIterator<usize> for FieldSet {
    fn from_iter<I: IntoIterator<Item = usize>>(fields: I) -> FieldSet {
        let mut set = FieldSet::default();
        fields.into_iter().for_each(|i| set.insert(i));
        set
    }
}
