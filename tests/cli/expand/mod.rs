//! `expand`.

mod first_apply;
mod golden;
mod hostile;
mod refusals;
mod refused_fields;
mod scale_down;
mod spellings;
mod stability;
