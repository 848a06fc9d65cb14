//! What is said to postgres: SQL, `psql` command lines, and how text is quoted in them.

pub(crate) mod psql;
pub(crate) mod quote;
#[allow(dead_code)]
pub(crate) mod server;
